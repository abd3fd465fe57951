// Reads an answer out of the fields that the page draws for a question's kind, and puts a draft back into them.

const number = (field) => (field.value.trim() === "" ? null : Number(field.value));

const OPEN = {
  text: ({ value }) => (value.value.trim() ? { value: value.value.trim() } : null),
  number: ({ value, unit }) => (number(value) === null ? null : { value: number(value), unit: unit.value }),
  duration({ minutes, seconds }) {
    if (number(minutes) === null && number(seconds) === null) return null;
    return { value_s: (number(minutes) ?? 0) * 60 + (number(seconds) ?? 0) };
  },
  distance: ({ value, unit }) =>
    number(value) === null ? null : { value_m: number(value) * (unit.value === "km" ? 1000 : 1) },
  time: ({ value }) => (value.value.trim() ? { value: value.value.trim() } : null),
  place: ({ name }) => (name.value.trim() ? { name: name.value.trim() } : null),
  point({ point }) {
    const found = point.value.trim().match(/^(-?\d+(?:\.\d+)?)\s*[,;\s]\s*(-?\d+(?:\.\d+)?)$/);
    return found ? { lat: Number(found[1]), lon: Number(found[2]) } : null;
  },
  ordered_list: lines,
  set: lines,
};

function lines({ items }) {
  const found = items.value.split("\n").map((line) => line.trim()).filter(Boolean);
  return found.length ? { items: found } : null;
}

const choices = (form) => [...form.querySelectorAll("input[name=key]")];

// An answer as the API takes it, or null where none is given yet. `gold` lends its tolerances.
export function readGiven(form, gold = null) {
  const marked = choices(form).filter((field) => field.checked);
  if (marked.some((field) => field.hasAttribute("data-unanswerable"))) return { unanswerable: true };
  const open = form.querySelector("[data-open]");
  if (!open) return marked.length ? { keys: marked.map((field) => field.value) } : null;
  const kind = open.dataset.open;
  const said = OPEN[kind](form.elements);
  if (!said) return null;
  const base = gold?.kind === kind ? gold : {};
  // Another name is another place; the old one's id and position do not belong to it.
  const place = kind === "place" && base.name !== said.name ? { pid: "", lat: null, lon: null, aliases: [] } : {};
  return { ...base, ...place, kind, ...said };
}

// "The context does not say" and an answer exclude each other.
export function keepExclusive(form) {
  form.addEventListener("input", ({ target }) => {
    const abstain = form.querySelector("[data-unanswerable]");
    if (target === abstain) {
      if (!abstain.checked) return;
      for (const field of choices(form)) if (field !== abstain) field.checked = false;
    } else if (target.name === "key" || target.closest("[data-open]")) {
      abstain.checked = false;
    }
  });
}

// Everything in a form, to be kept as a draft.
export function snapshot(form) {
  const marked = choices(form).map((field) => field.checked);
  const fields = {};
  for (const field of form.elements) if (field.name && field.name !== "key") fields[field.name] = field.value;
  return { marked, fields };
}

export function restore(form, draft) {
  choices(form).forEach((field, index) => {
    field.checked = draft.marked?.[index] ?? false;
  });
  for (const [name, value] of Object.entries(draft.fields ?? {})) {
    const field = form.elements[name];
    if (field && field.type !== "hidden") field.value = value;
  }
}
