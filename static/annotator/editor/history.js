// Earlier revisions of a context or question, each with what it changed, who wrote it and when.

import { ApiError, getJson } from "../api.js";
import { byId, make } from "../dom.js";
import { ago, moment } from "../format.js";
import { toast } from "../toast.js";
import { touched } from "./undo.js";

const origin = (from) => (from?.model ? `with ${from.model}` : from?.import ? "imported" : null);

export async function openHistory(doc, what, { canWrite }) {
  // Outside of the panes: of those that are not in view nothing is drawn, a dialogue no more than the rest.
  const dialog = byId("history") ?? make("dialog", { id: "history", "aria-labelledby": "history-heading" });
  document.body.append(dialog);
  let revisions;
  try {
    revisions = await getJson(`${doc.path}/history`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, { isBad: true });
    return;
  }
  const restore = async (n) => {
    try {
      const { content } = await getJson(`${doc.path}/revisions/${n}`);
      touched(doc);
      doc.replace(content);
      dialog.close();
      toast(`Revision ${n} is the current one again; what came after it is kept.`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, { isBad: true });
    }
  };
  dialog.replaceChildren(
    make("h2", { id: "history-heading" }, `Revisions of this ${what}`),
    make(
      "ol",
      { class: "revisions" },
      ...revisions.map((revision) => {
        const isCurrent = revision.n === doc.base.n;
        return make(
          "li",
          {},
          make("span", { class: "number" }, String(revision.n)),
          make(
            "span",
            { class: "what" },
            make(
              "span",
              { dir: "auto" },
              [revision.by?.display_name, origin(revision.origin)].filter(Boolean).join(", "),
            ),
            " ",
            make("time", { class: "quiet", datetime: revision.at, title: moment(revision.at) }, ago(revision.at)),
            make(
              "span",
              { class: "quiet block" },
              revision.changed?.length ? `changed ${revision.changed.join(", ").replaceAll("_", " ")}` : "first",
            ),
          ),
          isCurrent
            ? make("span", { class: "chip" }, "current")
            : canWrite &&
                make(
                  "button",
                  {
                    type: "button",
                    onclick: () => restore(revision.n),
                    "aria-label": `Restore revision ${revision.n}`,
                  },
                  "Restore",
                ),
        );
      }),
    ),
    make(
      "p",
      { class: "actions" },
      make("button", { type: "button", class: "main", onclick: () => dialog.close() }, "Close"),
    ),
  );
  dialog.showModal();
}
