"""Searches with a place in them: near it, in it, on it, at it.

`near` and its like mean within a kilometre of the place's outline, or within five if there is nothing, the nearest
first. `in` a settlement, boundary or other area means inside it, and nothing outside is ever an answer. `on` a street
means an address in it or within 50 m; `at` a place, within 150 m. A place that is a kind itself ("the beach") means
the nearest of its kind.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import shapely

from annotator.geo import bounding_box, haversine_m
from annotator.maps.embedded.folding import fold
from annotator.maps.embedded.matching import Matcher
from annotator.maps.embedded.opened import OpenIndex, Row
from annotator.maps.embedded.query_text import Relation, kind_and_rest, splits
from annotator.maps.embedded.ranking import DETAIL_POINTS, Hit
from annotator.maps.embedded.schema import PlaceClass
from annotator.maps.embedded.shapes import distances_m
from annotator.maps.osm_place import address_parts

_NEAR_M, _FAR_M, _ON_M, _AT_M = 1_000.0, 5_000.0, 50.0, 150.0
_IN_M = 15_000.0
"""How far from the point of a settlement without an outline a place of it may be: the reach of a city."""

_MAX_PLACES = 2_000
"""Places of a kind that are looked at, the best known first."""

_POINTS_PER_M = 1 / 250
"""What a metre from the place costs somebody who is looked for by name."""

_MAX_ANCHORS = 25
_MAX_SPLITS = 6
"""Readings that are tried; a query of a hundred relations means nothing."""

_SAME_AREA_M = 10_000.0
_AREAS = (PlaceClass.SETTLEMENT, PlaceClass.BOUNDARY)


@dataclass(frozen=True, slots=True)
class _Anchor:
    row: Row
    wkb: bytes | None

    @property
    def is_area(self) -> bool:
        return self.row.place_class in _AREAS or (self.wkb is not None and self.row.place_class is not PlaceClass.LINE)


class Spatial:
    """Spatial readings of one query.

    Args:
        index: the open index.
        connection: to it.
        matcher: finds places by words.
    """

    def __init__(self, index: OpenIndex, connection: sqlite3.Connection, matcher: Matcher) -> None:
        self._index = index
        self._connection = connection
        self._matcher = matcher

    def by_relation(self, words: tuple[str, ...]) -> list[Hit] | None:
        """What lies so to a place; None if no part of the query can be read that way."""
        for split in islice(splits(words), _MAX_SPLITS):
            anchors = self._anchors(split.where, fuzzy=True, is_end=True)
            if not anchors:
                continue
            is_point = split.relation is Relation.IN and not any(anchor.is_area for anchor in anchors)
            hits = self._related(split.what, Relation.AT if is_point else split.relation, anchors)
            if hits is not None:
                return hits
        return None

    def by_kind(self, words: tuple[str, ...], *, fuzzy: bool = False) -> list[Hit]:
        """A kind beside a place's name: in it if the place is a settlement or boundary, else near it."""
        for what, where in kind_and_rest(words):
            anchors = self._anchors(where, fuzzy=fuzzy, is_end=words[-len(where) :] == where)
            if anchors:
                is_settlement = anchors[0].row.place_class in _AREAS
                if hits := self._related(what, Relation.IN if is_settlement else Relation.NEAR, anchors):
                    return hits
        return []

    def _anchors(self, words: tuple[str, ...], *, fuzzy: bool, is_end: bool) -> list[_Anchor]:
        """The place that is meant; several if it is one of a kind, or if areas share its name."""
        kinds = self._matcher.kinds(words)
        hits = self._matcher.find(words, is_end=is_end) or self._matcher.find_joined(words)
        if not hits and fuzzy:
            hits = self._matcher.find(words, fuzzy=True, is_end=is_end)
            kinds = self._matcher.kinds(words, fuzzy=True)
        of_kind = [hit.row for hit in hits if any(f" {kind} " in hit.row.kinds for kind in kinds)]
        if of_kind:
            rows = of_kind[:_MAX_ANCHORS]
        elif hits:
            best = hits[0].row
            rows = [hit.row for hit in hits if _is_same_area(hit.row, best)] if best.place_class in _AREAS else [best]
        else:
            rows = []
        shapes = self._index.shapes(self._connection, [row.id for row in rows])
        return [_Anchor(row, shapes.get(row.id)) for row in rows]

    def _related(self, what: tuple[str, ...], relation: Relation, anchors: Sequence[_Anchor]) -> list[Hit] | None:
        kinds = self._matcher.kinds(what) or self._matcher.kinds(what, fuzzy=True)
        if not kinds:
            named = self._matcher.find(what, is_end=False) or self._matcher.find(what, fuzzy=True, is_end=False)
            return self._kept(named, relation, anchors, by_distance=False) or None
        for reach_m in {Relation.NEAR: (_NEAR_M, _FAR_M), Relation.IN: (_IN_M,)}.get(relation, (_AT_M,)):
            rows = self._of_kinds(kinds, anchors, reach_m)
            ranking = self._matcher.ranking(what, kinds)
            hits = ranking.hits(rows, dict.fromkeys((row.id for row in rows), DETAIL_POINTS))
            kept = self._kept(hits, relation, anchors, by_distance=relation is Relation.NEAR)
            if kept:
                return kept
        return []

    def _of_kinds(self, kinds: Iterable[str], anchors: Sequence[_Anchor], reach_m: float) -> list[Row]:
        """Places of these kinds in boxes around the anchors."""
        ids: set[int] = set()
        numbers = [self._index.kind_numbers[kind] for kind in kinds if kind in self._index.kind_numbers]
        for anchor in anchors:
            # Nothing beyond an outline is in it.
            is_within = reach_m == _IN_M and anchor.wkb is not None
            south, west, north, east = _box(anchor, 0.0 if is_within else reach_m)
            for number in numbers:
                ids.update(
                    row[0]
                    for row in self._connection.execute(
                        "SELECT place FROM spot WHERE kind_from >= ? AND kind_to <= ? "
                        "AND north >= ? AND south <= ? AND east >= ? AND west <= ?",
                        (number, number, south, north, west, east),
                    )
                )
        taken = {anchor.row.id for anchor in anchors}
        return self._index.rows(self._connection, sorted(ids - taken)[:_MAX_PLACES])

    def _kept(
        self, hits: Sequence[Hit], relation: Relation, anchors: Sequence[_Anchor], *, by_distance: bool
    ) -> list[Hit]:
        """The hits that lie so to the anchors, in the order of their distance or of points and distance."""
        if not hits:
            return []
        away_m = self._away_m([hit.row for hit in hits], anchors)
        if relation is Relation.IN:
            inside = self._inside([hit.row for hit in hits], anchors)
            return [hit for hit, away in zip(hits, away_m, strict=True) if hit.row.id in inside or away == 0.0]
        limit_m = {Relation.NEAR: _FAR_M, Relation.ON: _ON_M}.get(relation, _AT_M)
        addressed = self._addressed([hit.row for hit in hits], anchors) if relation is Relation.ON else set()
        kept = [
            (hit, distance_m)
            for hit, distance_m in zip(hits, away_m, strict=True)
            if distance_m <= limit_m or hit.row.id in addressed
        ]
        if by_distance:
            kept.sort(key=lambda item: (round(item[1], 1), -item[0].row.prominence, item[0].row.osm))
            return [hit for hit, _ in kept]
        moved = [replace(hit, points=hit.points - distance_m * _POINTS_PER_M) for hit, distance_m in kept]
        return sorted(moved, key=lambda hit: hit.order)

    def _away_m(self, rows: Sequence[Row], anchors: Sequence[_Anchor]) -> list[float]:
        """How far each row is from the nearest anchor's outline."""
        points = [row.point for row in rows]
        nearest = [float("inf")] * len(rows)
        for anchor in anchors:
            if anchor.wkb is not None:
                far = distances_m(anchor.wkb, points)
            else:
                far = [haversine_m(anchor.row.point, point) for point in points]
            nearest = [min(old, new) for old, new in zip(nearest, far, strict=True)]
        return nearest

    def _inside(self, rows: Sequence[Row], anchors: Sequence[_Anchor]) -> set[int]:
        """Rows that have one of the areas among what is around them."""
        wanted = [f"% {anchor.row.id} %" for anchor in anchors]
        marks = " OR ".join(["areas LIKE ?"] * len(wanted))
        contexts = {row[0] for row in self._connection.execute(f"SELECT id FROM context WHERE {marks}", wanted)}
        return {row.id for row in rows if row.context in contexts}

    def _addressed(self, rows: Sequence[Row], anchors: Sequence[_Anchor]) -> set[int]:
        """Rows whose address names a street that is an anchor."""
        streets = {name for anchor in anchors for name in anchor.row.names}
        tags = self._index.tags(self._connection, [row.id for row in rows])
        return {
            place for place, said in tags.items() if " ".join(fold(address_parts(said).get("street", ""))) in streets
        }


def _is_same_area(row: Row, best: Row) -> bool:
    """Whether it is the outline of what the other one labels, or the other way round: an area is often both."""
    is_alike = row.place_class in _AREAS and row.names[:1] == best.names[:1]
    return is_alike and haversine_m(row.point, best.point) <= _SAME_AREA_M


def _box(anchor: _Anchor, reach_m: float) -> tuple[float, float, float, float]:
    """South, west, north, east of a box around all that is within reach of the anchor's outline."""
    if anchor.wkb is None:
        return bounding_box(anchor.row.point, reach_m)
    west, south, east, north = shapely.from_wkb(anchor.wkb).bounds
    if east > 180.0:
        return bounding_box((south, 180.0), reach_m)[0], -180.0, bounding_box((north, 180.0), reach_m)[2], 180.0
    corners = [bounding_box(corner, reach_m) for corner in ((south, west), (north, east), (south, east), (north, west))]
    return (
        min(box[0] for box in corners),
        min(box[1] for box in corners),
        max(box[2] for box in corners),
        max(box[3] for box in corners),
    )
