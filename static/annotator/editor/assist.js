// AI help: proposals of a served model, named as such, that somebody takes over one by one or dismisses.

import { ApiError, getJson, send } from "../api.js";
import { byId, make } from "../dom.js";
import { toast } from "../toast.js";
import { lettered } from "./convert.js";
import { isOpenTo } from "./question.js";
import { touched } from "./undo.js";

const NUM_QUESTIONS = 3;
const NUM_DISTRACTORS = 3;
const BUTTONS = ["question-suggest", "distractors-suggest", "explanation-suggest", "context-rewrite"];

// One proposal: what it says, where it comes from, and the two things to do with it.
function proposal(model, words, { use, dismiss, label = "Use it" }) {
  const item = make("article", { class: "suggestion", "aria-label": `Suggestion by ${model}` });
  const close = () => item.remove();
  item.append(
    make("p", { class: "quiet" }, `Suggested by ${model}. Check it against the context.`),
    ...words.map((line) => make("p", { dir: "auto" }, line)),
    make(
      "div",
      { class: "tools-row" },
      make("button", { type: "button", onclick: async () => (await use()) !== false && close() }, label),
      make(
        "button",
        {
          type: "button",
          onclick: () => {
            close();
            dismiss();
          },
        },
        "Dismiss",
      ),
    ),
  );
  return item;
}

function asQuestion(suggested, base) {
  const { question, options, answer, explanation } = suggested;
  const isChoice = options.length > 1;
  const made = isChoice
    ? lettered(
        { gold_keys: [], evidence: [] },
        options.map((text, index) => ({ key: String(index), text, pid: null })),
      )
    : { options: [], gold_keys: [] };
  const gold_keys = made.options.filter(({ text }) => text.trim() === answer.trim()).map(({ key }) => key);
  const gold = isChoice ? null : { kind: "text", value: answer, aliases: [], normaliser: "loose" };
  return {
    ...base,
    type: isChoice ? "single_choice" : "open_ended",
    body: question,
    explanation,
    options: made.options,
    gold_keys,
    gold,
    evidence: [],
  };
}

export function startAssist(bench, { context, questions }) {
  const section = byId("assist");
  const place = byId("suggestions");
  let isReady = false;
  let shownFor = null;

  const decide = (id, what) =>
    send("POST", bench.api(`/assist/${id}/${what}`), {}).catch((error) => {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, { isBad: true });
    });

  // Calls the model; parts(content, id) gives [words, use] of each proposal, and `into` is where they are shown.
  async function ask(button, body, parts, into = place) {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      await questions.current()?.flush();
      const {
        id,
        model,
        content,
        was_cut: wasCut,
      } = await send("POST", bench.api("/assist"), { context_id: bench.contextId, ...body });
      const proposals = parts(content, id);
      let left = proposals.length;
      let isUsed = false;
      const finish = (what) => {
        left -= 1;
        if (what === "accepted" && !isUsed) decide(id, "accept");
        isUsed ||= what === "accepted";
        if (left === 0 && !isUsed) decide(id, "dismiss");
      };
      const notes = wasCut ? ["The context was too long for the model: it read only the beginning."] : [];
      into.replaceChildren(
        ...proposals.map(([words, use]) =>
          proposal(model, [...words, ...notes], {
            use: async () => {
              const wasDone = await use();
              if (wasDone !== false) finish("accepted");
              return wasDone;
            },
            dismiss: () => finish("dismissed"),
          }),
        ),
      );
      into.querySelector("button")?.focus();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, { isBad: true });
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  byId("question-suggest").addEventListener("click", ({ currentTarget }) =>
    ask(currentTarget, { kind: "question", n: NUM_QUESTIONS }, ({ questions: found }, suggestion_id) =>
      found.map((suggested) => [
        [
          suggested.question,
          suggested.options
            .map((option) => `${option.trim() === suggested.answer.trim() ? "✓" : "·"} ${option}`)
            .join("\n") || suggested.answer,
          suggested.explanation,
        ].filter(Boolean),
        async () => {
          const now = questions.current();
          // An empty question that lies open is what the suggestion is for.
          const doc =
            now && !now.content.body.trim() && isOpenTo(bench.role, now.out) ? now : await questions.create();
          if (!doc) return false;
          touched(doc);
          doc.change(asQuestion(suggested, doc.content), { suggestion_id });
          return true;
        },
      ]),
    ),
  );

  byId("distractors-suggest").addEventListener("click", ({ currentTarget }) => {
    const doc = questions.current();
    ask(currentTarget, { kind: "distractors", question_id: doc.id, n: NUM_DISTRACTORS }, ({ options }, suggestion_id) =>
      options.map((text) => [
        [text],
        () => {
          const { content } = doc;
          const empty = content.options.find((option) => !option.text.trim());
          const next = empty
            ? content.options.map((option) => (option === empty ? { ...option, text } : option))
            : [...content.options, { key: "new", text, pid: null }];
          touched(doc);
          doc.change(lettered(content, next), { suggestion_id });
        },
      ]),
    );
  });

  byId("explanation-suggest").addEventListener("click", ({ currentTarget }) => {
    const doc = questions.current();
    ask(currentTarget, { kind: "explanation", question_id: doc.id }, ({ text }, suggestion_id) => [
      [
        [text],
        () => {
          touched(doc);
          doc.change({ explanation: text }, { suggestion_id });
        },
      ],
    ]);
  });

  byId("context-rewrite").addEventListener("click", ({ currentTarget }) =>
    ask(
      currentTarget,
      { kind: "rewrite" },
      ({ text }, suggestion_id) => [
        [
          [text],
          () => {
            const { doc } = context;
            const note = {
              key: `i${Math.random().toString(36).slice(2, 10)}`,
              kind: "note",
              tool_call_id: null,
              title: "",
              text,
              role: "rewrite",
              view: { fields: null, hidden: [], show_steps: false },
            };
            touched(doc);
            const items = [...doc.content.items.filter(({ role }) => role !== "rewrite"), note];
            doc.change({ items }, { suggestion_id });
          },
        ],
      ],
      byId("context-suggestions"),
    ),
  );

  function show(doc) {
    if (doc !== shownFor) place.replaceChildren();
    shownFor = doc;
    const canWrite = doc && isOpenTo(bench.role, doc.out);
    for (const id of BUTTONS) byId(id).hidden = !isReady;
    for (const id of ["distractors-suggest", "explanation-suggest"]) byId(id).hidden = !isReady || !canWrite;
  }

  if (bench.role !== "viewer") {
    getJson(bench.api("/assist")).then(
      ({ available, model, reason }) => {
        section.hidden = false;
        isReady = available;
        byId("assist-model").textContent = available ? `Model: ${model}` : reason;
        show(questions.current());
      },
      (error) => {
        if (!(error instanceof ApiError)) throw error;
      },
    );
  }
  return { show };
}
