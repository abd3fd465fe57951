// The options of a question: a list that grows with Enter, with its keys 1–9, where the right ones are marked in place.

import { byId, make } from "../dom.js";
import { MAX_OPTIONS, lettered } from "./convert.js";
import { handle, moved, reorder } from "./reorder.js";
import { keyed, setValue } from "./show.js";

const focusAt = (index) => byId("options").children[index]?.querySelector(".option-text")?.focus();

// form: { content(), change(patch), places() }
export function wireOptions(form) {
  const list = byId("options");
  const part = byId("part-options");
  const type = () => form.content().type;
  const isFixed = () => type() === "yes_no";
  const put = (options) => form.change(lettered(form.content(), options));
  const without = (key) => form.content().options.filter((option) => option.key !== key);

  function write(key, patch) {
    form.change({
      options: form.content().options.map((option) => (option.key === key ? { ...option, ...patch } : option)),
    });
  }

  function mark(key) {
    const { gold_keys: now, options } = form.content();
    const isOn = now.includes(key);
    const next =
      type() === "multiple_choice" ? (isOn ? now.filter((each) => each !== key) : [...now, key]) : isOn ? [] : [key];
    form.change({ gold_keys: options.map((option) => option.key).filter((each) => next.includes(each)) });
  }

  function add(after = Infinity, option = { text: "", pid: null }, patch = {}) {
    const { options } = form.content();
    if (options.length >= MAX_OPTIONS || isFixed()) return;
    const at = Math.min(after + 1, options.length);
    const next = [...options.slice(0, at), { key: "new", ...option }, ...options.slice(at)];
    form.change({ ...lettered(form.content(), next), ...patch });
    return at;
  }

  function onKey(event, key) {
    const { options } = form.content();
    const index = options.findIndex((option) => option.key === key);
    if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Enter") {
      event.preventDefault();
      const empty = options[index + 1] && !options[index + 1].text ? index + 1 : add(index);
      focusAt(empty ?? index + 1);
    } else if (event.key === "Backspace" && !event.target.value && !isFixed() && options.length > 1) {
      event.preventDefault();
      put(without(key));
      focusAt(Math.max(0, index - 1));
    } else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      event.preventDefault();
      focusAt(index + (event.key === "ArrowUp" ? -1 : 1));
    }
  }

  function build(option) {
    const { key } = option;
    const number = make("kbd", { "aria-hidden": "true" });
    const gold = make("input", { type: "checkbox", name: "gold-option", class: "gold", onchange: () => mark(key) });
    const text = make("input", {
      type: "text",
      class: "option-text",
      maxlength: "2000",
      dir: "auto",
      autocomplete: "off",
      "data-mentions": "option",
    });
    text.addEventListener("input", () => write(key, { text: text.value }));
    text.addEventListener("keydown", (event) => onKey(event, key));
    text.addEventListener("mention", ({ detail }) => write(key, { text: text.value, pid: detail.pid }));
    const place = make("button", {
      type: "button",
      class: "chip place-chip",
      onclick: () => write(key, { pid: null }),
    });
    const drop = make(
      "button",
      {
        type: "button",
        class: "quiet-button",
        onclick: () => {
          const index = form.content().options.findIndex((each) => each.key === key);
          put(without(key));
          focusAt(Math.max(0, index - 1));
        },
      },
      "✕",
    );
    const lint = make("ul", { class: "lint", "data-lint": `options.${key}`, "aria-label": `About option ${key}` });
    const grip = handle(`Option ${key}`);
    const element = make(
      "li",
      { class: "option" },
      make("div", { class: "option-head" }, grip, number, gold, text, drop),
      place,
      lint,
    );
    return {
      element,
      show(now, index) {
        const content = form.content();
        number.textContent = index < 9 ? String(index + 1) : "·";
        const isGold = content.gold_keys.includes(key);
        gold.type = content.type === "multiple_choice" ? "checkbox" : "radio";
        gold.checked = isGold;
        gold.hidden = content.type === "unanswerable";
        gold.setAttribute("aria-label", `Option ${index + 1} is right`);
        if (index < 9) gold.setAttribute("aria-keyshortcuts", String(index + 1));
        element.classList.toggle("is-gold", isGold);
        setValue(text, now.text);
        text.setAttribute("aria-label", `Option ${index + 1}`);
        text.disabled = isFixed();
        drop.setAttribute("aria-label", `Remove option ${index + 1}`);
        for (const button of [drop, grip]) button.hidden = isFixed();
        place.hidden = !now.pid;
        place.textContent = now.pid ? `${form.places().find(({ pid }) => pid === now.pid)?.name ?? now.pid} ✕` : "";
        place.setAttribute(
          "aria-label",
          `Option ${index + 1} means the place ${place.textContent.slice(0, -2)}: take it off`,
        );
      },
    };
  }

  const showOptions = keyed(list, build);
  reorder(list, (key, to) => {
    const hadText = document.activeElement?.classList.contains("option-text");
    put(moved(form.content().options, key, to));
    if (hadText) focusAt(to);
    else list.children[to]?.querySelector(".handle").focus();
  });
  byId("option-add").addEventListener("click", () => focusAt(add()));

  return {
    show(content) {
      const isShown = content.type !== "open_ended" && (content.type !== "unanswerable" || content.options.length > 0);
      part.hidden = !isShown && content.type !== "unanswerable";
      byId("options-label").textContent =
        content.type === "unanswerable"
          ? "Options, none of which is right"
          : content.type === "multiple_choice"
            ? "Options: mark every right one"
            : "Options: mark the right one";
      byId("option-add").hidden = content.type === "yes_no";
      showOptions(content.options);
    },
    markNumber(number) {
      const option = form.content().options[number - 1];
      if (option && type() !== "unanswerable") mark(option.key);
    },
    // Puts a value into the first empty option, or a new one; gives the option's key.
    use(text, pid) {
      const { options } = form.content();
      const empty = options.find((option) => !option.text && !isFixed());
      if (empty) {
        write(empty.key, { text, pid });
        return empty.key;
      }
      const at = add(Infinity, { text, pid });
      return at === undefined ? null : form.content().options[at].key;
    },
  };
}
