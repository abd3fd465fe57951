// A box in which a place is chosen: from the context and the last results, the map's centre, a click on the map, or by
// typed coordinates, a pasted map link, or words to search for. A combobox as the ARIA practices describe it.

import { ApiError } from "../api.js";
import { make } from "../dom.js";
import { fullName } from "../format.js";
import { placesOf } from "./known.js";
import { isPlaceId, isPosition, locate } from "./locate.js";
import { OptionList } from "./options.js";

const MAX_SHOWN = 8;
let num_fields = 0;

const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

const optionOf = (place) => ({ title: fullName(place), note: place.address ?? "", value: place });

export const CENTRE = { isCentre: true, name: "The map’s centre" };

export class FieldError extends Error {
  constructor(message, input) {
    super(message);
    this.input = input;
  }
}

export class PlaceField {
  // name, label, isRequired, takesId: whether an id alone will do; standard: what it holds at first; accepts: which places it offers; onchange(value).
  constructor(
    {
      name,
      label,
      hint = "",
      isRequired = false,
      takesId = false,
      standard = null,
      hasCentre = true,
      accepts = () => true,
      onchange = () => {},
    },
    desk,
  ) {
    Object.assign(this, { name, label, isRequired, takesId, hasCentre, accepts, onchange, desk });
    this.id = `pick-${++num_fields}`;
    this.value = null;
    this.input = make("input", {
      id: this.id,
      name,
      type: "text",
      role: "combobox",
      dir: "auto",
      autocomplete: "off",
      "aria-expanded": "false",
      "aria-autocomplete": "list",
      title: hint,
      placeholder: "Place, coordinates or map link",
      oninput: () => {
        this.value = null;
        this.offer();
      },
      onfocus: () => this.input.select(),
      onclick: () => this.offer(true),
      onkeydown: (event) => this.onKey(event),
      onblur: () => this.list.close(),
    });
    this.list = new OptionList(this.input, `Places for ${label}`, (option) => this.take(option));
    const choose = make(
      "button",
      {
        type: "button",
        class: "aim",
        "aria-label": `${label}: choose on the map`,
        title: "Choose on the map",
        onclick: () => this.aim(),
      },
      make("span", { class: "target", "aria-hidden": "true" }),
    );
    this.element = make(
      "div",
      { class: "pick" },
      make("label", { for: this.id }, label),
      make("div", { class: "field" }, this.input, choose),
      this.list.element,
    );
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
    this.list.close();
    this.onchange(value);
  }

  async aim() {
    const point = await this.desk.aim();
    // Another field asks by now.
    if (point === undefined) return;
    if (point) this.choose(point);
    this.input.focus();
  }

  offer(isAll = false) {
    const text = this.input.value.trim();
    const isTyped = Boolean(text) && !this.value;
    // What can be read as it stands needs no list over the rest of the form.
    if (isTyped && (isPosition(text) || isPlaceId(text))) {
      this.list.close();
      return;
    }
    const wanted = folded(isAll && this.value ? "" : text);
    const fits = this.desk.known.list().filter((place) => this.accepts(place) && folded(place.name).includes(wanted));
    const options = fits.slice(0, MAX_SHOWN).map(optionOf);
    if (this.hasCentre && (isAll || !wanted)) options.push({ title: CENTRE.name, value: CENTRE });
    if (isTyped) options.push({ title: `Look for “${text}”`, value: null });
    this.list.show(options, isTyped && fits.length ? 0 : -1);
  }

  onKey(event) {
    const { isOpen } = this.list;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && isOpen) this.list.move(by);
    else if (by) this.offer(true);
    else if (event.key === "Escape" && isOpen) this.list.close();
    else if (event.key === "Enter" && isOpen && this.list.active >= 0) this.list.take();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  take({ value }) {
    if (value) this.choose(value);
    else this.lookFor(this.input.value.trim());
  }

  // Coordinates and links are read; anything else is searched for, and what is found is offered.
  async lookFor(text) {
    try {
      const found = await locate(this.desk.bench, text);
      if (found.kind !== "search") this.choose(this.read(found));
      else {
        const places = placesOf(await this.desk.find(found.query)).filter(this.accepts);
        if (document.activeElement !== this.input) return;
        this.list.show(places.slice(0, MAX_SHOWN).map(optionOf), places.length ? 0 : -1);
        if (!places.length) this.desk.say(`Nothing found for “${found.query}”.`, { isBad: true });
      }
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof FieldError)) throw error;
      this.desk.say(error.message, { isBad: true });
    }
  }

  // What was typed, as a value; throws a FieldError for an id that says nothing of where it is.
  read(found) {
    if (found.kind === "point") return { lat: found.lat, lon: found.lon };
    const place = this.desk.known.byId(found.place_id);
    if (place) return place;
    if (this.takesId) return { place_id: found.place_id };
    throw new FieldError(
      `${this.label}: where ${found.place_id} is, only its details tell; open them first.`,
      this.input,
    );
  }

  // The position to send, with typed text read first. Throws a FieldError or ApiError with advice.
  async settle() {
    const text = this.input.value.trim();
    if (!this.value && text) {
      const found = await locate(this.desk.bench, text);
      if (found.kind === "search") {
        throw new FieldError(
          `${this.label}: choose a place for “${text}” from the list, or give coordinates.`,
          this.input,
        );
      }
      this.fill(this.read(found));
    }
    if (this.value === CENTRE) {
      const centre = this.desk.centre();
      if (centre) return centre;
      if (this.isRequired) throw new FieldError("Without a map there is no centre; choose a place.", this.input);
      return null;
    }
    if (!this.value && this.isRequired)
      throw new FieldError(`${this.label}: choose a place, or give coordinates.`, this.input);
    return this.value;
  }
}
