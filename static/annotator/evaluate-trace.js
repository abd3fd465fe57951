// A question of a run: one slider over its steps, and on the map what each call of the model found.

import { ApiError, getJson } from "./api.js";
import { byId, isCalm, make, named } from "./dom.js";
import { bind } from "./keys.js";
import { say } from "./workbench/asker.js";
import { startMap } from "./workbench/base.js";
import { makeBench } from "./workbench/bench.js";
import { drawingOf, mayDraw } from "./workbench/drawing.js";
import { makeKnown } from "./workbench/known.js";
import { summaryOf, titleOf } from "./workbench/words.js";

const replay = JSON.parse(byId("replay").textContent);
const { project, role } = document.body.dataset;
const bench = makeBench({ project, contextId: null, role });
const known = makeKnown(bench);
const words = { known, typeTitle: (key) => key.replaceAll("_", " ") };
const slider = byId("slider");
const steps = [...byId("talk").children];
const answers = new Map(); // Of steps, as promises.
let view = null;
let isFitted = true;
let current = 0;

for (const place of replay.places) known.remember(place);

// The call at a step, or the one before it: what was on the map by then.
function callAt(step) {
  for (let at = step; at >= 0; at -= 1) if (replay.steps[at]) return at;
  return null;
}

function answerAt(at) {
  if (!answers.has(at)) {
    const { tool, params, sha, display } = replay.steps[at];
    const asked = sha ? getJson(`/x/${sha}?raw`) : Promise.resolve(null);
    answers.set(
      at,
      asked.then((result) => {
        const answer = result && { id: null, tool, params, result, provenance: { display } };
        if (answer) bench.emit("answer", { answer });
        return answer;
      }),
    );
  }
  return answers.get(at);
}

const OF_QUESTION = {
  markers: replay.places.map(({ pid, name, lat, lon }, index) => ({
    id: pid,
    pointer: `/places/${index}`,
    label: String(index + 1),
    name,
    lat,
    lon,
    shape: "spot",
  })),
  lines: [],
};

function showDrawing(drawing, title, note = "") {
  byId("shown-title").textContent = title;
  say(note);
  byId("marks").replaceChildren(
    ...drawing.markers.map(({ pointer, label, name }) =>
      make(
        "li",
        { "data-pointer": pointer, onpointerenter: () => view?.light(pointer, true), onpointerleave: () => view?.light(pointer, false) },
        label && make("span", { class: "quiet" }, `${label} `),
        named("span", name),
      ),
    ),
  );
  if (!view) return;
  view.show(drawing, { isFitted });
  if (drawing.markers.length + drawing.lines.length) isFitted = false;
}

async function draw() {
  const step = current;
  const at = callAt(step);
  if (at === null) {
    const { markers } = OF_QUESTION;
    showDrawing(OF_QUESTION, markers.length ? "Places of the question and its context" : "The question has no places.");
    return;
  }
  let answer;
  try {
    // In order, so that stops are called by what was found before.
    for (let before = 0; before <= at; before += 1) if (replay.steps[before]) answer = await answerAt(before);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    answers.clear();
    if (step === current) showDrawing({ markers: [], lines: [] }, "", error.message);
    return;
  }
  if (step !== current) return;
  if (!answer) {
    showDrawing({ markers: [], lines: [] }, "This call put nothing on the map.");
    return;
  }
  const title = [titleOf(answer, words), summaryOf(answer)].filter(Boolean).join(": ");
  showDrawing(
    drawingOf(answer, { known, chosen: 0 }),
    title,
    mayDraw(answer) ? "" : "This provider’s terms keep its places off other maps.",
  );
}

function go(step, { scrolls = false } = {}) {
  current = Math.max(0, Math.min(steps.length - 1, step));
  slider.value = current + 1;
  byId("at").textContent = `${current + 1} of ${steps.length}`;
  steps.forEach((element, index) => {
    if (index === current) element.setAttribute("aria-current", "step");
    else element.removeAttribute("aria-current");
  });
  if (scrolls) steps[current].scrollIntoView({ block: "nearest", behavior: isCalm() ? "auto" : "smooth" });
  draw();
}

slider.addEventListener("input", () => go(Number(slider.value) - 1, { scrolls: true }));
byId("talk").addEventListener("click", ({ target }) => {
  const button = target.closest("[data-go]");
  if (button) go(Number(button.dataset.go));
});

const group = "Trace";
for (const [id, key, label] of [
  ["next", "J", "Next question"],
  ["previous", "K", "Question before"],
]) {
  const link = byId(id);
  if (link) bind(`trace.${id}`, key, label, () => link.click(), { control: link, group });
}
bind("trace.step", "N", "Next step", () => go(current + 1, { scrolls: true }), { group });
bind("trace.back", "P", "Step before", () => go(current - 1, { scrolls: true }), { group });

function onMap(pointer, what) {
  if (what === "click") return;
  view.light(pointer, what === "enter");
  const row = byId("marks").querySelector(`[data-pointer="${CSS.escape(pointer)}"]`);
  row?.classList.toggle("lit", what === "enter");
}

// The first call that found something is what there is to see; without any, the question's own places.
go(Math.max(0, replay.steps.findIndex((step) => step?.sha)));
const base = await startMap({ key: replay.provider, onMarker: onMap, onLine: onMap });
view = base?.view ?? null;
draw();
