// Shows scanned JSON as parts that unfold: what is not looked at is not built, so that size does not matter.

import { make } from "./dom.js";
import { countValues, escapeStep, follow } from "./evidence.scan.js";

const MOST_OPEN = 400;
const CHUNK = 200;
const LONG = 2000;

export class Tree {
  constructor(text, whole) {
    this.text = text;
    this.whole = whole;
    this.elements = new Map();
    this.isSmall = countValues(whole, MOST_OPEN + 1) <= MOST_OPEN;
    this.element = make("div", { class: "tree" }, this.build(whole, null, "", 0));
  }

  build(value, key, pointer, depth) {
    const label = typeof key === "string" ? JSON.stringify(key) : key === null ? "" : String(key);
    const element = value.items?.length ? this.buildFold(value, label, pointer, depth) : this.buildLeaf(value, label, pointer);
    this.elements.set(value, element);
    return element;
  }

  buildLeaf(value, label, pointer) {
    const written = this.text.slice(value.start, value.end);
    const shown = make("span", { class: `value ${kindOf(written)}`, dir: "auto" }, written.slice(0, LONG));
    const line = make("div", { class: "leaf" });
    if (label !== "") line.append(make("a", { class: "key", href: `#${encodeURI(pointer)}`, dir: "auto" }, label), ": ");
    line.append(shown);
    if (written.length > LONG) {
      const more = make(
        "button",
        { type: "button", class: "quiet-button", onclick: () => (more.remove(), shown.replaceChildren(written)) },
        `… all ${written.length.toLocaleString("en")} characters`,
      );
      line.append(more);
    }
    return line;
  }

  buildFold(value, label, pointer, depth) {
    const number = value.items.length;
    const noun = value.isArray ? (number === 1 ? "item" : "items") : number === 1 ? "member" : "members";
    const inside = make("div", { class: "inside" });
    const fold = make(
      "details",
      {},
      make(
        "summary",
        {},
        label === "" ? null : make("span", { class: "key", dir: "auto" }, label),
        label === "" ? null : ": ",
        make("span", { class: "quiet" }, `${value.isArray ? "[…]" : "{…}"} ${number.toLocaleString("en")} ${noun}`),
      ),
      inside,
    );
    fold.fill = () => inside.childElementCount || this.fill(inside, value, pointer, depth);
    fold.addEventListener("toggle", () => fold.open && fold.fill());
    if (this.isSmall || depth === 0 || (depth === 1 && number <= 20)) {
      fold.fill();
      fold.open = true;
    }
    return fold;
  }

  // Rows of what is inside; of very many, parts of them that unfold by themselves.
  fill(inside, value, pointer, depth) {
    const number = value.items.length;
    if (number <= CHUNK) {
      this.addRows(inside, value, pointer, depth, 0);
      return;
    }
    for (let start = 0; start < number; start += CHUNK) {
      const rows = make("div", { class: "inside" });
      const last = Math.min(number, start + CHUNK) - 1;
      const part = make("details", { class: "part" }, make("summary", {}, `${start} … ${last}`), rows);
      part.fill = () => rows.childElementCount || this.addRows(rows, value, pointer, depth, start);
      part.addEventListener("toggle", () => part.open && part.fill());
      inside.append(part);
    }
  }

  addRows(place, value, pointer, depth, start) {
    for (const { key, value: child } of value.items.slice(start, start + CHUNK)) {
      place.append(make("div", { class: "row" }, this.build(child, key, `${pointer}/${escapeStep(key)}`, depth + 1)));
    }
  }

  // Unfolds the way to a value and gives its element; null where there is none.
  reveal(pointer) {
    const path = follow(this.whole, pointer);
    if (!path) return null;
    for (const [place, value] of path.slice(0, -1).entries()) {
      const fold = this.elements.get(value);
      fold.fill();
      fold.open = true;
      if (value.items.length > CHUNK) {
        const index = value.items.findLastIndex((item) => item.value === path[place + 1]);
        const part = fold.querySelectorAll(":scope > .inside > .part")[Math.floor(index / CHUNK)];
        part.fill();
        part.open = true;
      }
    }
    return this.elements.get(path.at(-1));
  }

  // Unfolds everything, some of it at a time, so that the page stays usable.
  unfold() {
    const waiting = [...this.element.querySelectorAll("details")];
    const some = () => {
      for (const fold of waiting.splice(0, 50)) {
        fold.fill();
        fold.open = true;
        waiting.push(...fold.querySelectorAll(":scope > .inside > :is(.part, .row > details):not([open])"));
      }
      if (waiting.length && this.element.isConnected) requestAnimationFrame(some);
    };
    some();
  }
}

function kindOf(written) {
  if (written.startsWith('"')) return "string";
  return /^[-\d]/.test(written) ? "number" : "word";
}
