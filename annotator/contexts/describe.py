"""What a context says of each recorded answer, as a section of lines, facts, rows and tables."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from annotator.contexts.describe_ways import along_section, matrix_section, route_section
from annotator.contexts.document import Block, Facts, Line, Numbered, Phrase, Row, Section, Strong, Words
from annotator.contexts.facts import facts_of, kinds_of, name_of
from annotator.contexts.gazetteer import Gazetteer
from annotator.contexts.model import Item
from annotator.contexts.seen import Seen
from annotator.contexts.words import clean, compass_words, distance, kind_names, position
from annotator.maps.results import (
    AlongRoute,
    DistanceBearing,
    Matrix,
    OpenAt,
    Place,
    PlaceList,
    PlaceResult,
    Result,
    RouteList,
)

GONE = "This answer is no longer held: its provider's terms have ended its storage."
"""Stands where a result has expired."""


def note_section(item: Item) -> Section:
    """A note."""
    title = clean(item.title)
    return Section(title, (Words(item.text),), is_own=bool(title))


def gone_section(item: Item) -> Section:
    """An answer that may no longer be shown."""
    title = clean(item.title)
    return Section(title or "Expired answer", (Line((GONE,)),), is_own=bool(title))


def answer_section(
    item: Item,
    tool: str,
    params: Mapping[str, Any],
    result: Result,
    seen: Seen,
    fields: Sequence[str],
    names: Gazetteer,
) -> Section | None:
    """A recorded answer; None where the view hides all of it.

    Args:
        params: canonical parameters of the call.
        fields: that are shown, in their order.
        names: of the places that the context shows.
    """
    if seen.is_empty:
        return None
    match result:
        case PlaceResult(place=place):
            heading, blocks = _details(place, fields)
        case PlaceList():
            found = _place_list(tool, params, result, seen, fields, names)
            if found is None:
                return None
            heading, blocks = found
        case RouteList():
            heading, blocks = route_section(params, result, seen, fields, names, has_steps=item.view.show_steps)
        case AlongRoute():
            heading, blocks = along_section(params, result, seen, names, lambda place: place_row(place, fields))
        case Matrix():
            heading, blocks = matrix_section(params, result, seen, fields, names)
        case DistanceBearing():
            heading, blocks = _distance(params, result, names)
        case OpenAt():
            heading, blocks = _open_at(params, result, names)
    if not blocks:
        return None
    title = clean(item.title)
    return Section(title or heading, tuple(blocks), is_own=bool(title))


def place_row(place: Place, fields: Sequence[str]) -> Row:
    """A place in a list: its name, its type in brackets, its address, and the rest after semicolons."""
    words: list[str | Strong] = [Strong(name_of(place))]
    others: list[str] = []
    for field in fields:
        facts = facts_of(place, field)
        # A place without a name is called by its kind already, and an address may be all that it is called by.
        if field == "category" and facts and clean(place.name):
            words.append(f" ({kinds_of(place)})")
        elif field == "address" and facts and facts[0].words != name_of(place):
            words.append(f", {facts[0].words}")
        elif field not in ("category", "address"):
            others += [fact.in_line for fact in facts]
    return Row((*words, *(f"; {part}" for part in others)))


def _details(place: Place | None, fields: Sequence[str]) -> tuple[str, list[Block]]:
    if place is None:
        return "Place", [Line(("There is no place with this id.",))]
    rows = tuple((fact.label, fact.words) for field in fields for fact in facts_of(place, field))
    name = name_of(place)
    head = Line((Strong(name),))
    return name, [head, Facts(rows)] if rows else [head]


def _place_list(
    tool: str,
    params: Mapping[str, Any],
    result: PlaceList,
    seen: Seen,
    fields: Sequence[str],
    names: Gazetteer,
) -> tuple[str, list[Block]] | None:
    rows = tuple(place_row(place, fields) for _, place in seen.rows(result.places, "places"))
    if not rows and result.places:
        return None
    match tool:
        case "nearby_search":
            heading, opening = _nearby_words(params, names, is_empty=not rows)
        case "reverse_geocode":
            where = f"({position(params['lat'], params['lon'])})"
            heading = f"What is at {where}"
            opening = f"At {where} is:" if rows else f"Nothing is known at {where}."
        case _:
            query = clean(params["query"])
            near = f" near {names.at(params['lat'], params['lon'])}" if "lat" in params else ""
            heading = f"Search for “{query}”{near}"
            opening = f"Places found for “{query}”{near}:" if rows else f"No place was found for “{query}”{near}."
    return heading, [Line((opening,)), Numbered(rows)] if rows else [Line((opening,))]


_ORDER = {"distance": "nearest first", "prominence": "most prominent first"}


def _nearby_words(params: Mapping[str, Any], names: Gazetteer, *, is_empty: bool) -> tuple[str, str]:
    where = names.at(params["lat"], params["lon"])
    what = wanted(params)
    heading = f"{what} near {where}"
    limits = "".join(f", {limit}" for limit in _limits(params))
    within = f"within {distance(params['radius_m'])} of {where}"
    if is_empty:
        return heading, f"No {what[:1].lower()}{what[1:]} were found {within}{limits}."
    return heading, f"{what} {within}{limits}, {_ORDER[params.get('rank', 'distance')]}:"


def wanted(params: Mapping[str, Any]) -> str:
    """What a search looked for, in the plural, such as `Cafes matching “terrace”`."""
    kinds = kind_names(params["type"]) if "type" in params else "Places"
    return f"{kinds} matching “{clean(params['keyword'])}”" if "keyword" in params else kinds


def _limits(params: Mapping[str, Any]) -> list[str]:
    """Other conditions of a search, which a reader must know to take the list for what it is."""
    limits = []
    if "open_at" in params:
        limits.append(f"open at {params['open_at'][:16].replace('T', ' ')}")
    if "wheelchair" in params:
        limits.append("with wheelchair access" if params["wheelchair"] else "without wheelchair access")
    if "cuisine" in params:
        limits.append(f"with the cuisine “{clean(params['cuisine'])}”")
    if "min_rating" in params:
        limits.append(f"rated {params['min_rating']:g} or better")
    if params.get("price_levels"):
        limits.append(f"of price level {' or '.join(str(level) for level in params['price_levels'])}")
    return limits


def _distance(params: Mapping[str, Any], result: DistanceBearing, names: Gazetteer) -> tuple[str, list[Block]]:
    origin = names.at(params["origin"]["lat"], params["origin"]["lon"])
    destination = names.at(params["destination"]["lat"], params["destination"]["lon"])
    between = f"from {origin} to {destination}"
    if result.distance_m < 0.1:
        return f"Straight line {between}", [Line((f"{origin} and {destination} are at the same position.",))]
    exact = f"{result.distance_m:,.0f} m" if result.distance_m >= 1000 else ""
    far = f"{distance(result.distance_m)} ({exact})" if exact else distance(result.distance_m)
    words: Phrase = (
        f"The straight-line distance {between} is {far}; seen from {origin}, {destination} lies to the "
        f"{compass_words(result.compass)} (bearing {result.bearing_deg:g}°).",
    )
    return f"Straight line {between}", [Line(words)]


_STATES = {"open": "is open", "closed": "is closed", "unknown": "is not known to be open or closed"}


def _open_at(params: Mapping[str, Any], result: OpenAt, names: Gazetteer) -> tuple[str, list[Block]]:
    is_named = "lat" in params and names.is_known(params["lat"], params["lon"])
    who = names.at(params["lat"], params["lon"]) if is_named else "A place"
    hours = clean(params["opening_hours"])
    comment = f", “{clean(result.comment)}”" if result.comment else ""
    change = _moment(result.next_change) if result.next_change else ""
    until = f" The next change is on {change}." if change else " This does not change any more."
    sentence = (
        f"{who} with the opening hours “{hours}” {_STATES[result.state]}{comment} on {_moment(result.local_time)} "
        f"({result.timezone}).{until}"
    )
    notes = tuple(f" Note: {clean(warning)}." for warning in result.warnings)
    return f"Whether {who if is_named else 'a place'} is open", [Line((sentence, *notes))]


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _moment(text: str) -> str:
    """A time with its weekday, such as `Wednesday 2026-07-01 10:00`."""
    return f"{_WEEKDAYS[date.fromisoformat(text[:10]).weekday()]} {text[:10]} {text[11:16]}"
