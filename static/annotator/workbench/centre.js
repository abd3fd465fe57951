// The centre: one answer as rows and on the map, linked both ways, with what can be done with it.

import { byId, isCalm, make, named } from "../dom.js";
import { makeActions } from "./actions.js";
import { say } from "./asker.js";
import { drawingOf, mayDraw } from "./drawing.js";
import { alongRoute, matrixTable, openState, straightLine } from "./otherviews.js";
import { placeDetails, placeList } from "./placeview.js";
import { valueAt } from "./pointers.js";
import { provenance } from "./provenance.js";
import { routeList } from "./routeview.js";
import { Rows } from "./rows.js";
import { ValueMenu } from "./values.js";
import { summaryOf, titleOf } from "./words.js";

const MAX_BEFORE = 50;
const NAME = /^(\/place|\/places\/\d+)\/name$/;

export class Centre {
  // desk: bench, known, ask, titles of providers, typeTitle; `view` and `panel` come when they are ready.
  constructor(desk, { showTab }) {
    Object.assign(this, { desk, showTab, answer: null, chosen: 0, before: [] });
    const { bench } = desk;
    this.canWrite = bench.role !== "viewer";
    this.root = byId("answer");
    this.rows = new Rows(this.root, {
      onlight: (pointer, on) => bench.emit("light", { answer: this.answer, pointer, on }),
      onenter: (row) => this.enter(row.dataset.row),
    });
    this.root.addEventListener("click", ({ target }) => {
      const row = target.closest("[data-row]");
      if (row && !target.closest("button, a, summary")) this.enter(row.dataset.row);
    });
    this.act = makeActions(this);
    new ValueMenu(this.root, bench, { answer: () => this.answer, extra: (pointer) => this.mention(pointer) });
    bench.on("light", (light) => this.light(light));
    bench.on("show", ({ answer, item, isOpening = false, tab }) => {
      // Whoever has asked something while the context was read keeps what they asked for.
      if (isOpening && this.answer) return;
      this.show(answer, { hidden: item?.view?.hidden ?? [], isOpening, tab });
    });
    bench.on("evidence-mode", ({ on }) => on && this.answer && showTab("cards"));
  }

  // ── Showing ──

  // hidden: rows that the context leaves out. isOpening: the page shows it by itself, and the map is fitted to it.
  // tab: what small screens turn to, null for none.
  show(answer, { isBack = false, hidden = [], hasFocus = false, isOpening = false, tab = "cards" } = {}) {
    if (this.answer && !isBack && this.answer !== answer)
      this.before = [...this.before, this.answer].slice(-MAX_BEFORE);
    Object.assign(this, { answer, hidden, chosen: 0, isToBeFitted: isOpening });
    this.draw();
    if (tab) this.showTab(tab);
    if (isOpening) return;
    const said = summaryOf(answer);
    const isEmpty = answer.result.kind === "routes" && !answer.result.routes.length;
    say(
      [said, mayDraw(answer) ? "" : "This provider’s terms keep its places off other maps."].filter(Boolean).join(" "),
      { isBad: isEmpty },
    );
    if (hasFocus) byId("answer-title").focus();
    byId("cards").scrollTo({ top: 0, behavior: isCalm() ? "auto" : "smooth" });
  }

  // Shows what was asked for. It takes neither the focus nor the screen from whoever has gone on to something else.
  arrive(answer, { isBack = false } = {}) {
    const hasFocus = this.desk.ask.isAwaited();
    this.show(answer, { isBack, hasFocus, tab: hasFocus ? "cards" : null });
  }

  draw() {
    const { desk, answer } = this;
    const title = titleOf(answer, desk);
    this.root.replaceChildren(
      make(
        "p",
        { class: "acts" },
        this.before.length > 0 &&
          make("button", { type: "button", id: "back", class: "quiet-button", onclick: () => this.back() }, "← Back"),
      ),
      named("h2", title, { id: "answer-title", tabindex: -1 }),
      make("p", { class: "actions" }, ...this.actions()),
      this.body() ?? "",
      provenance(answer, desk.titles),
    );
    for (const pointer of this.hidden) this.rows.at(pointer)?.classList.add("dim");
    this.rows.reset();
    this.drawMap();
  }

  drawMap() {
    const { view, known } = this.desk;
    if (!this.answer || !view) return;
    view.show(drawingOf(this.answer, { known, chosen: this.chosen }), { isFitted: this.isToBeFitted });
    this.isToBeFitted = false;
  }

  actions() {
    const { answer, desk } = this;
    if (!this.canWrite) return [];
    const why = answer.id ? null : "This answer is not recorded: its provider’s terms forbid it.";
    return [
      make(
        "button",
        {
          type: "button",
          id: "add",
          class: "main",
          disabled: !answer.id,
          title: why,
          onclick: () => this.act.addAnswer(),
        },
        "Add to context",
      ),
      make(
        "button",
        {
          type: "button",
          id: "again",
          title: "Asks the provider once more and says what changed",
          onclick: () => this.act.again(),
        },
        "Ask again",
      ),
      desk.panel &&
        make(
          "button",
          { type: "button", id: "edit", title: "Puts this call into the form", onclick: () => this.act.edit() },
          "Change",
        ),
    ].filter(Boolean);
  }

  body() {
    const { answer, chosen, act } = this;
    const nameOf = (stop) => this.desk.known.nameOf(stop);
    const { result } = answer;
    const bodies = {
      places: () => placeList(result.places, act),
      place: () => result.place && placeDetails(result.place, act),
      routes: () => routeList(answer, chosen, act, nameOf),
      along_route: () => alongRoute(answer, act, nameOf),
      matrix: () => matrixTable(answer, nameOf),
      distance_bearing: () => straightLine(answer, nameOf),
      open_at: () => openState(answer),
    };
    return bodies[result.kind]();
  }

  back() {
    const answer = this.before.pop();
    if (answer) this.show(answer, { isBack: true, hasFocus: true });
  }

  // ── Linked ──

  light({ answer, pointer, on }) {
    if (!this.answer || (answer !== this.answer && (!answer.id || answer.id !== this.answer.id))) return;
    const row = this.rows.at(pointer);
    row?.classList.toggle("lit", on);
    this.desk.view?.light(row?.dataset.row ?? pointer, on);
  }

  // A marker or way of the map was entered, left or clicked.
  onMap(pointer, what) {
    if (!this.answer) return;
    if (what === "click") {
      this.enter(pointer);
      return;
    }
    this.desk.bench.emit("light", { answer: this.answer, pointer, on: what === "enter" });
    if (what === "enter") this.rows.at(pointer)?.scrollIntoView({ block: "nearest" });
  }

  enter(pointer) {
    const [, kind, index] = pointer.split("/");
    if (kind === "routes") this.choose(Number(index));
    else if (kind === "places" && this.canWrite) this.act.details(this.answer.result.places[index]);
  }

  choose(index) {
    if (this.chosen === index) return;
    this.chosen = index;
    this.draw();
    this.rows.at(`/routes/${index}`)?.focus();
  }

  mention(pointer) {
    const found = NAME.exec(pointer);
    if (!found || !this.canWrite) return [];
    const { answer } = this;
    const place = valueAt(answer.result, found[1]);
    return [["Mention with @", () => this.desk.bench.emit("place", { answer, pointer: found[1], place })]];
  }
}
