// Keeps a part of the page up to date by polling: never while the tab is hidden, and cheaply where nothing changed.
"use strict";

const live = document.querySelector("[data-live]");
if (live) {
  const every = Number(live.dataset.every) * 1000;
  let etag = null;
  let failures = 0;
  let timer = null;

  const figures = () => [...live.querySelectorAll(".figures li")].map((one) => one.textContent.trim().replace(/\s+/g, " "));

  async function refresh() {
    const headers = { Accept: "application/json" };
    if (etag) headers["If-None-Match"] = etag;
    const asked = await fetch(live.dataset.live, { headers });
    if (asked.status === 304) return;
    if (!asked.ok) throw new Error(asked.statusText);
    const news = await asked.json();
    const page = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!page.ok) throw new Error(page.statusText);
    etag = asked.headers.get("ETag");
    // The map, which would lose its place if it were replaced, redraws its points.
    document.dispatchEvent(new CustomEvent("news", { detail: news }));
    const fresh = new DOMParser().parseFromString(await page.text(), "text/html").querySelector("[data-live]");
    // Whoever has the keyboard in there keeps it.
    if (!fresh || live.contains(document.activeElement)) return;
    const before = figures();
    live.replaceChildren(...fresh.childNodes);
    const changed = figures().filter((text, at) => text !== before[at]);
    const said = document.querySelector("[data-said]");
    if (said && changed.length) said.textContent = `Now ${changed.join(", ")}`;
  }

  async function turn() {
    if (!document.hidden) {
      try { await refresh(); failures = 0; } catch { failures += 1; }
    }
    timer = setTimeout(turn, every * Math.min(12, 2 ** failures));
  }
  timer = setTimeout(turn, every);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { clearTimeout(timer); turn(); } });
}
