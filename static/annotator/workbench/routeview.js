// Routes: each a row that can be chosen, its stops in visiting order, its steps.

import { make, named } from "../dom.js";
import { count } from "../format.js";
import { metresButton, secondsButton, valueButton } from "./values.js";
import { MODES, letter } from "./words.js";

// The stops of a call in the order in which a route visits them.
export function stopsOf(params, route) {
  const between = params.intermediates ?? [];
  const order = route?.waypoint_order?.length ? route.waypoint_order : between.map((_, index) => index);
  return [params.origin, ...order.map((index) => between[index]), params.destination];
}

function flags(route, at) {
  const found = [
    ["has_toll", "toll"],
    ["has_ferry", "ferry"],
    ["has_highway", "motorway"],
  ].filter(([name]) => route[name] !== undefined);
  return found.map(([name, title]) =>
    valueButton(`${at}/${name}`, route[name] ? `with ${title}` : `no ${title}`, title),
  );
}

function stepList(route, at) {
  const steps = route.legs.flatMap((leg, number) =>
    (leg.steps ?? []).map((item, index) => [item, `${at}/legs/${number}/steps/${index}`]),
  );
  if (!steps.length) return null;
  return make(
    "details",
    { class: "steps" },
    make("summary", {}, count(steps.length, "step")),
    make(
      "ol",
      {},
      ...steps.map(([item, pointer]) =>
        make(
          "li",
          { "data-light": pointer },
          valueButton(`${pointer}/text`, item.text, "Step"),
          item.distance_m > 0 && metresButton(`${pointer}/distance_m`, item.distance_m),
          item.duration_s > 0 && secondsButton(`${pointer}/duration_s`, item.duration_s),
        ),
      ),
    ),
  );
}

function legList(route, at, stops, nameOf) {
  if (route.legs.length < 2) return null;
  return make(
    "ol",
    { class: "legs" },
    ...route.legs.map((leg, index) =>
      make(
        "li",
        {},
        `${letter(index)} to ${letter(index + 1)}, `,
        named("span", nameOf(stops[index + 1])),
        metresButton(`${at}/legs/${index}/distance_m`, leg.distance_m),
        secondsButton(`${at}/legs/${index}/duration_s`, leg.duration_s),
      ),
    ),
  );
}

export function stopList(stops, nameOf) {
  return make(
    "ol",
    { class: "ends", "aria-label": "Stops in the order of visit" },
    ...stops.map((stop, index) =>
      make("li", {}, make("span", { class: "end" }, letter(index)), named("span", nameOf(stop), { class: "stop" })),
    ),
  );
}

export function routeSummary(route, at) {
  return make(
    "p",
    { class: "total" },
    secondsButton(`${at}/duration_s`, route.duration_s),
    metresButton(`${at}/distance_m`, route.distance_m),
    route.summary && valueButton(`${at}/summary`, `via ${route.summary}`, "By way of"),
    ...flags(route, at),
  );
}

export function routeBody(route, at, stops, nameOf) {
  return [
    routeSummary(route, at),
    legList(route, at, stops, nameOf),
    ...(route.warnings ?? []).map((warning, index) =>
      make("p", {}, valueButton(`${at}/warnings/${index}`, warning, "Warning")),
    ),
    stepList(route, at),
  ].filter(Boolean);
}

// chosen: the route drawn in front. act: choose(index), addRoute(index).
export function routeList(answer, chosen, act, nameOf) {
  const { routes } = answer.result;
  const alone = routes.length === 1;
  return make(
    "div",
    {},
    routes.length > 0 && stopList(stopsOf(answer.params, routes[chosen]), nameOf),
    make(
      "ol",
      { class: "rows" },
      ...routes.map((route, index) => {
        const at = `/routes/${index}`;
        const title = alone ? (MODES[route.mode] ?? "Route") : `Route ${index + 1}`;
        return make(
          "li",
          {
            class: index === chosen ? "card chosen" : "card",
            "data-row": at,
            tabindex: -1,
            "aria-label": title,
            "aria-current": index === chosen ? "true" : null,
          },
          make("span", { class: "number", "aria-hidden": "true" }, String(index + 1)),
          make(
            "div",
            { class: "what" },
            make("p", { class: "name" }, `${title}${!alone && index === chosen ? ", shown in front" : ""}`),
            ...routeBody(route, at, stopsOf(answer.params, route), nameOf),
            !alone &&
              make(
                "p",
                { class: "acts" },
                make(
                  "button",
                  {
                    type: "button",
                    class: "quiet-button",
                    "aria-pressed": String(index === chosen),
                    "aria-label": `Show in front: route ${index + 1}`,
                    onclick: () => act.choose(index),
                  },
                  "Show in front",
                ),
                act.canWrite &&
                  make(
                    "button",
                    {
                      type: "button",
                      class: "quiet-button",
                      "aria-label": `Add only this: route ${index + 1}`,
                      onclick: () => act.addRoute(index),
                    },
                    "Add only this",
                  ),
              ),
          ),
        );
      }),
    ),
  );
}
