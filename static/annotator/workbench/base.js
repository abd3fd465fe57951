// The base map of the workbench, or one sentence that says why there is none.

import { getJson } from "../api.js";
import { byId, make } from "../dom.js";
import { theme } from "../themes.js";
import { say } from "./asker.js";

function none(text) {
  byId("map").removeAttribute("aria-busy");
  byId("map").replaceChildren(make("p", { class: "no-map" }, text));
  return null;
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

// The map's own styles come with the map: the page is painted without waiting for them.
function style(href) {
  return new Promise((resolve) => {
    document.head.append(make("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
  });
}

// key: the provider whose map is shown, if it has one.
export async function startMap({ key, onMarker, onLine }) {
  const [{ maps }, { MapView }] = await Promise.all([
    getJson("/api/maps"),
    import("../view.js"),
    style(new URL("../../vendor/maplibre-gl/maplibre-gl.css", import.meta.url).href),
    style(new URL("../onmap.css", import.meta.url).href),
  ]);
  const chosen = maps.find(({ name }) => name === key) ?? maps[0];
  if (!chosen) return none("There is no map yet. Build one: mapqator map build FILE.osm.pbf");
  let view;
  try {
    view = new MapView("map", { map: chosen, theme: theme(), onMarker, onLine, onTrouble });
  } catch (error) {
    console.warn(error);
    return none("This browser cannot draw the map (no WebGL). Everything else works.");
  }
  document.addEventListener("theme", ({ detail }) => view.setTheme(detail));
  return {
    view,
    // Another provider's own map, if it has one.
    change(provider) {
      const map = maps.find(({ name }) => name === provider);
      if (map) view.setBase(map, theme());
    },
  };
}
