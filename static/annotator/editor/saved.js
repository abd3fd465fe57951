// The one place that says what is saved: "Saved 12:04", "Saving…", "Offline, 3 changes kept here".

import { byId } from "../dom.js";
import { count } from "../format.js";

const WORST_FIRST = ["conflict", "refused", "signed-out", "offline", "saving", "waiting", "saved"];
const clock = (date) => date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

function words(docs) {
  const state = WORST_FIRST.find((name) => docs.some((doc) => doc.state === name));
  const kept = docs.reduce((sum, doc) => sum + doc.num_changes, 0);
  const where = docs.every((doc) => !doc.isDirty || doc.isKept) ? "kept here" : "on this page only: do not close it";
  if (state === "conflict") return "Changed by two: choose below";
  if (state === "refused") return `Not saved: ${docs.find((doc) => doc.state === "refused").message}`;
  if (state === "signed-out") return `Signed out, ${count(kept, "change")} ${where}`;
  if (state === "offline") return `Offline, ${count(kept, "change")} ${where}`;
  if (state !== "saved") return "Saving…";
  const last = docs.map((doc) => doc.savedAt).filter(Boolean);
  return last.length ? `Saved ${clock(new Date(Math.max(...last)))}` : "Saved";
}

const watched = new Set();

function show() {
  const place = byId("saved");
  const docs = [...watched];
  if (!place || !docs.length) return;
  const text = words(docs);
  if (place.textContent !== text) place.textContent = text;
  const isBad = docs.some((doc) => ["conflict", "refused", "offline", "signed-out"].includes(doc.state));
  place.classList.toggle("warn", isBad);
}

export function watch(doc) {
  watched.add(doc);
  doc.addEventListener("state", show);
  doc.addEventListener("change", show);
  show();
}

export function unwatch(doc) {
  watched.delete(doc);
  show();
}

export const unsaved = () => [...watched].filter((doc) => doc.isDirty);
