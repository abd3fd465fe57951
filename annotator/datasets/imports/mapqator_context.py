"""The text of a MapQaTor context that was saved only as `context_json`."""

from collections.abc import Iterator
from typing import Any


def context_text(value: Any) -> str:
    """Places, details, nearby lists and routes of a `context_json` in words; empty where it holds none of them."""
    if not isinstance(value, dict):
        return ""
    parts = (
        *_details(_dict(value.get("places")), _dict(value.get("place_details"))),
        *(_nearby(item) for item in _list(value.get("nearby_places"))),
        *(_routes(item) for item in _list(value.get("directions"))),
        *(_along(item) for item in _list(value.get("route_places"))),
    )
    return "\n\n".join(part for part in parts if part)


def _details(places: dict[str, Any], details: dict[str, Any]) -> Iterator[str]:
    for name in dict.fromkeys([*places, *details]):
        place = {**_dict(places.get(name)), **_dict(details.get(name))}
        if place.get("hidden") is True:
            continue
        lines = [f"Information of {_name(place)}:"]
        lines += [f"- {title}: {word}" for title, word in _facts(place)]
        yield "\n".join(lines)


def _facts(place: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if address := place.get("formattedAddress") or place.get("shortFormattedAddress"):
        yield "Address", _words(address)
    location = _dict(place.get("location"))
    if "latitude" in location and "longitude" in location:
        yield "Position", f"{_words(location['latitude'])}, {_words(location['longitude'])}"
    hours = _dict(place.get("regularOpeningHours")).get("weekdayDescriptions")
    if lines := [_words(line) for line in _list(hours)]:
        yield "Open", "; ".join(lines)
    for field, title in (
        ("rating", "Rating"),
        ("userRatingCount", "Ratings"),
        ("priceLevel", "Price level"),
        ("internationalPhoneNumber", "Phone"),
        ("websiteUri", "Website"),
    ):
        if (word := place.get(field)) is not None:
            yield title, _words(word)


def _nearby(item: Any) -> str:
    asked = _dict(item)
    what = _words(asked.get("type") or asked.get("keyword") or "places")
    where = asked.get("locationBias")
    around = f" near {_words(where)}" if isinstance(where, str) else ""
    return _numbered(f"Places of the kind {what}{around}:", _list(asked.get("places")))


def _routes(item: Any) -> str:
    asked = _dict(item)
    routes = [_dict(route) for route in _list(asked.get("routes"))]
    mode = _words(asked.get("travelMode") or "").lower()
    lines = [f"Routes from {_words(asked.get('origin'))} to {_words(asked.get('destination'))} ({mode}):"]
    lines += [f"{number}. {_route(route)}" for number, route in enumerate(routes, 1)]
    return "\n".join(lines)


def _route(route: dict[str, Any]) -> str:
    texts = _dict(route.get("localizedValues"))
    distance = _dict(texts.get("distance")).get("text") or f"{_words(route.get('distanceMeters'))} m"
    time = _dict(texts.get("staticDuration")).get("text") or _words(route.get("staticDuration"))
    via = f" via {_words(route['description'])}" if route.get("description") else ""
    return f"{_words(distance)}, {_words(time)}{via}"


def _along(item: Any) -> str:
    asked = _dict(item)
    head = (
        f"Places of the kind {_words(asked.get('type') or 'places')} along the route from "
        f"{_words(asked.get('origin'))} to {_words(asked.get('destination'))}:"
    )
    return _numbered(head, _list(asked.get("places")))


def _numbered(head: str, places: list[Any]) -> str:
    lines = [head]
    for number, place in enumerate((place for place in map(_dict, places) if place.get("hidden") is not True), 1):
        facts = "; ".join(f"{title.lower()} {word}" for title, word in _facts(place))
        lines.append(f"{number}. {_name(place)}{f' ({facts})' if facts else ''}")
    return "\n".join(lines)


def _name(place: dict[str, Any]) -> str:
    name = place.get("displayName")
    return _words(_dict(name).get("text") or (name if isinstance(name, str) else "") or place.get("id") or "a place")


def _words(value: Any) -> str:
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
