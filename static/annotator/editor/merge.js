// Three-way merge of two hands' work on one context or question, as the server does it by field, and within the lists
// whose parts have keys also by part: two people may write in two options, or add an item each, without a conflict.

const KEYED = new Set(["options", "evidence", "items"]);

export function same(left, right) {
  if (left === right) return true;
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = Object.keys(left);
  return (
    names.length === Object.keys(right).length &&
    names.every((name) => Object.hasOwn(right, name) && same(left[name], right[name]))
  );
}

// Names of the fields in which two contents differ.
export const differences = (left, right) =>
  [...new Set([...Object.keys(left), ...Object.keys(right)])].filter((name) => !same(left[name], right[name]));

// Gives { content, conflicts }: where both changed a field to something else, mine stands and the field is named.
export function merge(base, theirs, mine) {
  const content = {};
  const conflicts = [];
  for (const field of new Set([...Object.keys(base), ...Object.keys(theirs), ...Object.keys(mine)])) {
    const merged = one(base[field], theirs[field], mine[field], KEYED.has(field));
    content[field] = merged.value;
    if (!merged.isClean) conflicts.push(field);
  }
  return { content, conflicts };
}

function one(old, other, own, isKeyed) {
  if (same(own, old)) return { value: other, isClean: true };
  if (same(other, old) || same(other, own)) return { value: own, isClean: true };
  return (isKeyed && parts(old ?? [], other, own)) || { value: own, isClean: false };
}

// The lists put together, or null where both hands changed one part.
function parts(old, other, own) {
  const [before, theirs, mine] = [old, other, own].map((list) => new Map(list.map((part) => [part.key, part])));
  const kept = new Map();
  for (const key of new Set([...theirs.keys(), ...mine.keys()])) {
    const [was, their, my] = [before.get(key), theirs.get(key), mine.get(key)];
    if (their && my) {
      const { content, conflicts } = merge(was ?? {}, their, my);
      if (conflicts.length) return null;
      kept.set(key, content);
    } else if (was) {
      // One of them took it out: that stands only if the other had not written in it.
      if (!same(was, their ?? my)) return null;
    } else {
      kept.set(key, their ?? my);
    }
  }
  const wasMoved = !same(
    own.map(({ key }) => key).filter((key) => before.has(key)),
    old.map(({ key }) => key).filter((key) => mine.has(key)),
  );
  const [first, second] = wasMoved ? [own, other] : [other, own];
  const order = new Set([...first, ...second].map(({ key }) => key));
  return { value: [...order].filter((key) => kept.has(key)).map((key) => kept.get(key)), isClean: true };
}
