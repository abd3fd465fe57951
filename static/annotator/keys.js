// Keyboard shortcuts: shown on their controls, listed by "?", changed by whoever uses them and kept with the account.

import { ApiError, send } from "./api.js";
import { make } from "./dom.js";
import { toast } from "./toast.js";

const IS_MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const NAMES = { Mod: IS_MAC ? "⌘" : "Ctrl", Enter: "Enter", Escape: "Esc", " ": "Space", ArrowUp: "↑", ArrowDown: "↓" };
const STORED = "mapqator.keys";

const actions = new Map();
let changed = read();
let dialog = null;

function read() {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "{}");
  } catch {
    return {};
  }
}

// bind("question.save", "Mod+S", "Save", run, { control: button, when: () => isOpen })
// A key without Mod or Alt does nothing while somebody types; `control` is a button that shows the key and does the same.
export function bind(id, key, label, run, { control = null, when = () => true, group = "This page" } = {}) {
  actions.set(id, { id, standard: key, label, run, control, when, group });
  showOn(actions.get(id));
  return () => actions.delete(id);
}

export const keyOf = (id) => changed[id] ?? actions.get(id)?.standard ?? null;

// "Shift+Mod+Z" becomes "Shift Ctrl Z" for people.
export const spoken = (key) =>
  key
    .split("+")
    .map((part) => NAMES[part] ?? part)
    .join(" ");

function showOn({ id, control }) {
  if (!control) return;
  const key = keyOf(id);
  control.querySelector(":scope > kbd")?.remove();
  if (!key) {
    control.removeAttribute("aria-keyshortcuts");
    return;
  }
  control.setAttribute("aria-keyshortcuts", key.replace("Mod", IS_MAC ? "Meta" : "Control"));
  control.append(" ", make("kbd", { "aria-hidden": "true" }, spoken(key)));
}

function pressed(event) {
  const parts = [];
  const isSign = event.key.length === 1 && event.key !== " ";
  // A sign such as "?" says by itself that Shift was held.
  if (event.shiftKey && (!isSign || event.ctrlKey || event.metaKey)) parts.push("Shift");
  if (IS_MAC ? event.metaKey : event.ctrlKey) parts.push("Mod");
  if (event.altKey) parts.push("Alt");
  parts.push(isSign ? event.key.toUpperCase() : event.key);
  return parts.join("+");
}

export const isTyping = (target) => target.matches?.("input:not([type=radio], [type=checkbox]), select, textarea, [contenteditable]");

function onKey(event) {
  if (event.defaultPrevented || event.isComposing || dialog?.open) return;
  const key = pressed(event);
  const isPlain = !key.includes("Mod") && !key.includes("Alt");
  if (isTyping(event.target) && isPlain) return;
  if ((key === "Enter" || key === " ") && event.target.closest?.("button, a, summary")) return;
  for (const action of actions.values()) {
    if (keyOf(action.id) !== key || !action.when()) continue;
    if (action.control && (action.control.disabled || action.control.closest("[hidden]"))) continue;
    event.preventDefault();
    action.run(event);
    return;
  }
}

function keep(next) {
  changed = next;
  try {
    localStorage.setItem(STORED, JSON.stringify(changed));
  } catch {
    // Without storage the account still keeps them.
  }
  for (const action of actions.values()) showOn(action);
  send("PUT", "/api/me/prefs", { keys: changed }).catch((error) => {
    if (!(error instanceof ApiError)) throw error;
    toast(`The keys are changed in this browser only: ${error.message}`, { isBad: true });
  });
}

function remap(action, button) {
  button.textContent = "Press a key…";
  const listen = (event) => {
    if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    button.removeEventListener("keydown", listen);
    const key = event.key === "Escape" ? keyOf(action.id) : pressed(event);
    const taken = [...actions.values()].find((other) => other !== action && keyOf(other.id) === key);
    if (taken) toast(`${spoken(key)} already means “${taken.label}”. Change that one first.`, { isBad: true });
    else if (key !== keyOf(action.id)) keep({ ...changed, [action.id]: key });
    fill();
    dialog.querySelector(`[data-action="${action.id}"]`)?.focus();
  };
  button.addEventListener("keydown", listen);
}

function fill() {
  const groups = Map.groupBy(actions.values(), ({ group }) => group);
  dialog.replaceChildren(
    make("h2", { id: "keys-title" }, "Keys"),
    make("p", { class: "quiet" }, "Press a key’s button, then the key that you want instead. Esc leaves it as it is."),
    ...[...groups].map(([group, items]) =>
      make(
        "section",
        {},
        make("h3", {}, group),
        make(
          "ul",
          { class: "keys" },
          ...items.map((action) => {
            const key = keyOf(action.id);
            const button = make(
              "button",
              { type: "button", "data-action": action.id, onclick: () => remap(action, button) },
              key ? make("kbd", {}, spoken(key)) : "none",
            );
            return make("li", {}, make("span", {}, action.label), button);
          }),
        ),
      ),
    ),
    make(
      "p",
      { class: "actions" },
      make("button", { type: "button", class: "main", onclick: () => dialog.close() }, "Close"),
      make(
        "button",
        {
          type: "button",
          onclick: () => {
            keep({});
            fill();
          },
        },
        "Back to the standard keys",
      ),
    ),
  );
}

export function showKeys() {
  if (!dialog) {
    dialog = make("dialog", { id: "keys", "aria-labelledby": "keys-title" });
    document.body.append(dialog);
  }
  fill();
  dialog.showModal();
}

document.addEventListener("keydown", onKey);
