// What answers, outcomes and numbers are called.

import { count, distance, placeName } from "../format.js";
import { degrees } from "./known.js";

export const OUTCOMES = {
  hit: "from a recording",
  miss: "asked and recorded",
  refresh: "asked again and recorded",
  replay: "replayed from a recording",
  live: "asked, not recorded",
};

export const MODES = { drive: "Drive", walk: "Walk", bicycle: "Bicycle", motorcycle: "Motorcycle", transit: "Transit" };

export const exactMetres = (metres) => `${metres.toLocaleString("en")} m`;
export const exactSeconds = (seconds) => `${seconds.toLocaleString("en")} s`;

export const letter = (index) => String.fromCharCode(65 + (index % 26)).repeat(Math.floor(index / 26) + 1);

const TITLES = {
  text_search: ({ params }) => `“${params.query}”`,
  nearby_search: ({ params }, { known, typeTitle }) => {
    const what = [params.type && typeTitle(params.type), params.keyword && `“${params.keyword}”`]
      .filter(Boolean)
      .join(", ");
    return `${what || "Places"}, within ${distance(params.radius_m ?? 1000)} of ${known.nameOf(params)}`;
  },
  // What is there is the answer, so the question says where.
  reverse_geocode: ({ params }) => `What is at ${degrees(params)}`,
  place_details: ({ params, result }, { known }) => (result?.place ? placeName(result.place) : known.nameOf(params)),
  compute_routes: ({ params }, words) => `${MODES[params.mode] ?? "Way"} ${fromTo(params, words)}`,
  search_along_route: ({ params }, words) => {
    const what = params.keyword ? `“${params.keyword}”` : words.typeTitle(params.type ?? "place");
    return `${what} along the way ${fromTo(params, words)}`;
  },
  travel_matrix: ({ params }) =>
    `${MODES[params.mode] ?? "Travel"}: ${count(params.origins.length, "origin")}, ${count(params.destinations.length, "destination")}`,
  distance_bearing: ({ params }, words) => `Straight line ${fromTo(params, words)}`,
  open_at: ({ params }) => `Open at ${params.at.slice(0, 16).replace("T", " ")}?`,
};

const fromTo = ({ origin, destination }, { known }) => `from ${known.nameOf(origin)} to ${known.nameOf(destination)}`;

// Of an answer, or of a call whose answer is not here. words: { known, typeTitle(key) }
export const titleOf = (answer, words) => TITLES[answer.tool]?.(answer, words) ?? answer.tool;

// One line about what came back.
export function summaryOf({ result }) {
  const { places, total, routes, reason } = result;
  if (result.kind === "places" || result.kind === "along_route") {
    if (reason) return reason;
    const of = total && total > places.length ? ` of ${total}` : "";
    return places.length
      ? `${count(places.length, "place")}${of}.`
      : "Nothing found. Try other words or a wider circle.";
  }
  if (result.kind === "place") return result.place ? "" : "The provider no longer knows this place.";
  if (result.kind === "routes")
    return routes.length ? `${count(routes.length, "route")}.` : (reason ?? "There is no way between these places.");
  return "";
}
