// One item of a queue: shown without loading the page anew, and wired each time that the server drew it.

import { refresh } from "../forms.js";
import { byId } from "../dom.js";
import { bind, isTyping } from "../keys.js";

export const project = document.body.dataset.project;
export const api = `/api/projects/${project}`;
export const item = () => byId("item");
export const questionApi = () => `${api}/questions/${item().dataset.id}`;

// Runs `wire` now and whenever #item was drawn anew.
export function onItem(wire) {
  new MutationObserver(wire).observe(byId("main"), { childList: true });
  addEventListener("popstate", () => refresh("#item"));
  wire();
}

// Shows another item: the question of a number, or whichever is next.
export async function show(page, number = null, { isNew = false } = {}) {
  const query = number === null ? "" : `?number=${number}`;
  history[isNew ? "pushState" : "replaceState"](null, "", `/p/${project}/${page}${query}`);
  await refresh("#item");
  scrollTo(0, 0);
}

export const numberOf = (link) => (link ? Number(new URL(link.href).searchParams.get("number")) : null);

// Undoing while a text is being written is the text's own matter.
export const isFree = () => !isTyping(document.activeElement ?? document.body);

// What was done last, in this tab, the latest at the end.
export function trail(name) {
  const key = `mapqator.${name}.${project}`;
  const read = () => JSON.parse(sessionStorage.getItem(key) ?? "[]");
  const write = (steps) => sessionStorage.setItem(key, JSON.stringify(steps.slice(-100)));
  return {
    add: (step) => write([...read(), step]),
    last: () => read().at(-1) ?? null,
    drop: () => write(read().slice(0, -1)),
  };
}

// J and K, and the links that they stand for, go through the queue.
export function wireBeside(page) {
  for (const [id, key, label] of [
    ["next", "J", "Next"],
    ["previous", "K", "Previous"],
  ]) {
    const go = (event) => {
      event?.preventDefault();
      const number = numberOf(byId(id));
      if (number) show(page, number, { isNew: true });
    };
    byId(id)?.addEventListener("click", go);
    bind(`queue.${id}`, key, label, go, { control: byId(id), when: () => byId(id) !== null, group: "In the queue" });
  }
}
