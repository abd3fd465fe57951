// Numbers, names and dates as people read them; the exact value goes into the title.

export function distance(metres) {
  if (metres < 995) return `${Math.round(metres)} m`;
  return `${(metres / 1000).toFixed(metres < 9950 ? 1 : 0)} km`;
}

export function duration(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

export function ago(iso, now = Date.now()) {
  const seconds = (now - Date.parse(iso)) / 1000;
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit);
  }
  return "just now";
}

// 2026-11-25T01:05:10.084Z becomes 2026-11-25 01:05 UTC.
export const moment = (iso) => `${iso.slice(0, 16).replace("T", " ")} UTC`;

export const typeName = (place) => (place.categories?.[0] ?? place.kind?.split("=").at(-1) ?? "").replaceAll("_", " ");

export function placeName(place) {
  const type = typeName(place);
  return (
    place.name ||
    (type && `${type[0].toUpperCase()}${type.slice(1)}, no name`) ||
    place.address ||
    "Place without a name"
  );
}

// Away from its card a place without a name needs to say where it is.
export const fullName = (place) =>
  place.name ? place.name : [typeName(place), place.address].filter(Boolean).join(", ") || placeName(place);

export const count = (number, noun) => `${number} ${number === 1 ? noun : `${noun}s`}`;
