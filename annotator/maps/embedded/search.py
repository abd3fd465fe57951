"""Text search: from words to places.

The readings of a query are tried in this order, and the first that finds something is the answer:

1. Every word is in one name of a place.
2. What is looked for, a relation, and a place: "pharmacy near the harbour", "restaurants in Old Town" (`spatial.py`).
3. Every word is somewhere in a place's names, kinds, other tags or address.
4. A kind beside a place's name without a relation: "pharmacy port hercule".
5. As 3 and 4 with words joined or parted ("super market"), then with spelling mended, then without the least telling
   word. Small words (the, de, der) and the question around the words (where is the nearest ...) are passed over.

How places are ranked says `ranking.py`. Coordinates typed as a query give what is there.
"""

import sqlite3
from collections.abc import Callable, Sequence

from annotator.geo import LatLon, haversine_m
from annotator.maps.embedded.folding import fold
from annotator.maps.embedded.matching import Matcher
from annotator.maps.embedded.opened import OpenIndex
from annotator.maps.embedded.query_text import without_asking
from annotator.maps.embedded.ranking import SQUARE, STOPS, Hit
from annotator.maps.embedded.schema import PlaceClass
from annotator.maps.embedded.spatial import Spatial
from annotator.maps.params import TextSearchParams
from annotator.maps.results import PlaceList

_SAME_PLACE_M = 75.0
_SAME_STOP_M = 150.0
_SAME_AREA_M = 5_000.0


def text_search(index: OpenIndex, params: TextSearchParams) -> PlaceList:
    """The places that a query means, the best first; `distance_m` is from `lat`, `lon` where they are given."""
    words = fold(params.query)
    with index.connection() as connection:
        hits = _hits(index, connection, words, params.near) if words else []
        if params.radius_m is not None:
            hits = [hit for hit in hits if hit.distance_m is not None and hit.distance_m <= params.radius_m]
        shown = _without_doubles(hits, params.limit)
        distances_m = {hit.row.id: hit.distance_m for hit in shown if hit.distance_m is not None}
        return PlaceList(places=index.places(connection, [hit.row for hit in shown], params.language, distances_m))


def _hits(index: OpenIndex, connection: sqlite3.Connection, words: tuple[str, ...], near: LatLon | None) -> list[Hit]:
    matcher = Matcher(index, connection, near)
    spatial = Spatial(index, connection, matcher, near)
    whole = matcher.find(words)
    if any(hit.is_named for hit in whole):
        return whole
    asked = without_asking(words)
    related = spatial.by_relation(asked)
    if related is not None:
        return related
    found = whole or (matcher.find(asked) if asked != words else [])
    if found or matcher.kinds(asked):
        # A kind that the map does not have is not looked for by other words: nothing is the answer.
        return found
    attempts: Sequence[Callable[[], list[Hit]]] = (
        lambda: matcher.find_joined(asked),
        lambda: spatial.by_kind(asked),
        lambda: matcher.find(asked, fuzzy=True),
        lambda: spatial.by_kind(asked, fuzzy=True),
        lambda: matcher.find_most(asked),
    )
    return next((hits for attempt in attempts if (hits := attempt())), [])


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
