// Short notices at the page's edge, each with what can be done about it.

import { byId, make } from "./dom.js";

const SHOWN_MS = 8000;
const MOST = 4;

// toast("Question 12 was deleted.", { action: "Undo", run }); gives a function that takes it away.
export function toast(text, { action = null, run = null, isBad = false } = {}) {
  let timer = null;
  const close = () => {
    clearTimeout(timer);
    item.remove();
  };
  const act = () => {
    close();
    run();
  };
  const item = make(
    "div",
    { class: isBad ? "toast bad" : "toast" },
    make("span", { dir: "auto" }, text),
    action && make("button", { type: "button", onclick: act }, action),
    make("button", { type: "button", class: "quiet-button", "aria-label": "Dismiss", onclick: close }, "✕"),
  );
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(close, SHOWN_MS);
  };
  // Whoever is about to press the button must not see it vanish.
  const hold = () => clearTimeout(timer);
  const letGo = () => item.matches(":hover, :focus-within") || wait();
  item.addEventListener("pointerenter", hold);
  item.addEventListener("focusin", hold);
  item.addEventListener("pointerleave", letGo);
  item.addEventListener("focusout", () => queueMicrotask(letGo));
  const place = byId("toasts");
  place.append(item);
  // The oldest make room.
  const idle = [...place.children].filter((other) => other !== item && !other.contains(document.activeElement));
  for (const other of idle.slice(0, Math.max(0, place.children.length - MOST))) other.remove();
  wait();
  return close;
}
