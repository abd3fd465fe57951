// Order by hand: drag a row's handle, or press Alt and an arrow anywhere in the row.

import { byId, make } from "../dom.js";

export const handle = (label) =>
  make(
    "button",
    {
      type: "button",
      class: "handle",
      "aria-label": `${label}: move with Alt and the arrow keys`,
      "aria-keyshortcuts": "Alt+ArrowUp Alt+ArrowDown",
    },
    "≡",
  );

// Tells those who do not see it where a row went.
export function announce(text) {
  byId("editor-says").textContent = text;
}

// list: an element whose children are rows with data-key. move(key, index) puts the row at its new place in the data.
export function reorder(list, move) {
  const rows = () => [...list.children];
  const rowOf = (target) => rows().find((row) => row.contains(target));

  function step(row, to) {
    if (to < 0 || to >= list.children.length) return;
    move(row.dataset.key, to);
    announce(`Now number ${to + 1} of ${list.children.length}.`);
  }

  list.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const row = rowOf(event.target);
    if (!by || !event.altKey || !row || event.target.closest("fieldset:disabled")) return;
    event.preventDefault();
    event.stopPropagation();
    step(row, rows().indexOf(row) + by);
  });

  list.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest(".handle");
    const row = rowOf(event.target);
    if (!grip || !row || event.button !== 0) return;
    const from = rows().indexOf(row);
    let to = from;
    grip.setPointerCapture(event.pointerId);
    row.classList.add("dragged");
    const mark = () =>
      rows().forEach((other, index) => {
        other.classList.toggle("drop-above", index === to && to < from);
        other.classList.toggle("drop-below", index === to && to > from);
      });
    const over = ({ clientY }) => {
      const middles = rows().map((other) => {
        const box = other.getBoundingClientRect();
        return box.top + box.height / 2;
      });
      to = middles.filter((middle, index) => index !== from && middle < clientY).length;
      mark();
    };
    const end = (isDone) => {
      grip.removeEventListener("pointermove", over);
      row.classList.remove("dragged");
      const target = to;
      to = from;
      mark();
      if (isDone && target !== from) step(row, target);
    };
    grip.addEventListener("pointermove", over);
    grip.addEventListener("pointerup", () => end(true), { once: true });
    grip.addEventListener("pointercancel", () => end(false), { once: true });
  });
}

// A copy of a list with one part moved.
export function moved(parts, key, to) {
  const rest = parts.filter((part) => part.key !== key);
  rest.splice(
    to,
    0,
    parts.find((part) => part.key === key),
  );
  return rest;
}
