// Places: a result card, and everything known about one.

import { make } from "../dom.js";
import { placeName, typeName } from "../format.js";
import { step } from "./pointers.js";
import { metresButton, secondsButton, valueButton } from "./values.js";
import { MODES } from "./words.js";

const typePointer = (place, at) => (place.categories?.length ? `${at}/categories/0` : `${at}/kind`);

const typeButton = (place, at) => typeName(place) && valueButton(typePointer(place, at), typeName(place), "Kind");

function nameButton(place, at) {
  if (place.name) return valueButton(`${at}/name`, place.name, "Name");
  return make("span", {}, placeName(place));
}

// What lies between a place and whoever asked: metres from the centre, time to get there, what stopping costs.
function costs(place, at) {
  const { distance_m, travel, detour } = place;
  return [
    distance_m !== undefined && metresButton(`${at}/distance_m`, distance_m),
    travel &&
      secondsButton(`${at}/travel/duration_s`, travel.duration_s, "Travel time", {
        after: ` ${MODES[travel.mode].toLowerCase()}`,
      }),
    detour && secondsButton(`${at}/detour/duration_s`, detour.duration_s, "Detour", { sign: "+", after: " detour" }),
    detour?.distance_m !== undefined &&
      metresButton(`${at}/detour/distance_m`, detour.distance_m, "Detour", { sign: "+" }),
  ].filter(Boolean);
}

const hours = (place, at) =>
  place.opening_hours?.raw
    ? valueButton(`${at}/opening_hours/raw`, place.opening_hours.raw, "Hours")
    : place.opening_hours?.weekdays?.length > 0 &&
      valueButton(`${at}/opening_hours/weekdays`, place.opening_hours.weekdays.join("; "), "Hours");

// `do` has details(place), add(place), put(place, "origin" | "destination").
export function placeCard(place, index, at, act) {
  const name = placeName(place);
  const quiet = (title, run) =>
    make("button", { type: "button", class: "quiet-button", "aria-label": `${title}: ${name}`, onclick: run }, title);
  const facts = [
    typeButton(place, at),
    place.address && valueButton(`${at}/address`, place.address, "Address"),
    hours(place, at),
    place.rating !== undefined && valueButton(`${at}/rating`, `${place.rating} of 5`, "Rating"),
    place.phone && valueButton(`${at}/phone`, place.phone, "Phone"),
  ].filter(Boolean);
  return make(
    "li",
    { class: "card", "data-row": at, tabindex: -1, "aria-label": `${index + 1}. ${name}` },
    make("span", { class: "number", "aria-hidden": "true" }, String(index + 1)),
    make(
      "div",
      { class: "what" },
      make("p", { class: "name" }, nameButton(place, at), make("span", { class: "away" }, ...costs(place, at))),
      facts.length > 0 && make("p", { class: "facts" }, ...facts),
      // Looking closer is a call of its own, which viewers may not make.
      act.canWrite &&
        make(
          "p",
          { class: "acts" },
          quiet("Details", () => act.details(place)),
          quiet("Add", () => act.add(place)),
          quiet("From here", () => act.put(place, "origin")),
          quiet("To here", () => act.put(place, "destination")),
        ),
    ),
  );
}

export function placeList(places, act) {
  return make(
    "ol",
    { class: "rows" },
    ...places.map((place, index) => placeCard(place, index, `/places/${index}`, act)),
  );
}

function row(term, ...value) {
  return make("div", {}, make("dt", {}, term), make("dd", {}, ...value));
}

const asText = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

// Only addresses of the web: a map's contributors may write anything here.
const isWeb = (url) => /^https?:\/\//i.test(url);

export function placeDetails(place, act) {
  const at = "/place";
  const value = (name, text, term) => text && row(term, valueButton(`${at}/${name}`, text, term));
  const rows = [
    row("Type", typeButton(place, at) || "unknown"),
    value("address", place.address, "Address"),
    hours(place, at) && row("Hours", hours(place, at)),
    value("phone", place.phone, "Phone"),
    place.website &&
      row(
        "Website",
        valueButton(`${at}/website`, place.website, "Website"),
        isWeb(place.website) &&
          make("a", { href: place.website, rel: "noopener noreferrer nofollow", target: "_blank" }, "Open"),
      ),
    value("email", place.email, "E-mail"),
    value("wheelchair", place.wheelchair, "Wheelchair"),
    place.rating !== undefined && row("Rating", valueButton(`${at}/rating`, `${place.rating} of 5`, "Rating")),
    place.rating_count !== undefined &&
      row("Ratings", valueButton(`${at}/rating_count`, String(place.rating_count), "Ratings")),
    place.price_level !== undefined &&
      row("Price", valueButton(`${at}/price_level`, `${place.price_level} of 4`, "Price")),
  ];
  const under = (group, title) =>
    Object.entries(place[group] ?? {}).map(([key, text]) =>
      row(title(key), valueButton(`${at}/${group}/${step(key)}`, asText(text), title(key))),
    );
  const list = make(
    "dl",
    { class: "values" },
    row("Name", nameButton(place, at)),
    ...rows.filter(Boolean),
    ...under("names", (language) => `Name, ${language}`),
    ...under("address_parts", (part) => `Address, ${part.replaceAll("_", " ")}`),
    ...under("attributes", (key) => key.replaceAll("_", " ")),
    row("Place id", valueButton(`${at}/pid`, place.pid, "Place id")),
    row(
      "Position",
      valueButton(`${at}/lat`, place.lat.toFixed(6), "Latitude"),
      valueButton(`${at}/lon`, place.lon.toFixed(6), "Longitude"),
    ),
  );
  return make(
    "div",
    { class: "card way", "data-row": at, tabindex: -1, "aria-label": placeName(place) },
    make(
      "div",
      { class: "what" },
      act.canWrite &&
        make(
          "p",
          { class: "acts" },
          make("button", { type: "button", onclick: () => act.put(place, "origin") }, "From here"),
          make("button", { type: "button", onclick: () => act.put(place, "destination") }, "To here"),
          place.opening_hours?.raw &&
            make("button", { type: "button", onclick: () => act.openNow(place) }, "Open now?"),
        ),
      list,
    ),
  );
}
