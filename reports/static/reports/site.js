// Comforts only: every page works without this file.
"use strict";

const theme = document.getElementById("theme");
if (theme) {
  theme.hidden = false;
  theme.addEventListener("click", () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const next = (document.documentElement.dataset.theme || system) === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem("theme", next); } catch { /* It lasts for this page then. */ }
    document.dispatchEvent(new Event("themechange"));
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    const label = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}

// A can's neighbours in the list that one came from.
const neighbours = document.querySelector(".neighbours");
if (neighbours) {
  let list = null;
  try { list = JSON.parse(sessionStorage.getItem("list")); } catch { /* None is known. */ }
  const at = list ? list.cans.findIndex(([can]) => can === neighbours.dataset.can) : -1;
  if (at >= 0) {
    const link = (href, text, rel) => {
      const made = document.createElement("a");
      made.href = href;
      made.textContent = text;
      made.className = "button plain";
      if (rel) made.rel = rel;
      neighbours.append(made);
    };
    // Beyond the ends of the page that one came from lies the next page of the list.
    if (at > 0) link(list.cans[at - 1][1], `‹ ${list.cans[at - 1][2] ?? list.cans[at - 1][0]}`, "prev");
    else if (list.previous) link(list.previous, "‹ Page before");
    link(list.at, "List");
    if (at < list.cans.length - 1) link(list.cans[at + 1][1], `${list.cans[at + 1][2] ?? list.cans[at + 1][0]} ›`, "next");
    else if (list.next) link(list.next, "Next page ›");
    neighbours.hidden = false;
  }
}
