// The snapshot builder with its dry run, and the buttons that verify and replay a frozen version.

import { ApiError, getJson, send } from "./api.js";
import { byId, make, named } from "./dom.js";
import { toast } from "./toast.js";

const MOST = 100;
const outcome = byId("outcome");
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// ── Jobs: what takes seconds for a large dataset ──

const LOOK_EVERY_MS = 400;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Watches a job until it is over; a lost connection only makes it wait.
async function watch(job) {
  const bar = make("progress", { max: 1, "aria-label": "Progress" });
  const words = make("span", { class: "quiet" });
  const stop = make("button", { type: "button" }, "Cancel");
  const path = `${outcome.dataset.jobs}/${job.id}`;
  stop.addEventListener("click", () => send("DELETE", path).catch((error) => toast(error.message, { isBad: true })));
  // Announced once; whoever listens asks the bar for more.
  outcome.replaceChildren(make("div", { class: "going", "aria-live": "off" }, bar, words, "mayCancel" in outcome.dataset && stop));
  while (!["done", "failed", "cancelled"].includes(job.state)) {
    words.textContent = job.message;
    if (job.num_total) bar.value = job.num_done / job.num_total;
    await pause(LOOK_EVERY_MS);
    try {
      job = await getJson(path);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 0) throw error;
      words.textContent = "The connection is lost; the job goes on.";
    }
  }
  if (job.state === "done") return job.result;
  const { reasons } = job.result ?? {};
  throw new ApiError(job.message, reasons ? { code: "cannot_freeze", detail: job.result } : {});
}

// An answer, or the result of the job that it is.
const settled = (answer) => ("num_done" in answer ? watch(answer) : answer);

// ── What came of it, in words ──

function questionLink(base, number) {
  return make("a", { href: `${base}/${number}` }, `Question ${number}`);
}

// Reasons of one question stand together, in the order in which they came.
function reasonList(reasons, base) {
  const groups = new Map();
  for (const reason of reasons) {
    const key = reason.number ?? "";
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(reason);
  }
  const rows = [...groups].slice(0, MOST).map(([number, some]) =>
    make(
      "li",
      {},
      number === "" ? make("strong", {}, "The version") : questionLink(base, number),
      make("ul", {}, ...some.map((reason) => named("li", reason.message, { "data-code": reason.code }))),
    ),
  );
  const left = groups.size - rows.length;
  return [make("ul", { class: "reasons" }, ...rows), left > 0 && make("p", { class: "quiet" }, `and ${plural(left, "more question")}`)];
}

function splitTable(splits) {
  const rows = Object.entries(splits).map(([name, size]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", { class: "number" }, String(size))),
  );
  const head = make("tr", {}, make("th", { scope: "col" }, "Split"), make("th", { scope: "col", class: "number" }, "Questions"));
  return make("table", { class: "small" }, make("thead", {}, head), make("tbody", {}, ...rows));
}

function differenceLine({ added, removed, changed }, parent) {
  if (!parent) return null;
  const size = (some) => some.length ?? some;
  return make("p", {}, `Since ${parent}: ${size(added)} added, ${size(removed)} removed, ${size(changed)} changed.`);
}

function showPlan(plan, base) {
  const { counts } = plan;
  outcome.replaceChildren(
    make(
      "p",
      { class: plan.can_freeze ? "verdict ok" : "verdict bad" },
      plan.can_freeze ? "It can be frozen." : `It cannot be frozen: ${plural(plan.num_reasons ?? plan.reasons.length, "reason")}.`,
    ),
    make("p", {}, `${plural(counts.items, "question")} about ${plural(counts.contexts, "context")} and ${plural(counts.places, "place")}.`),
    ...[
      counts.items > 0 && splitTable(counts.splits),
      differenceLine(plan.difference, plan.parent),
      plan.least_version && make("p", { class: "quiet" }, `The next version is ${plan.least_version} or later.`),
      ...plan.warnings.map((text) => named("p", `Note: ${text}.`)),
      ...(plan.reasons.length ? reasonList(plan.reasons, base) : []),
    ].filter(Boolean),
  );
}

function showRefusal(error, base) {
  const reasons = error.detail?.reasons ?? [];
  outcome.replaceChildren(
    make("p", { class: "verdict bad" }, reasons.length ? `It cannot be frozen: ${plural(error.detail.num_reasons ?? reasons.length, "reason")}.` : error.message),
    ...reasonList(reasons, base).filter(Boolean),
  );
}

// ── The builder ──

const words = (text) => text.split(",").map((part) => part.trim()).filter(Boolean);

// "1, 2, 5-9" as numbers.
function numbers(text) {
  return words(text).flatMap((part) => {
    const [first, last = first] = part.split("-").map(Number);
    if (!Number.isInteger(first) || !Number.isInteger(last) || last < first || last - first > 9999) {
      throw new ApiError(`“${part}” is no number; write them like 1, 2, 5-9.`);
    }
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

function requestOf(form) {
  const data = new FormData(form);
  const splits = { by: data.get("by"), seed: Number(data.get("seed") || 0) };
  if (splits.by !== "none") {
    const shares = data.getAll("share");
    splits.shares = Object.fromEntries(data.getAll("split").map((name, index) => [name.trim(), Number(shares[index])]));
  }
  return {
    version: data.get("version").trim(),
    filter: {
      status: words(data.get("status")),
      category: data.getAll("category"),
      type: data.getAll("type"),
      tag: words(data.get("tag")),
      number: numbers(data.get("number")),
    },
    splits,
    ids_only: data.has("ids_only"),
  };
}

function wireBuilder(form) {
  const { path, page, questions } = form.dataset;
  const alert = form.querySelector("[role=alert]");

  function ask(isDry) {
    if (form.hasAttribute("aria-busy") || !form.reportValidity()) return;
    run(() => send("POST", path, { ...requestOf(form), dry_run: isDry }), isDry ? "Checking…" : "Checking and freezing…");
  }

  async function run(start, words) {
    form.setAttribute("aria-busy", "true");
    alert.textContent = "";
    outcome.replaceChildren(make("p", { class: "quiet" }, words));
    try {
      const answer = await settled(await start());
      if (answer.plan ?? "can_freeze" in answer) showPlan(answer.plan ?? answer, questions);
      else location.assign(`${page}/${encodeURIComponent(answer.version)}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      outcome.replaceChildren();
      if (error.code === "cannot_freeze") showRefusal(error, questions);
      else alert.textContent = error.message;
    } finally {
      form.removeAttribute("aria-busy");
    }
  }

  const list = byId("shares");
  const rest = [list, byId("add-split"), form.elements.seed.closest("label")];
  const showSplits = () => rest.forEach((part) => (part.hidden = form.elements.by.value === "none"));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(false);
  });
  byId("check").addEventListener("click", () => ask(true));
  form.elements.by.addEventListener("change", showSplits);
  byId("add-split").addEventListener("click", () => {
    const field = (label, attributes) => make("label", {}, label, make("input", { autocomplete: "off", required: true, ...attributes }));
    const row = make(
      "li",
      {},
      field("Split", { name: "split", maxlength: 32, spellcheck: "false" }),
      field("Share", { name: "share", type: "number", min: "0.000001", step: "any", value: "0.1" }),
      make("button", { type: "button", class: "quiet-button", "data-remove": true, "aria-label": "Remove this split" }, "Remove"),
    );
    list.append(row);
    row.querySelector("input").focus();
  });
  list.addEventListener("click", (event) => {
    const row = event.target.closest("[data-remove]")?.closest("li");
    if (!row) return;
    if (list.children.length === 1) toast("One split has to stay; choose “nothing” to not divide.");
    else row.remove();
  });
  showSplits();
  if (outcome.dataset.job) run(() => getJson(`${outcome.dataset.jobs}/${outcome.dataset.job}`), "Going on…");
}

// ── A frozen version ──

function showFindings(title, isOk, lines, findings, numMore = 0) {
  const base = outcome.dataset.questions;
  const rows = findings.slice(0, MOST).map((finding) => {
    const about = finding.question
      ? make("a", { href: `${base}?number=${finding.question}#questions-title` }, `Question ${finding.question}`)
      : finding.context
        ? `Context ${finding.context}`
        : "The version";
    const where = finding.pointer === null ? "" : ` at ${finding.pointer || "the whole document"}`;
    return make("li", { "data-code": finding.code }, about, named("span", `${where}: ${finding.message}`));
  });
  const left = findings.length - rows.length + numMore;
  outcome.replaceChildren(
    make("p", { class: isOk ? "verdict ok" : "verdict bad" }, title),
    ...lines.map((line) => make("p", {}, line)),
    ...(rows.length ? [make("ul", { class: "reasons" }, ...rows)] : []),
    ...(left > 0 ? [make("p", { class: "quiet" }, `and ${left} more`)] : []),
  );
}

const showReport = (report) =>
  showFindings(
    report.is_ok ? "Every byte is what was frozen." : "Something is not what was frozen.",
    report.is_ok,
    [
      `Recomputed: ${plural(report.num_items, "question")}, ${plural(report.num_contexts, "context")}, ${report.num_evidence} values of evidence, ` +
        `${plural(report.num_calls, "tool call")}, ${report.num_blobs} blobs of ${report.num_bytes} bytes` +
        (report.num_withheld ? `; ${report.num_withheld} withheld by terms.` : "."),
    ],
    report.findings,
    report.num_more,
  );

// What a job of this page gave: a report, or a replay.
const showResult = (result) => (result.replay ? showReplay(result.replay) : result.report ? showReport(result.report) : null);

const showReplay = (replay) =>
  showFindings(
    replay.is_ok ? "Asked again without a network: the same bytes." : "Asked again, something came out otherwise.",
    replay.is_ok,
    [`${plural(replay.num_calls, "tool call")} and ${plural(replay.num_contexts, "context")} again.`],
    replay.findings,
  );

async function runHere(start, words, show) {
  if (outcome.hasAttribute("aria-busy")) return;
  outcome.setAttribute("aria-busy", "true");
  outcome.replaceChildren(make("p", { class: "quiet" }, words));
  try {
    const answer = await start();
    if ("num_done" in answer) showResult(await watch(answer));
    else show(answer);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    outcome.replaceChildren(named("p", error.message, { class: "verdict bad" }));
  } finally {
    outcome.removeAttribute("aria-busy");
  }
}

const wireRun = (button, words, show) =>
  button?.addEventListener("click", () => runHere(() => send("POST", button.dataset.path, {}), words, show));

const builder = byId("builder");
if (builder) wireBuilder(builder);
wireRun(byId("verify"), "Recomputing every byte…", showReport);
wireRun(byId("replay"), "Asking everything again of the recordings alone…", showReplay);
if (!builder && outcome?.dataset.job) {
  runHere(() => getJson(`${outcome.dataset.jobs}/${outcome.dataset.job}`), "Going on…", showResult);
}
