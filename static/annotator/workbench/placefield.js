// A box in which a place is chosen: from the context and the last results, the map's centre, a click on the map, or by
// typed coordinates, a pasted map link, or words to search for. A combobox as the ARIA practices describe it.

import { ApiError } from "../api.js";
import { make, named } from "../dom.js";
import { fullName } from "../format.js";
import { degrees, placesOf } from "./known.js";
import { locate } from "./locate.js";

const MAX_SHOWN = 8;
let num_fields = 0;

const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

export const CENTRE = { isCentre: true, name: "The map’s centre" };

export class FieldError extends Error {
  constructor(message, input) {
    super(message);
    this.input = input;
  }
}

export class PlaceField {
  // name, label, isRequired; standard: what it holds at first; accepts: which places it offers; onchange(value).
  constructor({ name, label, hint = "", isRequired = false, standard = null, hasCentre = true, accepts = () => true, onchange = () => {} }, desk) {
    Object.assign(this, { name, label, isRequired, hasCentre, accepts, onchange, desk });
    this.id = `pick-${++num_fields}`;
    this.value = null;
    this.options = [];
    this.active = -1;
    this.list = make("ul", { id: `${this.id}-list`, class: "options", role: "listbox", "aria-label": `Places for ${label}`, hidden: true });
    this.input = make("input", {
      id: this.id,
      name,
      type: "text",
      role: "combobox",
      dir: "auto",
      autocomplete: "off",
      "aria-expanded": "false",
      "aria-autocomplete": "list",
      "aria-controls": this.list.id,
      title: hint,
      placeholder: "Place, coordinates or map link",
      oninput: () => {
        this.value = null;
        this.offer();
      },
      onfocus: () => this.input.select(),
      onclick: () => this.offer(true),
      onkeydown: (event) => this.onKey(event),
      onblur: () => this.close(),
    });
    const choose = make("button", { type: "button", class: "aim", "aria-label": `${label}: choose on the map`, title: "Choose on the map", onclick: () => this.aim() }, make("span", { class: "target", "aria-hidden": "true" }));
    this.element = make("div", { class: "pick" }, make("label", { for: this.id }, label), make("div", { class: "field" }, this.input, choose), this.list);
    this.fill(standard);
  }

  // What is chosen: { lat, lon, name?, pid? }, { place_id }, CENTRE, or null.
  fill(value) {
    this.value = value;
    const { known } = this.desk;
    if (!value) this.input.value = "";
    else if (value.name) this.input.value = value.name;
    else this.input.value = known.nameOf(value);
  }

  choose(value) {
    this.fill(value);
    this.close();
    this.onchange(value);
  }

  async aim() {
    const point = await this.desk.aim();
    if (point) this.choose(point);
    this.input.focus();
  }

  offer(isAll = false) {
    const text = this.input.value.trim();
    const wanted = folded(isAll && this.value ? "" : text);
    const fits = this.desk.known.list().filter((place) => this.accepts(place) && folded(place.name).includes(wanted));
    this.options = fits.slice(0, MAX_SHOWN).map((place) => ({ title: fullName(place), note: place.address ?? "", value: place }));
    if (this.hasCentre && (isAll || !wanted)) this.options.push({ title: CENTRE.name, note: "", value: CENTRE });
    if (text && !this.value) this.options.push({ title: `Look for “${text}”`, note: "", value: null });
    this.show(text && !this.value && fits.length ? 0 : -1);
  }

  show(active) {
    this.list.replaceChildren(
      ...this.options.map(({ title, note }, index) =>
        make(
          "li",
          {
            id: `${this.list.id}-${index}`,
            role: "option",
            "aria-selected": "false",
            // Before the box loses the focus and closes the list.
            onpointerdown: (event) => {
              event.preventDefault();
              this.take(index);
            },
          },
          named("span", title),
          note && named("span", note, { class: "quiet" }),
        ),
      ),
    );
    this.list.hidden = !this.options.length;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.mark(active);
  }

  mark(index) {
    this.active = index;
    [...this.list.children].forEach((item, at) => item.setAttribute("aria-selected", String(at === index)));
    if (index < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", this.list.children[index].id);
    this.list.children[index]?.scrollIntoView({ block: "nearest" });
  }

  close() {
    this.list.hidden = true;
    this.active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  onKey(event) {
    const isOpen = !this.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) this.offer(true);
      else this.mark((this.active + (event.key === "ArrowDown" ? 1 : -1) + this.options.length) % this.options.length);
    } else if (event.key === "Escape" && isOpen) {
      event.stopPropagation();
      event.preventDefault();
      this.close();
    } else if (event.key === "Enter" && isOpen && this.active >= 0) {
      event.preventDefault();
      this.take(this.active);
    }
  }

  take(index) {
    const { value } = this.options[index];
    if (value) this.choose(value);
    else this.lookFor(this.input.value.trim());
  }

  // Coordinates and links are read; anything else is searched for, and what is found is offered.
  async lookFor(text) {
    try {
      const found = await locate(this.desk.bench, text);
      if (found.kind === "point") this.choose({ lat: found.lat, lon: found.lon });
      else if (found.kind === "place") this.choose(this.desk.known.byId(found.place_id) ?? { place_id: found.place_id });
      else {
        const places = placesOf(await this.desk.find(found.query)).filter(this.accepts);
        this.options = places.slice(0, MAX_SHOWN).map((place) => ({ title: fullName(place), note: place.address ?? "", value: place }));
        this.show(places.length ? 0 : -1);
        if (!places.length) this.desk.say(`Nothing found for “${found.query}”.`, { isBad: true });
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.desk.say(error.message, { isBad: true });
    }
  }

  // The position to send, with typed text read first. Throws a FieldError or ApiError with advice.
  async settle() {
    const text = this.input.value.trim();
    if (!this.value && text) {
      const found = await locate(this.desk.bench, text);
      if (found.kind === "search") {
        throw new FieldError(`${this.label}: choose a place for “${text}” from the list, or give coordinates.`, this.input);
      }
      this.fill(found.kind === "point" ? { lat: found.lat, lon: found.lon } : { place_id: found.place_id });
    }
    if (this.value === CENTRE) {
      const centre = this.desk.centre();
      if (centre) return centre;
      if (this.isRequired) throw new FieldError("Without a map there is no centre; choose a place.", this.input);
      return null;
    }
    if (!this.value && this.isRequired) throw new FieldError(`${this.label}: choose a place, or give coordinates.`, this.input);
    return this.value;
  }

  get text() {
    return this.value?.lat === undefined ? "" : degrees(this.value);
  }
}
