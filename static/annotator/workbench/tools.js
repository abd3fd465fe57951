// The tool panel: which tool, asked of whom and how, with its form. Forms keep what was typed while others are shown.

import { byId, make } from "../dom.js";
import { isPosition, locate } from "./locate.js";
import { StopsField } from "./stopsfield.js";
import { ToolForm } from "./toolform.js";

export const TITLES = {
  text_search: "Search",
  nearby_search: "Nearby",
  place_details: "Place details",
  reverse_geocode: "What is here",
  compute_routes: "Route",
  travel_matrix: "Travel matrix",
  search_along_route: "Along a route",
  distance_bearing: "Distance and bearing",
  open_at: "Open at a time",
};

const MODES = [
  ["record", "from recordings, else asked"],
  ["refresh", "asked again"],
  ["replay", "from recordings only"],
];

export class ToolPanel {
  // desk: what fields need, with `ask` and `providers`. onanswer(answer): the form was answered.
  constructor(desk, tools, onanswer) {
    this.desk = desk;
    this.tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.onanswer = onanswer;
    this.forms = new Map();
    this.picker = byId("tool");
    this.mode = make("select", { id: "mode" }, ...MODES.map(([value, title]) => make("option", { value }, title)));
    const order = Object.keys(TITLES).filter((name) => this.tools.has(name));
    this.picker.replaceChildren(...order.map((name) => make("option", { value: name }, TITLES[name])));
    this.picker.addEventListener("change", () => this.open(this.picker.value));
    this.place = byId("tool-form");
    this.place.before(
      desk.providers.element,
      make("div", { class: "field thin" }, make("label", { for: "mode" }, "Answers"), this.mode),
    );
    this.open(order[0]);
  }

  form(tool) {
    if (!this.forms.has(tool)) this.forms.set(tool, new ToolForm(this.tools.get(tool), this.desk, () => this.submit()));
    return this.forms.get(tool);
  }

  open(tool, params = null) {
    this.tool = tool;
    this.picker.value = tool;
    const form = this.form(tool);
    if (params) form.fill(params);
    this.place.replaceChildren(form.element);
    this.desk.providers.show(tool);
    return form;
  }

  // Puts a place where the form of a tool wants one: an end of a route, the centre of a search.
  put(tool, name, place) {
    const field = this.open(tool).fields.get(name);
    if (field instanceof StopsField) field.put(place);
    else field.choose(place);
    return field;
  }

  async submit() {
    const form = this.form(this.tool);
    const { ask, providers } = this.desk;
    const retry = () => this.submit();
    form.element.setAttribute("aria-busy", "true");
    const request = async (signal) => {
      const [tool, params] = await this.meant(form);
      return ask.call(tool, params, { provider: providers.key, mode: this.mode.value, signal });
    };
    const answer = await ask.run("Asking…", request, {
      retry,
      onfail: (error) => error.param && form.focusOn(error.param),
    });
    form.element.removeAttribute("aria-busy");
    if (answer) this.onanswer(answer);
  }

  // What to ask: the form's own tool, unless a link or coordinates were pasted into the search.
  async meant(form) {
    const params = await form.params();
    if (form.tool !== "text_search" || !isPosition(params.query)) return [form.tool, params];
    const found = await locate(this.desk.bench, params.query);
    if (found.kind === "place") return ["place_details", { place_id: found.place_id }];
    if (found.kind === "point") return ["reverse_geocode", { lat: found.lat, lon: found.lon, limit: 5 }];
    const near = found.lat === undefined || found.lat === null ? {} : { lat: found.lat, lon: found.lon };
    return ["text_search", { ...params, ...near, query: found.query }];
  }
}
