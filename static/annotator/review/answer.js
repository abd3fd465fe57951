// Answering blind, one question at a time, by keys alone: 1–9 marks, Enter sends, S skips, Backspace takes back.

import { ApiError, send } from "../api.js";
import { byId } from "../dom.js";
import { bind } from "../keys.js";
import { toast } from "../toast.js";
import { keepExclusive, readGiven, restore, snapshot } from "./given.js";
import { api, isFree, item, onItem, questionApi, show, trail } from "./item.js";
import { lap } from "./stopwatch.js";

const KEEP_MS = 400;
const done = trail("answered");
let timer = null;
let isBusy = false;

const form = () => byId("answer");
const localKey = () => `mapqator.answer.${item().dataset.id}`;
const draftPath = (id = item().dataset.id) => `${api}/drafts/answer:${id}`;

function keepHere() {
  localStorage.setItem(localKey(), JSON.stringify(snapshot(form())));
  clearTimeout(timer);
  timer = setTimeout(keep, KEEP_MS);
}

async function keep() {
  const key = localKey();
  const payload = snapshot(form());
  try {
    await send("PUT", draftPath(), { payload, base_n: Number(item().dataset.n) });
    if (localStorage.getItem(key) === JSON.stringify(payload)) localStorage.removeItem(key);
    say("Draft saved.");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say("The draft is kept in this browser; it is saved when the connection is back.");
  }
}

function say(words) {
  const kept = byId("kept");
  if (kept) kept.textContent = words;
}

function complain(words) {
  form().querySelector("[role=alert]").textContent = words;
}

async function respond(body) {
  if (isBusy) return;
  isBusy = true;
  clearTimeout(timer);
  const { id, number } = item().dataset;
  const key = localKey();
  try {
    const extra = { explanation: form().elements.explanation.value, active_ms: lap() };
    const confidence = form().elements.confidence.value;
    if (confidence) extra.confidence = Number(confidence);
    await send("POST", `${questionApi()}/responses`, { ...extra, ...body });
    done.add({ id, number });
    localStorage.removeItem(key);
    send("DELETE", draftPath(id)).catch(() => {});
    await show("answer");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    complain(error.message);
  } finally {
    isBusy = false;
  }
}

function submit(event) {
  event?.preventDefault();
  const answer = readGiven(form());
  if (answer) respond({ answer });
  else complain("Give an answer first, or skip the question.");
}

async function undo() {
  const last = done.last();
  if (!last) {
    toast("There is nothing to undo in this tab.");
    return;
  }
  try {
    await send("DELETE", `${api}/questions/${last.id}/responses`);
    done.drop();
    await show("answer", last.number);
    toast(`Question ${last.number} is yours to answer again.`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { isBad: true });
  }
}

function mark(index) {
  const field = index < 0 ? form().querySelector("[data-unanswerable]") : options()[index];
  field?.click();
  field?.focus();
}

const options = () => [...form().querySelectorAll("input[name=key]:not([data-unanswerable])")];

function wire() {
  const group = "Answering";
  byId("undo").addEventListener("click", undo);
  bind("answer.undo", "Backspace", "Undo last", undo, { control: byId("undo"), when: isFree, group });
  bind("answer.undo-too", "Mod+Z", "Undo last", undo, { when: isFree, group });
  if (!form()) return;
  const draft = localStorage.getItem(localKey()) ?? item().dataset.draft;
  if (draft) {
    restore(form(), JSON.parse(draft));
    say("Your draft is back.");
  }
  keepExclusive(form());
  form().addEventListener("submit", submit);
  form().addEventListener("input", keepHere);
  byId("skip").addEventListener("click", () => respond({ skip: true }));
  bind("answer.send", "Enter", "Submit and next", submit, { control: byId("send"), group });
  bind("answer.send-too", "Mod+Enter", "Submit and next, while writing", submit, { group });
  bind("answer.skip", "S", "Skip", () => respond({ skip: true }), { control: byId("skip"), group });
  bind("answer.0", "0", "Mark “The context does not say”", () => mark(-1), { group, when: () => form() !== null });
  for (let digit = 1; digit <= 9; digit += 1) {
    const when = () => form() !== null && options().length >= digit;
    bind(`answer.${digit}`, `${digit}`, `Mark option ${digit}`, () => mark(digit - 1), { group, when });
  }
  lap();
}

onItem(wire);
