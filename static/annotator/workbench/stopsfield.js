// A list of places to choose: stops of a route, or one side of a matrix. Stops can be moved, and grow one by one.

import { make } from "../dom.js";
import { PlaceField } from "./placefield.js";

export class StopsField {
  constructor({ name, label, least, most, takesId }, desk) {
    Object.assign(this, { name, label, least, most, takesId, desk, stops: [] });
    this.list = make("ol", { class: "stops" });
    this.more = make("button", { type: "button", onclick: () => this.grow(null).input.focus() }, "Add a place");
    this.element = make("fieldset", { class: "many" }, make("legend", {}, label), this.list, this.more);
    this.fill([]);
  }

  fill(values) {
    this.stops = [];
    this.list.replaceChildren();
    for (const value of values) this.grow(value);
    while (this.stops.length < this.least) this.grow(null);
  }

  // Puts a place into the first empty row, or a new one.
  put(value) {
    const empty = this.stops.find((stop) => !stop.value && !stop.input.value);
    if (empty) empty.choose(value);
    else this.grow(value);
  }

  grow(value) {
    const field = new PlaceField(
      { name: this.name, label: this.label, takesId: this.takesId, standard: value },
      this.desk,
    );
    this.stops.push(field);
    this.draw();
    return field;
  }

  move(from, to) {
    const [stop] = this.stops.splice(from, 1);
    this.stops.splice(to, 0, stop);
    this.draw();
    this.list.children[to].querySelector("button.up, button.down")?.focus();
  }

  remove(index) {
    this.stops.splice(index, 1);
    this.draw();
    (this.stops[Math.min(index, this.stops.length - 1)]?.input ?? this.more).focus();
  }

  draw() {
    const last = this.stops.length - 1;
    const button = (title, sign, run, extra = {}) =>
      make(
        "button",
        { type: "button", class: "quiet-button", "aria-label": title, title, onclick: run, ...extra },
        sign,
      );
    this.list.replaceChildren(
      ...this.stops.map((stop, index) => {
        const which = `${this.label} ${index + 1}`;
        stop.input.setAttribute("aria-label", which);
        return make(
          "li",
          {},
          stop.element,
          make(
            "span",
            { class: "moves" },
            index > 0 &&
              button(`${which}: earlier`, "↑", () => this.move(index, index - 1), { class: "quiet-button up" }),
            index < last &&
              button(`${which}: later`, "↓", () => this.move(index, index + 1), { class: "quiet-button down" }),
            this.stops.length > this.least && button(`${which}: remove`, "✕", () => this.remove(index)),
          ),
        );
      }),
    );
    this.more.hidden = this.most !== undefined && this.stops.length >= this.most;
  }

  async settle() {
    const values = [];
    for (const [index, stop] of this.stops.entries()) {
      stop.isRequired = index < this.least;
      const value = await stop.settle();
      if (value) values.push(value);
    }
    return values;
  }
}
