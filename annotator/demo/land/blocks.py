"""Quarters become blocks: every face of the skeleton is split by streets until its pieces are small enough.

A new street joins two sides of a face, meets them squarely and bends in between; if there is a junction near its end,
it runs into that. Where the far side is no road (railway, river, shore) it ends before it as a dead end. So every
street hangs on one that was there before, and the network is connected by construction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from annotator.demo.plane.geometry import (
    Box,
    Line,
    Point,
    area,
    between,
    crossing,
    direction,
    distance,
    distance_to_line,
    edges,
    inside,
    left_of,
    moved,
    snap,
)
from annotator.demo.plane.planar import Plane
from annotator.demo.stream import Stream

STREETS = frozenset({"primary", "secondary", "tertiary", "unclassified", "residential"})
"""Kinds of edges that a new street may start from."""

DEAD_END_M = 13.0
"""How far before railway or water a street ends."""


@dataclass(frozen=True, slots=True)
class Grain:
    """How finely a zone is split.

    Args:
        low_m2, high_m2: a face smaller than a number between these is a block.
        width_m: no block is made narrower.
        snap_m: a street ends at a junction if there is one this near.
        bend: how much streets curve, from 0 to 1.
        bow: how far a street may swing to one side, as a share of its length.
        kind: what the new edges are.
    """

    low_m2: float
    high_m2: float
    width_m: float
    snap_m: float
    bend: float
    bow: float = 0.0
    kind: str = "residential"


GRAINS = {
    "old": Grain(1900.0, 4300.0, 24.0, 11.0, 0.3),
    "centre": Grain(4800.0, 9500.0, 40.0, 17.0, 0.45, 0.07),
    "inner": Grain(7500.0, 15000.0, 52.0, 19.0, 0.8, 0.2),
    "outer": Grain(8500.0, 18000.0, 54.0, 19.0, 0.9, 0.26),
    "works": Grain(19000.0, 42000.0, 80.0, 22.0, 0.15, 0.0, "unclassified"),
    "rural": Grain(32000.0, 95000.0, 110.0, 25.0, 0.5, 0.1, "none"),
}


@dataclass(frozen=True, slots=True)
class Site:
    """A piece of land that is kept for something before streets are cut.

    Args:
        use: what for.
        point: the site is where this is.
        most_m2: the face around the point is taken as soon as it is no larger than this.
    """

    use: str
    point: Point
    most_m2: float


@dataclass(slots=True)
class Block:
    """A face that is not split further.

    Args:
        half: a half-edge of it.
        quarter: the number of the skeleton's face that it was part of.
        zone: which grain it has; also `river` and `waterfront`.
        use: what the land is for; empty until decided.
        ring: its corners, counterclockwise.
        area_m2: its size.
    """

    half: int
    quarter: int
    zone: str
    use: str = ""
    ring: list[Point] = field(default_factory=list)
    area_m2: float = 0.0


def split_quarter(
    plane: Plane, half: int, quarter: int, zone: str, sites: Sequence[Site], stream: Stream, next_line: int
) -> list[Block]:
    """Blocks of one face of the skeleton; new streets are numbered from `next_line`."""
    grain = GRAINS[zone]
    blocks: list[Block] = []
    waiting = [(half, list(sites))]
    while waiting:
        face, wanted = waiting.pop()
        ring = plane.ring(face)
        size = area(ring)
        wanted = [site for site in wanted if inside(site.point, ring)]
        taken = next((site for site in wanted if size <= site.most_m2), None)
        cut = None
        if taken is None and size > stream.uniform(grain.low_m2, grain.high_m2):
            cut = _split(plane, face, grain, stream, next_line)
        if cut is None:
            blocks.append(Block(face, quarter, zone, taken.use if taken else ""))
        else:
            next_line += 1
            waiting += [(cut, wanted), (cut ^ 1, wanted)]
    return blocks


def _split(plane: Plane, face: int, grain: Grain, stream: Stream, line: int) -> int | None:
    loop = plane.loop(face)
    ring = [plane.points[plane.origin[h]] for h in loop]
    box = Box(ring)
    for attempt in range(9):
        lengthwise = attempt % 3 == 2
        if lengthwise and box.width_m < 2.4 * grain.width_m:
            continue
        if not lengthwise and box.length_m < 2.0 * grain.width_m:
            continue
        spread = 0.08 + 0.03 * attempt
        share = stream.around(0.5, spread)
        turn = stream.around(0.0, 0.16)
        base = box.point(0.5, share) if lengthwise else box.point(share, 0.5)
        axis = box.along if lengthwise else left_of(box.along)
        axis = (
            axis[0] * math.cos(turn) - axis[1] * math.sin(turn),
            axis[0] * math.sin(turn) + axis[1] * math.cos(turn),
        )
        reach = box.length_m + box.width_m
        ends = _ends(ring, moved(base, axis, -reach), moved(base, axis, reach))
        if ends is None:
            continue
        swing = stream.around(0.0, grain.bow) if attempt < 6 else 0.0
        cut = _try(plane, loop, ring, ends, grain, line, swing)
        if cut is not None:
            return cut
    return None


def _ends(ring: Sequence[Point], a: Point, b: Point) -> tuple[tuple[int, Point], tuple[int, Point]] | None:
    """Where the longest piece of a straight cut inside the face meets its sides."""
    found = []
    for index, (p, q) in enumerate(edges(ring)):
        shares = crossing(a, b, p, q)
        if shares is not None and shares[1] < 1.0:
            found.append((shares[0], index, between(p, q, shares[1])))
    found.sort()
    pairs = list(zip(found[::2], found[1::2], strict=False))
    if not pairs:
        return None
    first, second = max(pairs, key=lambda pair: pair[1][0] - pair[0][0])
    return (first[1], first[2]), (second[1], second[2])


def _try(
    plane: Plane,
    loop: list[int],
    ring: list[Point],
    ends: tuple[tuple[int, Point], tuple[int, Point]],
    grain: Grain,
    line: int,
    swing: float,
) -> int | None:
    fields = grain.kind == "none"
    stops = []
    for index, point in ends:
        stop = _snapped(plane, loop, index, point, grain)
        if stop is None:
            return None
        stops.append(stop)
    (i, p, joins_p), (j, q, joins_q) = stops
    if i == j or not (joins_p or joins_q or fields):
        return None
    gap = distance(p, q)
    if gap < grain.width_m * 0.8:
        return None
    path = _path(plane, loop, (i, p), (j, q), grain.bend, swing)
    if not _is_clear(path, ring, grain.width_m * 0.42):
        return None
    kinds = [grain.kind] * (len(path) - 1)
    if not fields:
        if not joins_q:
            path, kinds = _dead_end(path, grain.kind)
        elif not joins_p:
            path, kinds = _dead_end(path[::-1], grain.kind)
            path, kinds = path[::-1], kinds[::-1]
        if path == [] or (len(path) < 3 and "none" in kinds):
            return None
    first, second = (_half_at(plane, loop[k], point) for k, point in ((i, p), (j, q)))
    return plane.connect(first, second, path[1:-1], kinds, line)


def _snapped(plane: Plane, loop: list[int], index: int, point: Point, grain: Grain) -> tuple[int, Point, bool] | None:
    """Where a street that aims at a point of a side shall end: which side, where, and whether a road is there.

    None if it would make a bad junction: beside a level crossing, or a fifth arm.
    """
    best: tuple[float, int] | None = None
    count = len(loop)
    for step in range(-4, 6):
        k = (index + step) % count
        corner = plane.points[plane.origin[loop[k]]]
        away = distance(corner, point)
        if away > grain.snap_m + 10.0:
            continue
        arms = [plane.kind[h >> 1] for h in plane.spokes(loop[k])]
        if "rail" in arms and any(kind in STREETS for kind in arms):
            return None
        is_junction = sum(kind != "none" for kind in arms) > 2
        near = grain.snap_m if is_junction else 5.0
        if away < near and (best is None or away < best[0]):
            best = (away, k)
    if best is None:
        return index, point, plane.kind[loop[index] >> 1] in STREETS
    k = best[1]
    arms = [plane.kind[h >> 1] for h in plane.spokes(loop[k])]
    if sum(kind != "none" for kind in arms) > 3:
        return None
    return k, plane.points[plane.origin[loop[k]]], any(kind in STREETS for kind in arms)


def _path(
    plane: Plane, loop: list[int], start: tuple[int, Point], end: tuple[int, Point], bend: float, swing: float
) -> Line:
    """A curve that leaves both sides more squarely than a straight line would."""
    (i, p), (j, q) = start, end
    gap = distance(p, q)
    count = max(1, round(gap / 26.0))
    if count == 1:
        return [p, q]
    ahead = direction(p, q)
    leave = _mixed(ahead, _inward(plane, loop[i], p, ahead), bend)
    arrive = _mixed((-ahead[0], -ahead[1]), _inward(plane, loop[j], q, (-ahead[0], -ahead[1])), bend)
    c, d = moved(p, leave, gap * 0.36), moved(q, arrive, gap * 0.36)
    c, d = moved(c, left_of(ahead), swing * gap), moved(d, left_of(ahead), swing * gap)
    result = [p]
    for index in range(1, count):
        t = index / count
        u = 1.0 - t
        weights = (u**3, 3.0 * u * u * t, 3.0 * u * t * t, t**3)
        x, y = (sum(w * z[axis] for w, z in zip(weights, (p, c, d, q), strict=True)) for axis in (0, 1))
        result.append(snap(x, y))
    return [*result, q]


def _inward(plane: Plane, half: int, point: Point, ahead: Point) -> Point:
    """Unit vector square to the side of the face; at a corner the way ahead is as good as any."""
    a, b = plane.points[plane.origin[half]], plane.points[plane.destination(half)]
    if point in (a, b):
        return ahead
    return left_of(direction(a, b))


def _mixed(a: Point, b: Point, share: float) -> Point:
    return direction((0.0, 0.0), (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share))


def _is_clear(path: Line, ring: Sequence[Point], metres: float) -> bool:
    """Whether a path keeps inside the face and away from its sides, except near its own ends."""
    if len(path) < 3:
        middle = [between(path[0], path[-1], share) for share in (0.3, 0.5, 0.7)]
    else:
        middle = [p for p in path[1:-1] if min(distance(p, path[0]), distance(p, path[-1])) > metres]
        middle += [between(a, b, 0.5) for a, b in pairwise(middle)]
    if any(_crosses(path, a, b) for a, b in edges(ring)):
        return False
    outline = [*ring, ring[0]]
    for point in middle:
        ends = min(distance(point, path[0]), distance(point, path[-1]))
        clearance = min(metres, 0.8 * ends)
        if not inside(point, ring) or distance_to_line(point, outline) < clearance:
            return False
    return bool(middle)


def _crosses(path: Line, a: Point, b: Point) -> bool:
    """Whether a path meets a side of the face anywhere but at its own ends."""
    for index, (p, q) in enumerate(pairwise(path)):
        shares = crossing(p, q, a, b)
        if shares is not None:
            meets_start = index == 0 and distance(between(p, q, shares[0]), p) < 0.05
            meets_end = index == len(path) - 2 and distance(between(p, q, shares[0]), q) < 0.05
            if not (meets_start or meets_end):
                return True
    return False


def _dead_end(path: Line, kind: str) -> tuple[Line, list[str]]:
    """The path as a street that ends before the path's last point, and then nothing."""
    keep = [p for p in path[:-1] if distance(p, path[-1]) > DEAD_END_M + 6.0]
    if not keep:
        return [], []
    stop = moved(path[-1], direction(path[-1], keep[-1]), DEAD_END_M)
    keep.append(stop)
    return [*keep, path[-1]], [kind] * (len(keep) - 1) + ["none"]


def _half_at(plane: Plane, half: int, point: Point) -> int:
    if plane.points[plane.origin[half]] == point:
        return half
    return plane.cut(half, point)
