"""Calls that find places or say more about one."""

from typing import Any

from annotator.contexts.words import clean, kind_name
from annotator.demo.questions.draft import Draft, Piece, at
from annotator.demo.questions.views import fields_of, heading_of

_RADII_M = (100, 150, 200, 250, 300, 400, 500, 600, 750, 800, 1000, 1200, 1500, 2000, 3000)
_ROW_TOKENS = 30
"""About what a place of a list takes."""
_MOST_ROWS = 12
MODES = ("walk", "drive", "bicycle", "motorcycle")
MODE_WEIGHTS = (4.0, 3.0, 2.0, 1.0)


def text_search(draft: Draft) -> Piece | None:
    """A search by type, name, street or a word of a name, which finds names that are alike."""
    stream = draft.stream
    kind, place = "", draft.place()
    name = clean(place["name"])
    dice = stream.unit()
    if dice < 0.4:
        kind = draft.kind()
        query = kind_name(kind)
    elif dice < 0.75:
        query = name
    elif dice < 0.85:
        query = place.get("address_parts", {}).get("street", name)
    else:
        query = _word(draft, name)
    params: dict[str, Any] = {"query": query, "limit": draft.num_rows(8, _ROW_TOKENS), "language": draft.language}
    if stream.chance(0.45 if kind else 0.2):
        params |= at(draft.somewhere())
        if stream.chance(0.3):
            params["radius_m"] = stream.pick(_RADII_M[4:])
    heading = heading_of(stream, "text_search", kind=kind, place="" if kind else query)
    return Piece("text_search", params, heading, fields_of(stream, "text_search"), may_be_empty=stream.chance(0.2))


def place_details(draft: Draft) -> Piece | None:
    """All about one place."""
    stream, place = draft.stream, draft.place()
    kind = next(iter(place.get("categories", ())), "")
    heading = heading_of(stream, "place_details", kind=kind, place=clean(place["name"]))
    params = {"place_id": place["pid"], "language": draft.language}
    return Piece("place_details", params, heading, fields_of(stream, "place_details"))


def home_first(draft: Draft) -> Piece:
    """Shows the place around which the context turns, so that it has a name."""
    stream, home = draft.stream, draft.home
    params: dict[str, Any] = {"language": draft.language}
    if stream.chance(0.5):
        params["place_id"] = home["pid"]
        return Piece("place_details", params, fields=fields_of(stream, "place_details"))
    params |= {"query": clean(home["name"]), "limit": draft.num_rows(3, _ROW_TOKENS)}
    return Piece("text_search", params, fields=fields_of(stream, "text_search"))


def reverse_geocode(draft: Draft) -> Piece | None:
    """What is at a position, which is a place's or somewhere beside it."""
    stream, place = draft.stream, draft.somewhere()
    where = at(place)
    if stream.chance(0.4):
        where = {key: round(value + stream.uniform(-0.0004, 0.0004), 6) for key, value in where.items()}
    params = {**where, "limit": draft.num_rows(5, _ROW_TOKENS), "language": draft.language}
    return Piece("reverse_geocode", params, heading_of(stream, "reverse_geocode"), fields_of(stream, "reverse_geocode"))


def nearby_search(draft: Draft) -> Piece | None:
    """Places around a place, of a type or of any, with all kinds of conditions."""
    stream, center = draft.stream, draft.somewhere()
    kind = "" if stream.chance(0.15) else draft.kind()
    radius_m = stream.pick(_RADII_M if kind else _RADII_M[:6])
    params: dict[str, Any] = {**at(center), "radius_m": radius_m, "language": draft.language}
    params["limit"] = draft.num_rows(_MOST_ROWS, _ROW_TOKENS)
    if kind:
        params["type"] = kind
    if stream.chance(0.35):
        params["travel_mode"] = stream.pick_weighted(MODES, MODE_WEIGHTS)
    if stream.chance(0.1):
        params["rank"] = "prominence"
    dice = stream.unit()
    if dice < 0.06:
        params["open_at"] = moment(draft)
    elif dice < 0.1:
        params["wheelchair"] = True
    elif dice < 0.14:
        params["keyword"] = _word(draft, clean(draft.place()["name"]))
    elif dice < 0.18 and (cuisines := _cuisines(draft)):
        params["type"] = "restaurant"
        params["cuisine"] = stream.pick(cuisines)
    place = clean(center["name"])
    heading = heading_of(stream, "nearby_search", kind=params.get("type", ""), place=place)
    return Piece("nearby_search", params, heading, fields_of(stream, "nearby_search"), may_be_empty=stream.chance(0.2))


def moment(draft: Draft) -> str:
    """A day of some year and a quarter of an hour, as local time."""
    stream = draft.stream
    day = f"{stream.integer(2025, 2027)}-{stream.integer(1, 12):02d}-{stream.integer(1, 28):02d}"
    return f"{day}T{stream.integer(6, 23):02d}:{stream.pick((0, 15, 30, 45)):02d}"


def _word(draft: Draft, name: str) -> str:
    """A word of a name; the name where all of them are short."""
    return draft.stream.pick([word for word in name.split() if word.isalnum() and len(word) > 3] or [name])


def _cuisines(draft: Draft) -> list[str]:
    """Cuisines of the town's restaurants."""
    found = (place.get("attributes", {}).get("cuisine") for place in draft.landmarks.of_type("restaurant"))
    return sorted({cuisine for cuisine in found if isinstance(cuisine, str) and cuisine.isalpha()})
