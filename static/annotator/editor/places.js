// The places of the context, for mentions and for answers that are places.

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
