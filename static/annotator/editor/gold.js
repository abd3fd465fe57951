// The right answer of an open-ended question: its kind, and the inputs that this kind needs.

import { byId, make } from "../dom.js";
import { EMPTY_GOLD } from "./convert.js";
import { FIELDS } from "./goldfields.js";

const KINDS = [
  ["text", "Text"],
  ["number", "Number with unit"],
  ["duration", "Duration"],
  ["distance", "Distance"],
  ["time", "Time"],
  ["place", "Place"],
  ["point", "Point on the map"],
  ["ordered_list", "List in order"],
  ["set", "Set, in any order"],
];

// form: { content(), change(patch), places() }
export function wireGold(form) {
  const part = byId("part-gold");
  const kind = byId("gold-kind");
  const place = byId("gold-fields");
  const others = new Map();
  let shown = null;
  let views = [];
  kind.append(...KINDS.map(([key, title]) => make("option", { value: key }, title)));
  kind.addEventListener("change", () => {
    const { gold } = form.content();
    // Looking at another kind and coming back costs nothing.
    others.set(gold.kind, gold);
    form.change({ gold: others.get(kind.value) ?? EMPTY_GOLD[kind.value] });
  });
  const inner = {
    ...form,
    mentioned(found, input) {
      const { gold } = form.content();
      if (gold.kind !== "place") return;
      const { pid, name, lat, lon } = found;
      form.change({ gold: { ...gold, pid, name: input.tagName === "TEXTAREA" ? gold.name : name, lat, lon } });
    },
  };
  return {
    show(content) {
      const { gold } = content;
      part.hidden = content.type !== "open_ended" || !gold;
      if (part.hidden) return;
      if (shown !== gold.kind) {
        shown = gold.kind;
        views = FIELDS[gold.kind].map((build) => build(inner));
        place.replaceChildren(...views.map(({ element }) => element));
      }
      kind.value = gold.kind;
      for (const view of views) view.show(gold);
    },
    forget: () => others.clear(),
    // Takes a recorded value as the answer, where its kind allows that; gives whether it did.
    use(value) {
      const { gold } = form.content();
      const number = typeof value === "number" ? value : null;
      const name = { number: "value", duration: "value_s", distance: "value_m" }[gold?.kind];
      if (name && number !== null) form.change({ gold: { ...gold, [name]: number } });
      else if (gold?.kind === "text") form.change({ gold: { ...gold, value: String(value) } });
      else if (gold?.kind === "set" || gold?.kind === "ordered_list")
        form.change({ gold: { ...gold, items: [...gold.items, String(value)] } });
      else return false;
      return true;
    },
  };
}
