// What becomes of a question's options, answer and evidence when its type changes or its options move.

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
export const MAX_OPTIONS = LETTERS.length;

export const TYPES = [
  ["yes_no", "Yes or no"],
  ["single_choice", "Single choice"],
  ["multiple_choice", "Multiple choice"],
  ["open_ended", "Open-ended"],
  ["unanswerable", "Unanswerable"],
];
export const typeTitle = (type) => TYPES.find(([key]) => key === type)?.[1] ?? type;

const YES_NO = [
  { key: "yes", text: "Yes", pid: null },
  { key: "no", text: "No", pid: null },
];

export const EMPTY_GOLD = {
  text: { kind: "text", value: "", aliases: [], normaliser: "loose" },
  number: { kind: "number", value: null, unit: "", abs_tol: 0, rel_tol: 0 },
  duration: { kind: "duration", value_s: null, abs_tol_s: 60, rel_tol: 0 },
  distance: { kind: "distance", value_m: null, abs_tol_m: 0, rel_tol: 0.05 },
  time: { kind: "time", value: "", abs_tol_s: 0 },
  place: { kind: "place", pid: "", name: "", aliases: [], lat: null, lon: null, max_m: null },
  point: { kind: "point", lat: null, lon: null, max_m: 100 },
  ordered_list: { kind: "ordered_list", items: [] },
  set: { kind: "set", items: [] },
};

const evidenceOf = (evidence, keyOf) =>
  evidence.map((item) => (item.option_key ? { ...item, option_key: keyOf(item.option_key) ?? null } : item));

// Options in a new order or number get the letters of their places; gold and evidence go with their option.
export function lettered(content, options) {
  const names = new Map(options.map((option, index) => [option.key, LETTERS[index]]));
  return {
    options: options.map((option, index) => ({ ...option, key: LETTERS[index] })),
    gold_keys: options.filter(({ key }) => content.gold_keys.includes(key)).map(({ key }) => names.get(key)),
    evidence: evidenceOf(content.evidence, (key) => names.get(key)),
  };
}

// before: { options, gold } that another type of this question had, so that looking at a type costs nothing.
export function converted(content, type, before = {}) {
  const isLettered = content.options.length && content.options.every(({ key }) => LETTERS.includes(key));
  let options = [];
  let gold = null;
  if (type === "yes_no") options = YES_NO;
  else if (type === "open_ended") gold = before.gold ?? EMPTY_GOLD.text;
  else if (isLettered) options = content.options;
  else if (before.options?.length) options = before.options;
  else if (type !== "unanswerable") options = ["A", "B"].map((key) => ({ key, text: "", pid: null }));
  const keys = new Set(options.map(({ key }) => key));
  const most = type === "multiple_choice" ? options.length : type === "unanswerable" ? 0 : 1;
  return {
    type,
    options,
    gold,
    gold_keys: content.gold_keys.filter((key) => keys.has(key)).slice(0, most),
    evidence: evidenceOf(content.evidence, (key) => (keys.has(key) ? key : null)),
  };
}

// A new question, as the types of the project allow.
export function blank(types) {
  const type = types.includes("single_choice") ? "single_choice" : types[0];
  const empty = {
    body: "",
    explanation: "",
    category: "",
    tags: [],
    difficulty: "",
    options: [],
    gold_keys: [],
    evidence: [],
  };
  return { ...empty, ...converted(empty, type) };
}
