// How long somebody really works: the page in view, and a key or pointer used within the last minute.

const IDLE_MS = 60_000;

let spent_ms = 0;
let last = performance.now();
let used = last;
let isSeen = !document.hidden;

function tick() {
  const now = performance.now();
  if (isSeen) spent_ms += Math.max(0, Math.min(now, used + IDLE_MS) - last);
  last = now;
  isSeen = !document.hidden;
}

function touch() {
  tick();
  used = performance.now();
}

for (const kind of ["keydown", "pointerdown", "pointermove", "scroll"]) {
  addEventListener(kind, touch, { passive: true, capture: true });
}
document.addEventListener("visibilitychange", tick);

// Milliseconds of work since the last lap.
export function lap() {
  tick();
  const ms = Math.round(spent_ms);
  spent_ms = 0;
  return ms;
}
