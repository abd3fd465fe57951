// How long people really work: the page in view, not idle for longer than half a minute, and the focus where it counts.

import { send } from "../api.js";

const IDLE_MS = 30_000;
const TICK_MS = 500;

// One clock for the page; tasks that are running get its active time.
let lastSign = 0;
let lastTick = performance.now();
const running = new Set();

function tick() {
  const now = performance.now();
  const passed = now - lastTick;
  lastTick = now;
  const isActive = document.visibilityState === "visible" && document.hasFocus() && now - lastSign < IDLE_MS;
  // A longer gap is a machine that slept, not work.
  if (!isActive || passed > 10 * TICK_MS) return;
  for (const task of running) if (task.isOn()) task.active_ms += passed;
}

export function startClock() {
  for (const event of ["keydown", "pointerdown", "pointermove", "wheel", "focusin"]) {
    addEventListener(event, () => (lastSign = performance.now()), { capture: true, passive: true });
  }
  setInterval(tick, TICK_MS);
}

export function begin(isOn) {
  const task = { isOn, active_ms: 0 };
  running.add(task);
  return task;
}

// What this task has taken since it began or was last taken, in whole milliseconds.
export function take(task) {
  tick();
  const active_ms = Math.round(task.active_ms);
  task.active_ms = 0;
  return active_ms;
}

export function end(task) {
  running.delete(task);
}

export function report(bench, items, { keepalive = false } = {}) {
  const real = items.filter(({ active_ms }) => active_ms > 0);
  // A measurement that is lost harms nobody's work, so nobody is told.
  if (real.length) send("POST", bench.api("/lead-times"), { items: real }, { keepalive }).catch(() => {});
}

// Of each tool call: from the first focus in a tool's form until its answer is used.
export function timeTools(bench) {
  const tools = document.getElementById("tools");
  if (!tools || bench.role === "viewer") return;
  let task = null;
  const start = () => {
    task ??= begin(() => true);
  };
  document.getElementById("tool-form")?.addEventListener("focusin", start);
  const used = ({ answer, how }) => {
    if (!task || !answer?.id || how === "copy" || how === "raw") return;
    report(bench, [{ subject: "tool_call", subject_id: answer.id, active_ms: take(task) }]);
    end(task);
    task = null;
  };
  bench.on("add", used);
  bench.on("value", used);
}
