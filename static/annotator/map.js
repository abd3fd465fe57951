// The first page: search, nearby, details and a route on the embedded map. Modules beside this one draw and ask.

import { ApiError, callTool, getJson } from "./api.js";
import { card, details, openState, providerList, provenance, routeSteps, routeSummary } from "./cards.js";
import { byId, isCalm, make, named } from "./dom.js";
import { count, fullName, placeName } from "./format.js";
import { decode } from "./polyline.js";
import { theme, wireTheme } from "./themes.js";
import { MapView } from "./view.js";

const NARROW = matchMedia("(max-width: 760px)");

const state = {
  view: null,
  maps: [],
  titles: new Map(),
  places: [],
  cards: [],
  place: null,
  ends: [null, null],
  asking: null,
};

// ── What is said ─────────────────────────────────────────────────────────────────────────────────────────────────────

function say(text, { isBad = false, retry = null } = {}) {
  const status = byId("status");
  status.className = isBad ? "bad" : "";
  status.replaceChildren(
    text,
    ...(retry ? [" ", make("button", { type: "button", onclick: retry }, "Try again")] : []),
  );
}

// Runs one request at a time: a later one takes the place of an earlier one that is still on its way.
async function ask(words, request, retry) {
  state.asking?.abort();
  const controller = new AbortController();
  state.asking = controller;
  say(words);
  byId("panel").setAttribute("aria-busy", "true");
  try {
    return await request(controller.signal);
  } catch (error) {
    if (error.name === "AbortError") return null;
    if (!(error instanceof ApiError)) throw error;
    say(error.message, { isBad: true, retry });
    return null;
  } finally {
    if (state.asking === controller) {
      state.asking = null;
      byId("panel").removeAttribute("aria-busy");
    }
  }
}

const provider = () => byId("provider").value || undefined;

// ── Results ──────────────────────────────────────────────────────────────────────────────────────────────────────────

async function find(tool, params, title) {
  const again = () => find(tool, params, title);
  const answer = await ask("Searching…", (signal) => callTool(tool, params, { provider: provider(), signal }), again);
  if (answer) showResults(answer, title);
}

function showResults(answer, title) {
  const { places, total } = answer.result;
  closePlace();
  byId("examples").hidden = true;
  byId("results-title").textContent = title;
  state.places = places;
  const list = places.map((place, index) => card(place, index, { onselect: openPlace, onlight: lightMarker }));
  state.cards = list.map((item) => item.firstElementChild);
  byId("cards").replaceChildren(...list);
  byId("results-source").replaceChildren(provenance(answer, state.titles));
  const mayDraw = answer.provenance.display !== "own_map_only";
  state.view?.showPlaces(mayDraw ? places : []);
  const of = total && total > places.length ? ` of ${total}` : "";
  const found = places.length
    ? `${count(places.length, "place")}${of}.`
    : "Nothing found. Try other words or a wider circle.";
  say(mayDraw || !places.length ? found : `${found} This provider’s terms keep its places off other maps.`);
  if (NARROW.matches) byId("status").scrollIntoView({ block: "start", behavior: isCalm() ? "auto" : "smooth" });
}

function lightMarker(index, isOn) {
  state.view?.light(index, "lit", isOn);
}

function onMarker(index, what) {
  const target = state.cards[index];
  if (what === "click") {
    openPlace(index);
    return;
  }
  target?.classList.toggle("lit", what === "enter");
  lightMarker(index, what === "enter");
  if (what === "enter") target?.scrollIntoView({ block: "nearest" });
}

function moveThroughCards(event) {
  const step = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined) return;
  const from = state.cards.indexOf(document.activeElement);
  const to = Math.min(state.cards.length - 1, Math.max(0, from + step));
  event.preventDefault();
  state.cards[to].focus();
}

// ── One place ────────────────────────────────────────────────────────────────────────────────────────────────────────

async function openPlace(index) {
  const found = state.places[index];
  const words = { place_id: found.pid };
  const answer = await ask(
    "Opening…",
    (signal) => callTool("place_details", words, { provider: found.provider, signal }),
    () => openPlace(index),
  );
  if (!answer) return;
  if (!answer.result.place) {
    say("The provider no longer knows this place.", { isBad: true });
    return;
  }
  showPlace(answer, index);
}

function showPlace(answer, index) {
  const { place } = answer.result;
  markSelected(false);
  state.place = { ...place, index };
  markSelected(true);
  byId("results").hidden = true;
  byId("place").hidden = false;
  byId("place-title").textContent = placeName(place);
  byId("now").hidden = !place.opening_hours?.raw;
  byId("place-answer").replaceChildren(details(place), provenance(answer, state.titles));
  if (answer.provenance.display !== "own_map_only") state.view?.reveal([[place.lon, place.lat]]);
  say("");
  byId("place-title").focus();
}

function markSelected(isOn) {
  if (state.place) state.view?.light(state.place.index, "chosen", isOn);
}

function closePlace() {
  if (!state.place) return;
  markSelected(false);
  const { index } = state.place;
  state.place = null;
  byId("place").hidden = true;
  byId("results").hidden = false;
  state.cards[index]?.focus();
}

async function askOpenNow() {
  const { place } = state;
  // To the minute: the same question within it is answered from the recording.
  const at = `${new Date().toISOString().slice(0, 16)}:00Z`;
  const params = { opening_hours: place.opening_hours.raw, at, lat: place.lat, lon: place.lon };
  const answer = await ask("Reading the hours…", (signal) => callTool("open_at", params, { signal }), askOpenNow);
  if (!answer || state.place !== place) return;
  say("");
  byId("now").hidden = true;
  byId("place-answer").prepend(openState(answer.result), provenance(answer, state.titles));
}

// ── Route ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function setEnd(which, place) {
  state.ends[which] = place;
  showEnds();
  if (state.ends[0] && state.ends[1]) findRoute();
}

function clearEnd(which) {
  state.ends[which] = null;
  byId("route-answer").replaceChildren();
  state.view?.showRoute(null);
  showEnds();
  (state.ends[1 - which] ? byId("ends").querySelector("button") : byId("query")).focus();
}

function showEnds() {
  byId("route").hidden = !state.ends.some(Boolean);
  byId("ends").replaceChildren(
    ...state.ends.map((place, which) =>
      make(
        "li",
        {},
        make("span", { class: "end", "aria-hidden": "true" }, "AB"[which]),
        make("span", { class: "sr" }, which ? "To" : "From"),
        place
          ? named("span", fullName(place), { class: "stop" })
          : make("span", { class: "stop quiet" }, which ? "Choose where to go" : "Choose where to start"),
        place
          ? make(
              "button",
              {
                type: "button",
                class: "quiet-button",
                "aria-label": `Remove ${fullName(place)}`,
                onclick: () => clearEnd(which),
              },
              "✕",
            )
          : null,
      ),
    ),
  );
}

async function findRoute() {
  const [origin, destination] = state.ends;
  const mode = document.querySelector("#modes input:checked").value;
  const at = ({ lat, lon }) => ({ lat, lon });
  const params = { origin: at(origin), destination: at(destination), mode };
  const answer = await ask(
    "Looking for a way…",
    (signal) => callTool("compute_routes", params, { provider: provider(), signal }),
    findRoute,
  );
  if (!answer) return;
  const route = answer.result.routes[0];
  if (!route) {
    state.view?.showRoute(null);
    byId("route-answer").replaceChildren(provenance(answer, state.titles));
    say(answer.result.reason ?? "There is no way between these places.", { isBad: true });
    return;
  }
  const mayDraw = answer.provenance.display !== "own_map_only";
  state.view?.showRoute(mayDraw ? { points: decode(route.geometry), ends: state.ends, mode } : null);
  byId("route-answer").replaceChildren(
    ...[routeSummary(route), routeSteps(route), provenance(answer, state.titles)].filter(Boolean),
  );
  say("");
}

// ── Start ────────────────────────────────────────────────────────────────────────────────────────────────────────────

function fillProviders({ providers, default: standard }) {
  for (const { key, title } of providers) state.titles.set(key, title);
  state.titles.set("local", "Computed here");
  const enabled = providers.filter((item) => item.is_enabled && item.tools.includes("text_search"));
  byId("provider").replaceChildren(...enabled.map((item) => make("option", { value: item.key }, item.title)));
  if (standard) byId("provider").value = standard;
  byId("provider-list").replaceChildren(providerList(providers));
  const num_off = providers.filter((item) => !item.is_enabled).length;
  byId("providers").firstElementChild.textContent = `Providers: ${enabled.length} ready, ${num_off} off`;
}

function fillTypes({ types }) {
  const sorted = [...types].sort((a, b) => a.title.localeCompare(b.title, "en"));
  byId("type").replaceChildren(...sorted.map(({ key, title }) => make("option", { value: key }, title)));
  byId("type").value = "cafe";
}

// The map library knows only that a file did not come; the server's own words say why.
async function onTrouble(error) {
  try {
    if (error.url) await getJson(error.url);
    console.warn(error);
  } catch (reason) {
    say(`The base map is not complete: ${reason.message}`, { isBad: true });
  }
}

function startMap(maps) {
  state.maps = maps;
  const chosen = maps.find((map) => map.name === byId("provider").value) ?? maps[0];
  if (!chosen) {
    byId("map").replaceChildren(
      make("p", { class: "no-map" }, "There is no map yet. Build one: mapqator map build FILE.osm.pbf"),
    );
    return;
  }
  try {
    state.view = new MapView("map", { map: chosen, theme: theme(), panel: byId("panel"), onMarker, onTrouble });
  } catch (error) {
    byId("map").replaceChildren(
      make("p", { class: "no-map" }, "This browser cannot draw the map (no WebGL). Everything else works."),
    );
    console.warn(error);
  }
}

function rounded(digits) {
  // The map's centre to about 100 or 10 m: a nudge of the map then asks nothing new.
  const center = state.view?.center;
  return center && { lat: Number(center.lat.toFixed(digits)), lon: Number(center.lon.toFixed(digits)) };
}

function wire() {
  wireTheme((chosen) => state.view?.setTheme(chosen));
  byId("text-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const query = byId("query").value.trim();
    if (query) find("text_search", { query, ...rounded(3) }, `“${query}”`);
  });
  byId("near-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const type = byId("type");
    const center = rounded(4);
    if (!center) {
      say("Without a map there is no centre to search around.", { isBad: true });
      return;
    }
    const title = `${type.selectedOptions[0].textContent}, within ${byId("radius").selectedOptions[0].textContent}`;
    find("nearby_search", { ...center, type: type.value, radius_m: Number(byId("radius").value) }, title);
  });
  byId("examples").addEventListener("click", (event) => {
    const { query } = event.target.dataset;
    if (!query) return;
    byId("query").value = query;
    byId("text-form").requestSubmit();
  });
  byId("provider").addEventListener("change", () => {
    const map = state.maps.find((item) => item.name === byId("provider").value);
    if (map) state.view?.setBase(map, theme());
  });
  byId("cards").addEventListener("keydown", moveThroughCards);
  byId("back").addEventListener("click", closePlace);
  byId("start").addEventListener("click", () => setEnd(0, state.place));
  byId("go").addEventListener("click", () => setEnd(1, state.place));
  byId("now").addEventListener("click", askOpenNow);
  byId("modes").addEventListener("change", () => {
    if (state.ends[0] && state.ends[1]) findRoute();
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input, select, textarea");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      byId("query").focus();
      byId("query").select();
    } else if (event.key === "Escape" && state.place && !isTyping) {
      closePlace();
    }
  });
}

async function start() {
  wire();
  try {
    const [providers, types, { maps }] = await Promise.all(["/api/providers", "/api/types", "/api/maps"].map(getJson));
    fillProviders(providers);
    fillTypes(types);
    startMap(maps);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say(error.message, { isBad: true, retry: () => location.reload() });
  }
}

start();
