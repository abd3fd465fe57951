// The context panel: an ordered list of recorded answers and notes, saved as it changes.

import { getJson } from "../api.js";
import { byId } from "../dom.js";
import { toast } from "../toast.js";
import { conflictView } from "./conflict.js";
import { Doc } from "./doc.js";
import { openHistory } from "./history.js";
import { buildItem } from "./item.js";
import { namesOf, placesOf, positionsOf } from "./places.js";
import { wireRendered } from "./rendered.js";
import { moved, reorder } from "./reorder.js";
import { watch } from "./saved.js";
import { keyed, setValue } from "./show.js";
import { kindOf, mainPointer, rowsOf, standardTitle } from "./titles.js";
import { step, touched } from "./undo.js";

const newKey = () => `i${Math.random().toString(36).slice(2, 10)}`;

// Gives { doc, places() }: the context as it stands, and its places.
export async function startContext(bench) {
  const [out, fields] = await Promise.all([
    getJson(bench.api(`/contexts/${bench.contextId}`)),
    getJson(bench.api("/context-fields")),
  ]);
  const canWrite = bench.role !== "viewer";
  for (const [id, answer] of Object.entries(out.calls)) bench.answers.set(id, answer);
  const doc = new Doc(bench.api(`/contexts/${bench.contextId}`), out);
  const named = () => new Map(placesOf(doc.content, bench.answers).map((place) => [place.pid, place]));
  let placesByPid = named();
  let names = namesOf(doc.content, bench.answers);
  const list = byId("items");
  const panel = {
    bench,
    fields,
    canWrite,
    names: () => names,
    change: (key, patch) => put(doc.content.items.map((item) => (item.key === key ? { ...item, ...patch } : item))),
    remove,
  };
  const showItems = keyed(list, (item) => buildItem(item, panel));
  const drawRendered = wireRendered(bench);

  function put(items) {
    touched(doc);
    doc.change({ items });
  }

  function remove(key) {
    const item = doc.content.items.find((each) => each.key === key);
    const title = item.title || standardTitle(item, bench.answers.get(item.tool_call_id), names);
    const index = doc.content.items.indexOf(item);
    put(doc.content.items.filter((each) => each.key !== key));
    (list.children[index] ?? list.lastElementChild)?.querySelector(".item-title")?.focus();
    toast(`Removed “${title}”.`, {
      action: "Undo",
      run: () => {
        const items = doc.content.items.filter((each) => each.key !== key);
        put([...items.slice(0, index), item, ...items.slice(index)]);
      },
    });
  }

  async function showAll() {
    const missing = doc.content.items.filter(({ tool_call_id: id }) => id && !bench.answers.has(id));
    if (missing.length) {
      // Somebody else, or an undo, brought in a call that this page has not seen.
      await Promise.allSettled(
        missing.map(async ({ tool_call_id: id }) => bench.answers.set(id, await getJson(bench.api(`/calls/${id}`)))),
      );
    }
    placesByPid = named();
    names = namesOf(doc.content, bench.answers);
    setValue(byId("context-name"), doc.content.title);
    showItems(doc.content.items);
    byId("items-empty").hidden = doc.content.items.length > 0;
    bench.emit("positions", positionsOf(doc.content, bench.answers));
    bench.emit("places", [...placesByPid.values()]);
  }

  doc.addEventListener("change", showAll);
  let drawnN = null;
  doc.addEventListener("state", () => {
    byId("context-undo").disabled = !canWrite || !(doc.out.can_undo || doc.isDirty);
    byId("context-redo").disabled = !canWrite || !doc.out.can_redo || doc.isDirty;
    if (doc.state !== "saved" || doc.base.n === drawnN) return;
    drawnN = doc.base.n;
    const title = byId("context-title");
    if (title) title.textContent = doc.content.title || `Context ${out.number}`;
    drawRendered();
  });
  conflictView(byId("context-conflict"), doc, "context");
  watch(doc);

  byId("context-name").addEventListener("input", ({ target }) => {
    touched(doc);
    doc.change({ title: target.value });
  });
  byId("context-name").disabled = !canWrite;
  byId("note-add").addEventListener("click", () =>
    put([
      ...doc.content.items,
      {
        key: newKey(),
        kind: "note",
        tool_call_id: null,
        title: "",
        text: "",
        role: "note",
        view: { fields: null, hidden: [], show_steps: false },
      },
    ]),
  );
  byId("context-undo").addEventListener("click", () => step(doc, "undo"));
  byId("context-redo").addEventListener("click", () => step(doc, "redo"));
  byId("context-history").addEventListener("click", () => openHistory(doc, "context", { canWrite }));
  if (canWrite) reorder(list, (key, to) => put(moved(doc.content.items, key, to)));

  bench.on("add", ({ answer, kind, hidden, fields: chosen }) => {
    if (!canWrite) return;
    if (!answer.id) {
      toast("This answer was not recorded, so it cannot be in a context.", { isBad: true });
      return;
    }
    bench.answers.set(answer.id, answer);
    const there = doc.content.items.find((item) => item.tool_call_id === answer.id);
    if (there) {
      const row = list.querySelector(`[data-key="${CSS.escape(there.key)}"]`);
      row?.scrollIntoView({ block: "nearest" });
      toast("This answer is in the context already.");
      return;
    }
    const view = { fields: chosen ?? null, hidden: hidden ?? [], show_steps: false };
    put([
      ...doc.content.items,
      { key: newKey(), kind: kind ?? kindOf(answer), tool_call_id: answer.id, title: "", text: "", role: "note", view },
    ]);
  });

  // A marker or card under the pointer lights the item that it belongs to.
  bench.on("light", ({ answer, pointer, on }) => {
    for (const item of doc.content.items) {
      const own = bench.answers.get(item.tool_call_id);
      if (!own) continue;
      const isIt =
        own.id === answer?.id &&
        (pointer === "" || pointer === mainPointer(own) || rowsOf(own).some((row) => pointer.startsWith(row.pointer)));
      list.querySelector(`[data-key="${CSS.escape(item.key)}"]`)?.classList.toggle("lit", isIt && on);
    }
  });

  await showAll();
  doc.dispatchEvent(new Event("state"));
  return { doc, put, places: () => [...placesByPid.values()], refresh: showAll };
}
