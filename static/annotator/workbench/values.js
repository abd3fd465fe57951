// Every value of an answer is a button with a menu: take it as evidence or as an option, copy it, see the exact bytes.

import { make } from "../dom.js";
import { distance, duration } from "../format.js";
import { toast } from "../toast.js";
import { valueAt } from "./pointers.js";
import { exactMetres, exactSeconds } from "./words.js";

const MARGIN = 8;

// A value as words, in whichever script; `title` tells it exactly where the words round it.
export function valueButton(pointer, text, label, { title, className = "" } = {}) {
  return make(
    "button",
    {
      type: "button",
      class: `value ${className}`.trim(),
      dir: "auto",
      "data-pointer": pointer,
      "data-label": label,
      "aria-haspopup": "menu",
      title: title ?? label,
    },
    text,
  );
}

// Lengths and times are rounded for reading; the title tells them exactly.
export const metresButton = (pointer, metres, label = "Distance", { sign = "" } = {}) =>
  valueButton(pointer, `${sign}${distance(metres)}`, label, { title: exactMetres(metres), className: "figure" });

// A detour of seconds is none of a minute.
const rough = (seconds, sign) => (sign && seconds < 60 ? `${Math.round(seconds)} s` : duration(seconds));

export const secondsButton = (pointer, seconds, label = "Duration", { sign = "", after = "" } = {}) =>
  valueButton(pointer, `${sign}${rough(seconds, sign)}${after}`, label, {
    title: exactSeconds(seconds),
    className: "figure",
  });

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("This browser does not let the page copy. Select the text in the raw answer instead.", { isBad: true });
  }
}

const asText = (value) => (typeof value === "string" ? value : JSON.stringify(value));

export class ValueMenu {
  // root: where value buttons are. answer(): the answer shown there.
  constructor(root, bench, { answer, extra }) {
    Object.assign(this, { root, bench, answer, extra });
    this.isPicking = false;
    this.menu = null;
    root.addEventListener("click", (event) => this.onClick(event));
    document.addEventListener("pointerdown", ({ target }) => {
      if (this.menu && !this.menu.contains(target)) this.close(false);
    });
    bench.on("evidence-mode", ({ on }) => {
      this.isPicking = on;
      root.classList.toggle("picking", on);
      this.close(false);
    });
  }

  onClick(event) {
    const button = event.target.closest(".value");
    if (!button) return;
    event.stopPropagation();
    const wasOpen = this.button === button;
    this.close(false);
    if (wasOpen) return;
    if (this.isPicking && this.answer().id) this.use(button, "evidence");
    else this.open(button);
  }

  use(button, how) {
    const answer = this.answer();
    const { pointer, label } = button.dataset;
    const value = valueAt(answer.result, pointer);
    if (how === "copy") copy(asText(value));
    this.bench.emit("value", { answer, pointer, value, label, how });
  }

  items(button) {
    const answer = this.answer();
    const { pointer } = button.dataset;
    const item = (title, run, attributes = {}) =>
      make(
        "button",
        { type: "button", role: "menuitem", tabindex: -1, onclick: () => this.choose(run), ...attributes },
        title,
      );
    const isKept = Boolean(answer.id);
    const why = isKept ? null : "This answer is not recorded: its provider’s terms forbid it.";
    const list = [];
    if (this.bench.role !== "viewer") {
      list.push(item("Use as evidence", () => this.use(button, "evidence"), { disabled: !isKept, title: why }));
      list.push(item("Use as option", () => this.use(button, "option"), { disabled: !isKept, title: why }));
    }
    list.push(item("Copy", () => this.use(button, "copy")));
    for (const [title, run] of this.extra(pointer)) list.push(item(title, run));
    if (isKept) {
      const href = `/x/${answer.provenance.result_sha}#${encodeURI(pointer)}`;
      const onclick = () => this.choose(() => this.use(button, "raw"));
      list.push(
        make("a", { role: "menuitem", tabindex: -1, href, target: "_blank", rel: "noopener", onclick }, "See raw"),
      );
    }
    return list;
  }

  choose(run) {
    this.close();
    run();
  }

  open(button) {
    this.button = button;
    button.setAttribute("aria-expanded", "true");
    this.menu = make("div", {
      class: "menu",
      role: "menu",
      "aria-label": `Use ${button.textContent}`,
      onkeydown: (event) => this.onKey(event),
    });
    this.menu.append(...this.items(button));
    // Inside the pane, so that what comes next by Tab stays what it is.
    button.after(this.menu);
    this.place();
    this.menu.querySelector("[role=menuitem]:not([disabled])").focus({ preventScroll: true });
    this.onScroll = () => this.place();
    addEventListener("scroll", this.onScroll, { capture: true });
  }

  // Beside its button, wherever that has been scrolled to; a pane that comes to rest must not take the menu away.
  place() {
    const { menu, button } = this;
    const { left, bottom, top } = button.getBoundingClientRect();
    const pane = this.root.parentElement.getBoundingClientRect();
    if (bottom < pane.top || top > pane.bottom) {
      this.close(false);
      return;
    }
    const { width, height } = menu.getBoundingClientRect();
    const below = bottom + height + MARGIN <= innerHeight;
    menu.style.left = `${Math.max(MARGIN, Math.min(left, innerWidth - width - MARGIN))}px`;
    menu.style.top = `${Math.max(MARGIN, below ? bottom + 4 : top - height - 4)}px`;
  }

  close(isFocused = true) {
    if (!this.menu) return;
    const { menu, button } = this;
    removeEventListener("scroll", this.onScroll, { capture: true });
    this.menu = this.button = null;
    menu.remove();
    button.setAttribute("aria-expanded", "false");
    if (isFocused) button.focus({ preventScroll: true });
  }

  onKey(event) {
    const items = [...this.menu.querySelectorAll("[role=menuitem]:not([disabled])")];
    const at = items.indexOf(document.activeElement);
    const move = { ArrowDown: at + 1, ArrowUp: at - 1 + items.length, Home: 0, End: items.length - 1 }[event.key];
    if (move !== undefined) items[move % items.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") this.close();
    else return;
    event.stopPropagation();
    if (event.key !== "Tab") event.preventDefault();
  }
}
