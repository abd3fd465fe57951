// Ways and links on the map: the way in front by its mode, alternatives grey, links thin and straight, others on request.

const SOURCE = "lines";
// A route's line says its mode by its dashes, too.
const DASHES = { drive: [1, 0], walk: [0.1, 1.7], bicycle: [2.4, 1.4], motorcycle: [4, 0.8], transit: [3, 1, 0.5, 1] };
const LIT = ["boolean", ["feature-state", "lit"], false];
const CLICKABLE = ["lines-other", "lines-main"];

const only = (...roles) => ["in", ["get", "role"], ["literal", roles]];

export class LineLayers {
  // onLine(pointer, what): a way was entered, left or clicked.
  constructor(map, onLine) {
    this.map = map;
    this.data = { type: "FeatureCollection", features: [] };
    this.mode = "drive";
    let under = null;
    const leave = () => {
      if (under === null) return;
      onLine(under, "leave");
      under = null;
      map.getCanvas().style.cursor = "";
    };
    for (const layer of CLICKABLE) {
      map.on("click", layer, ({ features }) => onLine(features[0].properties.pointer, "click"));
      map.on("mousemove", layer, ({ features }) => {
        const { pointer } = features[0].properties;
        if (pointer === under) return;
        leave();
        under = pointer;
        map.getCanvas().style.cursor = "pointer";
        onLine(pointer, "enter");
      });
      map.on("mouseleave", layer, leave);
    }
  }

  show(lines) {
    this.mode = lines.find(({ role }) => role === "main")?.mode ?? "drive";
    this.data = {
      type: "FeatureCollection",
      features: lines.map(({ pointer, points, role }) => ({
        type: "Feature",
        properties: { pointer, role },
        geometry: { type: "LineString", coordinates: points },
      })),
    };
    const source = this.map.getSource(SOURCE);
    // Without a source the style is on its way, and add() will draw these.
    if (!source) return;
    this.map.removeFeatureState({ source: SOURCE });
    source.setData(this.data);
    this.map.setPaintProperty("lines-main", "line-dasharray", DASHES[this.mode] ?? DASHES.drive);
  }

  light(pointer, isOn) {
    if (!this.map.getSource(SOURCE) || !pointer) return;
    this.map.setFeatureState({ source: SOURCE, id: pointer }, { lit: isOn });
  }

  // After every style.load: a style takes the layers of the one before with it.
  add() {
    const colours = getComputedStyle(document.documentElement);
    const colour = (name) => colours.getPropertyValue(name).trim();
    this.map.addSource(SOURCE, { type: "geojson", data: this.data, promoteId: "pointer" });
    const below = this.map.getStyle().layers.find((layer) => layer.type === "symbol")?.id;
    const layer = (id, filter, paint) =>
      this.map.addLayer(
        { id, type: "line", source: SOURCE, filter, layout: { "line-cap": "round", "line-join": "round" }, paint },
        below,
      );
    layer("lines-other-casing", only("other"), { "line-color": colour("--paper"), "line-width": 8 });
    layer("lines-other", only("other"), {
      "line-color": ["case", LIT, colour("--accent"), colour("--soft")],
      "line-width": ["case", LIT, 5, 4],
      "line-opacity": 0.8,
    });
    layer("lines-link", only("link", "hidden"), {
      "line-color": colour("--accent"),
      "line-width": ["case", LIT, 4, 2],
      "line-dasharray": [2, 1.5],
      "line-opacity": ["case", ["all", ["==", ["get", "role"], "hidden"], ["!", LIT]], 0, 1],
    });
    layer("lines-casing", only("main"), { "line-color": colour("--paper"), "line-width": 9 });
    layer("lines-main", only("main"), {
      "line-color": colour("--accent"),
      "line-width": ["case", LIT, 6, 4.5],
      "line-dasharray": DASHES[this.mode] ?? DASHES.drive,
    });
  }
}
