// Runs before the first pixel, so it is no module: a stored choice of theme beats the system's.
"use strict";
(() => {
  try {
    const chosen = localStorage.getItem("weighbridge.theme");
    if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
  } catch {
    // Storage may be forbidden; the system's theme it is.
  }
})();
