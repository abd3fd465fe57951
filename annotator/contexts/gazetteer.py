"""Names of the places that a context shows, for routes and searches that know only coordinates or ids."""

from collections.abc import Iterable, Mapping
from typing import Any

from annotator.contexts.facts import name_of
from annotator.contexts.words import position
from annotator.maps.results import Place

_DIGITS = 5
"""Decimals of a degree, about a metre, to which a position must agree to be a place's."""


class Gazetteer:
    """Finds names; of two places at one position the one that the context shows first wins.

    Args:
        places: those that are seen, in the context's order. A hidden place names nothing, or it would not be hidden.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self._by_id: dict[str, str] = {}
        self._by_position: dict[tuple[float, float], str] = {}
        for place in places:
            self._by_id.setdefault(place.pid, name_of(place))
            self._by_position.setdefault(_key(place.lat, place.lon), name_of(place))

    def at(self, lat: float, lon: float) -> str:
        """The name of what is at a position, or the position itself."""
        return self._by_position.get(_key(lat, lon)) or position(lat, lon)

    def is_known(self, lat: float, lon: float) -> bool:
        """Whether a place of the context is there."""
        return _key(lat, lon) in self._by_position

    def stop(self, waypoint: Mapping[str, Any]) -> str:
        """The name of a canonical waypoint, or its position, or its id."""
        if place_id := waypoint.get("place_id"):
            return self._by_id.get(place_id) or f"the place {place_id}"
        return self.at(waypoint["lat"], waypoint["lon"])


def _key(lat: float, lon: float) -> tuple[float, float]:
    return round(lat, _DIGITS), round(lon, _DIGITS)
