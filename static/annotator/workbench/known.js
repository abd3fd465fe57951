// Places that the page has seen: those of the context first, then those of the latest answers. Pickers offer them, and
// coordinates get their names back from them.

import { fullName } from "../format.js";
import { valueAt } from "./pointers.js";

// About a metre: as near as the text of a context wants a position to be to a place's to be called by it.
export const at = ({ lat, lon }) => `${lat.toFixed(5)},${lon.toFixed(5)}`;

export const degrees = ({ lat, lon }) => `${lat.toFixed(6)}, ${lon.toFixed(6)}`;

export function placesOf({ result }) {
  if (result.kind === "place") return result.place ? [result.place] : [];
  return result.places ?? [];
}

// A position that was looked up and found to lie inside a place, such as a square, may be called by it.
export function insidesOf({ tool, params, result }) {
  if (tool !== "reverse_geocode") return [];
  return result.places
    .filter(({ distance_m, name }) => distance_m === 0 && name)
    .map((place) => ({ lat: params.lat, lon: params.lon, name: place.name, pid: place.pid }));
}

export function makeKnown(bench) {
  let ofContext = [];
  const seen = new Map(); // Places by id, the latest last.
  const names = new Map(); // Names by coordinates, those of the latest answers.
  let namesHere = new Map(); // Those of the context, which come first.

  function remember(place) {
    const name = place.name || fullName(place);
    const before = seen.get(place.pid);
    seen.delete(place.pid);
    seen.set(place.pid, { ...before, ...place, name });
    names.set(at(place), name);
  }

  bench.on("answer", ({ answer }) => {
    placesOf(answer).toReversed().forEach(remember);
    for (const { lat, lon, name } of insidesOf(answer)) names.set(at({ lat, lon }), name);
  });
  bench.on("positions", (positions) => {
    namesHere = new Map(positions.toReversed().map((position) => [at(position), position.name]));
  });
  bench.on("places", (places) => {
    ofContext = places;
    for (const place of places) {
      if (seen.has(place.pid)) continue;
      // The answer that it stands in knows more of it, its opening hours for one.
      const whole = place.pointer && valueAt(bench.answers.get(place.call_id)?.result, place.pointer);
      if (whole) remember(whole);
      else if (typeof place.lat === "number") remember(place);
    }
  });

  return {
    remember,
    // Every place once, those of the context first.
    list() {
      const ids = new Set([...ofContext.map(({ pid }) => pid), ...[...seen.keys()].toReversed()]);
      return [...ids].map((pid) => seen.get(pid)).filter(Boolean);
    },
    byId: (pid) => seen.get(pid),
    // What a stop of a route is called, wherever it was chosen.
    nameOf(stop) {
      if (stop.place_id) return seen.get(stop.place_id)?.name ?? stop.place_id;
      return namesHere.get(at(stop)) ?? names.get(at(stop)) ?? degrees(stop);
    },
    // Where a stop is; null for an id that nobody has located yet.
    positionOf(stop) {
      if (!stop.place_id) return { lat: stop.lat, lon: stop.lon };
      const place = seen.get(stop.place_id);
      return place ? { lat: place.lat, lon: place.lon } : null;
    },
  };
}
