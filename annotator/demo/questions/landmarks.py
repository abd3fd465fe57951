"""The places of a town in one language, by what they are: what contexts ask about."""

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from annotator.contexts.words import clean
from annotator.demo.questions.town import OpenTown
from annotator.demo.stream import Stream
from annotator.maps.categories import CATEGORIES

_REACH_M = 20_000
"""Beyond the edge of every town."""
_MOST = 50
"""Places that one search gives at most."""

_ENOUGH = 8
"""A type of more places is no more likely to come up."""
_LONELY = 0.1
"""How likely a type of one place is, beside one of two."""

type Place = Mapping[str, Any]


class Landmarks:
    """Named places.

    Args:
        town: is asked for the places of every type, once.
        language: of their names.
    """

    def __init__(self, town: OpenTown, language: str) -> None:
        known = _known.setdefault(town, {})
        if language not in known:
            known[language] = _look_up(town, language)
        self.places, self._by_type = known[language]

    @property
    def types(self) -> Sequence[str]:
        """Types of which there is a place."""
        return tuple(self._by_type)

    def of_type(self, kind: str) -> Sequence[Place]:
        """The places of a type; none of one that the town lacks."""
        return self._by_type.get(kind, ())

    def any_type(self, stream: Stream) -> str:
        """A type, the more often the more places it has."""
        types = self.types
        return stream.pick_weighted(types, [float(min(_ENOUGH, self._count(kind))) for kind in types])

    def crowded_type(self, stream: Stream) -> str:
        """A type, mostly one of several places, which have to be told apart."""
        types = self.types
        weights = [max(_LONELY, min(_ENOUGH, self._count(kind)) - 1.0) for kind in types]
        return stream.pick_weighted(types, weights)

    def _count(self, kind: str) -> int:
        return len(self._by_type[kind])

    def any_place(self, stream: Stream) -> Place:
        """Any place, each as likely."""
        return stream.pick(self.places)


type _Listed = tuple[Sequence[Place], Mapping[str, Sequence[Place]]]
_known: WeakKeyDictionary[OpenTown, dict[str, _Listed]] = WeakKeyDictionary()


def _look_up(town: OpenTown, language: str) -> _Listed:
    """All places, and those of each type."""
    center = {"lat": town.summary.lat, "lon": town.summary.lon}
    around = {**center, "radius_m": _REACH_M, "limit": _MOST, "language": language}
    by_pid: dict[str, Place] = {}
    by_type: dict[str, Sequence[Place]] = {}
    for kind in CATEGORIES:
        found = town.ask("nearby_search", {**around, "type": kind})["places"]
        named = tuple(place for place in found if clean(place["name"]))
        if named:
            by_type[kind] = named
        by_pid.update((place["pid"], place) for place in named)
    # Places of no canonical type, such as a tailor's, are found by where they are.
    for place in town.ask("nearby_search", around)["places"]:
        if clean(place["name"]):
            by_pid.setdefault(place["pid"], place)
    return tuple(by_pid.values()), by_type
