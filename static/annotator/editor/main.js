// Starts the workbench's right side: the context's panel and the question editor.

import { ApiError, getJson } from "../api.js";
import { byId, make } from "../dom.js";
import { bind } from "../keys.js";
import { startAssist } from "./assist.js";
import { startComments } from "./comments.js";
import { startContext } from "./context.js";
import { begin, report, startClock, take, timeTools } from "./leadtime.js";
import { wirePresence } from "./presence.js";
import { wireQuestion } from "./question.js";
import { startQuestions } from "./questions.js";
import { announce } from "./reorder.js";
import { unsaved } from "./saved.js";
import { redo, undo } from "./undo.js";

const GROUP = "Context and questions";

function bindKeys(bench, { context, questions, editor, evidenceMode }) {
  const key = (id, keys, label, control, run = () => control.click(), more = {}) =>
    bind(`editor.${id}`, keys, label, run, { control, group: GROUP, ...more });
  const form = byId("question");
  key("new", "N", "New question", byId("question-new"));
  key("next", "J", "Next question", byId("question-next"), undefined, {
    when: () => !byId("cards")?.contains(document.activeElement),
  });
  key("previous", "K", "Previous question", byId("question-previous"), undefined, {
    when: () => !byId("cards")?.contains(document.activeElement),
  });
  key("save", "Mod+S", "Save now", byId("question-save"), () => {
    context.doc.save();
    questions.current()?.save();
  });
  key("save-next", "Mod+Enter", "Save and next question", byId("question-save-next"));
  key("submit", "Shift+Mod+Enter", "Submit the question", byId("question-submit"));
  key("evidence", "E", "Pick values as evidence", evidenceMode);
  // In a search box the browser's own undo is meant.
  const isOurs = () =>
    bench.role !== "viewer" &&
    (byId("side").contains(document.activeElement) || !document.activeElement?.matches("input, textarea, select"));
  const fallback = () => (editor.form.canWrite() || !questions.current() ? (questions.current() ?? context.doc) : null);
  bind("editor.undo", "Mod+Z", "Undo", () => undo(fallback()), { when: isOurs, group: GROUP });
  bind("editor.redo", "Shift+Mod+Z", "Redo", () => redo(fallback()), { when: isOurs, group: GROUP });
  for (let number = 1; number <= 9; number += 1) {
    bind(
      `editor.option.${number}`,
      String(number),
      `Mark option ${number} as right`,
      () => editor.options.markNumber(number),
      { when: () => !form.hidden && editor.form.canWrite(), group: GROUP },
    );
  }
  bind("editor.comment", "C", "Write a comment", () => byId("comment-body").focus(), {
    when: () => !byId("comments").hidden && !byId("comment-form").hidden,
    group: GROUP,
  });
}

function wireEvidenceMode(bench) {
  const button = byId("evidence-mode");
  let isOn = false;
  const set = (on) => {
    if (on === isOn) return;
    isOn = on;
    button.setAttribute("aria-pressed", String(on));
    bench.emit("evidence-mode", { on });
    announce(on ? "Evidence mode: choose a value in a card. Escape ends it." : "Evidence mode is over.");
  };
  button.addEventListener("click", () => set(!isOn));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isOn && !event.defaultPrevented) set(false);
  });
  return button;
}

// The page opens on what the question that was asked for stands on, else on the context's first answer.
function showFirst(bench, context, doc) {
  const items = context.doc.content.items.filter(({ tool_call_id: id }) => bench.answers.has(id));
  const cited = doc?.content.evidence.map(({ tool_call_id: id }) => id) ?? [];
  const item = items.find(({ tool_call_id: id }) => cited.includes(id)) ?? items[0];
  const tab = doc ? "questions-pane" : "cards";
  if (item) bench.emit("show", { answer: bench.answers.get(item.tool_call_id), item, isOpening: true, tab });
}

function timeQuestions(bench, questions) {
  const task = begin(() => questions.current() && byId("side").contains(document.activeElement));
  let timed = null;
  const flush = (options) => {
    const active_ms = take(task);
    if (timed && bench.role !== "viewer")
      report(bench, [{ subject: "question", subject_id: timed.id, active_ms }], options);
  };
  return {
    flush,
    // The time until now belongs to the question that was open until now.
    switchTo(doc) {
      flush();
      timed = doc;
      doc?.addEventListener("state", () => doc.state === "saved" && doc === timed && flush());
    },
  };
}

export async function start(bench) {
  document.body.append(make("p", { id: "editor-says", class: "sr", role: "status" }));
  if (bench.role === "viewer") for (const button of document.querySelectorAll("[data-writes]")) button.hidden = true;
  startClock();
  timeTools(bench);
  let context;
  let project;
  try {
    [context, project] = await Promise.all([startContext(bench), getJson(bench.api(""))]);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    byId("context").replaceChildren(
      make(
        "p",
        { role: "alert" },
        `The context could not be read: ${error.message} `,
        make("button", { type: "button", onclick: () => location.reload() }, "Try again"),
      ),
    );
    return;
  }
  const isAskedFor = new URLSearchParams(location.search).has("q");
  const editor = wireQuestion(bench, context, project.settings);
  const comments = startComments(bench);
  const parts = { timing: null, assist: null, beat: null };
  const questions = await startQuestions(bench, editor, project.settings.question_types, (doc) => {
    parts.timing?.switchTo(doc);
    parts.assist?.show(doc);
    parts.beat?.();
    comments.show(doc);
  });
  showFirst(bench, context, isAskedFor ? questions.current() : null);
  parts.timing = timeQuestions(bench, questions);
  parts.timing.switchTo(questions.current());
  parts.assist = startAssist(bench, { context, questions, editor });
  bindKeys(bench, { context, questions, editor, evidenceMode: wireEvidenceMode(bench) });
  const isIn = (id) => () => byId(id).contains(document.activeElement);
  parts.beat = wirePresence(bench, () =>
    [
      { doc: context.doc, what: "context", place: byId("context-others"), isEditing: isIn("context") },
      questions.current() && {
        doc: questions.current(),
        what: "question",
        place: byId("question-others"),
        isEditing: isIn("question"),
      },
    ].filter(Boolean),
  );
  addEventListener("pagehide", () => {
    for (const doc of unsaved()) doc.leave();
    parts.timing.flush({ keepalive: true });
  });
  // What cannot even be kept in this browser is the only thing worth holding somebody for.
  addEventListener("beforeunload", (event) => {
    if (unsaved().some((doc) => !doc.isKept)) event.preventDefault();
  });
}
