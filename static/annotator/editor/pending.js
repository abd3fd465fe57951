// What is written and not yet acknowledged, kept in this browser so that a crash or a lost connection loses nothing.

const PREFIX = "mapqator.pending.";
const TAB = Math.random().toString(36).slice(2, 14);

const read = (key) => {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
};

// Another tab that writes in the same question has its own place, so that neither drops the other's work.
function ownKey(id) {
  const key = PREFIX + id;
  const there = read(key);
  return there === null || there.tab === TAB ? key : `${key}.${TAB}`;
}

// Gives whether it could be kept.
export function keep(id, entry) {
  try {
    localStorage.setItem(ownKey(id), JSON.stringify({ ...entry, tab: TAB, at: new Date().toISOString() }));
    return true;
  } catch {
    return false;
  }
}

export function forget(id) {
  for (const key of [PREFIX + id, `${PREFIX + id}.${TAB}`]) {
    if (read(key)?.tab === TAB) localStorage.removeItem(key);
  }
}

// The latest that was kept for this id, taken over by this tab; null where nothing waits.
export function recall(id) {
  let latest = null;
  try {
    for (const key of Object.keys(localStorage)) {
      if (key !== PREFIX + id && !key.startsWith(`${PREFIX + id}.`)) continue;
      const entry = read(key);
      if (entry?.content && (!latest || entry.at > latest.entry.at)) latest = { key, entry };
    }
    if (latest) localStorage.removeItem(latest.key);
  } catch {
    return null;
  }
  if (latest) keep(id, latest.entry);
  return latest?.entry ?? null;
}
