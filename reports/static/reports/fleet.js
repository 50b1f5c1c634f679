// Remembers the list that one leaves for a can's page, so that the page knows its neighbours.
"use strict";
const list = document.querySelector("[data-list]");
if (list) {
  const cans = [...list.querySelectorAll("a[data-can]")].map((link) => [link.dataset.can, link.getAttribute("href")]);
  try { sessionStorage.setItem("list", JSON.stringify({ at: location.pathname + location.search, cans })); } catch { /* No neighbours then. */ }
}
