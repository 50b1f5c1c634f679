// One box that checks all the others.
"use strict";
const all = document.getElementById("all");
if (all) {
  const boxes = [...document.querySelectorAll("input[name=letters]")];
  all.closest("p").hidden = false;
  all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; });
  for (const box of boxes) box.addEventListener("change", () => { all.checked = boxes.every((one) => one.checked); });
}
