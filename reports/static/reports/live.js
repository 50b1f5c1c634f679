// Keeps the parts of a page up to date by polling, and never while the tab is hidden. A part is changed in place: focus,
// scroll, what is typed and what is open stay; a part in which somebody has selected text waits.
"use strict";

const every = Number(document.querySelector("[data-every]")?.dataset.every ?? 30) * 1000;
let failures = 0;
let timer = null;
const etags = new Map();

const parts = () => [...document.querySelectorAll("[data-part]")];
const figures = () => [...document.querySelectorAll("[data-part] .figures li")].map((one) => one.textContent.trim().replace(/\s+/g, " "));

function isSelected(part) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(part, true);
}

// Rows with a key are moved, so that a link that has the focus never becomes another can's.
function morph(was, fresh) {
  const byKey = new Map([...was.children].filter((one) => one.dataset.key).map((one) => [one.dataset.key, one]));
  let at = was.firstChild;
  for (const next of [...fresh.childNodes]) {
    const key = next.dataset?.key;
    let old = key ? byKey.get(key) : at;
    if (!old || old.nodeName !== next.nodeName || (!key && old.dataset?.key)) {
      was.insertBefore(next, at);
      continue;
    }
    byKey.delete(key);
    if (old === at) at = at.nextSibling;
    else was.insertBefore(old, at);
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== next.data) old.data = next.data;
      continue;
    }
    for (const { name } of [...old.attributes]) if (name !== "open" && !next.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of next.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
    morph(old, next);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

// Map and chart are drawn by scripts of their own, which are told what has come.
async function refreshDrawing(drawing) {
  const etag = etags.get(drawing);
  const headers = { Accept: "application/json", ...(etag && { "If-None-Match": etag }) };
  const answer = await fetch(drawing.dataset.drawn, { headers });
  if (answer.status === 304) return;
  if (!answer.ok) throw new Error(answer.statusText);
  etags.set(drawing, answer.headers.get("ETag"));
  drawing.dispatchEvent(new CustomEvent("news", { detail: await answer.json() }));
}

async function refresh() {
  const page = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!page.ok || page.redirected) throw new Error(page.statusText);
  const fresh = new DOMParser().parseFromString(await page.text(), "text/html");
  if (!fresh.querySelector("[data-part]")) throw new Error("not this page");
  const before = figures();
  for (const part of parts()) {
    const next = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!next || isSelected(part)) continue;
    const focused = document.activeElement;
    morph(part, next);
    // Moving an element takes its focus.
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
  }
  const changed = figures().filter((text, at) => text !== before[at]);
  const said = document.querySelector("[data-said]");
  if (said && changed.length) said.textContent = `Now ${changed.join(", ")}`;
  for (const drawing of document.querySelectorAll("[data-drawn]")) await refreshDrawing(drawing);
}

async function turn() {
  if (!document.hidden) {
    try { await refresh(); failures = 0; } catch { failures += 1; }
    const stale = document.querySelector("[data-stale]");
    // What is on the page is older than it says.
    if (stale) stale.hidden = failures < 2;
  }
  timer = setTimeout(turn, every * Math.min(12, 2 ** failures));
}

// An answer to a form is not asked for again, and a page that has no such part does not change.
if (document.querySelector("[data-every]")) {
  timer = setTimeout(turn, every);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { clearTimeout(timer); turn(); } });
}
