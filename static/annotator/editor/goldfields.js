// The inputs of each kind of open-ended answer, in units that people use.

import { make } from "../dom.js";
import { setValue } from "./show.js";

const lines = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
// 0.1 + 0.2 shall read 0.3: what is stored has more digits than anybody typed.
const tidy = (value) => (value === null || value === undefined ? "" : String(Number(value.toPrecision(12))));

// One labelled input. read and write turn its text into a value and back; what is half typed is left alone.
function field(label, attributes, { get, set, read = (text) => text, write = (value) => value ?? "", tag = "input" }) {
  const input = make(tag, { autocomplete: "off", ...attributes });
  const element = make("label", { class: attributes.class ?? "stack" }, label, input);
  return (form) => {
    input.addEventListener("input", () => {
      const value = read(input.value);
      if (value !== undefined) form.change({ gold: { ...form.content().gold, ...set(value, form) } });
    });
    input.addEventListener("mention", ({ detail }) => form.mentioned(detail, input));
    return {
      element,
      show(gold) {
        const value = get(gold);
        const isTheSame = JSON.stringify(read(input.value)) === JSON.stringify(value);
        if (!isTheSame || (input.value === "" && value !== null)) setValue(input, write(value));
      },
    };
  };
}

const text = (label, name, attributes = {}) =>
  field(
    label,
    { type: "text", maxlength: "2000", dir: "auto", "data-mentions": "gold", ...attributes },
    { get: (gold) => gold[name], set: (value) => ({ [name]: value }) },
  );

const list = (label, name, rows = 2) =>
  field(
    label,
    { rows, dir: "auto", "data-mentions": "gold" },
    {
      tag: "textarea",
      get: (gold) => [...gold[name]],
      set: (value) => ({ [name]: value }),
      read: lines,
      write: (value) => value.join("\n"),
    },
  );

// factor: how many stored units one shown unit is. An empty number is `empty`.
const number = (label, name, { factor = 1, empty = 0, min = 0, max, step = "any" } = {}) =>
  field(
    label,
    { type: "number", class: "short", step, min, max, inputmode: "decimal" },
    {
      get: (gold) => gold[name],
      set: (value) => ({ [name]: value }),
      // Badly typed is not the same as empty, and changes nothing.
      read: (typed) =>
        typed === ""
          ? empty
          : Number.isFinite(Number(typed))
            ? Number((Number(typed) * factor).toPrecision(12))
            : undefined,
      write: (value) => (value === null ? "" : tidy(value / factor)),
    },
  );

const percent = (name) => number("or within, %", name, { factor: 0.01, max: 100 });

// Minutes and seconds, or metres and kilometres: two inputs that together are one number of the stored unit.
function two(name, labels, factor) {
  return (form) => {
    const inputs = labels.map((label) =>
      make("input", {
        type: "number",
        step: "any",
        min: 0,
        inputmode: "decimal",
        "aria-label": label,
        autocomplete: "off",
      }),
    );
    const value = () =>
      inputs.every((input) => input.value === "")
        ? null
        : Number((inputs[0].value * factor + Number(inputs[1].value)).toPrecision(12));
    for (const input of inputs) {
      input.addEventListener("input", () => form.change({ gold: { ...form.content().gold, [name]: value() } }));
    }
    const element = make(
      "div",
      { class: "pairs" },
      ...inputs.flatMap((input, index) => [input, labels[index].toLowerCase()]),
    );
    return {
      element,
      show(gold) {
        if (value() === gold[name]) return;
        const whole = gold[name] === null ? null : Math.floor(gold[name] / factor);
        setValue(inputs[0], tidy(whole));
        setValue(inputs[1], whole === null ? "" : tidy(gold[name] - whole * factor));
      },
    };
  };
}

function compared(form) {
  const select = make(
    "select",
    {},
    make("option", { value: "loose" }, "loosely: case, accents and articles do not count"),
    make("option", { value: "exact" }, "character by character"),
  );
  select.addEventListener("change", () => form.change({ gold: { ...form.content().gold, normaliser: select.value } }));
  return {
    element: make("label", { class: "stack" }, "Compared", select),
    show(gold) {
      select.value = gold.normaliser;
    },
  };
}

// A place of the context fills name, id and position in one step.
function pickPlace(names) {
  return (form) => {
    const select = make("select", { "aria-label": "A place of the context" });
    select.addEventListener("change", () => {
      const place = form.places().find(({ pid }) => pid === select.value);
      const all = place ?? { pid: "", name: "", lat: null, lon: null };
      form.change({ gold: { ...form.content().gold, ...Object.fromEntries(names.map((name) => [name, all[name]])) } });
    });
    const element = make("label", { class: "stack" }, "From the context", select);
    return {
      element,
      show(gold) {
        const places = form.places();
        const now = gold.pid ?? places.find(({ lat, lon }) => lat === gold.lat && lon === gold.lon)?.pid ?? "";
        const known = now && !places.some(({ pid }) => pid === now) ? [{ pid: now, name: gold.name || now }] : [];
        const wanted = [{ pid: "", name: "none of them" }, ...places, ...known];
        const isDrawn =
          select.options.length === wanted.length &&
          wanted.every(({ pid }, index) => select.options[index].value === pid);
        if (!isDrawn) select.replaceChildren(...wanted.map(({ pid, name }) => make("option", { value: pid }, name)));
        select.value = now;
      },
    };
  };
}

function timeField() {
  return (form) => {
    const clock = make("input", { "aria-label": "Time", type: "time" });
    const kind = make(
      "select",
      { "aria-label": "Kind of time" },
      make("option", { value: "time" }, "Time of day"),
      make("option", { value: "datetime-local" }, "Date and time"),
    );
    kind.addEventListener("change", () => {
      clock.type = kind.value;
    });
    clock.addEventListener("input", () =>
      form.change({ gold: { ...form.content().gold, value: clock.value.slice(0, clock.type === "time" ? 5 : 16) } }),
    );
    return {
      element: make("div", { class: "pairs" }, kind, clock),
      show(gold) {
        if (gold.value === clock.value) return;
        if (gold.value) kind.value = clock.type = gold.value.includes("T") ? "datetime-local" : "time";
        clock.value = gold.value;
      },
    };
  };
}

// What each kind needs, in order: builders that take the form and give { element, show(gold) }.
export const FIELDS = {
  text: [text("Answer", "value"), list("Also right, one a line", "aliases"), compared],
  number: [
    number("Value", "value", { empty: null, min: undefined }),
    text("Unit", "unit", { maxlength: "40", class: "short" }),
    number("Right within ±", "abs_tol"),
    percent("rel_tol"),
  ],
  duration: [two("value_s", ["Minutes", "Seconds"], 60), number("Right within ± s", "abs_tol_s"), percent("rel_tol")],
  distance: [
    two("value_m", ["Kilometres", "Metres"], 1000),
    number("Right within ± m", "abs_tol_m"),
    percent("rel_tol"),
  ],
  time: [timeField(), number("Right within ± min", "abs_tol_s", { factor: 60 })],
  place: [
    pickPlace(["pid", "name", "lat", "lon"]),
    text("Name", "name"),
    list("Other names, one a line", "aliases"),
    number("Also right within m of it", "max_m", { empty: null }),
  ],
  point: [
    pickPlace(["lat", "lon"]),
    number("Latitude", "lat", { empty: null, min: -90, max: 90 }),
    number("Longitude", "lon", { empty: null, min: -180, max: 180 }),
    number("Right within m", "max_m"),
  ],
  ordered_list: [list("Items in order, one a line", "items", 4)],
  set: [list("Items, one a line", "items", 4)],
};
