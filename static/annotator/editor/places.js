// The places of the context, for mentions, for answers that are places and for the names of stops.

import { at, degrees, insidesOf } from "../workbench/known.js";

const isPlace = (place) => place && typeof place.pid === "string";

// Each place once, with where it was found: [{ pid, name, lat, lon, address, call_id, pointer }].
export function placesOf(content, answers) {
  const found = new Map();
  for (const item of content.items) {
    const answer = answers.get(item.tool_call_id);
    if (!answer) continue;
    const hidden = new Set(item.view?.hidden ?? []);
    const listed = (answer.result.places ?? []).map((place, index) => [place, `/places/${index}`]);
    for (const [place, pointer] of [[answer.result.place, "/place"], ...listed]) {
      if (!isPlace(place) || hidden.has(pointer) || !place.name || found.has(place.pid)) continue;
      const { pid, name, lat, lon, address } = place;
      found.set(pid, { pid, name, lat, lon, address, call_id: answer.id, pointer });
    }
  }
  return [...found.values()];
}

// Positions that have a name in the context, the first name of each first: its places, and what was looked up inside one.
export function positionsOf(content, answers) {
  const places = placesOf(content, answers);
  const seen = new Set(places.map(({ pid }) => pid));
  const inside = content.items
    .flatMap(({ tool_call_id: id }) => (answers.has(id) ? insidesOf(answers.get(id)) : []))
    .filter(({ pid }) => seen.has(pid));
  return [...places, ...inside].filter(({ lat }) => typeof lat === "number");
}

// stop(waypoint): what the context calls it, else its position or id.
export function namesOf(content, answers) {
  const positions = positionsOf(content, answers);
  const byPid = new Map(positions.map(({ pid, name }) => [pid, name]));
  const byPosition = new Map(positions.toReversed().map((position) => [at(position), position.name]));
  return {
    stop: (waypoint) =>
      waypoint.place_id
        ? (byPid.get(waypoint.place_id) ?? waypoint.place_id)
        : (byPosition.get(at(waypoint)) ?? degrees(waypoint)),
  };
}

const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

// Places whose name or a word of it begins with what was typed, those that begin with it first.
export function matching(places, typed, most = 6) {
  const wanted = folded(typed.trim());
  const rank = ({ name }) => {
    const text = folded(name);
    return text.startsWith(wanted)
      ? 0
      : text.split(/\s+/).some((word) => word.startsWith(wanted))
        ? 1
        : text.includes(wanted)
          ? 2
          : 3;
  };
  return places
    .map((place) => ({ place, rank: rank(place) }))
    .filter((found) => found.rank < 3)
    .sort((left, right) => left.rank - right.rank)
    .slice(0, most)
    .map(({ place }) => place);
}
