// Undo and redo: of what was touched last, whether that was a text, the order of a list, or a deletion.

import { ApiError } from "../api.js";
import { toast } from "../toast.js";

let last = null;

// A context or question that has just been changed here.
export const touched = (doc) => {
  last = { doc };
};

// Something else that can be taken back once, such as a deletion. Gives a function that drops it, because it was taken
// back in another way; that gives whether it was still there.
export function done(run) {
  const entry = { run, before: last, isOpen: true };
  last = entry;
  return () => {
    const wasOpen = entry.isOpen;
    entry.isOpen = false;
    if (last === entry) last = entry.before;
    return wasOpen;
  };
}

export async function step(doc, direction) {
  try {
    await doc.act(direction);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const isNothingLeft = error.status === 409;
    toast(isNothingLeft ? `There is nothing to ${direction}.` : `Not done: ${error.message}`, {
      isBad: !isNothingLeft,
    });
  }
}

// fallback: what is meant when nothing was touched yet.
export async function undo(fallback) {
  while (last?.run && !last.isOpen) last = last.before;
  if (last?.run) {
    const { run, before } = last;
    last.isOpen = false;
    last = before;
    await run();
  } else {
    const doc = last?.doc ?? fallback;
    if (doc) await step(doc, "undo");
  }
}

export async function redo(fallback) {
  const doc = last?.doc ?? fallback;
  if (doc) await step(doc, "redo");
}
