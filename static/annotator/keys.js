// Keyboard shortcuts: shown on their controls, listed by "?", changed by whoever uses them and kept with the account.

import { ApiError, getJson, send } from "./api.js";
import { make } from "./dom.js";
import { toast } from "./toast.js";

const IS_MAC = /Mac|iPhone|iPad/.test(navigator.platform);
const NAMES = { Mod: IS_MAC ? "⌘" : "Ctrl", Enter: "Enter", Escape: "Esc", " ": "Space", ArrowUp: "↑", ArrowDown: "↓" };
const STORED = "mapqator.keys";
const ASKED = "mapqator.keys.asked";
// What browsers keep for themselves: a page that took these would promise what it cannot hold.
const RESERVED = new Set([
  "Mod+N",
  "Mod+T",
  "Mod+W",
  "Shift+Mod+N",
  "Shift+Mod+T",
  "Shift+Mod+W",
  "F5",
  "Tab",
  "Shift+Tab",
]);

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
  const action = { id, standard: key, label, run, control, when, group };
  actions.set(id, action);
  showOn(action);
  return () => {
    // The same action may have been bound anew meanwhile.
    if (actions.get(id) === action) actions.delete(id);
  };
}

// The key of an action; null where somebody took it away.
export const keyOf = (id) => (changed[id] ?? actions.get(id)?.standard) || null;

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
  control.normalize();
  if (!key) {
    control.removeAttribute("aria-keyshortcuts");
    return;
  }
  control.setAttribute("aria-keyshortcuts", key.replace("Mod", IS_MAC ? "Meta" : "Control"));
  if (!/\s$/.test(control.textContent)) control.append(" ");
  control.append(make("kbd", { "aria-hidden": "true" }, spoken(key)));
}

// Which letter or digit was meant: keyboards of other scripts, and Alt on a Mac, give signs that no key is named by.
function sign(event) {
  const isNamed = /^[\x21-\x7e]$/.test(event.key);
  const physical = /^(?:Key([A-Z])|Digit(\d))$/.exec(event.code);
  return (isNamed || !physical ? event.key : (physical[1] ?? physical[2])).toUpperCase();
}

function pressed(event) {
  const parts = [];
  const isSign = event.key.length === 1 && event.key !== " ";
  // A sign such as "?" says by itself that Shift was held.
  if (event.shiftKey && (!isSign || event.ctrlKey || event.metaKey)) parts.push("Shift");
  if (IS_MAC ? event.metaKey : event.ctrlKey) parts.push("Mod");
  if (event.altKey) parts.push("Alt");
  parts.push(isSign ? sign(event) : event.key);
  return parts.join("+");
}

export const isTyping = (target) =>
  target.matches?.("input:not([type=radio], [type=checkbox], [type=range]), select, textarea, [contenteditable]");

function onKey(event) {
  if (event.defaultPrevented || event.isComposing || event.key === "Dead") return;
  const key = pressed(event);
  const isPlain = !key.includes("Mod") && !key.includes("Alt");
  if (isTyping(event.target) && isPlain) return;
  if ((key === "Enter" || key === " ") && event.target.closest?.("button, a, summary")) return;
  const modal = document.querySelector("dialog:modal");
  for (const action of actions.values()) {
    if (keyOf(action.id) !== key || !action.when()) continue;
    if (action.control && (action.control.disabled || action.control.closest("[hidden]"))) continue;
    // What lies under an open dialogue is out of reach for keys as it is for the pointer.
    if (modal && !modal.contains(action.control)) continue;
    event.preventDefault();
    action.run(event);
    return;
  }
}

function use(next) {
  changed = next;
  try {
    localStorage.setItem(STORED, JSON.stringify(changed));
  } catch {
    // Without storage the account still keeps them.
  }
  for (const action of actions.values()) showOn(action);
}

function keep(next) {
  use(next);
  send("PUT", "/api/me/prefs", { keys: changed }).catch((error) => {
    if (!(error instanceof ApiError)) throw error;
    toast(`The keys are changed in this browser only: ${error.message}`, { isBad: true });
  });
}

// What speaks against a key for an action; null when nothing does.
function objection(action, key) {
  if (RESERVED.has(key)) return `${spoken(key)} belongs to the browser.`;
  const taken = [...actions.values()].find((other) => other !== action && keyOf(other.id) === key);
  return taken ? `${spoken(key)} already means “${taken.label}”. Change that one first.` : null;
}

function remap(action, button) {
  if (button.dataset.listens) return;
  button.dataset.listens = "true";
  button.textContent = "Press a key…";
  const stop = () => {
    button.removeEventListener("keydown", listen);
    button.removeEventListener("blur", stop);
    fill();
  };
  const listen = (event) => {
    // Tab goes on to the next button, as everywhere.
    if (["Shift", "Control", "Alt", "AltGraph", "Meta", "Tab"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    button.removeEventListener("blur", stop);
    const key = ["Backspace", "Delete"].includes(event.key) ? "" : pressed(event);
    if (event.key !== "Escape" && key !== (keyOf(action.id) ?? "")) {
      const words = key && objection(action, key);
      if (words) toast(words, { isBad: true });
      else keep({ ...changed, [action.id]: key });
    }
    stop();
    dialog.querySelector(`[data-action="${CSS.escape(action.id)}"]`)?.focus();
  };
  button.addEventListener("keydown", listen);
  button.addEventListener("blur", stop);
}

function fill() {
  const groups = Map.groupBy(actions.values(), ({ group }) => group);
  dialog.replaceChildren(
    make("h2", { id: "keys-title" }, "Keys"),
    make(
      "p",
      { class: "quiet" },
      "Press a key’s button, then the key that you want instead. Backspace takes the key away, Esc leaves it as it is.",
    ),
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
              {
                type: "button",
                "data-action": action.id,
                "aria-label": `${action.label}: ${key ? spoken(key) : "no key"}. Change`,
                onclick: () => remap(action, button),
              },
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

// Once a visit: keys that were changed in another browser come from the account.
function fetchKeys() {
  try {
    // Only pages of somebody who is signed in have a link to their own settings.
    if (sessionStorage.getItem(ASKED) || !document.querySelector('#top a[href="/me"]')) return;
    sessionStorage.setItem(ASKED, "yes");
  } catch {
    return;
  }
  getJson("/api/me").then(
    ({ prefs }) => prefs?.keys && use(prefs.keys),
    // Signed out, or not to be reached: the keys of this browser hold.
    () => {},
  );
}

document.addEventListener("keydown", onKey);
fetchKeys();
