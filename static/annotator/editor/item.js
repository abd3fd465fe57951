// One item of the context: its heading, which fields and rows of its result are told, and notes.

import { make } from "../dom.js";
import { setValue } from "./show.js";
import { handle } from "./reorder.js";
import { mainPointer, rowsOf, standardTitle } from "./titles.js";

const tick = (label, isOn, onchange) => {
  const box = make("input", { type: "checkbox", onchange: () => onchange(box.checked) });
  box.checked = isOn;
  return make("label", { class: "check small" }, box, make("span", { dir: "auto" }, label));
};

// panel: { bench, fields, names, canWrite, change(key, patch), remove(key) }
export function buildItem(item, panel) {
  const { key } = item;
  const { bench } = panel;
  let now = item;
  let seen = null;
  const answer = () => bench.answers.get(now.tool_call_id);
  const light = (pointer, on) => answer() && bench.emit("light", { answer: answer(), pointer, on });
  const lights = (element, pointerOf) => {
    const set = (on) => () => light(pointerOf(), on);
    element.addEventListener("pointerenter", set(true));
    element.addEventListener("pointerleave", set(false));
    element.addEventListener("focusin", set(true));
    element.addEventListener("focusout", set(false));
    return element;
  };
  const view = (patch) => panel.change(key, { view: { ...now.view, ...patch } });

  const number = make("span", { class: "number" });
  const title = make("button", { type: "button", class: "item-title", dir: "auto" });
  title.addEventListener("click", () => {
    if (answer()) bench.emit("show", { answer: answer(), item: now });
    else toggle(true);
  });
  const shown = make("span", { class: "quiet item-rows" });
  const more = make("button", { type: "button", class: "quiet-button", "aria-expanded": "false" }, "More");
  const drop = make("button", { type: "button", class: "quiet-button", onclick: () => panel.remove(key) }, "✕");
  const body = make("div", { class: "item-body", hidden: true });
  const heading = make("input", { type: "text", maxlength: "200", dir: "auto", autocomplete: "off" });
  heading.addEventListener("input", () => panel.change(key, { title: heading.value }));
  const note = item.kind === "note" && make("textarea", { rows: "3", dir: "auto", "aria-label": "Text of the note" });
  if (note) note.addEventListener("input", () => panel.change(key, { text: note.value }));
  const fields = make("fieldset", { class: "ticks" }, make("legend", {}, "Fields"));
  const rows = make("fieldset", { class: "ticks" }, make("legend", {}, "Rows"));
  const steps = make("div", { class: "ticks" });

  const grip = handle("Item");
  const head = lights(
    make("div", { class: "item-head" }, panel.canWrite && grip, number, title, shown, more, panel.canWrite && drop),
    () => (answer() ? mainPointer(answer()) : ""),
  );
  const element = make("li", { class: "item" }, head, body);

  function toggle(isOpen) {
    body.hidden = !isOpen;
    more.setAttribute("aria-expanded", String(isOpen));
    if (isOpen && note) note.focus();
  }
  more.addEventListener("click", () => toggle(body.hidden));
  body.append(...[make("label", { class: "stack" }, "Heading", heading), note, fields, rows, steps].filter(Boolean));
  if (note && !item.text && panel.canWrite) queueMicrotask(() => toggle(true));

  function showTicks() {
    const known = panel.fields[now.kind] ?? [];
    const chosen = now.view?.fields ?? known.filter(({ standard }) => standard).map(({ name }) => name);
    fields.hidden = !known.length;
    const set = (name) => (isOn) => {
      const names = new Set(isOn ? [...chosen, name] : chosen.filter((other) => other !== name));
      view({ fields: known.map((field) => field.name).filter((each) => names.has(each)) });
    };
    draw(fields, known, ({ name, title: words }) => tick(words, chosen.includes(name), set(name)));
    const found = answer() ? rowsOf(answer()) : [];
    const hidden = new Set(now.view?.hidden ?? []);
    rows.hidden = found.length < 2;
    draw(rows, found, ({ pointer, label }) =>
      lights(
        tick(label, !hidden.has(pointer), (isOn) => {
          if (isOn) hidden.delete(pointer);
          else hidden.add(pointer);
          view({ hidden: found.map((row) => row.pointer).filter((each) => hidden.has(each)) });
        }),
        () => pointer,
      ),
    );
    steps.hidden = !["route", "along_route"].includes(now.kind);
    draw(steps, steps.hidden ? [] : [null], () =>
      tick("Tell each step of the way", Boolean(now.view?.show_steps), (isOn) => view({ show_steps: isOn })),
    );
    const num_shown = found.filter(({ pointer }) => !hidden.has(pointer)).length;
    shown.textContent = found.length < 2 ? "" : `${num_shown}/${found.length}`;
    shown.title = found.length < 2 ? "" : `${num_shown} of ${found.length} shown`;
  }

  return {
    element,
    show(next, index) {
      const isTheSame = seen && next === now && answer() === seen.answer;
      now = next;
      seen = { answer: answer() };
      number.textContent = String(index + 1);
      const standard = standardTitle(next, answer(), panel.names());
      title.textContent = next.title || standard;
      if (isTheSame) return;
      title.title = next.title || standard;
      heading.placeholder = standard.slice(0, 200);
      setValue(heading, next.title ?? "");
      if (note) setValue(note, next.text);
      drop.setAttribute("aria-label", `Remove ${next.title || standard}`);
      more.setAttribute("aria-label", `More about ${next.title || standard}`);
      grip.setAttribute("aria-label", `${next.title || standard}: move with Alt and the arrow keys`);
      for (const field of [heading, note]) if (field) field.disabled = !panel.canWrite;
      showTicks();
      for (const box of body.querySelectorAll("input[type=checkbox]")) box.disabled = !panel.canWrite;
    },
  };
}

// Draws ticks anew; the one with the focus keeps it.
function draw(parent, parts, build) {
  const ticks = [...parent.querySelectorAll(":scope > label")];
  const focused = ticks.findIndex((label) => label.contains(document.activeElement));
  ticks.forEach((label) => label.remove());
  parent.append(...parts.map(build));
  if (focused >= 0) parent.querySelectorAll(":scope > label input")[focused]?.focus();
}
