// Runs beside each other: draws what the page says, sorts the leaderboard, starts variants and watches them.

import { ApiError, getJson, send } from "./api.js";
import { dataOf, intervalBars, percent, scatter, speed } from "./charts.js";
import { byId, make } from "./dom.js";
import { refresh } from "./forms.js";
import { count } from "./format.js";
import { toast } from "./toast.js";

const LOOK_EVERY_MS = 1000;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const numberOr = (text, other) => (text === "" ? other : Number(text));

// ── Charts of what the tables say ──

function drawBars(element) {
  const rows = dataOf(element.dataset.bars);
  if (!("difference" in element.dataset)) {
    intervalBars(element, rows);
    return;
  }
  const reach = Math.max(0.05, ...rows.flatMap(({ value, low, high }) => [value, low ?? 0, high ?? 0].map(Math.abs)));
  intervalBars(element, rows, { isDifference: true, domain: [-reach, reach] });
}

function drawCell(element) {
  const { value, low, high, kind } = element.dataset;
  const row = { value: Number(value), low: numberOr(low, null), high: numberOr(high, null), kind };
  intervalBars(element, [row], { isBare: true, title: percent(row.value) });
}

function drawScatter(element) {
  const given = dataOf(element.dataset.points);
  scatter(element, given, { title: "How often each variant is right over its speed; the table below says the same." });
}

function drawAll() {
  for (const element of document.querySelectorAll("[data-bars]")) drawBars(element);
  for (const element of document.querySelectorAll("[data-bar]")) drawCell(element);
  for (const element of document.querySelectorAll("[data-points]")) drawScatter(element);
}

// ── The leaderboard in another order; what is not known comes last in either direction ──

const WORDS = ["name", "mode"];
const UPWARDS = [...WORDS, "p", "latency"];

function sortBy(header, table) {
  const key = header.dataset.sort;
  const before = header.getAttribute("aria-sort");
  const isFirst = before === null;
  const isUp = isFirst ? UPWARDS.includes(key) : before === "descending";
  for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", isUp ? "ascending" : "descending");
  const order = (a, b) => {
    const [left, right] = [a.dataset[key], b.dataset[key]];
    if (left === "" || right === "") return (left === "") - (right === "");
    const by = WORDS.includes(key) ? left.localeCompare(right) : Number(left) - Number(right);
    return isUp ? by : -by;
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(order));
  byId("sorted").textContent = `Sorted by ${header.textContent.trim()}, ${isUp ? "ascending" : "descending"}.`;
}

function wireBoard() {
  const table = document.querySelector("table#board");
  for (const header of table?.querySelectorAll("th[data-sort]") ?? []) {
    header.querySelector("button").addEventListener("click", () => sortBy(header, table));
  }
}

// ── Choosing runs ──

const MOST = 10;

function wireChoices() {
  for (const form of document.querySelectorAll("form[data-choose]")) {
    form.addEventListener("submit", (event) => {
      const chosen = form.querySelectorAll("[name=run]:checked").length;
      if (chosen >= 2 && chosen <= MOST) return;
      event.preventDefault();
      form.querySelector("[role=alert]").textContent =
        chosen < 2 ? "Tick at least two runs." : `At most ${MOST} runs fit beside each other; ${chosen} are ticked.`;
    });
  }
}

// ── Variants: start them, watch them, then draw ──

async function startVariants(form) {
  // `form.dataset` is the field of that name.
  const [api, here] = [form.getAttribute("data-start"), form.getAttribute("data-page")];
  const { dataset, endpoint, model, mode, limit } = form.elements;
  const alert = form.querySelector("[role=alert]");
  alert.textContent = "";
  if (!model?.value) {
    alert.textContent = "Choose a server that serves a model in several variants.";
    return;
  }
  const [slug, version] = dataset.value.split("@");
  const config = { model: model.value, mode: mode.value, limit: numberOr(limit.value, null) };
  form.setAttribute("aria-busy", "true");
  try {
    const { runs } = await send("POST", api, { dataset: slug, version, endpoint: endpoint.value, config });
    location.assign(`${here}?${new URLSearchParams(runs.map(({ id }) => ["run", id]))}`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    alert.textContent = error.message;
  } finally {
    form.removeAttribute("aria-busy");
  }
}

const isOver = (state) => ["done", "failed", "cancelled"].includes(state);
const goingRows = () => [...document.querySelectorAll("#variants tr[data-run]")].filter((row) => !isOver(row.dataset.state));

function tell(row, run) {
  const cell = (name) => row.querySelector(`[data-cell=${name}]`);
  if (row.dataset.state !== run.state) {
    row.dataset.state = run.state;
    cell("state").replaceChildren(make("span", { class: "chip" }, run.state === "running" ? "going on" : run.state));
  }
  row.querySelector("progress").value = run.num_done;
  cell("done").textContent = `${run.num_done} of ${run.num_items}`;
  cell("accuracy").textContent = run.accuracy === null ? "" : percent(run.accuracy);
  cell("speed").textContent = run.tokens_per_s === null ? "" : speed(run.tokens_per_s);
}

// A lost connection only makes it wait.
async function watch() {
  const { api } = byId("variants").dataset;
  const all = document.querySelectorAll("#variants tr[data-run]").length;
  while (goingRows().length) {
    await pause(LOOK_EVERY_MS);
    try {
      for (const row of goingRows()) tell(row, await getJson(`${api}/${row.dataset.run}`));
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 0) throw error;
      byId("told").textContent = "The connection is lost; the runs go on.";
      continue;
    }
    const words = `${all - goingRows().length} of ${count(all, "variant")} are done.`;
    if (byId("told").textContent !== words) byId("told").textContent = words;
  }
  await refresh("#variants");
  await refresh("#earlier");
  drawAll();
  toast("All variants are over.");
}

async function cancelAll() {
  const { api } = byId("variants").dataset;
  // The last first, so that none begins because the one before it was stopped.
  for (const row of goingRows().reverse()) {
    try {
      await send("POST", `${api}/${row.dataset.run}/cancel`, {});
    } catch (error) {
      // One that ended by itself just now is over, which was wanted.
      if (!(error instanceof ApiError) || error.status !== 409) throw error;
    }
  }
}

drawAll();
wireBoard();
wireChoices();
const form = byId("start-variants");
if (form) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!form.hasAttribute("aria-busy")) startVariants(form);
  });
}
if (document.querySelector("#variants[data-going]")) {
  const say = (error) => toast(error.message, { isBad: true });
  const button = byId("cancel-all");
  button?.addEventListener("click", () => cancelAll().catch(say));
  // Until now nobody would have heard it.
  button?.removeAttribute("disabled");
  watch().catch(say);
}
