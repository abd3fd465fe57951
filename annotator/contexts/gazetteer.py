"""Names of the places that a context shows, for routes and searches that know only coordinates or ids."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from annotator.contexts.facts import name_of
from annotator.contexts.words import clean, position
from annotator.geo import LatLon
from annotator.maps.results import Place

_DIGITS = 5
"""Decimals of a degree, about a metre, to which a position must agree to be a place's."""


class Gazetteer:
    """Finds names; of two places at one position the one that the context shows first wins.

    Args:
        places: those that are seen, in the context's order. A hidden place names nothing, or it would not be hidden.
        inside: positions that lie inside a seen place, such as a square, which may be called by it.
    """

    def __init__(self, places: Iterable[Place], inside: Iterable[tuple[LatLon, Place]] = ()) -> None:
        shown = list(places)
        self._told_apart = _told_apart(shown)
        self._by_id: dict[str, str] = {}
        self._by_position: dict[LatLon, str] = {}
        for place in shown:
            self._by_id.setdefault(place.pid, self._full_name(place))
            self._by_position.setdefault(_key(place.lat, place.lon), self._full_name(place))
        for where, place in inside:
            self._by_position.setdefault(_key(*where), self._full_name(place))

    def at(self, lat: float, lon: float) -> str:
        """The name of what is at a position, or the position itself in brackets."""
        return self._by_position.get(_key(lat, lon)) or f"({position(lat, lon)})"

    def is_known(self, lat: float, lon: float) -> bool:
        """Whether a place of the context is there."""
        return _key(lat, lon) in self._by_position

    def stop(self, waypoint: Mapping[str, Any]) -> str:
        """The name of a canonical waypoint, or its position, or its id."""
        if place_id := waypoint.get("place_id"):
            return self._by_id.get(place_id) or f"the place {place_id}"
        return self.at(waypoint["lat"], waypoint["lon"])

    def _full_name(self, place: Place) -> str:
        """The name, and where a namesake could be meant what tells the two apart."""
        return self._told_apart.get(place.pid) or name_of(place)


def _told_apart(places: Iterable[Place]) -> dict[str, str]:
    """Names of places that others share: with the street in brackets, or the whole address, or the position."""
    by_name: defaultdict[str, dict[str, Place]] = defaultdict(dict)
    for place in places:
        by_name[name_of(place)].setdefault(place.pid, place)
    found: dict[str, str] = {}
    for name, namesakes in by_name.items():
        if len(namesakes) == 1:
            continue
        addresses = {pid: clean(place.address or "") for pid, place in namesakes.items()}
        streets = {pid: address.partition(",")[0] for pid, address in addresses.items()}
        positions = {pid: position(place.lat, place.lon) for pid, place in namesakes.items()}
        choices = (streets, addresses, positions)
        marks = next((marks for marks in choices if _are_distinct(marks.values())), positions)
        found.update((pid, f"{name} ({mark})") for pid, mark in marks.items())
    return found


def _are_distinct(marks: Collection[str]) -> bool:
    return all(marks) and len(set(marks)) == len(marks)


def _key(lat: float, lon: float) -> LatLon:
    return round(lat, _DIGITS), round(lon, _DIGITS)
