// The list of questions: marking many, and doing one thing with all of them that can be undone at once.

import { ApiError, send } from "../api.js";
import { byId } from "../dom.js";
import { refresh } from "../forms.js";
import { count } from "../format.js";
import { bind, isTyping } from "../keys.js";
import { toast } from "../toast.js";

const api = `/api/projects/${document.body.dataset.project}`;
const ACTIONS = {
  submit: { method: "POST", path: (id) => `${id}/submit`, words: "submitted", undo: ["POST", (id) => `${id}/reopen`] },
  archive: { method: "POST", path: (id) => `${id}/archive`, words: "set aside", undo: ["POST", (id) => `${id}/reopen`] },
  delete: { method: "DELETE", path: (id) => id, words: "deleted", undo: ["POST", (id) => `${id}/restore`] },
};

const marks = () => [...document.querySelectorAll("#list .mark")];
const marked = () => marks().filter((box) => box.checked).map((box) => box.value);

function showMarked() {
  const number = marked().length;
  byId("marked").textContent = number ? `${number} marked` : "none marked";
  byId("mark-all").checked = number > 0 && number === marks().length;
  for (const button of document.querySelectorAll("[data-bulk]")) button.disabled = number === 0;
}

// Asks for one after another: each stands alone, and what fails says why.
async function each(ids, method, path) {
  const did = [];
  const failed = [];
  for (const id of ids) {
    try {
      await send(method, `${api}/questions/${path(id)}`, {});
      did.push(id);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failed.push(error.message);
    }
  }
  return { did, failed };
}

async function doAll(name) {
  const { method, path, words, undo } = ACTIONS[name];
  const { did, failed } = await each(marked(), method, path);
  await refresh("#list");
  if (failed.length) toast(`${count(failed.length, "question")} left as it was: ${failed[0]}`, { isBad: true });
  if (!did.length) return;
  toast(`${count(did.length, "question")} ${words}.`, {
    action: "Undo",
    run: async () => {
      await each(did, ...undo);
      await refresh("#list");
    },
  });
}

async function assign() {
  const form = byId("bulk");
  const usernames = [...form.elements.usernames.selectedOptions].map((option) => option.value);
  if (!usernames.length) {
    toast("Choose whom to assign them to first.", { isBad: true });
    return;
  }
  try {
    const body = {
      kind: form.elements.kind.value,
      usernames,
      question_ids: marked(),
      overlap: Number(form.elements.overlap.value),
    };
    const dealt = await send("POST", `${api}/assignments/bulk`, body);
    const short = dealt.num_short ? ` ${dealt.num_short} could not be given to anybody.` : "";
    toast(`${count(dealt.num_given, "task")} assigned.${short}`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { isBad: true });
  }
}

document.addEventListener("change", ({ target }) => {
  if (target.id === "mark-all") for (const box of marks()) box.checked = target.checked;
  if (target.id === "mark-all" || target.classList.contains("mark")) showMarked();
});

document.addEventListener("click", ({ target }) => {
  const name = target.closest("[data-bulk]")?.dataset.bulk;
  if (name === "assign") assign();
  else if (name) doAll(name);
});

document.addEventListener("submit", (event) => {
  if (event.target.id === "bulk") event.preventDefault();
});

function step(by) {
  const rows = [...document.querySelectorAll("#list .what")];
  const at = rows.indexOf(document.activeElement);
  rows.at(at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by)))?.focus();
}

const group = "In the list";
bind("list.next", "J", "Next question", () => step(1), { group });
bind("list.previous", "K", "Previous question", () => step(-1), { group });
bind(
  "list.mark",
  "M",
  "Mark or unmark",
  () => document.activeElement.closest?.(".row")?.querySelector(".mark")?.click(),
  { group, when: () => !isTyping(document.activeElement) },
);
