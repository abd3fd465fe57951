// What of an answer is drawn on the map: markers, ways and straight links, each with its JSON pointer.
//
// marker: { id, pointer, label, name, lat, lon, shape: "drop" | "diamond" | "stop" | "goal" | "spot" }
// line: { pointer, points: [[lon, lat]], role: "main" | "other" | "link" | "hidden", mode }

import { placeName } from "../format.js";
import { decode } from "../polyline.js";
import { stopsOf } from "./routeview.js";
import { letter } from "./words.js";

const NOTHING = { markers: [], lines: [] };

const lonLat = ({ lat, lon }) => [lon, lat];

// A kilometre of longitude is shorter than one of latitude, which matters for what is nearest.
function nearestOf(points, { lat, lon }) {
  const narrow = Math.cos((lat * Math.PI) / 180);
  const far = ([x, y]) => ((x - lon) * narrow) ** 2 + (y - lat) ** 2;
  return points.reduce((best, point) => (far(point) < far(best) ? point : best));
}

const placeMarkers = (places, shape, root) =>
  places.map((place, index) => ({
    id: place.pid,
    pointer: root ?? `/places/${index}`,
    label: root ? "" : String(index + 1),
    name: placeName(place),
    lat: place.lat,
    lon: place.lon,
    shape,
  }));

function stopMarkers(stops, known, pointer, ends = []) {
  return stops.flatMap((stop, index) => {
    // A stop that was given by an id alone lies where the way begins or ends.
    const atEnd = index === 0 ? ends[0] : index === stops.length - 1 ? ends[1] : null;
    const position = known.positionOf(stop) ?? (atEnd && { lat: atEnd[1], lon: atEnd[0] });
    if (!position) return [];
    return [
      {
        id: `stop-${letter(index)}`,
        pointer,
        label: letter(index),
        name: known.nameOf(stop),
        ...position,
        shape: "stop",
      },
    ];
  });
}

function drawRoutes({ params, result: { routes } }, { known, chosen }) {
  if (!routes.length) return { markers: stopMarkers(stopsOf(params), known, ""), lines: [] };
  const lines = routes.map((route, index) => ({
    pointer: `/routes/${index}`,
    points: decode(route.geometry),
    role: index === chosen ? "main" : "other",
    mode: route.mode,
  }));
  const { points } = lines[chosen];
  return {
    markers: stopMarkers(stopsOf(params, routes[chosen]), known, `/routes/${chosen}`, [points[0], points.at(-1)]),
    lines,
  };
}

function drawAlong({ params, result: { route, places } }, { known }) {
  const points = route ? decode(route.geometry) : [];
  const ends = points.length ? [points[0], points.at(-1)] : [];
  const detours = points.length
    ? places.map((place, index) => ({
        pointer: `/places/${index}`,
        points: [nearestOf(points, place), lonLat(place)],
        role: "link",
      }))
    : [];
  return {
    markers: [...stopMarkers(stopsOf(params, route), known, "/route", ends), ...placeMarkers(places, "diamond")],
    lines: [...(points.length ? [{ pointer: "/route", points, role: "main", mode: route.mode }] : []), ...detours],
  };
}

function drawMatrix({ params, result }, { known }) {
  const from = params.origins.map((stop) => known.positionOf(stop));
  const to = params.destinations.map((stop) => known.positionOf(stop));
  const marker = (shape, label, stops) => (position, index) =>
    position
      ? [
          {
            id: `${shape}-${index}`,
            pointer: "",
            label: label(index),
            name: known.nameOf(stops[index]),
            ...position,
            shape,
          },
        ]
      : [];
  const lines = result.cells.flatMap((row, i) =>
    row.flatMap((_, j) =>
      from[i] && to[j]
        ? [{ pointer: `/cells/${i}/${j}`, points: [lonLat(from[i]), lonLat(to[j])], role: "hidden" }]
        : [],
    ),
  );
  return {
    markers: [
      ...from.flatMap(marker("stop", letter, params.origins)),
      ...to.flatMap(marker("goal", (index) => String(index + 1), params.destinations)),
    ],
    lines,
  };
}

const DRAWN = {
  places: ({ result }) => ({ markers: placeMarkers(result.places, "drop"), lines: [] }),
  place: ({ result: { place } }) => (place ? { markers: placeMarkers([place], "drop", "/place"), lines: [] } : NOTHING),
  routes: drawRoutes,
  along_route: drawAlong,
  matrix: drawMatrix,
  distance_bearing: ({ params }, { known }) => ({
    markers: stopMarkers([params.origin, params.destination], known, ""),
    lines: [{ pointer: "", points: [lonLat(params.origin), lonLat(params.destination)], role: "link" }],
  }),
  open_at: ({ params }) =>
    params.lat === undefined
      ? NOTHING
      : {
          markers: [
            {
              id: "spot",
              pointer: "",
              label: "",
              name: "Where the hours hold",
              lat: params.lat,
              lon: params.lon,
              shape: "spot",
            },
          ],
          lines: [],
        },
};

export const mayDraw = ({ provenance }) => provenance.display !== "own_map_only";

// context: { known, chosen }, the route that is shown in front.
export function drawingOf(answer, context) {
  return answer && mayDraw(answer) ? DRAWN[answer.result.kind](answer, context) : NOTHING;
}
