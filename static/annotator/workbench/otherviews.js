// The answers that are neither places nor routes: matrix, straight line, state at a time; and places along a route.

import { make, named } from "../dom.js";
import { placeList } from "./placeview.js";
import { routeBody, stopList, stopsOf } from "./routeview.js";
import { metresButton, secondsButton, valueButton } from "./values.js";
import { MODES, letter } from "./words.js";

function cell(value, at) {
  if (value.duration_s === undefined && value.distance_m === undefined)
    return make("td", { "data-row": at, tabindex: -1 }, "no way");
  return make(
    "td",
    { "data-row": at, tabindex: -1 },
    value.duration_s !== undefined && secondsButton(`${at}/duration_s`, value.duration_s),
    value.distance_m !== undefined && metresButton(`${at}/distance_m`, value.distance_m),
  );
}

export function matrixTable({ params, result }, nameOf) {
  const end = (sign, stop) => [make("span", { class: "end" }, sign), " ", named("span", nameOf(stop))];
  return make(
    "div",
    { class: "scroll", tabindex: 0, role: "group", "aria-label": "Times and distances" },
    make(
      "table",
      { class: "matrix" },
      make(
        "caption",
        { class: "quiet" },
        `${MODES[result.mode] ?? result.mode}: rows are where to start, columns where to go.`,
      ),
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          make("td", {}),
          ...params.destinations.map((stop, index) => make("th", { scope: "col" }, ...end(String(index + 1), stop))),
        ),
      ),
      make(
        "tbody",
        {},
        ...result.cells.map((row, from) =>
          make(
            "tr",
            {},
            make("th", { scope: "row" }, ...end(letter(from), params.origins[from])),
            ...row.map((value, to) => cell(value, `/cells/${from}/${to}`)),
          ),
        ),
      ),
    ),
  );
}

export function alongRoute(answer, act, nameOf) {
  const { route, places } = answer.result;
  const stops = stopsOf(answer.params, route);
  return make(
    "div",
    {},
    stopList(stops, nameOf),
    route &&
      make(
        "div",
        { class: "card way", "data-row": "/route", tabindex: -1, "aria-label": "The way" },
        make("div", { class: "what" }, ...routeBody(route, "/route", stops, nameOf)),
      ),
    placeList(places, act),
  );
}

export function straightLine({ params, result }, nameOf) {
  const turned = `${result.bearing_deg}° clockwise from north`;
  return make(
    "div",
    { "data-row": "", tabindex: -1, class: "card way", "aria-label": "Distance and bearing" },
    make(
      "div",
      { class: "what" },
      stopList([params.origin, params.destination], nameOf),
      make(
        "p",
        { class: "total" },
        metresButton("/distance_m", result.distance_m),
        valueButton("/bearing_deg", `${result.bearing_deg}°`, "Bearing", { title: turned }),
        valueButton("/compass", result.compass, "Direction"),
      ),
    ),
  );
}

const STATES = { open: ["Open", "ok"], closed: ["Closed", "bad"], unknown: ["Hours unknown", "warn"] };
const clock = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 16)}`;

export function openState({ params, result }) {
  const [words, tone] = STATES[result.state];
  const rows = [
    ["/state", words, "State", tone],
    ["/local_time", clock(result.local_time), "At"],
    result.next_change && ["/next_change", clock(result.next_change), "Changes next"],
    result.comment && ["/comment", result.comment, "Said with it"],
    ["/timezone", result.timezone, "Time zone"],
    result.country && ["/country", result.country, "Holidays of"],
    ...(result.warnings ?? []).map((warning, index) => [`/warnings/${index}`, warning, "Note"]),
  ].filter(Boolean);
  return make(
    "div",
    { class: "card way", "data-row": "", tabindex: -1, "aria-label": "Open at a time" },
    make(
      "dl",
      { class: "values state" },
      make("div", {}, make("dt", {}, "Opening hours"), make("dd", { dir: "auto" }, params.opening_hours)),
      ...rows.map(([pointer, text, term, className]) =>
        make("div", {}, make("dt", {}, term), make("dd", {}, valueButton(pointer, text, term, { className }))),
      ),
    ),
  );
}
