// Comments on the question that is open.

import { ApiError, getJson, send } from "../api.js";
import { byId, make } from "../dom.js";
import { ago, moment } from "../format.js";

export function startComments(bench) {
  const section = byId("comments");
  const form = byId("comment-form");
  const alert = form.querySelector("[role=alert]");
  let doc = null;
  form.hidden = bench.role === "viewer";

  const path = () => bench.api(`/comments?subject=question&subject_id=${doc.id}`);

  function entry(comment) {
    const isResolved = Boolean(comment.resolved_at);
    const resolve = make("button", { type: "button", class: "quiet-button" }, isResolved ? "Reopen" : "Resolve");
    resolve.addEventListener("click", () =>
      change(() => send("POST", bench.api(`/comments/${comment.id}/${isResolved ? "reopen" : "resolve"}`), {})),
    );
    return make(
      "li",
      { class: isResolved ? "comment resolved" : "comment" },
      make(
        "p",
        { class: "quiet" },
        make("strong", { dir: "auto" }, comment.by?.display_name ?? "Somebody"),
        " ",
        make("time", { datetime: comment.created_at, title: moment(comment.created_at) }, ago(comment.created_at)),
        isResolved && ", resolved",
      ),
      make("p", { class: "words", dir: "auto" }, comment.body),
      bench.role !== "viewer" && resolve,
    );
  }

  async function draw() {
    const mine = doc;
    try {
      const { comments } = await getJson(path());
      if (mine !== doc) return;
      const said = comments.filter((comment) => !comment.deleted_at);
      section.hidden = bench.role === "viewer" && !said.length;
      byId("comments-heading").textContent = said.length ? `Comments (${said.length})` : "Comments";
      byId("comment-list").replaceChildren(...said.map(entry));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (mine === doc) section.hidden = true;
    }
  }

  async function change(run) {
    alert.textContent = "";
    try {
      await run();
      await draw();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      alert.textContent = error.message;
      return false;
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const field = byId("comment-body");
    if (!field.value.trim()) return;
    const body = { subject: "question", subject_id: doc.id, body: field.value };
    if (await change(() => send("POST", bench.api("/comments"), body))) field.value = "";
  });

  return {
    show(next) {
      doc = next;
      section.hidden = true;
      byId("comment-list").replaceChildren();
      if (doc) draw();
    },
  };
}
