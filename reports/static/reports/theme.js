// Before the first paint, so that a page never flashes in the other theme.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
} catch { /* Storage is refused: the system's preference stands. */ }

// A canvas knows no light-dark(): an element of the class tint-NAME tells what its colour came to in this theme.
function painted(name) {
  const probe = document.createElement("i");
  probe.className = `tint-${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
