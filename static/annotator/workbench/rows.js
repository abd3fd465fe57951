// The rows of an answer as one stop of the Tab key: arrows, J and K move between them, and what is in the others is
// skipped. Hovering or focusing one lights it wherever it is shown.

const within = (row) => row.querySelectorAll("button, a, summary");

export class Rows {
  // onlight(pointer, on): a row was entered or left. onenter(row): Enter was pressed on a row.
  constructor(root, { onlight, onenter }) {
    Object.assign(this, { root, onlight, onenter, hovered: null, focused: null });
    root.addEventListener("pointerover", ({ target }) => this.turn("hovered", target.closest("[data-row]")));
    root.addEventListener("pointerleave", () => this.turn("hovered", null));
    root.addEventListener("focusin", ({ target }) => {
      const row = target.closest("[data-row]");
      if (row) this.makeCurrent(row);
      this.turn("focused", row);
    });
    root.addEventListener("focusout", ({ relatedTarget }) => {
      if (!root.contains(relatedTarget)) this.turn("focused", null);
    });
    root.addEventListener("keydown", (event) => this.onKey(event));
  }

  get all() {
    return [...this.root.querySelectorAll("[data-row]")];
  }

  turn(how, row) {
    if (this[how] === row) return;
    if (this[how]) this.onlight(this[how].dataset.row, false);
    this[how] = row;
    if (row) this.onlight(row.dataset.row, true);
  }

  // After new rows were drawn.
  reset() {
    this.hovered = this.focused = null;
    const { all } = this;
    for (const row of all) this.reach(row, false);
    if (all.length) this.reach(all[0], true);
    this.current = all[0] ?? null;
  }

  reach(row, isReached) {
    row.tabIndex = isReached ? 0 : -1;
    for (const element of within(row)) element.tabIndex = isReached ? 0 : -1;
  }

  makeCurrent(row) {
    if (this.current === row) return;
    if (this.current) this.reach(this.current, false);
    this.reach(row, true);
    this.current = row;
  }

  // The row that a pointer into the answer lies in: the one with the longest pointer that it begins with.
  at(pointer) {
    const inside = ({ dataset: { row } }) => pointer === row || pointer.startsWith(`${row}/`) || row === "";
    return this.all.filter(inside).sort((a, b) => b.dataset.row.length - a.dataset.row.length)[0] ?? null;
  }

  move(by) {
    const { all } = this;
    if (!all.length) return;
    const isHere = this.root.contains(document.activeElement) && document.activeElement.closest("[data-row]");
    const from = all.indexOf(this.current);
    // Whoever comes from elsewhere begins where they left.
    const to = isHere ? from + by : from;
    const row = all[Math.min(all.length - 1, Math.max(0, to))];
    row.focus();
    row.scrollIntoView({ block: "nearest" });
  }

  onKey(event) {
    const row = event.target.closest("[data-row]");
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const width = row.localName === "td" ? row.parentElement.querySelectorAll("[data-row]").length : 1;
    const steps = { ArrowDown: width, ArrowUp: -width, Home: -Infinity, End: Infinity };
    if (width > 1) Object.assign(steps, { ArrowRight: 1, ArrowLeft: -1 });
    if (event.key === "Enter" && event.target === row) this.onenter(row);
    else if (event.key in steps) this.move(steps[event.key]);
    else return;
    event.preventDefault();
  }
}
