// Remembers the list that one leaves for a can's page, so that the page knows its neighbours.
"use strict";
const list = document.querySelector("[data-list]");
if (list) {
  const cans = [...list.querySelectorAll("a[data-can]")].map((link) => [link.dataset.can, link.getAttribute("href"), link.textContent]);
  const page = (rel) => document.querySelector(`a[rel=${rel}]`)?.href;
  const left = { at: location.pathname + location.search, cans, previous: page("prev"), next: page("next") };
  try { sessionStorage.setItem("list", JSON.stringify(left)); } catch { /* No neighbours then. */ }
}
