"""What is said of a place, field by field, as label and words; a field that nothing is known of says nothing."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from annotator.cache.json_text import canonical
from annotator.contexts.opening_words import opening_words
from annotator.contexts.words import clean, distance, duration, kind_name, listed, position, travel_by
from annotator.maps.results import Place

_TAG_VALUE = re.compile(r"[a-z0-9_]+(?:;\s*[a-z0-9_]+)*")
"""A value in OpenStreetMap's notation: `fish_and_chips;pizza`."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing known of a place.

    Args:
        label: what it is, such as `Phone`.
        words: its value.
        short: how it is said within a line; with its label before it unless this says otherwise.
    """

    label: str
    words: str
    short: str = ""

    @property
    def in_line(self) -> str:
        """For instance `phone: +1 555 0100` or `120 m away`."""
        return self.short or f"{self.label[:1].lower()}{self.label[1:]}: {self.words}"


def name_of(place: Place) -> str:
    """A place's name; without one its kind, or its address, or where it is."""
    if name := clean(place.name):
        return name
    kind = kinds_of(place)
    return f"Unnamed {kind}" if kind else clean(place.address or "") or position(place.lat, place.lon)


def kinds_of(place: Place) -> str:
    """Its canonical types in words, or the provider's own kind where none of them fits."""
    if place.categories:
        return listed([kind_name(category) for category in place.categories])
    return _plain((place.kind or "").partition("=")[2] or place.kind or "")


def facts_of(place: Place, field: str) -> list[Fact]:
    """What a field says of a place."""
    return _FIELDS[field](place)


def _one(label: str, words: str | None, short: str = "") -> list[Fact]:
    cleaned = clean(words or "")
    return [Fact(label, cleaned, short)] if cleaned else []


def _address(place: Place) -> list[Fact]:
    return _one("Address", place.address, clean(place.address or ""))


def _distance(place: Place) -> list[Fact]:
    if place.distance_m is None:
        return []
    return _one("Distance", distance(place.distance_m), f"{distance(place.distance_m)} away")


def _travel(place: Place) -> list[Fact]:
    if place.travel is None:
        return []
    way = "" if place.travel.distance_m is None else f" ({distance(place.travel.distance_m)})"
    words = f"{duration(place.travel.duration_s)} {travel_by(place.travel.mode)}{way}"
    return _one("Travel time", words, words)


def _detour(place: Place) -> list[Fact]:
    if place.detour is None:
        return []
    # Less than this is the arithmetic's rounding.
    is_none = place.detour.duration_s < 1
    parts = ["none" if is_none else duration(place.detour.duration_s)]
    if place.detour.distance_m is not None and not is_none:
        parts.append(distance(max(0.0, place.detour.distance_m)))
    offset_m = place.detour.offset_m
    after = "" if offset_m is None else f", reached after {distance(offset_m)}" if offset_m >= 1 else ", at the start"
    words = listed(parts)
    return _one("Detour", f"{words}{after}", f"{'no detour' if is_none else f'detour of {words}'}{after}")


def _opening_hours(place: Place) -> list[Fact]:
    return [] if place.opening_hours is None else _one("Opening hours", opening_words(place.opening_hours))


def _rating(place: Place) -> list[Fact]:
    if place.rating is None:
        return []
    count = "" if place.rating_count is None else f" ({place.rating_count} ratings)"
    return _one("Rating", f"{place.rating:g} of 5{count}", f"rated {place.rating:g} of 5{count}")


def _price_level(place: Place) -> list[Fact]:
    return [] if place.price_level is None else _one("Price level", f"{place.price_level} of 4")


def _names(place: Place) -> list[Fact]:
    names = [f"{name} ({kind})" for kind, name in sorted(place.names.items()) if clean(name)]
    return _one("Other names", "; ".join(names))


def _attributes(place: Place) -> list[Fact]:
    found = []
    for key, value in sorted(place.attributes.items()):
        label = clean(key.replace("_", " ").replace(":", " "))
        found += _one(f"{label[:1].upper()}{label[1:]}", _value(value))
    return found


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, list | tuple):
        return ", ".join(_value(item) for item in value)
    if isinstance(value, Mapping):
        return canonical(dict(value)).decode()
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _plain(value: str) -> str:
    """A tag's value in words; what is no tag's value stays as it is."""
    if not _TAG_VALUE.fullmatch(value):
        return value
    return ", ".join(part.strip().replace("_", " ") for part in value.split(";"))


_FIELDS: dict[str, Callable[[Place], list[Fact]]] = {
    "category": lambda place: _one("Type", kinds_of(place)),
    "address": _address,
    "position": lambda place: _one("Coordinates", position(place.lat, place.lon)),
    "distance": _distance,
    "travel": _travel,
    "detour": _detour,
    "opening_hours": _opening_hours,
    "rating": _rating,
    "price_level": _price_level,
    "phone": lambda place: _one("Phone", place.phone),
    "website": lambda place: _one("Website", place.website),
    "email": lambda place: _one("E-mail", place.email),
    "wheelchair": lambda place: _one("Wheelchair access", place.wheelchair),
    "names": _names,
    "attributes": _attributes,
    "id": lambda place: _one("Place id", place.pid),
}
