// "@" mentions a place of the context: type, choose with the arrows, Enter.

import { make } from "../dom.js";
import { matching } from "./places.js";

const TYPED = /(?:^|[\s(“"'])@([^@\n]{0,60})$/u;

// Puts words in at the cursor of a field, as if they had been typed.
function insert(field, from, to, words) {
  field.setRangeText(words, from, to, "end");
  field.dispatchEvent(new InputEvent("input", { bubbles: true }));
}

// root: where fields with data-mentions live. places(): those of the context. Gives insert(place) for the field used last.
export function wireMentions(root, places) {
  const list = make("ul", { id: "mentions", role: "listbox", "aria-label": "Places of the context", hidden: true });
  document.body.append(list);
  let field = null;
  let found = [];
  let chosen = 0;
  let start = 0;
  let last = null;

  function close() {
    if (!field) return;
    for (const name of ["aria-controls", "aria-activedescendant", "aria-autocomplete"]) field.removeAttribute(name);
    field = null;
    list.hidden = true;
  }

  function choose(index) {
    chosen = (index + found.length) % found.length;
    [...list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === chosen)));
    field.setAttribute("aria-activedescendant", list.children[chosen].id);
  }

  function take() {
    const place = found[chosen];
    const into = field;
    const to = into.selectionStart;
    close();
    insert(into, start, to, place.name);
    into.dispatchEvent(new CustomEvent("mention", { bubbles: true, detail: place }));
  }

  // Below the field, or above it where there is more room.
  function put() {
    const box = field.getBoundingClientRect();
    list.style.left = `${Math.max(4, Math.min(box.left, innerWidth - list.offsetWidth - 4))}px`;
    const isBelow = box.bottom + list.offsetHeight + 4 < innerHeight || box.top < list.offsetHeight;
    list.style.top = `${isBelow ? box.bottom + 2 : box.top - list.offsetHeight - 2}px`;
  }

  function open(into) {
    const typed = TYPED.exec(into.value.slice(0, into.selectionStart));
    const all = typed ? matching(places(), typed[1]) : [];
    if (!all.length) {
      close();
      return;
    }
    if (field && field !== into) close();
    field = into;
    found = all;
    start = into.selectionStart - typed[1].length - 1;
    list.replaceChildren(
      ...found.map((place, index) =>
        make(
          "li",
          {
            role: "option",
            id: `mention-${index}`,
            onpointerdown: (event) => {
              event.preventDefault();
              chosen = index;
              take();
            },
          },
          make("span", { dir: "auto" }, place.name),
          place.address && make("span", { class: "quiet block", dir: "auto" }, place.address),
        ),
      ),
    );
    list.hidden = false;
    put();
    into.setAttribute("aria-autocomplete", "list");
    into.setAttribute("aria-controls", "mentions");
    choose(0);
  }

  root.addEventListener("input", ({ target, isTrusted }) => {
    if (!target.matches("[data-mentions]")) return;
    if (isTrusted) open(target);
  });
  root.addEventListener("focusin", ({ target }) => {
    if (target.matches("[data-mentions]")) last = target;
  });
  root.addEventListener("focusout", close);
  addEventListener("scroll", () => field && put(), { capture: true, passive: true });
  // Before the field's own keys: Enter takes a place here, and makes a new option elsewhere.
  root.addEventListener(
    "keydown",
    (event) => {
      if (!field || event.isComposing) return;
      const act = {
        ArrowDown: () => choose(chosen + 1),
        ArrowUp: () => choose(chosen - 1),
        Enter: take,
        Tab: take,
        Escape: close,
      }[event.key];
      if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    },
    { capture: true },
  );

  return (place) => {
    if (!last?.isConnected || last.disabled || last.closest("[hidden], fieldset:disabled")) return false;
    const at = last.selectionStart ?? last.value.length;
    const before = last.value.slice(0, at);
    insert(last, at, last.selectionEnd ?? at, `${before && !/\s$/.test(before) ? " " : ""}${place.name}`);
    last.dispatchEvent(new CustomEvent("mention", { bubbles: true, detail: place }));
    last.focus();
    return true;
  };
}
