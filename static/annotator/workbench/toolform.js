// The form of one tool, made from its JSON Schema.

import { make } from "../dom.js";
import { makeField } from "./fields.js";
import { CENTRE, PlaceField } from "./placefield.js";
import { fieldsOf } from "./schema.js";
import { StopsField } from "./stopsfield.js";

const VERBS = {
  text_search: "Search",
  nearby_search: "Find",
  place_details: "Open",
  reverse_geocode: "Look up",
  open_at: "Check",
};
// Coordinates to about 100 m for a search that only leans on them, 10 m otherwise: a nudge of the map asks nothing new.
const DIGITS = { text_search: 3 };

export class ToolForm {
  // onsubmit(): the form was sent and is filled as the browser can tell.
  constructor(tool, desk, onsubmit) {
    this.tool = tool.name;
    this.desk = desk;
    const { first, more } = fieldsOf(tool);
    this.fields = new Map([...first, ...more].map((field) => [field.name, this.control(field)]));
    const elements = (fields) => fields.map(({ name }) => this.fields.get(name).element);
    this.element = make(
      "form",
      {
        autocomplete: "off",
        "aria-label": tool.description,
        onsubmit: (event) => {
          event.preventDefault();
          onsubmit();
        },
      },
      make("p", { class: "quiet" }, tool.description),
      ...this.helpers(),
      ...elements(first),
      more.length > 0 && make("details", {}, make("summary", {}, "More"), ...elements(more)),
      make("button", { type: "submit", class: "main" }, VERBS[tool.name] ?? "Compute"),
    );
  }

  control(field) {
    const { desk } = this;
    if (field.kind === "stops") return new StopsField(field, desk);
    if (field.kind === "position") {
      const standard = this.tool === "open_at" ? null : CENTRE;
      return new PlaceField({ ...field, standard }, desk);
    }
    if (field.kind === "stop") return new PlaceField({ ...field, standard: null }, desk);
    if (field.kind === "place") {
      return new PlaceField({ ...field, standard: null, hasCentre: false, takesId: true }, desk);
    }
    return makeField(field, desk);
  }

  // Opening hours are seldom typed: they come with a place that has them.
  helpers() {
    if (this.tool !== "open_at") return [];
    const accepts = (place) => Boolean(place.opening_hours?.raw);
    const onchange = (place) => {
      if (!place?.opening_hours?.raw) return;
      this.fields.get("opening_hours").fill(place.opening_hours.raw);
      this.fields.get("near").fill(place);
    };
    this.hours = new PlaceField(
      { name: "hours_of", label: "Hours of", hasCentre: false, accepts, onchange },
      this.desk,
    );
    return [this.hours.element];
  }

  focus() {
    this.element.querySelector("input, select")?.focus();
  }

  focusOn(name) {
    const field = this.fields.get({ lat: "near", lon: "near" }[name] ?? name);
    field?.element.closest("details")?.setAttribute("open", "");
    field?.input?.focus();
  }

  // The parameters to send. Throws a FieldError or ApiError for a place that cannot be read.
  async params() {
    const params = {};
    for (const [name, field] of this.fields) {
      const value = await field.settle();
      if (value === undefined || value === null) continue;
      if (name === "near") Object.assign(params, this.position(value));
      else if (name === "place_id") params.place_id = value.pid ?? value.place_id;
      else if (Array.isArray(value) && value[0] instanceof Object) params[name] = value.map((stop) => this.stop(stop));
      else params[name] = value instanceof Object && !Array.isArray(value) ? this.stop(value) : value;
    }
    return params;
  }

  position({ lat, lon }) {
    const digits = this.fields.get("near").value === CENTRE ? (DIGITS[this.tool] ?? 4) : 6;
    return { lat: Number(lat.toFixed(digits)), lon: Number(lon.toFixed(digits)) };
  }

  // By coordinates where they are known: not every provider knows the ids of another.
  stop({ lat, lon, place_id }) {
    return lat === undefined ? { place_id } : { lat: Number(lat.toFixed(6)), lon: Number(lon.toFixed(6)) };
  }

  // Fills the form with a call's parameters, or with some of them.
  fill(params, { isPartial = false } = {}) {
    const { known } = this.desk;
    const stop = (value) => (value?.place_id ? (known.byId(value.place_id) ?? value) : value);
    for (const [name, field] of this.fields) {
      if (isPartial && !(name in params)) continue;
      if (name === "near") field.fill(params.lat === undefined ? null : { lat: params.lat, lon: params.lon });
      else if (name === "place_id") field.fill(stop(params));
      else if (field instanceof StopsField) field.fill((params[name] ?? []).map(stop));
      else if (field instanceof PlaceField) field.fill(stop(params[name]) ?? null);
      else field.fill(params[name] ?? null);
    }
  }
}
