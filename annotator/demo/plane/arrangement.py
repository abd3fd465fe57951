"""Where drawn lines cross they get a common point: the step from curves to a plane of faces."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from annotator.demo.plane.geometry import Point, between, crossing, distance, distance_to_segment
from annotator.demo.plane.planar import Plane

MERGE_M = 6.0
"""A crossing this near to a point of either line is moved onto it."""

_CELL_M = 60.0
_SHORT_M = 2.0

type Segment = tuple[Point, Point, int]
"""Both ends, and the index of the curve."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A drawn line.

    Args:
        role: what it is to the town, for instance `ring 1` or `river bank`.
        kind: class of road, or another kind of edge.
        points: its course in metres.
    """

    role: str
    kind: str
    points: tuple[Point, ...]


def arrange(curves: Sequence[Curve]) -> Plane:
    """The plane that the curves cut; loose ends are cut off. Edges know their curve by its index."""
    segments = [(a, b, index) for index, curve in enumerate(curves) for a, b in pairwise(curve.points) if a != b]
    # A crossing that is moved bends its lines a little, which can make them cross once more.
    for merge_m in (MERGE_M, 0.0, 0.0):
        segments = _without_short(_cut(segments, merge_m))
    # Where curves run into each other the first of them stays.
    pieces = {frozenset((a, b)): (a, b, curves[index].kind, index) for a, b, index in reversed(segments)}
    return Plane.of_segments(_without_loose_ends(list(reversed(pieces.values()))))


def _cut(segments: Sequence[Segment], merge_m: float) -> list[Segment]:
    """The segments with a common end wherever two of different curves cross."""
    stops: list[list[tuple[float, Point]]] = [[(0.0, a), (1.0, b)] for a, b, _ in segments]
    for first, second in _close_pairs([(a, b) for a, b, _ in segments]):
        a, b, curve = segments[first]
        c, d, other = segments[second]
        shares = crossing(a, b, c, d) if curve != other else None
        if shares is None:
            continue
        point = between(a, b, shares[0])
        # Curves are given with the more important first; points of the other one are not worth a bend in it.
        for near, metres in ((a, merge_m), (b, merge_m), (c, 0.3 * merge_m), (d, 0.3 * merge_m)):
            if distance(near, point) < metres:
                point = near
                break
        if point not in (a, b):
            stops[first].append((shares[0], point))
        if point not in (c, d):
            stops[second].append((shares[1], point))
    return [
        (p, q, index)
        for (_, _, index), along in zip(segments, stops, strict=True)
        for (_, p), (_, q) in pairwise(sorted(along))
        if p != q
    ]


def _without_short(segments: list[Segment]) -> list[Segment]:
    """The segments with the ends of very short ones made one point."""
    moved: dict[Point, Point] = {}

    def final(point: Point) -> Point:
        while point in moved:
            point = moved[point]
        return point

    for a, b, _ in segments:
        start, end = final(a), final(b)
        if start != end and distance(a, b) < _SHORT_M:
            moved[end] = start
    return [(final(a), final(b), index) for a, b, index in segments if final(a) != final(b)]


def is_sound(plane: Plane) -> bool:
    """Whether edges meet at their ends only: lines that cross all but side by side can be left in a tangle."""
    ends = [(plane.points[plane.origin[2 * e]], plane.points[plane.origin[2 * e + 1]]) for e in range(len(plane.kind))]
    for first, second in _close_pairs(ends):
        (a, b), (c, d) = ends[first], ends[second]
        shared = {a, b} & {c, d}
        if not shared and crossing(a, b, c, d) is not None:
            return False
        free = [(point, (a, b)) for point in (c, d) if point not in shared]
        free += [(point, (c, d)) for point in (a, b) if point not in shared]
        if any(distance_to_segment(point, *other) < 0.05 for point, other in free):
            return False
    return True


def _close_pairs(ends: Sequence[tuple[Point, Point]]) -> list[tuple[int, int]]:
    """Pairs of segments that share a cell of a grid."""
    cells: dict[tuple[int, int], list[int]] = {}
    for index, (a, b) in enumerate(ends):
        low_x, high_x = sorted((int(a[0] // _CELL_M), int(b[0] // _CELL_M)))
        low_y, high_y = sorted((int(a[1] // _CELL_M), int(b[1] // _CELL_M)))
        for x in range(low_x, high_x + 1):
            for y in range(low_y, high_y + 1):
                cells.setdefault((x, y), []).append(index)
    return sorted({pair for members in cells.values() for pair in combinations(members, 2)})


def _without_loose_ends(pieces: list[tuple[Point, Point, str, int]]) -> list[tuple[Point, Point, str, int]]:
    while True:
        degree = Counter(point for a, b, _, _ in pieces for point in (a, b))
        kept = [piece for piece in pieces if degree[piece[0]] > 1 and degree[piece[1]] > 1]
        if len(kept) == len(pieces):
            return kept
        pieces = kept
