// The simple controls of a tool's form: each an element, what it reads as, and how a recorded call fills it again.

import { make } from "../dom.js";

let num_controls = 0;

const readable = (word) => String(word).replaceAll("_", " ");

// Local time without an offset, as the tools read it: that of the place.
export function localTime(date = new Date()) {
  const two = (number) => String(number).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}`;
}

function labelled(field, input, ...after) {
  return make(
    "div",
    { class: `row row-${field.kind}` },
    make("label", { for: input.id }, field.label),
    make("div", { class: "field" }, input, ...after),
  );
}

function textField(field, attributes = {}) {
  const input = make("input", {
    id: `field-${++num_controls}`,
    name: field.name,
    type: "text",
    dir: "auto",
    title: field.hint,
    required: field.isRequired,
    maxlength: field.maxLength,
    pattern: field.pattern,
    ...attributes,
  });
  return {
    input,
    element: labelled(field, input, field.unit && make("span", { class: "unit" }, field.unit)),
    settle: () => input.value.trim() || undefined,
    fill: (value) => {
      input.value = value ?? "";
    },
  };
}

function numberField(field) {
  // A bound that is itself forbidden ("more than 0 m") is the server's to explain.
  const bounds = { min: field.low, max: field.high, step: field.isWhole ? 1 : "any", inputmode: "decimal" };
  const made = textField(field, { type: "number", pattern: null, ...bounds });
  const { input } = made;
  return {
    ...made,
    settle: () => (input.value === "" ? undefined : Number(input.value)),
  };
}

function choiceField(field, options) {
  const input = make("select", {
    id: `field-${++num_controls}`,
    name: field.name,
    title: field.hint,
    required: field.isRequired,
  });
  input.append(
    ...(field.isNullable ? [make("option", { value: "" }, "any")] : []),
    ...options.map(([value, title]) => make("option", { value }, title)),
  );
  return {
    input,
    element: labelled(field, input),
    settle: () => input.value || undefined,
    fill: (value) => {
      input.value = value ?? (field.isNullable ? "" : options[0][0]);
    },
  };
}

function flagField(field) {
  if (field.isNullable) {
    const made = choiceField(field, [
      ["true", "yes"],
      ["false", "no"],
    ]);
    return {
      ...made,
      settle: () => ({ true: true, false: false })[made.input.value],
      fill: (value) => made.fill(value === null || value === undefined ? "" : String(value)),
    };
  }
  const input = make("input", { id: `field-${++num_controls}`, name: field.name, type: "checkbox" });
  return {
    input,
    element: make("label", { class: "check", title: field.hint }, input, field.label),
    settle: () => input.checked || undefined,
    fill: (value) => {
      input.checked = Boolean(value);
    },
  };
}

function choicesField(field) {
  const boxes = field.choices.map((choice) => make("input", { type: "checkbox", name: field.name, value: choice }));
  const convert = typeof field.choices[0] === "number" ? Number : String;
  return {
    input: boxes[0],
    element: make(
      "fieldset",
      { class: "choices", title: field.hint },
      make("legend", {}, field.label),
      ...boxes.map((box) => make("label", { class: "check" }, box, readable(box.value))),
    ),
    settle: () => {
      const chosen = boxes.filter((box) => box.checked).map((box) => convert(box.value));
      return chosen.length ? chosen : undefined;
    },
    fill: (value) => {
      for (const box of boxes) box.checked = (value ?? []).includes(convert(box.value));
    },
  };
}

function timeField(field) {
  const made = textField(field, { type: "datetime-local", pattern: null, maxlength: null });
  return {
    ...made,
    element: make("div", {}, made.element, make("p", { class: "quiet" }, "In the local time of the place.")),
    fill: (value) => {
      // A time with an offset keeps its clock: the box knows local times only.
      made.input.value = value ? value.slice(0, 16) : field.isRequired ? localTime() : "";
    },
  };
}

function typeField(field, types) {
  const options = [...types].sort((a, b) => a.title.localeCompare(b.title, "en")).map(({ key, title }) => [key, title]);
  return choiceField(field, options);
}

const MAKERS = {
  number: numberField,
  flag: flagField,
  choices: choicesField,
  time: timeField,
  choice: (field) =>
    choiceField(
      field,
      field.choices.map((choice) => [choice, readable(choice)]),
    ),
  type: (field, { types }) => typeField(field, types),
  text: (field) =>
    textField(field, ["query", "keyword"].includes(field.name) ? { type: "search", enterkeyhint: "search" } : {}),
};

// { input, element, settle() → value or undefined, fill(value) }
export function makeField(field, desk) {
  const made = MAKERS[field.kind](field, desk);
  made.fill(field.standard);
  return made;
}
