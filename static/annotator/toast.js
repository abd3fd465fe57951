// Short notices at the page's edge, each with what can be done about it.

import { byId, make } from "./dom.js";

const SHOWN_MS = 8000;

// toast("Question 12 was deleted.", { action: "Undo", run })
export function toast(text, { action = null, run = null, isBad = false } = {}) {
  const close = () => item.remove();
  const item = make(
    "div",
    { class: isBad ? "toast bad" : "toast" },
    make("span", { dir: "auto" }, text),
    action &&
      make(
        "button",
        {
          type: "button",
          onclick: () => {
            close();
            run();
          },
        },
        action,
      ),
    make("button", { type: "button", class: "quiet-button", "aria-label": "Dismiss", onclick: close }, "✕"),
  );
  byId("toasts").append(item);
  let timer = setTimeout(close, SHOWN_MS);
  // Whoever is about to press the button must not see it vanish.
  item.addEventListener("pointerenter", () => clearTimeout(timer));
  item.addEventListener("focusin", () => clearTimeout(timer));
  item.addEventListener("pointerleave", () => {
    timer = setTimeout(close, SHOWN_MS);
  });
  return close;
}
