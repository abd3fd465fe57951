// The questions of the context: list, new, duplicate, delete, from one to the next.

import { ApiError, getJson, send } from "../api.js";
import { byId, make } from "../dom.js";
import { toast } from "../toast.js";
import { blank, typeTitle } from "./convert.js";
import { Doc } from "./doc.js";
import { isOpenTo, statusWords } from "./question.js";
import { unwatch, watch } from "./saved.js";
import { keyed } from "./show.js";
import { done } from "./undo.js";

const MARKS = {
  approved: "✓",
  submitted: "→",
  in_review: "◐",
  changes_requested: "↺",
  rejected: "✕",
  archived: "▪",
  draft: "●",
};

// editor: { open(doc) }. types: those that the project uses. onOpen(doc) runs when another question is open.
export async function startQuestions(bench, editor, types, onOpen) {
  const path = bench.api(`/contexts/${bench.contextId}/questions`);
  const list = byId("question-list");
  const docs = [];
  let current = null;

  const showRows = keyed(list, () => {
    const button = make("button", { type: "button", class: "question-row" });
    return {
      element: make("li", {}, button),
      show({ doc }) {
        const { content, out } = doc;
        button.onclick = () => open(doc, { focus: true });
        button.setAttribute("aria-current", doc === current ? "true" : "false");
        button.replaceChildren(
          make("span", { class: "number" }, `Q${out.number}`),
          make("span", { class: "what", dir: "auto" }, content.body.trim() || "No words yet"),
          make(
            "span",
            { class: "quiet" },
            `${typeTitle(content.type)} · ${MARKS[out.status] ?? ""} ${statusWords(out.status)}${doc.isDirty ? ", not saved yet" : ""}`,
          ),
        );
      },
    };
  });

  function showList() {
    showRows(docs.map((doc) => ({ key: doc.id, doc })));
    byId("questions-empty").hidden = docs.length > 0;
    const at = docs.indexOf(current);
    byId("question-previous").disabled = at <= 0;
    byId("question-next").disabled = at < 0 || at === docs.length - 1;
  }

  function take(out) {
    const doc = new Doc(bench.api(`/questions/${out.id}`), out);
    doc.addEventListener("change", showList);
    doc.addEventListener("state", showList);
    watch(doc);
    docs.push(doc);
    docs.sort((left, right) => left.out.number - right.out.number);
    return doc;
  }

  function open(doc, { focus = false } = {}) {
    current?.save();
    current = doc;
    editor.open(doc);
    const url = new URL(location.href);
    if (doc) url.searchParams.set("q", doc.out.number);
    else url.searchParams.delete("q");
    history.replaceState(history.state, "", url);
    showList();
    onOpen(doc);
    if (!focus || !doc) return;
    const isFresh = !doc.content.body && isOpenTo(bench.role, doc.out);
    byId(isFresh ? "question-body" : "question-heading").focus();
  }

  async function create(content) {
    try {
      const doc = take(await send("POST", path, { content: content ?? blank(types) }));
      open(doc, { focus: true });
      return doc;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(`No new question: ${error.message}`, { isBad: true });
      return null;
    }
  }

  async function remove() {
    const doc = current;
    try {
      await doc.flush();
      await send("DELETE", doc.path);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(`Not deleted: ${error.message}`, { isBad: true });
      return;
    }
    const at = docs.indexOf(doc);
    docs.splice(at, 1);
    unwatch(doc);
    open(docs[at] ?? docs[at - 1] ?? null, { focus: true });
    if (!docs.length) byId("question-new").focus();
    let close = () => {};
    const bringBack = async () => {
      close();
      try {
        await send("POST", `${doc.path}/restore`, {});
        open(take(await getJson(doc.path)), { focus: true });
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        toast(`Not brought back: ${error.message}`, { isBad: true });
      }
    };
    const forget = done(bringBack);
    close = toast(`Question ${doc.out.number} was deleted.`, { action: "Undo", run: () => forget() && bringBack() });
  }

  function go(by) {
    const next = docs[docs.indexOf(current) + by];
    if (next) open(next, { focus: true });
    return Boolean(next);
  }

  async function saveAndNext() {
    const doc = current;
    if (!doc) return;
    if (doc.conflict) {
      toast("Choose between both versions first.", { isBad: true });
      return;
    }
    // Without a connection what is written is kept here, so there is nothing to wait for.
    if (doc.isDirty) await doc.save();
    if (go(1)) return;
    if (doc.content.body.trim()) await create();
    else toast("This is the last question.");
  }

  byId("question-new").addEventListener("click", () => create());
  byId("question-duplicate").addEventListener("click", () => create(current.content));
  byId("question-delete").addEventListener("click", remove);
  byId("question-previous").addEventListener("click", () => go(-1));
  byId("question-next").addEventListener("click", () => go(1));
  byId("question-save").addEventListener("click", () => current?.save());
  byId("question-save-next").addEventListener("click", saveAndNext);

  for (const out of await getJson(path)) take(out);
  const wanted = Number(new URLSearchParams(location.search).get("q"));
  open(docs.find((doc) => doc.out.number === wanted) ?? docs[0] ?? null);
  return { current: () => current, docs: () => docs, create };
}
