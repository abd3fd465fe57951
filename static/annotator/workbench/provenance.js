// Under every answer: who said so, when, from which data, where the exact bytes are, and what a new look found changed.

import { make } from "../dom.js";
import { ago, count, moment } from "../format.js";
import { OUTCOMES } from "./words.js";

const MAX_LINKS = 3;
const MAX_CHANGES = 50;

const bytes = (sha, title) =>
  make("a", { href: `/x/${sha}`, title: `${title}, sha256 ${sha}` }, make("code", {}, sha.slice(0, 10)));

function sourceOf({ exchanges }) {
  const kept = exchanges.filter(({ id }) => id !== null && id !== undefined);
  return kept.slice(0, MAX_LINKS).map(({ body_sha }) => bytes(body_sha, "Exact bytes"));
}

const shown = (value) => (value === undefined || value === null ? "nothing" : JSON.stringify(value));

function changesOf({ exchanges }) {
  const looked = exchanges.filter(({ changes }) => changes);
  if (!looked.length) return null;
  const changes = looked.flatMap((exchange) => exchange.changes);
  if (!changes.length) return make("p", { class: "changes ok" }, "Asked again: nothing changed.");
  return make(
    "details",
    { class: "changes", open: true },
    make("summary", { class: "warn" }, `Asked again: ${count(changes.length, "change")}`),
    make(
      "ul",
      {},
      ...changes
        .slice(0, MAX_CHANGES)
        .map(({ kind, pointer, old, new: fresh }) =>
          make(
            "li",
            {},
            `${kind} `,
            make("code", {}, pointer || "/"),
            ": ",
            kind !== "added" && make("del", { dir: "auto" }, shown(old)),
            " ",
            kind !== "removed" && make("ins", { dir: "auto" }, shown(fresh)),
          ),
        ),
      changes.length > MAX_CHANGES && make("li", {}, `and ${changes.length - MAX_CHANGES} more`),
    ),
  );
}

// titles: providers' titles by key.
export function provenance(answer, titles) {
  const { provenance: source } = answer;
  const exchange = source.exchanges[0];
  const more = [exchange?.data_vintage, `${source.attribution} (${source.licence})`].filter(Boolean);
  return make(
    "div",
    { class: "provenance" },
    make(
      "p",
      {},
      make("span", {}, titles.get(source.provider) ?? source.provider),
      make("span", { class: `outcome ${answer.outcome}` }, OUTCOMES[answer.outcome] ?? answer.outcome),
      exchange &&
        make("time", { datetime: exchange.fetched_at, title: ago(exchange.fetched_at) }, moment(exchange.fetched_at)),
      ...sourceOf(source),
    ),
    make("p", { class: "quiet" }, more.join(" · ")),
    changesOf(source),
  );
}
