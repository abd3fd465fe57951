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
    fold.fill = (through = -1) => this.fill(inside, value, pointer, depth, through);
    fold.addEventListener("toggle", () => fold.open && fold.fill());
    if (this.isSmall || depth === 0 || (depth === 1 && number <= 20)) {
      fold.fill();
      fold.open = true;
    }
    return fold;
  }

  // Builds the first rows, and all up to the index `through`; a button stands for the rest.
  fill(inside, value, pointer, depth, through) {
    const built = inside.querySelectorAll(":scope > .row").length;
    const wanted = Math.max(built, Math.min(value.items.length, Math.max(CHUNK, through + 1)));
    inside.querySelector(":scope > .more")?.remove();
    for (const { key, value: child } of value.items.slice(built, wanted)) {
      const row = make("div", { class: "row" }, this.build(child, key, `${pointer}/${escapeStep(key)}`, depth + 1));
      inside.append(row);
    }
    const left = value.items.length - wanted;
    if (left > 0) {
      const next = () => this.fill(inside, value, pointer, depth, wanted + CHUNK - 1);
      const words = `Show ${Math.min(CHUNK, left)} more of ${left.toLocaleString("en")}`;
      inside.append(make("button", { type: "button", class: "more quiet-button", onclick: next }, words));
    }
  }

  // Unfolds the way to a value and gives its element; null where there is none.
  reveal(pointer) {
    const path = follow(this.whole, pointer);
    if (!path) return null;
    for (const [place, value] of path.slice(0, -1).entries()) {
      const fold = this.elements.get(value);
      fold.fill(value.items.findLastIndex((item) => item.value === path[place + 1]));
      fold.open = true;
    }
    return this.elements.get(path.at(-1));
  }

  // Unfolds everything, some of it at a time, so that the page stays usable.
  unfold() {
    const waiting = [...this.element.querySelectorAll("details")];
    const some = () => {
      for (const fold of waiting.splice(0, 50)) {
        fold.fill(Infinity);
        fold.open = true;
        waiting.push(...fold.querySelectorAll(":scope > .inside > .row > details:not([open])"));
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
