// Who else is here: "Anna is editing this question", and what they save comes in while one writes.

import { ApiError, send } from "../api.js";

const EVERY_MS = 5000;
const STORED = "mapqator.tab";
const TAB = Math.random().toString(36).slice(2, 14);

// As the page's head has it; whoever has the same name here is oneself in another tab.
export const OWN_NAME = document.querySelector('#top a[href="/me"]')?.textContent.trim();

// The same after the page was loaded again, which is nobody else.
function ownTab() {
  const fresh = Math.random().toString(36).slice(2, 14);
  try {
    const known = sessionStorage.getItem(STORED) ?? fresh;
    sessionStorage.setItem(STORED, known);
    return known;
  } catch {
    return fresh;
  }
}

function sentence(everybody, what) {
  const others = everybody.filter((person) => person.display_name !== OWN_NAME || person.is_editing);
  const writing = others.filter((person) => person.is_editing);
  const told = writing.length ? writing : others;
  if (!told.length) return "";
  const names = [...new Set(told.map((person) => person.display_name))].map((name) =>
    name === OWN_NAME ? "Another tab of yours" : name,
  );
  return `${new Intl.ListFormat("en").format(names)} ${names.length === 1 ? "is" : "are"} ${writing.length ? "editing" : "looking at"} this ${what}`;
}

// subjects(): [{ doc, what, place, isEditing }] of what is open.
export function wirePresence(bench, subjects) {
  let timer = null;

  async function beat({ doc, what, place, isEditing }) {
    try {
      const { others, n } = await send("POST", bench.api("/presence"), {
        subject_id: doc.id,
        tab: TAB,
        is_editing: isEditing(),
      });
      const words = sentence(others, what);
      if (place.textContent !== words) place.textContent = words;
      if (n !== null && n !== doc.base.n && doc.state !== "saving") await doc.refresh();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      place.textContent = "";
    }
  }

  function run() {
    clearTimeout(timer);
    timer = setTimeout(run, EVERY_MS);
    if (document.visibilityState === "visible") for (const subject of subjects()) beat(subject);
  }
  document.addEventListener("visibilitychange", run);
  addEventListener("online", run);
  run();
  return run;
}
