// Reads a tool's JSON Schema into the fields of its form: what kind of control, in which unit, between which bounds.

const LABELS = {
  query: "Search for",
  place_id: "Place",
  near: "Around",
  radius_m: "Within",
  type: "Kind of place",
  keyword: "Words",
  rank: "Order by",
  limit: "At most",
  open_at: "Open at",
  min_rating: "Rated at least",
  price_levels: "Price",
  travel_mode: "Travel time by",
  origin: "From",
  destination: "To",
  intermediates: "Stops between",
  optimize_order: "Visit the stops in the quickest order",
  mode: "By",
  avoid: "Avoid",
  alternatives: "Other routes",
  max_detour_s: "Longest detour",
  origins: "From each of",
  destinations: "To each of",
  opening_hours: "Opening hours",
  at: "At",
  timezone: "Time zone",
};

// What stands at once; everything else of a tool is behind "More".
const FIRST = {
  text_search: ["query", "near"],
  nearby_search: ["near", "type", "radius_m", "keyword"],
  compute_routes: ["origin", "destination", "intermediates", "mode", "alternatives"],
  search_along_route: ["origin", "destination", "type", "keyword", "mode"],
  travel_matrix: ["origins", "destinations", "mode"],
  open_at: ["opening_hours", "near", "at"],
};

const words = (name) => {
  const text = name.replace(/_(m|s)$/, "").replaceAll("_", " ");
  return text[0].toUpperCase() + text.slice(1);
};

const unitOf = (name) => ({ m: "m", s: "s" })[name.match(/_(m|s)$/)?.[1]] ?? "";

// { anyOf: [X, null] } is X, left out when nothing is said.
function plain(schema, definitions) {
  const inner = schema.anyOf?.find(({ type }) => type !== "null") ?? schema;
  const name = inner.$ref?.split("/").at(-1);
  return { ...inner, ...(name ? { ...definitions[name], definition: name } : {}) };
}

function kindOf(name, schema, definitions) {
  if (name === "type") return "type";
  if (name === "place_id") return "place";
  if (schema.definition) return "stop";
  if (schema.type === "array") {
    const items = plain(schema.items, definitions);
    return items.enum ? "choices" : "stops";
  }
  if (schema.enum) return "choice";
  if (schema.format === "date-time") return "time";
  return { boolean: "flag", integer: "number", number: "number" }[schema.type] ?? "text";
}

function fieldOf(name, schema, { required, definitions }) {
  const inner = plain(schema, definitions);
  return {
    name,
    kind: kindOf(name, inner, definitions),
    label: LABELS[name] ?? words(name),
    hint: schema.description ?? "",
    unit: unitOf(name),
    isRequired: required.includes(name),
    isNullable: Boolean(schema.anyOf),
    isWhole: inner.type === "integer",
    standard: schema.default ?? null,
    choices: inner.enum ?? (inner.items && plain(inner.items, definitions).enum) ?? [],
    low: inner.minimum ?? inner.exclusiveMinimum,
    high: inner.maximum,
    maxLength: inner.maxLength,
    pattern: inner.pattern,
    least: inner.minItems ?? 0,
    most: inner.maxItems,
    takesId:
      inner.definition === "Waypoint" || (inner.items && plain(inner.items, definitions).definition === "Waypoint"),
  };
}

// The fields of a tool, those to be seen first in front: { first: [...], more: [...] }.
export function fieldsOf({ name: tool, parameters }) {
  const { properties, required = [], $defs: definitions = {} } = parameters;
  const fields = [];
  for (const [name, schema] of Object.entries(properties)) {
    if (name === "lon") continue;
    const field = fieldOf(name, schema, { required, definitions });
    // Latitude and longitude are one place to choose.
    fields.push(name === "lat" ? { ...field, name: "near", kind: "position", label: LABELS.near, unit: "" } : field);
  }
  const wanted = FIRST[tool] ?? [];
  const isFirst = ({ name, isRequired }) => wanted.includes(name) || isRequired;
  const rank = ({ name }) => (wanted.includes(name) ? wanted.indexOf(name) : wanted.length);
  return {
    first: fields.filter(isFirst).sort((a, b) => rank(a) - rank(b)),
    more: fields.filter((field) => !isFirst(field)),
  };
}
