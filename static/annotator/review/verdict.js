// Reviewing, one question at a time: A approves, R asks for changes, X rejects, each goes on to the next; undo takes it back.

import { ApiError, send } from "../api.js";
import { byId } from "../dom.js";
import { bind } from "../keys.js";
import { toast } from "../toast.js";
import "./comments.js";
import { api, isFree, item, numberOf, onItem, questionApi, show, trail, wireBeside } from "./item.js";
import { lap } from "./stopwatch.js";

const WORDS = { approve: "approved", request_changes: "sent back", reject: "rejected" };
const done = trail("reviewed");
let isBusy = false;
let meant = null;

const form = () => byId("verdict");
const boxes = () => [...form().querySelectorAll("input[name=checklist]")];

function complain(words) {
  form().querySelector("[role=alert]").textContent = words;
}

async function give(verdict) {
  if (isBusy || !form()) return;
  const why = byId("why");
  if (verdict !== "approve" && !why.value.trim()) {
    meant = verdict;
    complain("Say what has to change or why it cannot stay, then press the button again, or Ctrl Enter.");
    why.focus();
    return;
  }
  const unticked = boxes().find((box) => !box.checked);
  if (verdict === "approve" && unticked) {
    complain("Tick the checklist before approving: by its numbers, or all of it with 0.");
    unticked.focus();
    return;
  }
  isBusy = true;
  const { id, number, n } = item().dataset;
  const next = numberOf(byId("next"));
  try {
    await send("POST", `${questionApi()}/reviews`, {
      verdict,
      n: Number(n),
      checklist: boxes().filter((box) => box.checked).map((box) => box.value),
      comment: why.value,
      active_ms: lap(),
    });
    done.add({ id, number });
    meant = null;
    await show("review", next);
    toast(`Question ${number} is ${WORDS[verdict]}.`, { action: "Undo", run: undo });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    complain(error.message);
    if (error.detail?.current_n) {
      toast(error.message, { action: "Show it as it is now", run: () => show("review", number) });
    }
  } finally {
    isBusy = false;
  }
}

async function undo() {
  const last = done.last();
  if (!last) {
    toast("There is nothing to undo in this tab.");
    return;
  }
  try {
    await send("DELETE", `${api}/questions/${last.id}/reviews`);
    done.drop();
    await show("review", last.number);
    toast(`Your verdict on question ${last.number} is taken back.`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { isBad: true });
  }
}

function tickAll() {
  const all = boxes().every((box) => box.checked);
  for (const box of boxes()) box.checked = !all;
}

function wire() {
  const group = "Reviewing";
  byId("undo").addEventListener("click", undo);
  bind("review.undo", "Mod+Z", "Undo last", undo, { control: byId("undo"), when: isFree, group });
  bind("review.undo-too", "Backspace", "Undo last", undo, { when: isFree, group });
  if (!form()) return;
  form().addEventListener("submit", (event) => event.preventDefault());
  const buttons = [
    ["approve", "A", "Approve and next", "approve"],
    ["request", "R", "Request changes", "request_changes"],
    ["reject", "X", "Reject", "reject"],
  ];
  for (const [id, key, label, verdict] of buttons) {
    byId(id).addEventListener("click", () => give(verdict));
    bind(`review.${id}`, key, label, () => give(verdict), { control: byId(id), group });
  }
  bind("review.send", "Mod+Enter", "Send what you wrote", () => give(meant ?? "request_changes"), {
    when: () => document.activeElement === byId("why"),
    group,
  });
  byId("tick")?.addEventListener("click", tickAll);
  bind("review.tick", "0", "Tick the whole checklist", tickAll, { control: byId("tick"), when: () => form() !== null, group });
  boxes().slice(0, 9).forEach((box, index) => {
    bind(`review.tick.${index + 1}`, `${index + 1}`, `Tick line ${index + 1}`, () => boxes()[index]?.click(), {
      when: () => form() !== null,
      group,
    });
  });
  wireBeside("review");
  bind("review.comment", "C", "Comment", () => byId("new-comment")?.focus(), { control: byId("say"), group });
  lap();
}

onItem(wire);
