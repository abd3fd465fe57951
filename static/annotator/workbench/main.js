// The workbench: makes the bench and starts its panes. Context and questions come from ../editor.

import { ApiError, getJson } from "../api.js";
import { byId } from "../dom.js";
import { bind } from "../keys.js";
import { makeAsker, say } from "./asker.js";
import { startMap } from "./base.js";
import { makeBench } from "./bench.js";
import { Calls } from "./calls.js";
import { Centre } from "./centre.js";
import { makeKnown } from "./known.js";
import { wirePanes } from "./panes.js";
import { Providers } from "./providers.js";
import { ToolPanel } from "./tools.js";

const { project, role } = document.body.dataset;
const { context, allowed } = byId("panes").dataset;
const bench = makeBench({ project, role, contextId: context });
const showTab = wirePanes();

// What panes and fields need of each other; view, providers and panel come when they are ready.
const desk = {
  bench,
  known: makeKnown(bench),
  ask: makeAsker(bench),
  say,
  titles: new Map(),
  typeTitle: (key) => key.replaceAll("_", " "),
  types: [],
  view: null,
  providers: null,
  panel: null,
  centre: () => desk.view?.center ?? null,
  find(query) {
    const centre = desk.centre();
    const near = centre ? { lat: Number(centre.lat.toFixed(3)), lon: Number(centre.lon.toFixed(3)) } : {};
    return desk.ask.call("text_search", { query, ...near }, { provider: desk.providers.key });
  },
  async aim() {
    if (!desk.view) {
      say("There is no map to choose on; give coordinates.", { isBad: true });
      return null;
    }
    say("Click on the map, or move it and press Enter for its centre. Esc leaves it as it was.");
    const point = await desk.view.aim();
    if (point !== undefined) say("");
    return point;
  },
};
const centre = new Centre(desk, { showTab });

function wireKeys() {
  const side = byId("side");
  const when = () => !side.contains(document.activeElement);
  const group = "Tools and map";
  bind(
    "bench.tools",
    "T",
    "Go to the tools",
    () => {
      showTab("tools");
      byId("tool")?.focus();
    },
    { group },
  );
  bind(
    "bench.map",
    "M",
    "Go to the map",
    () => {
      // On a small screen the map is there with tools and results only.
      if (getComputedStyle(byId("map")).visibility === "hidden") showTab("cards");
      desk.view?.focus();
    },
    { group },
  );
  bind(
    "page.search",
    "/",
    "Search for places",
    () => {
      if (!desk.panel) return;
      showTab("tools");
      const { input } = desk.panel.open("text_search").fields.get("query");
      input.focus();
      input.select();
    },
    { group },
  );
  bind("bench.next", "J", "Next row of the answer", () => centre.rows.move(1), { when, group });
  bind("bench.previous", "K", "Previous row of the answer", () => centre.rows.move(-1), { when, group });
  // Escape ends picking evidence first.
  const canGoBack = () => when() && centre.before.length > 0 && !byId("answer").classList.contains("picking");
  bind("bench.back", "Escape", "Back to the answer before", () => centre.back(), { when: canGoBack, group });
}

async function openCall(call) {
  const answer = await desk.ask.run("Opening the recording…", (signal) => desk.ask.recorded(call.id, { signal }), {
    retry: () => openCall(call),
  });
  if (!answer) return;
  // The form is not taken from whoever fills it in by now.
  if (desk.ask.isAwaited()) {
    desk.providers?.choose(answer.provider);
    desk.panel?.open(answer.tool, answer.params);
  }
  centre.arrive(answer);
}

async function startTools() {
  const [providers, { tools }, { types }] = await Promise.all(
    ["/api/providers", "/api/tools", "/api/types"].map((path) => getJson(path)),
  );
  const names = new Map(types.map(({ key, title }) => [key, title]));
  desk.types = types;
  desk.typeTitle = (key) => names.get(key) ?? key.replaceAll("_", " ");
  desk.providers = new Providers(providers, tools, allowed ? allowed.split(" ") : []);
  desk.titles = desk.providers.titles;
  if (byId("tool")) desk.panel = new ToolPanel(desk, tools, (answer) => centre.arrive(answer));
  else desk.providers.show("text_search");
}

async function start() {
  wireKeys();
  new Calls(desk, { onopen: openCall });
  const editor = import("../editor/main.js").then(({ start: startEditor }) => startEditor(bench));
  try {
    await startTools();
    const onMap = (pointer, what) => centre.onMap(pointer, what);
    const base = await startMap({ key: desk.providers.standard, onMarker: onMap, onLine: onMap });
    desk.view = base?.view ?? null;
    desk.providers.picker.addEventListener("change", () => base?.change(desk.providers.key));
    centre.drawMap();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say(error.message, { isBad: true, retry: () => location.reload() });
  }
  await editor;
}

start();
