// The map: base map, keyed markers, ways and links. It moves only when what is new is out of view or someone asks.

import * as maplibregl from "../vendor/maplibre-gl/maplibre-gl.mjs";
import { isCalm, make } from "./dom.js";
import { LineLayers } from "./lines.js";
import { shapeImages } from "./shapes.js";

const EASE_MS = 140;
const EDGE_PX = 28;

export class MapView {
  // onMarker(pointer, what), onLine(pointer, what): one was entered, left or clicked ("enter", "leave", "click").
  // onTrouble(error): what is there could not be had.
  constructor(container, { map, theme, onMarker, onLine, onTrouble }) {
    this.leaveAim = null;
    // Whoever comes back to a page finds the map where they left it.
    this.isPlaced = location.hash.includes("view=");
    // While a point is being chosen, what lies there is not meant.
    this.onMarker = (pointer, what) => this.leaveAim || onMarker(pointer, what);
    this.base = map;
    this.markers = new Map();
    this.map = new maplibregl.Map({
      container,
      style: this.styleUrl(theme),
      bounds: boxOf(map),
      fitBoundsOptions: { padding: 8 },
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
    this.lines = new LineLayers(this.map, (pointer, what) => this.leaveAim || onLine(pointer, what));
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
      this.lines.add();
    });
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
    this.map.fitBounds(boxOf(map), { ...this.motion(), padding: 8 });
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

  focus() {
    this.map.getCanvas().focus();
  }

  motion() {
    return isCalm() ? { duration: 0 } : { duration: EASE_MS };
  }

  // Shows a drawing; what was there before and stays is moved, never taken away and put back. isFitted: the map begins
  // with it.
  show({ markers, lines }, { isFitted = false } = {}) {
    const wanted = new Map(markers.map((marker) => [`${marker.shape}:${marker.id}`, marker]));
    for (const [key, { marker }] of this.markers) {
      if (wanted.has(key)) continue;
      marker.remove();
      this.markers.delete(key);
    }
    for (const [key, spec] of wanted) {
      const shown = this.markers.get(key) ?? this.addMarker(key);
      shown.spec = spec;
      const element = shown.marker.getElement();
      element.firstElementChild.textContent = spec.label;
      element.setAttribute("aria-label", spec.label ? `${spec.label}. ${spec.name}` : spec.name);
      element.classList.remove("lit");
      shown.marker.setLngLat([spec.lon, spec.lat]).addTo(this.map);
    }
    this.lines.show(lines);
    const ways = lines.filter(({ role }) => role !== "hidden").flatMap(({ points }) => points);
    const points = [...markers.map(({ lat, lon }) => [lon, lat]), ...ways];
    if (isFitted && !this.isPlaced) this.fit(points, { duration: 0, maxZoom: 16 });
    else this.reveal(points);
  }

  addMarker(key) {
    const [shape] = key.split(":");
    const shown = {};
    const tell = (what) => () => this.onMarker(shown.spec.pointer, what);
    const element = make(
      "button",
      {
        type: "button",
        class: `pin pin-${shape}`,
        // The rows beside the map are its keyboard: every marker has one.
        tabindex: -1,
        onpointerenter: tell("enter"),
        onpointerleave: tell("leave"),
        onclick: tell("click"),
      },
      make("span"),
    );
    shown.marker = new maplibregl.Marker({ element, anchor: shape === "drop" ? "bottom" : "center" });
    this.markers.set(key, shown);
    return shown;
  }

  light(pointer, isOn) {
    for (const { marker, spec } of this.markers.values()) {
      if (spec.pointer === pointer && pointer) marker.getElement().classList.toggle("lit", isOn);
    }
    this.lines.light(pointer, isOn);
  }

  // Eases to points only when one of them cannot be seen.
  reveal(points) {
    if (!points.length) return;
    const { clientWidth, clientHeight } = this.map.getContainer();
    if (!clientWidth || !clientHeight) return;
    const isSeen = (point) => {
      const { x, y } = this.map.project(point);
      return x > EDGE_PX && x < clientWidth - EDGE_PX && y > EDGE_PX + 16 && y < clientHeight - EDGE_PX;
    };
    if (points.every(isSeen)) return;
    this.fit(points, { ...this.motion(), maxZoom: Math.max(17, this.map.getZoom()) });
  }

  fit(points, options) {
    const { clientWidth, clientHeight } = this.map.getContainer();
    if (!points.length || !clientWidth || !clientHeight) return;
    const bounds = points.reduce((box, point) => box.extend(point), new maplibregl.LngLatBounds());
    const padding = Math.min(56, clientWidth / 4, clientHeight / 4);
    this.map.fitBounds(bounds, { ...options, padding });
  }

  // Lets somebody choose a point: a click, or Enter for the centre. Null when they leave it by Escape,
  // undefined when they begin anew, for another field.
  aim() {
    this.leaveAim?.();
    const container = this.map.getContainer();
    container.classList.add("aiming");
    this.focus();
    return new Promise((resolve) => {
      const listening = new AbortController();
      const end = (point) => {
        listening.abort();
        this.map.off("click", onClick);
        container.classList.remove("aiming");
        this.leaveAim = null;
        resolve(point);
      };
      const rounded = ({ lat, lng }) => ({ lat: Number(lat.toFixed(6)), lon: Number(lng.toFixed(6)) });
      const onClick = ({ lngLat }) => end(rounded(lngLat));
      const onKey = (event) => {
        const isHere = event.key === "Enter" && container.contains(document.activeElement);
        if (event.key !== "Escape" && !isHere) return;
        event.preventDefault();
        event.stopPropagation();
        end(isHere ? rounded(this.map.getCenter()) : null);
      };
      this.map.on("click", onClick);
      document.addEventListener("keydown", onKey, { capture: true, signal: listening.signal });
      this.leaveAim = () => end(undefined);
    });
  }
}

function boxOf({ bbox: [south, west, north, east] }) {
  return [
    [west, south],
    [east, north],
  ];
}
