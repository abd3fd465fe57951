"""Text search: from words to places.

The readings of a query are tried in this order, and the first that finds something is the answer:

1. Every word is in one name of a place.
2. What is looked for, a relation, and a place: "pharmacy near the harbour", "restaurants in Old Town" (`spatial.py`).
3. Every word is somewhere in a place's names, kinds, other tags or address.
4. A kind beside a place's name without a relation: "pharmacy port hercule".
5. As 3 and 4 with words joined or parted ("super market"), then with spelling mended, then without the least telling
   word. Small words (the, de, der) and the question around the words (where is the nearest ...) are passed over.

Two streets ("Main Street & First Avenue") give their corner, if they have one. How places are ranked says `ranking.py`.
Coordinates typed as a query give what is there.
"""

import re
import sqlite3
from collections.abc import Callable, Sequence

from annotator.geo import LatLon, haversine_m
from annotator.maps.embedded.crossings import Crossing, crossing_place, find_crossing, two_streets
from annotator.maps.embedded.folding import fold
from annotator.maps.embedded.matching import Matcher
from annotator.maps.embedded.opened import OpenIndex
from annotator.maps.embedded.query_text import without_asking
from annotator.maps.embedded.ranking import SQUARE, STOPS, Hit
from annotator.maps.embedded.reverse import reverse_geocode
from annotator.maps.embedded.schema import PlaceClass
from annotator.maps.embedded.spatial import Spatial
from annotator.maps.params import ReverseGeocodeParams, TextSearchParams
from annotator.maps.results import Place, PlaceList

_SAME_PLACE_M = 75.0
_SAME_STOP_M = 150.0
_SAME_AREA_M = 5_000.0
_MAX_STREETS = 5

_COORDINATES = re.compile(r"^\s*(-?\d{1,2}\.\d+)\s*°?\s*[,; ]\s*(-?\d{1,3}\.\d+)\s*°?\s*$")


def text_search(index: OpenIndex, params: TextSearchParams) -> PlaceList:
    """The places that a query means, the best first; `distance_m` is from `lat`, `lon` where they are given."""
    if point := typed_coordinates(params.query):
        lat, lon = point
        there = ReverseGeocodeParams(lat=lat, lon=lon, limit=min(params.limit, 10), language=params.language)
        return reverse_geocode(index, there)
    with index.connection() as connection:
        return PlaceList(places=_Search(index, connection, params).places())


def typed_coordinates(query: str) -> LatLon | None:
    """Latitude and longitude that a query consists of, as copied from a map; None if it is no such query."""
    match = _COORDINATES.match(query)
    if match is None:
        return None
    lat, lon = float(match[1]), float(match[2])
    return (lat, lon) if abs(lat) <= 90.0 and abs(lon) <= 180.0 else None


class _Search:
    def __init__(self, index: OpenIndex, connection: sqlite3.Connection, params: TextSearchParams) -> None:
        self._index = index
        self._connection = connection
        self._params = params
        self._words = fold(params.query)
        self._matcher = Matcher(index, connection, params.near)
        self._spatial = Spatial(index, connection, self._matcher)

    def places(self) -> tuple[Place, ...]:
        params = self._params
        whole = self._matcher.find(self._words)
        is_named = any(hit.is_named for hit in whole)
        if not is_named and (crossing := self._crossing()):
            corner = crossing_place(self._index, self._connection, crossing, params.language, params.near)
            streets = self._index.places(self._connection, crossing.streets, params.language)
            return (corner, *streets)[: params.limit]
        hits = whole if is_named else self._read(whole)
        if params.radius_m is not None:
            hits = [hit for hit in hits if hit.distance_m is not None and hit.distance_m <= params.radius_m]
        shown = _without_doubles(hits, params.limit)
        distances_m = {hit.row.id: hit.distance_m for hit in shown if hit.distance_m is not None}
        return self._index.places(self._connection, [hit.row for hit in shown], params.language, distances_m)

    def _read(self, whole: list[Hit]) -> list[Hit]:
        """The hits of the first reading after that of every word in one name."""
        matcher, spatial = self._matcher, self._spatial
        asked = without_asking(self._words)
        related = spatial.by_relation(asked)
        if related is not None:
            return related
        found = whole or (matcher.find(asked) if asked != self._words else [])
        if found or matcher.kinds(asked):
            # A kind that the map does not have is not looked for by other words: nothing is the answer.
            return found
        attempts: Sequence[Callable[[], list[Hit]]] = (
            lambda: matcher.find_joined(asked),
            lambda: spatial.by_kind(asked),
            lambda: matcher.find(asked, fuzzy=True),
            lambda: spatial.by_kind(asked, fuzzy=True),
            self._both_streets,
            lambda: matcher.find_most(asked),
        )
        return next((hits for attempt in attempts if (hits := attempt())), [])

    def _both_streets(self) -> list[Hit]:
        """The streets of a corner that does not exist."""
        names = two_streets(self._params.query) or ()
        return [hit for name in names for hit in self._streets(fold(name))[:1]]

    def _crossing(self) -> Crossing | None:
        names = two_streets(self._params.query)
        if names is None:
            return None
        some, others = ([hit.row for hit in self._streets(fold(name))] for name in names)
        found = find_crossing(self._connection, some, others, self._params.near)
        radius_m, near = self._params.radius_m, self._params.near
        if found and radius_m is not None and near is not None and haversine_m(near, found.point) > radius_m:
            return None
        return found

    def _streets(self, words: tuple[str, ...]) -> list[Hit]:
        hits = self._matcher.find(words, is_end=False) or self._matcher.find(words, fuzzy=True, is_end=False)
        return [hit for hit in hits if hit.row.place_class is PlaceClass.LINE and hit.is_named][:_MAX_STREETS]


def _without_doubles(hits: Sequence[Hit], limit: int) -> list[Hit]:
    """The first hits, without those that are another object for the same thing: a stop's two sides, a town's label."""
    shown: list[Hit] = []
    for hit in hits:
        if len(shown) == limit:
            break
        if not any(_is_double(hit, other) for other in shown):
            shown.append(hit)
    return shown


def _is_double(hit: Hit, other: Hit) -> bool:
    a, b = hit.row, other.row
    if not a.names or a.names[:1] != b.names[:1]:
        return False
    areas = (PlaceClass.SETTLEMENT, PlaceClass.BOUNDARY)
    if a.place_class in areas and b.place_class in areas:
        return haversine_m(a.point, b.point) <= _SAME_AREA_M
    kinds, others = set(a.kinds.split()), set(b.kinds.split())
    is_stop = bool(kinds & STOPS and others & STOPS)
    # A square is drawn as an area and as the street through it.
    is_square = {a.place_class, b.place_class} == {PlaceClass.POI, PlaceClass.LINE} and SQUARE in kinds | others
    is_alike = a.place_class is b.place_class and (kinds == others or bool(kinds & others))
    reach_m = _SAME_STOP_M if is_stop else _SAME_PLACE_M
    return (is_alike or is_stop or is_square) and haversine_m(a.point, b.point) <= reach_m
