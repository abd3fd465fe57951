"""Whether a context in JSON tells what a question about ways is about.

Text names both ends of a way. JSON gives them as the call had them, by coordinates or by the id of a place, and whose
those are stands there only if the place itself is shown. Without that a question that names the ends has no answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_WAYS = ("route", "matrix", "along_route", "calc")
_ENDS = ("origin", "destination", "intermediates", "origins", "destinations")

Place = Mapping[str, Any]


def forms_of(question: Mapping[str, Any], context: Mapping[str, Any]) -> list[str]:
    """In which forms of its context a question can be asked; none for one in tool mode, which has no context.

    Args:
        question: as the file of map questions holds it.
        context: the JSON form, parsed.
    """
    if question["calls"]:
        return []
    return ["text", "json"] if is_grounded(question, context) else ["text"]


def is_grounded(question: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Whether every end of every way that decides the question is named in the context or told by the question.

    Args:
        question: of a file of map questions.
        context: the JSON form, parsed.
    """
    items = context.get("items", [])
    decisive = {evidence["item"] for evidence in question.get("evidence", ())}
    if question.get("category") == "poi":
        # What is asked are facts of places on the way, which bear their names.
        return True
    known = {key for place in _named(items) for key in _keys(place)}
    for index in sorted(decisive):
        if index >= len(items):
            return False
        item = items[index]
        if item.get("kind") not in _WAYS:
            continue
        for end in _ends(item.get("params", {})):
            keys = set(_keys(end))
            told = "lat" in end and f"({round(end['lat'], 5)}, {round(end['lon'], 5)})" in question["ask"]
            if keys and not keys & known and not told:
                return False
    return True


def _ends(params: Mapping[str, Any]) -> Iterator[Place]:
    for key in _ENDS:
        ends = params.get(key, [])
        yield from ends if isinstance(ends, list) else [ends]


def _keys(place: Place) -> Iterator[str | tuple[float, float]]:
    """By what an end may be the place: its id, and its position to about a metre."""
    for key in ("pid", "place_id"):
        if place.get(key):
            yield place[key]
    if isinstance(place.get("lat"), int | float) and isinstance(place.get("lon"), int | float):
        yield round(place["lat"], 5), round(place["lon"], 5)


def _named(value: Any) -> Iterator[Place]:
    if isinstance(value, dict):
        if value.get("name"):
            yield value
        for inner in value.values():
            yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)
