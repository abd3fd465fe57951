// The theme: the system's, light, or dark; theme.js applies a kept choice before the page is drawn.

import { byId } from "./dom.js";

const THEMES = ["system", "light", "dark"];
const DARK = matchMedia("(prefers-color-scheme: dark)");

const choice = () => document.documentElement.dataset.theme ?? "system";

// "light" or "dark", whatever was chosen.
export const theme = () => (choice() === "system" ? (DARK.matches ? "dark" : "light") : choice());

function choose(next) {
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    if (next === "system") localStorage.removeItem("mapqator.theme");
    else localStorage.setItem("mapqator.theme", next);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

export function wireTheme(onchange) {
  const button = byId("theme");
  const show = () => {
    button.textContent = `Theme: ${choice()}`;
    onchange(theme());
  };
  button.addEventListener("click", () => {
    choose(THEMES[(THEMES.indexOf(choice()) + 1) % THEMES.length]);
    show();
  });
  DARK.addEventListener("change", show);
  show();
}
