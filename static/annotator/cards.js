// Turns answers into elements: result cards, a place's details, a route, provenance, providers.

import { make, named } from "./dom.js";
import { ago, count, distance, duration, moment, placeName, typeName } from "./format.js";

const OUTCOMES = {
  hit: "from a recording",
  miss: "asked and recorded",
  refresh: "asked again and recorded",
  replay: "replayed from a recording",
  live: "asked, not recorded",
};

const exactMetres = (metres) => `${metres.toLocaleString("en")} m`;
const exactSeconds = (seconds) => `${seconds.toLocaleString("en")} s`;

export function card(place, index, { onselect, onlight }) {
  const facts = [typeName(place), place.address].filter(Boolean).join(" · ");
  const away = place.distance_m ?? null;
  return make(
    "li",
    {},
    make(
      "button",
      {
        type: "button",
        class: "card",
        onclick: () => onselect(index),
        onpointerenter: () => onlight(index, true),
        onpointerleave: () => onlight(index, false),
        onfocus: () => onlight(index, true),
        onblur: () => onlight(index, false),
      },
      make("span", { class: "number" }, String(index + 1)),
      make(
        "span",
        { class: "what" },
        named("span", placeName(place), { class: "name" }),
        facts && named("span", facts, { class: "facts" }),
      ),
      away === null ? null : make("span", { class: "away", title: exactMetres(away) }, distance(away)),
    ),
  );
}

function row(term, ...value) {
  return make("div", {}, make("dt", {}, term), make("dd", { dir: "auto" }, ...value));
}

function link(url) {
  // Only addresses of the web: a map's contributors may write anything here.
  return /^https?:\/\//i.test(url) ? make("a", { href: url, rel: "noopener noreferrer nofollow" }, url) : url;
}

export function details(place) {
  const rows = [
    [typeName(place), "Type"],
    [place.address, "Address"],
    [place.opening_hours?.raw ?? place.opening_hours?.weekdays?.join("; "), "Hours"],
    [place.phone, "Phone"],
    [place.website && link(place.website), "Website"],
    [place.email, "E-mail"],
    [place.wheelchair, "Wheelchair"],
    [place.rating === undefined ? "" : `${place.rating} of 5 (${place.rating_count ?? "?"} ratings)`, "Rating"],
  ].filter(([value]) => value);
  const names = Object.entries(place.names ?? {}).map(([language, name]) => [name, `Name, ${language}`]);
  const others = Object.entries(place.attributes ?? {}).map(([key, value]) => [
    typeof value === "object" ? JSON.stringify(value) : String(value),
    key.replaceAll("_", " "),
  ]);
  const ids = [
    [make("code", {}, place.pid), "Place id"],
    [make("code", {}, `${place.lat.toFixed(6)}, ${place.lon.toFixed(6)}`), "Position"],
  ];
  return make(
    "dl",
    { class: "values" },
    ...[...rows, ...names, ...others, ...ids].map(([value, term]) => row(term, value)),
  );
}

export function openState(result) {
  const state = { open: "Open now", closed: "Closed now", unknown: "Hours unknown now" }[result.state];
  const clock = (iso) => `${iso.slice(0, 10)} ${iso.slice(11, 16)}`;
  const until = result.next_change ? `until ${clock(result.next_change)}` : "with no change ahead";
  const tone = { open: "ok", closed: "bad", unknown: "warn" }[result.state];
  return make(
    "p",
    { class: "state", title: `At ${result.local_time}, ${result.timezone}` },
    make("strong", { class: tone }, state),
    ` ${until}`,
    result.comment && `, “${result.comment}”`,
    ...(result.warnings ?? []).map((warning) => make("span", { class: "quiet block" }, `Note: ${warning}.`)),
  );
}

export function routeSummary(route) {
  return make(
    "p",
    { class: "total" },
    make("strong", { title: exactSeconds(route.duration_s) }, duration(route.duration_s)),
    make("span", { title: exactMetres(route.distance_m) }, distance(route.distance_m)),
    route.summary && named("span", `via ${route.summary}`, { class: "quiet" }),
  );
}

export function routeSteps(route) {
  const steps = route.legs.flatMap((leg) => leg.steps ?? []);
  if (!steps.length) return null;
  return make(
    "details",
    { class: "steps" },
    make("summary", {}, count(steps.length, "step")),
    make(
      "ol",
      {},
      ...steps.map((step) =>
        make(
          "li",
          {},
          named("span", step.text),
          step.distance_m
            ? make("span", { class: "away", title: exactMetres(step.distance_m) }, distance(step.distance_m))
            : "",
        ),
      ),
    ),
  );
}

// One line under every answer: who said so, when, from which data, and where the exact bytes are.
export function provenance(answer, titles) {
  const { provenance: source } = answer;
  const exchange = source.exchanges[0];
  const parts = [
    make("span", {}, titles.get(source.provider) ?? source.provider),
    make("span", { class: `outcome ${answer.outcome}` }, OUTCOMES[answer.outcome] ?? answer.outcome),
  ];
  if (exchange)
    parts.push(
      make("time", { datetime: exchange.fetched_at, title: ago(exchange.fetched_at) }, moment(exchange.fetched_at)),
    );
  const isKept = exchange && exchange.id !== null && exchange.id !== undefined;
  if (isKept) {
    for (const item of source.exchanges.slice(0, 3)) {
      const sha = item.body_sha;
      parts.push(
        make("a", { href: `/x/${sha}`, title: `Exact bytes, sha256 ${sha}` }, make("code", {}, sha.slice(0, 10))),
      );
    }
  }
  const more = [exchange?.data_vintage, `${source.attribution} (${source.licence})`].filter(Boolean);
  return make("div", { class: "provenance" }, make("p", {}, ...parts), make("p", { class: "quiet" }, more.join(" · ")));
}

export function providerList(providers) {
  return make(
    "ul",
    {},
    ...providers.map((provider) =>
      make(
        "li",
        {},
        make(
          "p",
          {},
          make("strong", {}, provider.title),
          make("span", { class: `badge ${provider.is_enabled ? "ok" : ""}` }, provider.is_enabled ? "ready" : "off"),
        ),
        provider.missing.length
          ? make("ul", { class: "quiet" }, ...provider.missing.map((text) => make("li", {}, text)))
          : null,
        make(
          "p",
          { class: "quiet" },
          `${count(provider.tools.length, "tool")} · ${provider.attribution} (${provider.licence})`,
        ),
      ),
    ),
  );
}
