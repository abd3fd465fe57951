// Makes a position out of what somebody typed or pasted: coordinates, a place's id, or a link to a map.

import { getJson } from "../api.js";

const DECIMAL = /^\s*([+-]?\d{1,2}(?:\.\d+)?)\s*°?\s*[,;\s]\s*([+-]?\d{1,3}(?:\.\d+)?)\s*°?\s*$/;
const PLACE_ID = /^[a-z][a-z0-9_-]{0,31}:[^\s/]\S*$/;
const LINK =
  /^(https?:\/\/|geo:)|^\S+\.\S+\/\S|[°′″'"]\s*[NSEW]\b|^[23456789CFGHJMPQRVWX]{4,8}\+[23456789CFGHJMPQRVWX]{2,}/i;

export const isPlaceId = (text) => PLACE_ID.test(text.trim()) && !/^(geo|https?):/.test(text.trim());

// Whether a text says where something is, rather than what to look for.
export const isPosition = (text) => DECIMAL.test(text) || LINK.test(text.trim());

export function coordinates(text) {
  const found = DECIMAL.exec(text);
  if (!found) return null;
  const [lat, lon] = [Number(found[1]), Number(found[2])];
  return Math.abs(lat) <= 90 && Math.abs(lon) <= 180 ? { lat, lon } : null;
}

// { kind: "point", lat, lon } | { kind: "place", place_id } | { kind: "search", query, lat?, lon? }.
// Throws an ApiError with advice for what cannot be read.
export async function locate(bench, text) {
  const point = coordinates(text);
  if (point) return { kind: "point", ...point };
  if (isPlaceId(text)) return { kind: "place", place_id: text.trim() };
  if (!isPosition(text)) return { kind: "search", query: text.trim() };
  return getJson(bench.api(`/link?text=${encodeURIComponent(text.trim())}`));
}
