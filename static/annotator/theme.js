// Applies the chosen theme before the page is drawn, so that a dark page never flashes white. A classic script: modules
// run too late for that.
"use strict";

(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("mapqator.theme");
  } catch {
    // Storage may be forbidden; the system's theme then holds.
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
