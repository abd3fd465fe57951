// The list below a combobox, as the ARIA practices describe it: the focus stays in the box, one option is marked.

import { make, named } from "../dom.js";

export class OptionList {
  // ontake(option): one was chosen.
  constructor(input, label, ontake) {
    Object.assign(this, { input, ontake, options: [], active: -1 });
    this.element = make("ul", {
      id: `${input.id}-list`,
      class: "options",
      role: "listbox",
      "aria-label": label,
      hidden: true,
    });
    input.setAttribute("aria-controls", this.element.id);
  }

  get isOpen() {
    return !this.element.hidden;
  }

  // options: [{ title, note }]; active: the marked one, -1 for none.
  show(options, active = -1) {
    this.options = options;
    this.element.replaceChildren(
      ...options.map((option, index) =>
        make(
          "li",
          {
            id: `${this.element.id}-${index}`,
            role: "option",
            "aria-selected": "false",
            // Before the box loses the focus and closes the list.
            onpointerdown: (event) => {
              event.preventDefault();
              this.ontake(option);
            },
          },
          named("span", option.title),
          option.note && named("span", option.note, { class: "quiet" }),
        ),
      ),
    );
    this.element.hidden = !options.length;
    this.input.setAttribute("aria-expanded", String(this.isOpen));
    this.mark(active);
  }

  mark(index) {
    this.active = index;
    [...this.element.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === index)));
    if (index < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", this.element.children[index].id);
    this.element.children[index]?.scrollIntoView({ block: "nearest" });
  }

  move(by) {
    const { length } = this.options;
    // Up from nothing marked is the last.
    this.mark((Math.max(this.active, by < 0 ? 0 : -1) + by + length) % length);
  }

  take() {
    if (this.active >= 0) this.ontake(this.options[this.active]);
  }

  close() {
    this.show([]);
  }
}
