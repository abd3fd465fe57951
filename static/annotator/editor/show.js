// Showing values in fields and lists without disturbing whoever types in them.

// Sets a field, keeping the cursor at the words where it stood.
export function setValue(field, value) {
  if (field.value === value) return;
  const isHere =
    field === document.activeElement && field.selectionStart !== null && field.selectionStart !== undefined;
  const { value: old, selectionStart: start, selectionEnd: end } = field;
  field.value = value;
  if (!isHere) return;
  let common = 0;
  while (common < start && old[common] === value[common]) common += 1;
  const by = common < start ? value.length - old.length : 0;
  field.setSelectionRange(Math.max(common, start + by), Math.max(common, end + by));
}

// Shows a list of parts with keys in `parent`; elements of parts that stay are kept, wherever they move to.
// build(part) gives { element, show(part, index) }.
export function keyed(parent, build) {
  const shown = new Map();
  return (parts, ...rest) => {
    const focused = document.activeElement;
    const keys = new Set(parts.map(({ key }) => key));
    for (const [key, { element }] of shown) {
      if (keys.has(key)) continue;
      element.remove();
      shown.delete(key);
    }
    parts.forEach((part, index) => {
      let view = shown.get(part.key);
      if (!view) {
        view = build(part);
        view.element.dataset.key = part.key;
        shown.set(part.key, view);
      }
      const there = parent.children[index];
      if (there !== view.element) parent.insertBefore(view.element, there ?? null);
      view.show(part, index, ...rest);
    });
    if (focused !== document.activeElement && parent.contains(focused)) focused.focus();
  };
}
