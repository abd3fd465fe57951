// The question editor's form: type first, then what this type needs and nothing else.

import { ApiError } from "../api.js";
import { byId, make } from "../dom.js";
import { toast } from "../toast.js";
import { conflictView } from "./conflict.js";
import { TYPES, converted } from "./convert.js";
import { wireEvidence } from "./evidence.js";
import { wireGold } from "./gold.js";
import { openHistory } from "./history.js";
import { wireLint } from "./lint.js";
import { wireMentions } from "./mention.js";
import { wireOptions } from "./options.js";
import { announce } from "./reorder.js";
import { setValue } from "./show.js";
import { step, touched } from "./undo.js";

const LOCKED = ["approved", "archived"];
export const statusWords = (status) => status.replaceAll("_", " ");
export const isOpenTo = (role, { status, is_blind: isBlind }) =>
  role !== "viewer" && !isBlind && !LOCKED.includes(status);

function whyLocked({ status, is_blind: isBlind }) {
  if (isBlind)
    return "You may still be asked for your own answer, so this question is shown without its answer and cannot be changed.";
  return LOCKED.includes(status) ? `This question is ${statusWords(status)}.` : "";
}

const tagsOf = (text) => [
  ...new Set(
    text
      .split(",")
      .map((tag) => tag.trim())
      .filter(Boolean),
  ),
];

// context: { places() }. settings: the project's.
export function wireQuestion(bench, context, settings) {
  const form = byId("question");
  let doc = null;
  let others = new Map();
  let seen = null;

  const inner = {
    doc: () => doc,
    content: () => doc?.content,
    places: context.places,
    canWrite: () => Boolean(doc) && isOpenTo(bench.role, doc.out),
    change(patch) {
      if (!inner.canWrite()) return;
      touched(doc);
      doc.change(patch);
    },
  };
  const options = wireOptions(inner);
  const gold = wireGold(inner);
  const evidence = wireEvidence(bench, inner, { options, gold, announce });
  const lint = wireLint(form, { current: () => doc, fix: (content) => inner.change(content) });
  const mention = wireMentions(form, context.places);
  bench.on("place", ({ place }) => {
    if (!mention(place)) toast("Put the cursor into the question, an option or the explanation first.");
  });

  const text = (id, field, read = (value) => value) =>
    byId(id).addEventListener("input", ({ target }) => inner.change({ [field]: read(target.value) }));
  text("question-body", "body");
  text("question-explanation", "explanation");
  text("question-category", "category");
  text("question-difficulty", "difficulty");
  text("question-tags", "tags", tagsOf);
  byId("categories").append(...settings.categories.map((value) => make("option", { value })));

  const allowed = TYPES.filter(([key]) => settings.question_types.includes(key));
  for (const [key, title] of allowed) {
    const radio = make("input", { type: "radio", name: "question-type", value: key });
    radio.addEventListener("change", () => {
      const { content } = doc;
      others.set(content.type, { options: content.options, gold: content.gold });
      inner.change(converted(content, key, others.get(key)));
    });
    byId("question-type").append(make("label", {}, radio, make("span", {}, title)));
  }

  function show() {
    const { content, out } = doc;
    byId("question-heading").textContent = `Question ${out.number}`;
    for (const radio of form.querySelectorAll("[name=question-type]")) radio.checked = radio.value === content.type;
    setValue(byId("question-body"), content.body);
    setValue(byId("question-explanation"), content.explanation);
    setValue(byId("question-category"), content.category);
    byId("question-difficulty").value = content.difficulty;
    if (tagsOf(byId("question-tags").value).join() !== content.tags.join())
      setValue(byId("question-tags"), content.tags.join(", "));
    options.show(content);
    gold.show(content);
    evidence.show(content);
  }

  function showState() {
    const { out } = doc;
    const canWrite = inner.canWrite();
    const why = whyLocked(out);
    const mayReopen = bench.role !== "viewer" && !out.is_blind && Boolean(why);
    byId("question-status").textContent = statusWords(out.status);
    byId("question-status").className =
      `chip ${{ approved: "ok", changes_requested: "warn", rejected: "bad" }[out.status] ?? ""}`;
    byId("question-form").disabled = !canWrite;
    byId("question-locked").hidden = !why;
    byId("question-locked").firstElementChild.textContent = mayReopen ? `${why} Reopen it to change it.` : why;
    byId("question-reopen").hidden = !mayReopen;
    byId("question-undo").disabled = !canWrite || !(out.can_undo || doc.isDirty);
    byId("question-redo").disabled = !canWrite || !out.can_redo || doc.isDirty;
    byId("question-submit").disabled = !canWrite || !["draft", "changes_requested"].includes(out.status);
    byId("question-delete").disabled = out.status === "approved" || bench.role === "viewer" || out.is_blind;
    byId("question-duplicate").disabled = out.is_blind;
    byId("question-history").disabled = out.is_blind;
    for (const id of ["question-save", "question-save-next"]) byId(id).disabled = !canWrite;
  }

  function onChange() {
    if (doc.content === seen) return;
    seen = doc.content;
    show();
    showState();
    // Lint would miss the answer that somebody who answers blind does not get.
    if (!doc.out.is_blind) lint.check(doc.content);
  }

  async function submit() {
    byId("question-alert").textContent = "";
    try {
      await doc.act("submit");
      toast(`Question ${doc.out.number} is submitted.`);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      byId("question-alert").textContent = error.message;
      if (error.detail?.findings) lint.show(error.detail.findings);
      form.querySelector(".finding.error")?.scrollIntoView({ block: "nearest" });
      return false;
    }
  }

  async function reopen() {
    try {
      await doc.act("reopen");
      byId("question-body").focus();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, { isBad: true });
    }
  }

  byId("question-undo").addEventListener("click", () => step(doc, "undo"));
  byId("question-redo").addEventListener("click", () => step(doc, "redo"));
  byId("question-history").addEventListener("click", () => openHistory(doc, "question", { canWrite: inner.canWrite() }));
  byId("question-submit").addEventListener("click", submit);
  byId("question-reopen").addEventListener("click", reopen);
  form.addEventListener("submit", (event) => event.preventDefault());

  return {
    form: inner,
    options,
    // Opens a question; null closes the form.
    open(next) {
      if (doc === next) return;
      doc?.removeEventListener("change", onChange);
      doc?.removeEventListener("state", showState);
      doc = next;
      others = new Map();
      gold.forget();
      lint.forget();
      byId("question-alert").textContent = "";
      byId("question-others").textContent = "";
      byId("question-conflict").replaceChildren();
      form.hidden = !doc;
      if (!doc) return;
      doc.addEventListener("change", onChange);
      doc.addEventListener("state", showState);
      const place = make("div", {});
      byId("question-conflict").append(place);
      conflictView(place, doc, "question");
      seen = null;
      onChange();
      lint.show(doc.out.findings ?? []);
    },
  };
}
