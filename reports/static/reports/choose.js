// One box that checks all the others, and the seconds for which the letters stay hidden.
"use strict";
const all = document.getElementById("all");
if (all) {
  const boxes = [...document.querySelectorAll("input[name=letters]")];
  all.closest("p").hidden = false;
  all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; });
  for (const box of boxes) box.addEventListener("change", () => { all.checked = boxes.every((one) => one.checked); });
}

const left = document.querySelector("[data-seconds]");
if (left) {
  const until = Date.now() + Number(left.dataset.seconds) * 1000;
  const timer = setInterval(() => {
    const seconds = Math.max(0, Math.round((until - Date.now()) / 1000));
    left.textContent = seconds;
    if (!seconds) clearInterval(timer);
  }, 1000);
}
