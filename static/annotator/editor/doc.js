// A context or question that saves itself: every change is sent a second later, kept in this browser until the server
// has it, sent again after a failure, and put together with what other people saved meanwhile.

import { ApiError, getJson, send } from "../api.js";
import { differences, merge, same } from "./merge.js";
import { forget, keep, recall } from "./pending.js";

const PAUSE_MS = 1000;
const RETRY_MS = 2000;
const LONGEST_RETRY_MS = 30_000;
const MAX_TRIES = 3;

// Events: "change" when the content is another one; "state" when `state`, or what the server says of it, is another:
// saved, waiting, saving, offline, signed-out, conflict or refused.
export class Doc extends EventTarget {
  #timer = null;
  #sending = null;
  #num_failures = 0;
  #suggestion_id = null;

  // out: what the server gave. path: where it is read and saved.
  constructor(path, out) {
    super();
    this.path = path;
    this.out = out;
    this.base = { n: out.n, content: out.content };
    this.content = out.content;
    this.state = "saved";
    this.savedAt = null;
    this.message = "";
    this.conflict = null;
    // What waits for a question that is shown without its answer stays where it is: there is nothing to put it on.
    const pending = out.is_blind ? null : recall(out.id);
    if (pending) {
      this.#suggestion_id = pending.suggestion_id ?? null;
      this.base = { n: pending.base_n, content: pending.base };
      this.content = pending.content;
      this.#schedule(0);
    }
    addEventListener("online", () => this.isDirty && this.save());
    addEventListener("focus", () => this.state === "signed-out" && this.save());
  }

  get id() {
    return this.out.id;
  }

  get isDirty() {
    return !same(this.content, this.base.content);
  }

  get num_changes() {
    return differences(this.content, this.base.content).length;
  }

  // The suggestion that a change takes up is named to the server, which records where the words come from.
  change(patch, { suggestion_id = null } = {}) {
    if (this.out.is_blind) return;
    const content = { ...this.content, ...patch };
    if (same(content, this.content)) return;
    this.content = content;
    this.#suggestion_id = suggestion_id ?? this.#suggestion_id;
    this.#keep();
    this.#say(
      this.conflict ? "conflict" : this.state === "offline" || this.state === "signed-out" ? this.state : "waiting",
    );
    this.#tell();
    this.#schedule(PAUSE_MS);
  }

  // Puts another content in place of what is here, as a change that can be undone.
  replace(content) {
    this.change(content);
    return this.save();
  }

  // Sends what waits; gives whether all of it is with the server.
  async flush() {
    // What is on its way counts too: it may be older than what is here, though that equals what the server had.
    while (this.#sending || this.isDirty) {
      if (!(await this.save())) return false;
    }
    return true;
  }

  save() {
    clearTimeout(this.#timer);
    this.#sending ??= this.#put(0).finally(() => {
      this.#sending = null;
      if (this.isDirty && this.state === "waiting") this.#schedule(PAUSE_MS);
    });
    return this.#sending;
  }

  // Sends without waiting for an answer, because the page is being left; what is kept here makes up for a loss.
  leave() {
    if (this.isDirty && !this.conflict) send("PUT", this.path, this.#body(), { keepalive: true }).catch(() => {});
  }

  // Undo, redo, submit: the server changes it, and this page shows what became of it.
  async act(action, body = {}) {
    if (!(await this.flush())) throw new ApiError("Not done: what is written here could not be saved first.");
    const out = await send("POST", `${this.path}/${action}`, body);
    this.#become(out);
    return out;
  }

  // Takes in what somebody else saved, keeping what is written here.
  async refresh() {
    const out = await getJson(this.path);
    if (this.#sending || this.conflict) return;
    this.out = out;
    if (out.is_blind) {
      this.#hide(out);
      return;
    }
    if (out.n === this.base.n) {
      this.#say(this.state);
      return;
    }
    this.#meet(out.n, out.content, out.by);
  }

  // Somebody else has handed it in, and whoever is here may be asked for an answer: what is not saved stays kept in this
  // browser and is sent no more.
  #hide(out) {
    clearTimeout(this.#timer);
    this.base = { n: out.n, content: out.content };
    this.content = out.content;
    this.#say("saved");
    this.#tell();
  }

  // choices: field → "mine" or "theirs".
  resolve(choices) {
    const { n, current, merged } = this.conflict;
    const content = { ...merged };
    for (const [field, choice] of Object.entries(choices)) {
      content[field] = choice === "mine" ? this.content[field] : current[field];
    }
    this.conflict = null;
    this.base = { n, content: current };
    this.content = content;
    this.#keep();
    this.#say("waiting");
    this.#tell();
    return this.isDirty ? this.save() : this.#settle();
  }

  #body() {
    const body = { base_n: this.base.n, content: this.content };
    return this.#suggestion_id ? { ...body, suggestion_id: this.#suggestion_id } : body;
  }

  async #put(num_tries) {
    if (this.conflict) return false;
    if (this.out.is_blind) return !this.isDirty;
    if (!this.isDirty) return this.#settle();
    const sent = this.content;
    this.#say("saving");
    try {
      this.#take(await send("PUT", this.path, this.#body()), sent);
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { current_n, current, by, author } = error.detail ?? {};
      if (error.status !== 409 || !current) return this.#fail(error);
      const isClean = this.#meet(current_n, current, author ?? by);
      return isClean && num_tries < MAX_TRIES ? this.#put(num_tries + 1) : false;
    }
  }

  #take(out, sent) {
    const before = this.content;
    this.out = out;
    this.base = { n: out.n, content: out.content };
    // What was typed while it was on its way stays on top of what came back.
    this.content = merge(sent, out.content, before).content;
    this.#num_failures = 0;
    this.#suggestion_id = null;
    this.#settle();
    if (!same(before, this.content)) this.#tell();
  }

  #become(out) {
    this.out = out;
    this.base = { n: out.n, content: out.content };
    this.content = out.content;
    this.#settle();
    this.#tell();
  }

  // Gives whether both hands' work went together.
  #meet(n, current, author) {
    const { content, conflicts } = merge(this.base.content, current, this.content);
    if (conflicts.length) {
      this.conflict = { n, current, merged: content, fields: conflicts, author };
      this.#say("conflict");
      return false;
    }
    const before = this.content;
    this.base = { n, content: current };
    this.content = content;
    if (!this.isDirty) this.#settle();
    else this.#keep();
    if (!same(before, content)) this.#tell();
    return true;
  }

  #fail(error) {
    const isPassing = error.status === 0 || error.status === 429 || error.status >= 500;
    this.message = error.message;
    this.#say(isPassing ? "offline" : error.status === 401 ? "signed-out" : "refused");
    if (isPassing) this.#schedule(Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** this.#num_failures++));
    return false;
  }

  #settle() {
    if (this.isDirty) {
      this.#keep();
      this.#say("waiting");
    } else {
      forget(this.id);
      this.savedAt = new Date();
      this.#say("saved");
    }
    return true;
  }

  #keep() {
    if (this.isDirty)
      this.isKept = keep(this.id, {
        base_n: this.base.n,
        base: this.base.content,
        content: this.content,
        suggestion_id: this.#suggestion_id,
      });
    else forget(this.id);
  }

  #schedule(pause_ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.save(), pause_ms);
  }

  #say(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
