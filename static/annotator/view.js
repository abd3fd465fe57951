// The map: base map, numbered markers and the route. It moves only when results are out of view or someone asks.

import * as maplibregl from "/static/vendor/maplibre-gl/maplibre-gl.mjs";
import { isCalm, make } from "./dom.js";
import { shapeImages } from "./shapes.js";

// A route's line says its mode by its dashes, too.
const DASHES = { drive: [1, 0], walk: [0.1, 1.7], bicycle: [2.4, 1.4] };
const WIDE = matchMedia("(min-width: 761px)");
const EASE_MS = 140;

export class MapView {
  // onMarker(index, what): a marker was entered, left or clicked. onTrouble(url): what is there could not be had.
  constructor(container, { map, theme, panel, onMarker, onTrouble }) {
    this.panel = panel;
    this.onMarker = onMarker;
    this.base = map;
    this.markers = [];
    this.ends = [];
    this.route = null;
    const isLinked = location.hash.includes("view=");
    this.map = new maplibregl.Map({
      container,
      style: this.styleUrl(theme),
      bounds: boxOf(map),
      hash: "view",
      attributionControl: false,
      maxZoom: 20,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: isCalm() ? 0 : 120,
      cooperativeGestures: false,
      locale: { "Map.Title": "Map. Arrow keys move it, plus and minus zoom." },
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.map.addControl(new maplibregl.AttributionControl({ compact: false }), "bottom-right");
    this.map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new maplibregl.ScaleControl({ maxWidth: 96 }), "bottom-right");
    for (const event of ["dataloading", "movestart"])
      this.map.on(event, () => this.map.getContainer().setAttribute("aria-busy", "true"));
    this.map.on("idle", () => this.map.getContainer().removeAttribute("aria-busy"));
    this.map.on("error", ({ error }) => {
      this.map.getContainer().removeAttribute("aria-busy");
      onTrouble(error);
    });
    this.map.on("style.load", () => {
      this.addShapes();
      this.drawRoute();
    });
    // What lies under the panel is no part of the view: its centre is that of what can be seen.
    const keepRoom = () => this.map.setPadding(this.room(0));
    WIDE.addEventListener("change", keepRoom);
    keepRoom();
    if (!isLinked) this.map.fitBounds(boxOf(map), { duration: 0, padding: this.margin(8) });
  }

  styleUrl(theme) {
    return `/tiles/${encodeURIComponent(this.base.name)}/style-${theme}.json`;
  }

  setTheme(theme) {
    this.map.setStyle(this.styleUrl(theme), { diff: false });
  }

  setBase(map, theme) {
    if (map.name === this.base.name) return;
    this.base = map;
    this.map.setStyle(this.styleUrl(theme), { diff: false });
    this.map.fitBounds(boxOf(map), { ...this.motion(), padding: this.margin(8) });
  }

  // Before the first tile asks for them: what comes later is missing on the tiles that are drawn already.
  addShapes() {
    const { metadata } = this.map.getStyle();
    for (const [name, shape] of shapeImages(metadata["mapqator:shapes"])) {
      this.map.addImage(name, shape.image, { pixelRatio: shape.pixelRatio });
    }
  }

  get center() {
    const { lat, lng } = this.map.getCenter();
    return { lat, lon: lng };
  }

  room(around) {
    const left = WIDE.matches ? this.panel.getBoundingClientRect().right : 0;
    return { top: around, right: around, bottom: around, left: left + around };
  }

  // The map's own padding is added to any other by MapLibre, so the panel must not be counted twice.
  margin(around) {
    return { top: around, right: around, bottom: around, left: around };
  }

  motion() {
    return isCalm() ? { duration: 0 } : { duration: EASE_MS };
  }

  showPlaces(places) {
    for (const marker of this.markers) marker.remove();
    this.markers = places.map((place, index) => {
      const pin = make("button", {
        type: "button",
        class: "pin",
        tabindex: -1,
        "aria-label": `${index + 1}. ${place.name || "place"}`,
        onpointerenter: () => this.onMarker(index, "enter"),
        onpointerleave: () => this.onMarker(index, "leave"),
        onfocus: () => this.onMarker(index, "enter"),
        onblur: () => this.onMarker(index, "leave"),
        onclick: () => this.onMarker(index, "click"),
      });
      pin.append(make("span", {}, String(index + 1)));
      return new maplibregl.Marker({ element: pin, anchor: "bottom" })
        .setLngLat([place.lon, place.lat])
        .addTo(this.map);
    });
    this.reveal(places.map((place) => [place.lon, place.lat]));
  }

  light(index, className, isOn) {
    this.markers[index]?.getElement().classList.toggle(className, isOn);
  }

  // Eases to points only when one of them cannot be seen.
  reveal(points) {
    if (!points.length) return;
    const { clientWidth, clientHeight } = this.map.getContainer();
    const { left } = this.room(0);
    const edge = 28;
    const isSeen = ([lon, lat]) => {
      const { x, y } = this.map.project([lon, lat]);
      return x > left + edge && x < clientWidth - edge && y > edge + 16 && y < clientHeight - edge;
    };
    if (points.every(isSeen)) return;
    const bounds = points.reduce((box, point) => box.extend(point), new maplibregl.LngLatBounds());
    this.map.fitBounds(bounds, {
      ...this.motion(),
      padding: this.margin(56),
      maxZoom: Math.max(17, this.map.getZoom()),
    });
  }

  // points: [[lon, lat]] of the way; ends: the two places. Null takes it away.
  showRoute(route) {
    for (const end of this.ends) end.remove();
    this.ends = [];
    this.route = route;
    if (route) {
      this.ends = route.ends.map((place, index) =>
        new maplibregl.Marker({ element: make("span", { class: "end", "aria-hidden": "true" }, "AB"[index]) })
          .setLngLat([place.lon, place.lat])
          .addTo(this.map),
      );
      this.reveal(route.points);
    }
    if (this.map.isStyleLoaded()) this.drawRoute();
  }

  drawRoute() {
    for (const id of ["route", "route-casing"]) if (this.map.getLayer(id)) this.map.removeLayer(id);
    if (this.map.getSource("route")) this.map.removeSource("route");
    if (!this.route) return;
    const colours = getComputedStyle(document.documentElement);
    const line = { type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: this.route.points } };
    this.map.addSource("route", { type: "geojson", data: line });
    const below = this.map.getStyle().layers.find((layer) => layer.type === "symbol")?.id;
    const base = { type: "line", source: "route", layout: { "line-cap": "round", "line-join": "round" } };
    this.map.addLayer(
      { ...base, id: "route-casing", paint: { "line-color": colours.getPropertyValue("--paper"), "line-width": 9 } },
      below,
    );
    this.map.addLayer(
      {
        ...base,
        id: "route",
        paint: {
          "line-color": colours.getPropertyValue("--accent"),
          "line-width": 4.5,
          "line-dasharray": DASHES[this.route.mode] ?? DASHES.drive,
        },
      },
      below,
    );
  }
}

function boxOf({ bbox: [south, west, north, east] }) {
  return [
    [west, south],
    [east, north],
  ];
}
