// JSON pointers (RFC 6901) into a tool's result.

// The value that a pointer leads to; undefined when there is none.
export function valueAt(document, pointer) {
  let value = document;
  for (const step of pointer.split("/").slice(1)) {
    value = value?.[step.replaceAll("~1", "/").replaceAll("~0", "~")];
  }
  return value;
}

// A name as one step of a pointer.
export const step = (name) => String(name).replaceAll("~", "~0").replaceAll("/", "~1");
