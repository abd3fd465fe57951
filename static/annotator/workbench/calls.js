// Calls made in this project: the latest and the saved ones. Opening one shows its recording and asks nobody.

import { ApiError, getJson, send } from "../api.js";
import { byId, make, named } from "../dom.js";
import { ago, moment } from "../format.js";
import { toast } from "../toast.js";
import { TITLES } from "./tools.js";
import { titleOf } from "./words.js";

const PAGE = 12;

export class Calls {
  // desk: names places and kinds. onopen(call): its recording is wanted.
  constructor(desk, { onopen }) {
    const { bench } = desk;
    this.desk = desk;
    this.bench = bench;
    this.onopen = onopen;
    this.isSaved = false;
    this.canWrite = bench.role !== "viewer" && bench.role !== null;
    this.list = make("ul", { class: "calls" });
    this.more = make("button", { type: "button", class: "quiet-button", onclick: () => this.load(true) }, "Show more");
    this.kinds = ["Recent", "Saved"].map((title, index) =>
      make(
        "button",
        { type: "button", "aria-pressed": String(index === 0), onclick: () => this.pick(index === 1) },
        title,
      ),
    );
    byId("calls").append(
      make("p", { class: "segments", role: "group", "aria-label": "Which calls" }, ...this.kinds),
      this.list,
      this.more,
    );
    bench.on("answer", () => this.soon());
    // Routes are called by the names of places once those are known; not every change of the context brings one.
    let num_places = 0;
    bench.on("places", (places) => {
      if (places.length > num_places) this.soon();
      num_places = places.length;
    });
    this.load();
  }

  pick(isSaved) {
    this.isSaved = isSaved;
    this.kinds.forEach((button, index) => button.setAttribute("aria-pressed", String(isSaved === (index === 1))));
    this.load();
  }

  // Several answers in a row cost one look.
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      // Whoever is giving a call a name keeps the box.
      if (!this.list.querySelector("form")) this.load();
    }, 250);
  }

  async load(isMore = false) {
    const query = new URLSearchParams({ limit: PAGE });
    if (this.isSaved) query.set("saved", "true");
    if (isMore) query.set("cursor", this.next);
    this.loading?.abort();
    this.loading = new AbortController();
    try {
      const { calls, next } = await getJson(this.bench.api(`/calls?${query}`), { signal: this.loading.signal });
      this.next = next;
      this.more.hidden = !next;
      const rows = calls.map((call) => this.row(call));
      if (isMore) this.list.append(...rows);
      else this.list.replaceChildren(...(rows.length ? rows : [this.empty()]));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof ApiError)) throw error;
      this.list.replaceChildren(make("li", { class: "quiet" }, error.message));
    }
  }

  empty() {
    const text = this.isSaved ? "Nothing saved yet. Press ☆ beside a call to keep it here." : "Nothing asked yet.";
    return make("li", { class: "quiet" }, text);
  }

  row(call) {
    const title = this.title(call);
    const about = `${TITLES[call.tool]} · ${this.desk.titles.get(call.provider) ?? call.provider} · ${ago(call.created_at)}`;
    const open = make(
      "button",
      { type: "button", class: "call", title: moment(call.created_at), onclick: () => this.onopen(call) },
      named("span", title, { class: "name" }),
      make("span", { class: "quiet" }, about),
    );
    const item = make("li", {}, open);
    if (!this.canWrite) return item;
    item.append(
      make(
        "button",
        {
          type: "button",
          class: "quiet-button",
          "aria-pressed": String(call.is_saved),
          "aria-label": `Save ${title}`,
          title: call.is_saved ? "Saved" : "Save",
          onclick: () => this.change(call, { is_saved: !call.is_saved }),
        },
        call.is_saved ? "★" : "☆",
      ),
      make(
        "button",
        {
          type: "button",
          class: "quiet-button",
          "aria-label": `Rename ${title}`,
          title: "Rename",
          onclick: () => this.rename(call, item),
        },
        "✎",
      ),
    );
    return item;
  }

  title(call) {
    return call.label || titleOf(call, this.desk);
  }

  rename(call, item) {
    const input = make("input", {
      name: "label",
      value: this.title(call),
      maxlength: 200,
      "aria-label": "Name of the call",
      dir: "auto",
    });
    const back = () => item.replaceWith(this.row(call));
    const form = make(
      "form",
      {
        class: "field",
        onsubmit: (event) => {
          event.preventDefault();
          // A name is given to what is to be found again.
          this.change(call, { label: input.value.trim(), is_saved: true });
        },
        onkeydown: (event) => {
          if (event.key !== "Escape") return;
          event.stopPropagation();
          back();
        },
      },
      input,
      make("button", { type: "submit" }, "Rename"),
    );
    item.replaceChildren(form);
    input.select();
    input.focus();
  }

  async change(call, changes) {
    try {
      await send("PATCH", this.bench.api(`/calls/${call.id}`), changes);
      await this.load();
      this.list.querySelector(`[aria-label="${CSS.escape(`Save ${changes.label ?? this.title(call)}`)}"]`)?.focus();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, { isBad: true });
    }
  }
}
