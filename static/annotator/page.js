// What every page does: theme, keys, forms, and a thin bar when the connection is lost.

import "./forms.js";
import { byId, make } from "./dom.js";
import { bind, showKeys } from "./keys.js";
import { wireTheme } from "./themes.js";

wireTheme((theme) => document.dispatchEvent(new CustomEvent("theme", { detail: theme })));

byId("show-keys").addEventListener("click", showKeys);
bind("page.keys", "?", "Show the keys", showKeys, { group: "Everywhere" });
bind(
  "page.search",
  "/",
  "Go to the search box",
  () => {
    const box = document.querySelector("[type=search]:not([hidden])");
    box?.focus();
    box?.select();
  },
  { group: "Everywhere" },
);

// On a small screen the project's pages are one line that scrolls, and the one that is open is in view.
const here = document.querySelector('#top [aria-label="Project"] [aria-current]');
if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 48;

function showConnection() {
  const bar = byId("offline");
  bar.hidden = navigator.onLine;
  bar.textContent = navigator.onLine ? "" : "Offline. What you write is kept here and sent when the connection is back.";
}

addEventListener("online", showConnection);
addEventListener("offline", showConnection);
showConnection();

document.addEventListener("signed-out", ({ detail }) => {
  const bar = byId("offline");
  bar.hidden = false;
  bar.replaceChildren("You are signed out. What you wrote is kept here. ", make("a", { href: detail.href }, "Sign in"));
});
