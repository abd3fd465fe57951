// The list of runs, the form that starts them, and a run while it goes on.

import { ApiError, getJson, send } from "./api.js";
import { byId, make, named } from "./dom.js";
import { wireEndpoints } from "./evaluate-endpoints.js";
import { refresh } from "./forms.js";
import { toast } from "./toast.js";

const POLL_MS = 1500;
const PLAN_AFTER_MS = 250;
const SPEED_OVER_MS = 30_000;
const OVER = ["done", "failed", "cancelled"];
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// ── The list ──

function wireCompare(form) {
  const button = byId("compare-button");
  const show = () => {
    const chosen = form.querySelectorAll("input[name=run]:checked").length;
    button.disabled = chosen < 2;
    byId("compare-why").textContent = chosen < 2 ? "Tick two runs or more over the same version." : `${chosen} chosen.`;
  };
  form.addEventListener("change", show);
  show();
}

// ── The form ──

// Models with their variants below them, each to be ticked; the wanted one is, or else the first.
function modelList(models, wanted) {
  const ticked = models.some(({ id }) => id === wanted) ? wanted : models[0]?.id;
  const groups = Map.groupBy(models, ({ id }) => id.split(":")[0]);
  return [...groups].map(([base, all]) => {
    const boxes = all.map(({ id, description }) => {
      const box = make("input", { type: "checkbox", name: "model", value: id });
      box.checked = id === ticked;
      return make(
        "label",
        { class: "check" },
        box,
        make("span", {}, named("span", id), description ? named("span", ` ${description}`, { class: "quiet" }) : ""),
      );
    });
    // The bare name means one of the variants, so that it is none itself.
    const variants = boxes.map((label) => label.firstElementChild).filter(({ value }) => value.includes(":"));
    const every = make("button", { type: "button", class: "quiet-button" }, "All variants");
    every.addEventListener("click", () => {
      for (const label of boxes) label.firstElementChild.checked = variants.includes(label.firstElementChild);
      every.dispatchEvent(new Event("change", { bubbles: true }));
    });
    return make("li", {}, make("p", {}, named("strong", base), " ", variants.length > 0 && every), ...boxes);
  });
}

async function showModels(name) {
  const note = byId("models-note");
  const list = byId("model-list");
  list.replaceChildren();
  if (!name) return;
  note.className = "quiet";
  note.textContent = "Asking the server what it serves…";
  try {
    const { models, version } = await getJson(`/api/evaluations/endpoints/${encodeURIComponent(name)}/models`);
    if (byId("endpoint").value !== name) return;
    list.replaceChildren(make("ul", { class: "models" }, ...modelList(models, list.dataset.model)));
    note.textContent = `${plural(models.length, "name")} served${version ? `, server version ${version}` : ""}. Each one ticked is a run.`;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (byId("endpoint").value !== name) return;
    note.className = "bad";
    const again = make("button", { type: "button", onclick: () => showModels(name) }, "Ask again");
    note.replaceChildren(`${error.message} `, again);
  }
}

const NUMBERS = ["temperature", "top_p", "max_tokens", "seed", "epochs", "concurrency", "timeout_s", "max_retries", "max_failures"];
const TOOL_NUMBERS = ["max_turns", "max_tool_calls", "max_repeats", "max_rows"];
const PARTS = { category: "categories", split: "splits" };

// Boxes for the categories and splits of a frozen version; a single one parts nothing.
function showParts(form) {
  const parts = JSON.parse(byId("parts").textContent)[form.elements.what.value] ?? {};
  for (const [name, id] of Object.entries(PARTS)) {
    const found = Object.entries(parts[name] ?? {});
    byId(id).hidden = found.length < 2;
    const boxes = found.length < 2 ? [] : found.map(([value, size]) =>
      make(
        "label",
        { class: "check" },
        make("input", { type: "checkbox", name, value }),
        make("span", {}, named("span", value.replaceAll("_", " ")), make("span", { class: "quiet" }, ` ${size}`)),
      ),
    );
    byId(id).querySelector(".checks").replaceChildren(...boxes);
  }
}

const numberOf = (form, name) => (form.elements[name].value === "" ? null : Number(form.elements[name].value));

function configOf(form, model) {
  const data = new FormData(form);
  const config = {
    model,
    mode: data.get("mode"),
    abstain: data.get("abstain"),
    shuffle_seed: data.get("shuffle") ? (numberOf(form, "shuffle_seed") ?? 0) : null,
    limit: numberOf(form, "limit"),
    sample_seed: numberOf(form, "sample_seed") ?? 0,
    types: data.getAll("type"),
    categories: data.getAll("category"),
    splits: data.getAll("split"),
    requests_per_s: numberOf(form, "requests_per_s"),
  };
  const isCalling = config.mode === "tools";
  if (isCalling) Object.assign(config, { protocol: data.get("protocol") || null, live: data.has("live") });
  for (const name of isCalling ? [...NUMBERS, ...TOOL_NUMBERS] : NUMBERS) {
    const value = numberOf(form, name);
    if (value !== null) config[name] = value;
  }
  return config;
}

function wireForm(form) {
  const { path, pages, plan } = form.dataset;
  const alert = form.querySelector("[role=alert]");
  const endpoint = byId("endpoint");
  let waiting = null;
  let asking = null;

  // What is asked only in some cases.
  function showMore() {
    byId("shuffle-seed").hidden = form.elements.shuffle_seed.disabled = form.elements.shuffle.value === "";
    byId("tools-settings").hidden = byId("tools-settings").disabled = form.elements.mode.value !== "tools";
  }

  async function showPlan() {
    asking?.abort();
    asking = new AbortController();
    const data = new FormData(form);
    const query = new URLSearchParams({ dataset: data.get("what") });
    for (const name of ["mode", "limit", "epochs"]) query.set(name, data.get(name));
    for (const name of ["type", "category", "split"]) for (const value of data.getAll(name)) query.append(name, value);
    try {
      const response = await fetch(`${plan}?${query}`, { headers: { accept: "text/html" }, signal: asking.signal });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.getElementById("plan-text");
      byId("plan").replaceChildren(fresh ? document.adoptNode(fresh) : make("p", { class: "bad" }, "It could not be counted; the numbers above are out of range."));
    } catch (error) {
      if (error.name === "AbortError") return;
      byId("plan").replaceChildren(make("p", { class: "bad" }, "MapQaTor does not answer, so nothing could be counted."));
    }
    showStart();
  }

  function showStart() {
    const chosen = form.querySelectorAll("input[name=model]:checked").length;
    byId("start").textContent = chosen > 1 ? `Start ${chosen} runs` : "Start";
  }

  async function start() {
    const models = new FormData(form).getAll("model");
    if (!models.length) throw new ApiError("Tick a model first.");
    const [dataset, version] = form.elements.what.value.split("@");
    const begun = [];
    try {
      for (const model of models) {
        const body = { dataset, version, endpoint: endpoint.value, config: configOf(form, model) };
        const name = form.elements.name.value.trim();
        if (name) body.name = models.length > 1 ? `${name.slice(0, 150)}, ${model}`.slice(0, 200) : name;
        begun.push(await send("POST", path, body));
        // Begun ones are not begun again by whoever presses once more.
        form.querySelector(`input[name=model][value="${CSS.escape(model)}"]`).checked = false;
      }
    } catch (error) {
      if (begun.length) error.message = `${plural(begun.length, "run")} began; then: ${error.message}`;
      throw error;
    }
    location.assign(begun.length === 1 ? `${pages}/${begun[0].id}` : pages);
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.hasAttribute("aria-busy")) return;
    form.setAttribute("aria-busy", "true");
    alert.textContent = "";
    try {
      await start();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      alert.textContent = error.message;
      const field = error.param && form.elements[error.param.split(".").at(-1)];
      field?.closest?.("details")?.setAttribute("open", "");
      field?.focus?.();
    } finally {
      form.removeAttribute("aria-busy");
      showStart();
    }
  });
  // What is folded up cannot show what is wrong with it.
  form.addEventListener("invalid", ({ target }) => target.closest("details")?.setAttribute("open", ""), true);
  form.addEventListener("input", () => {
    showMore();
    clearTimeout(waiting);
    waiting = setTimeout(showPlan, PLAN_AFTER_MS);
  });
  form.addEventListener("change", showStart);
  endpoint.addEventListener("change", () => showModels(endpoint.value).then(showStart));
  form.elements.what.addEventListener("input", () => showParts(form));
  showMore();
  showParts(form);
  showPlan();
  showModels(endpoint.value).then(showStart);
}

// ── A run ──

function timeWords(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Questions a second over the last half minute, and what is left at that pace; empty until there is something to go by.
function speedometer() {
  const seen = [];
  return ({ num_done: done, num_items: all }) => {
    const now = performance.now();
    seen.push([now, done]);
    while (seen.length > 2 && now - seen[0][0] > SPEED_OVER_MS) seen.shift();
    const [[then, before]] = seen;
    if (done === before || now - then < 500) return "";
    const speed = (done - before) / ((now - then) / 1000);
    return `· ${speed.toPrecision(2)} a second, about ${timeWords((all - done) / speed)} left`;
  };
}

// Calls told(state) as it changes and resolves when the run is over: by server-sent events, or by asking where those do
// not come.
function follow(api, told) {
  return new Promise((resolve) => {
    let isOver = false;
    const stream = new EventSource(`${api}/events`);
    const end = () => {
      if (isOver) return;
      isOver = true;
      stream.close();
      resolve();
    };
    async function poll() {
      if (isOver) return;
      try {
        const state = await getJson(api);
        told(state);
        if (OVER.includes(state.state)) {
          end();
          return;
        }
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status) {
          byId("run-alert").textContent = error.message;
          return;
        }
        byId("live-message").textContent = "The connection is lost; the run goes on.";
      }
      setTimeout(poll, POLL_MS);
    }
    stream.addEventListener("progress", ({ data }) => told(JSON.parse(data)));
    stream.addEventListener("end", end);
    // The browser would ask again by itself, and for ever; polling says more of what is wrong.
    stream.addEventListener("error", () => {
      stream.close();
      poll();
    });
  });
}

// Until now nobody would have heard them.
function enable() {
  for (const button of document.querySelectorAll("#cancel, [data-resume]")) button.removeAttribute("disabled");
}

async function watch() {
  const root = byId("run");
  enable();
  if (OVER.includes(root.dataset.state)) return;
  const speed = speedometer();
  await follow(root.dataset.api, (state) => {
    byId("live-bar").value = state.num_done;
    byId("live-done").textContent = state.num_done;
    byId("live-speed").textContent = speed(state);
    byId("live-message").textContent = state.message;
    for (const cell of byId("live-verdicts").querySelectorAll("[data-verdict]")) {
      cell.textContent = state.verdicts[cell.dataset.verdict] ?? 0;
    }
  });
  try {
    await refresh("#run");
    enable();
    toast(`The run is over: ${byId("run").dataset.state}.`);
  } catch {
    toast("The run is over. Load the page again to see it.", { isBad: true });
  }
}

async function order(button, action, body) {
  button.setAttribute("aria-busy", "true");
  byId("run-alert").textContent = "";
  try {
    await send("POST", `${byId("run").dataset.api}/${action}`, body);
    if (action === "resume") {
      await refresh("#run").catch(() => location.reload());
      byId("live-title")?.scrollIntoView({ block: "nearest" });
      watch();
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    byId("run-alert").textContent = error.message;
    button.removeAttribute("aria-busy");
  }
}

function wireRun() {
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("#cancel, [data-resume]");
    if (!button || button.hasAttribute("aria-busy")) return;
    if (button.id === "cancel") order(button, "cancel");
    else order(button, "resume", { again: button.dataset.resume === "again" });
  });
  watch();
}

if (byId("compare")) wireCompare(byId("compare"));
if (byId("run-form")) wireForm(byId("run-form"));
if (byId("endpoint-form")) wireEndpoints(byId("endpoint-form"));
if (byId("run")) wireRun();
