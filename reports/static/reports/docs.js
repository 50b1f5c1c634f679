// Swagger UI is dark below html.dark-mode; here it follows the site's theme (theme.js), else the system's.
"use strict";
const dark = matchMedia("(prefers-color-scheme: dark)");
function follow() {
  const theme = document.documentElement.dataset.theme;
  document.documentElement.classList.toggle("dark-mode", theme ? theme === "dark" : dark.matches);
}
follow();
dark.addEventListener("change", follow);
