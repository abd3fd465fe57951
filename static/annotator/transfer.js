// Imports and exports: sends a file, watches the job that reads or makes one, and shows what came of it.

import { ApiError, getJson, send } from "./api.js";
import { byId, make, named } from "./dom.js";
import { count } from "./format.js";
import { refresh } from "./forms.js";
import { toast } from "./toast.js";

const LOOK_EVERY_MS = 400;
const SHOWN_BAD = 20;

const form = byId("import-form") ?? byId("export-form");
const api = `/api/projects/${form.dataset.project}`;
let stop = null;

function show(id) {
  for (const part of ["going", "found"]) {
    const section = byId(part);
    if (section) section.hidden = part !== id;
  }
}

function complain(text) {
  form.querySelector("[role=alert]").textContent = text;
  form.removeAttribute("aria-busy");
  show(null);
}

function tell(title, text, share) {
  show("going");
  byId("going-title").textContent = title;
  byId("going-text").textContent = text;
  const bar = byId("going-bar");
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

// Sends the file with its progress, which fetch cannot tell.
function upload(path, file, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("content-type", "application/octet-stream");
    const csrf = document.querySelector('meta[name="csrf"]')?.content;
    if (csrf) request.setRequestHeader("x-csrf-token", csrf);
    request.upload.addEventListener("progress", ({ loaded, total }) =>
      tell("Sending the file", `${Math.round(loaded / 1e5) / 10} of ${Math.round(total / 1e5) / 10} MB`, loaded / total),
    );
    request.addEventListener("load", () => {
      let body = null;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // What is no JSON says nothing more than its status.
      }
      if (request.status < 300 && body) resolve(body);
      else reject(new ApiError(body?.error?.message ?? `MapQaTor answered ${request.status} without a reason.`));
    });
    request.addEventListener("error", () => reject(new ApiError("The file could not be sent; nothing was imported.")));
    request.addEventListener("abort", () => reject(new ApiError("Cancelled.", { code: "cancelled" })));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Watches a job until it is over; a lost connection only makes it wait.
async function watch(job, title) {
  stop = () => send("DELETE", `${api}/jobs/${job.id}`).catch((error) => toast(error.message, { isBad: true }));
  while (!["done", "failed", "cancelled"].includes(job.state)) {
    const share = job.num_total ? Math.min(1, job.num_done / job.num_total) : null;
    tell(title, job.message, share);
    await pause(LOOK_EVERY_MS);
    try {
      job = await getJson(`${api}/jobs/${job.id}`);
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 0) throw error;
      tell(title, "The connection is lost; the job goes on.", share);
    }
  }
  stop = null;
  return job;
}

function example(item) {
  const rights = Array.isArray(item.answer) ? item.answer : [];
  return make(
    "li",
    { class: "panel" },
    make("p", { class: "quiet" }, `${item.where} · ${item.type.replaceAll("_", " ")}${item.category ? ` · ${item.category}` : ""}`),
    named("p", item.question),
    item.options.length
      ? make(
          "ol",
          { class: "options" },
          ...item.options.map((text) => named("li", rights.includes(text) ? `${text} ✓ right` : text)),
        )
      : null,
    !Array.isArray(item.answer) && item.answer ? make("p", { dir: "auto" }, `Answer: ${JSON.stringify(item.answer)}`) : null,
    item.context ? make("details", {}, make("summary", {}, "Context"), named("p", item.context)) : null,
  );
}

function describe(result) {
  const bad = result.bad.slice(0, SHOWN_BAD);
  return [
    ...result.notes.map((note) => make("p", { class: "warn" }, note)),
    result.num_bad
      ? make(
          "details",
          { open: true },
          make("summary", {}, `${count(result.num_bad, "bad row")} will be left out`),
          make("ul", { class: "reasons" }, ...bad.map((row) => named("li", `${row.where}: ${row.reason}`))),
          result.num_bad > SHOWN_BAD ? make("p", { class: "quiet" }, `and ${result.num_bad - SHOWN_BAD} more`) : null,
        )
      : null,
    result.examples.length ? make("h3", {}, "The first of them") : null,
    make("ul", { class: "examples" }, ...result.examples.map(example)),
  ].filter(Boolean);
}

async function finished(job) {
  await refresh("#jobs");
  show(null);
  form.removeAttribute("aria-busy");
  if (job.state !== "done") {
    complain(`${job.state === "cancelled" ? "Cancelled" : "It failed"}: ${job.message}`);
    return;
  }
  if (job.kind === "export") {
    toast(`${job.result.file} is ready: ${job.message}.`);
    sizes();
  } else {
    form.reset();
    explain();
    toast(`Imported ${job.message}.`, {
      action: "Undo",
      run: () =>
        send("POST", `${api}/imports/${job.id}/undo`, {})
          .then(() => refresh("#jobs"))
          .catch((error) => toast(error.message, { isBad: true })),
    });
  }
  byId("jobs-title").scrollIntoView({ block: "nearest" });
}

async function look() {
  const file = byId("file").files[0];
  const { max } = form.dataset;
  if (file.size > Number(max)) {
    complain(`The file has ${Math.ceil(file.size / 2 ** 20)} MiB, and at most ${Math.floor(max / 2 ** 20)} can be sent.`);
    return;
  }
  const aborter = new AbortController();
  stop = () => aborter.abort();
  tell("Sending the file", "", 0);
  const query = new URLSearchParams({ format: byId("format").value, dry_run: "true", name: file.name.slice(0, 200) });
  const job = await watch(await upload(`${api}/imports?${query}`, file, aborter.signal), "Reading the file");
  form.removeAttribute("aria-busy");
  await refresh("#jobs");
  if (job.state !== "done") {
    complain(job.message);
    return;
  }
  show("found");
  const { result } = job;
  byId("found-title").textContent = `${file.name}: ${job.message}`;
  byId("found-body").replaceChildren(...describe(result));
  const go = byId("go");
  go.textContent = `Import ${count(result.num_questions, "question")}`;
  go.hidden = !result.num_questions;
  go.onclick = () => attempt(async () => finished(await watch(await send("POST", `${api}/imports/${job.id}/run`, {}), "Importing")));
  byId("found-title").focus();
}

async function takeAway() {
  const [dataset, version] = form.elements.what.value.split("@");
  const body = { format: form.elements.format.value };
  if (dataset) {
    Object.assign(body, { dataset, version });
  } else {
    body.filter = {};
    for (const name of ["status", "type", "category", "tag"]) {
      const value = form.elements[name].value.trim();
      if (value || name === "status") body.filter[name] = value ? [value] : [];
    }
  }
  await finished(await watch(await send("POST", `${api}/exports`, body), "Exporting"));
}

async function attempt(what) {
  form.setAttribute("aria-busy", "true");
  form.querySelector("[role=alert]").textContent = "";
  try {
    await what();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    complain(error.code === "cancelled" ? "Cancelled; nothing was imported." : error.message);
  }
}

function explain() {
  const chosen = byId("format")?.selectedOptions[0];
  const sentence = byId("sentence");
  if (!chosen || !sentence) return;
  sentence.dataset.all ??= sentence.textContent;
  sentence.textContent = chosen.dataset.sentence ?? sentence.dataset.all;
}

function sizes() {
  for (const element of document.querySelectorAll(".size[data-bytes]")) {
    const bytes = Number(element.dataset.bytes);
    element.textContent = bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form.hasAttribute("aria-busy")) return;
  attempt(form.id === "import-form" ? look : takeAway);
});
byId("stop").addEventListener("click", () => stop?.());
byId("format")?.addEventListener("change", explain);
byId("other")?.addEventListener("click", () => {
  show(null);
  form.reset();
  explain();
  byId("file").focus();
});
const what = byId("what");
what?.addEventListener("change", () => {
  byId("filter").hidden = what.value !== "";
});

// A job that was going on when the page was opened is watched to its end.
const going = document.querySelector('tr[data-state="running"], tr[data-state="waiting"]');
if (going) {
  getJson(`${api}/jobs/${going.dataset.job}`)
    .then((job) => watch(job, "Going on"))
    .then(() => {
      show(null);
      return refresh("#jobs");
    })
    .then(sizes)
    .catch((error) => toast(error.message, { isBad: true }));
}
sizes();
