// What a context's item is called, and the rows that its result has.

import { count, distance, duration, fullName, placeName } from "../format.js";
import { degrees } from "../workbench/known.js";

const KIND_OF_TOOL = {
  text_search: "places",
  place_details: "details",
  reverse_geocode: "places",
  nearby_search: "nearby",
  compute_routes: "route",
  travel_matrix: "matrix",
  search_along_route: "along_route",
  distance_bearing: "calc",
  open_at: "calc",
};

export const kindOf = (answer) => KIND_OF_TOOL[answer.tool];

const words = (type) => (type ?? "").replaceAll("_", " ");
const trip = ({ distance_m, duration_s }) => `${distance(distance_m)}, ${duration(duration_s)}`;

const TITLES = {
  text_search: ({ params }) => `Places: “${params.query}”`,
  reverse_geocode: ({ params }) => `Places at ${degrees(params)}`,
  place_details: ({ result, params }) => `Place: ${result.place ? fullName(result.place) : params.place_id}`,
  nearby_search: ({ params }) =>
    `Nearby: ${params.keyword ?? (words(params.type) || "places")} within ${distance(params.radius_m)}`,
  compute_routes: ({ params, result }, names) =>
    `Route: ${names.stop(params.origin)} → ${names.stop(params.destination)}` +
    (result.routes.length ? ` (${trip(result.routes[0])})` : ", no way"),
  travel_matrix: ({ params }) =>
    `Travel times: ${count(params.origins.length, "start")}, ${count(params.destinations.length, "end")}`,
  search_along_route: ({ params }, names) =>
    `${params.keyword ?? words(params.type)} along ${names.stop(params.origin)} → ${names.stop(params.destination)}`,
  distance_bearing: ({ result }) => `Straight line: ${distance(result.distance_m)} ${result.compass}`,
  open_at: ({ result }) => `Open at ${result.local_time.slice(0, 16).replace("T", " ")}: ${result.state}`,
};

// names: how the context calls the stops of its ways.
export function standardTitle(item, answer, names) {
  if (item.kind === "note") {
    const first = item.text.trim().split("\n")[0].slice(0, 80);
    return item.role === "rewrite" ? "Rewrite, in place of all other items" : `Note: ${first || "empty"}`;
  }
  return answer ? TITLES[answer.tool](answer, names) : "An answer that is no longer stored";
}

// Rows of a result that can be hidden: [{ pointer, label, pid }].
export function rowsOf(answer) {
  const { result } = answer;
  const places = (result.places ?? []).map((place, index) => ({
    pointer: `/places/${index}`,
    pid: place.pid,
    label: place.name ? placeName(place) : fullName(place),
  }));
  if (result.kind !== "routes") return places;
  return result.routes.map((route, index) => ({
    pointer: `/routes/${index}`,
    label: `${route.summary ? `via ${route.summary}: ` : ""}${trip(route)}`,
  }));
}

// What an item as a whole lights on the map.
export function mainPointer(answer) {
  const { kind } = answer.result;
  return { place: "/place", routes: "/routes/0", along_route: "/route" }[kind] ?? "";
}
