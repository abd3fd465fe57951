// Reads JSON text without changing it: every value keeps where it stands, so that it can be shown as it was written.
// A value is { start, end } in the text, with `items` [{ key, value }] for objects and arrays; `isArray` tells which.

const MAX_DEPTH = 1000;
const SPACE = /[ \t\r\n]*/y;
const SCALAR = /[^,\]}\s]+/y;

// Gives null for text that is no JSON, or that is nested too deeply to be folded.
export function scan(text) {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  let at = 0;
  let tooDeep = false;

  function skipSpace() {
    SPACE.lastIndex = at;
    SPACE.test(text);
    at = SPACE.lastIndex;
  }

  // Past the closing quote: one that an even number of backslashes stands before.
  function skipString() {
    for (at += 1; ; at += 1) {
      at = text.indexOf('"', at);
      let before = at;
      while (text[before - 1] === "\\") before -= 1;
      if ((at - before) % 2 === 0) break;
    }
    at += 1;
  }

  function readValue(depth) {
    skipSpace();
    const start = at;
    const first = text[at];
    const value = { start, end: start };
    if (first === "{" || first === "[") {
      if (depth > MAX_DEPTH) tooDeep = true;
      else readItems(value, first === "[", depth);
    } else if (first === '"') {
      skipString();
    } else {
      SCALAR.lastIndex = at;
      SCALAR.test(text);
      at = SCALAR.lastIndex;
    }
    value.end = at;
    return value;
  }

  function readItems(value, isArray, depth) {
    value.isArray = isArray;
    value.items = [];
    const close = isArray ? "]" : "}";
    at += 1;
    skipSpace();
    while (text[at] !== close && !tooDeep) {
      let key = value.items.length;
      if (!isArray) {
        const keyStart = at;
        skipString();
        key = JSON.parse(text.slice(keyStart, at));
        skipSpace();
        at += 1;
      }
      value.items.push({ key, value: readValue(depth + 1) });
      skipSpace();
      if (text[at] === ",") at += 1;
      skipSpace();
    }
    at += 1;
  }

  const whole = readValue(0);
  return tooDeep ? null : whole;
}

export const escapeStep = (step) => String(step).replaceAll("~", "~0").replaceAll("/", "~1");

// The values from the whole to what a JSON Pointer (RFC 6901) names, or null where there is nothing.
export function follow(whole, pointer) {
  if (pointer !== "" && !pointer.startsWith("/")) return null;
  const path = [whole];
  for (const raw of pointer.split("/").slice(1)) {
    const step = raw.replaceAll("~1", "/").replaceAll("~0", "~");
    const { items, isArray } = path.at(-1);
    if (isArray && !/^(0|[1-9]\d*)$/.test(step)) return null;
    // Of two members with one name readers take the last.
    const found = isArray ? items[Number(step)] : items?.findLast((item) => item.key === step);
    if (!found) return null;
    path.push(found.value);
  }
  return path;
}

export const countValues = (value, most) => {
  let number = 1;
  for (const item of value.items ?? []) {
    if (number > most) break;
    number += countValues(item.value, most - number);
  }
  return number;
};
