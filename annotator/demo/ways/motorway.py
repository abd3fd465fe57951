"""The motorway around the town: two carriageways over fields, river and roads, with slip roads to roundabouts.

It is drawn over the plane and shares no corner with it but at its ends and slip roads. At the edges of the map both
carriageways join a plain trunk road, so that whoever enters can leave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from annotator.demo.land.terrain import STEP_M, Terrain, polar
from annotator.demo.plane.arrangement import Curve
from annotator.demo.plane.geometry import (
    Line,
    Point,
    crossing,
    direction,
    distance,
    distance_to_line,
    left_of,
    length,
    moved,
    point_at,
    smoothed,
    snap,
)
from annotator.demo.plane.planar import Plane
from annotator.demo.sizes import TownSize
from annotator.demo.stream import Stream

OFFSET_M = 8.5
"""From the middle of the motorway to that of a carriageway."""

SLIP_M = 265.0
"""Along the motorway from where a slip road leaves it to the crossing."""

TRUNK_M = 130.0
"""Length of the plain road at either end."""

ROUNDABOUT_M = 19.0
_STEP_M = 5.0
_FOOT_M = 105.0
"""Along the crossing road from the motorway to the roundabout."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the motorway with the same tags throughout.

    Args:
        kind: `motorway`, `motorway_link` or `trunk`.
        points: in the direction of travel; a trunk goes both ways.
        is_bridge: over a road or the river.
        is_toll: one pays here.
    """

    kind: str
    points: Line
    is_bridge: bool = False
    is_toll: bool = False


@dataclass(frozen=True, slots=True)
class Interchange:
    """Where a road passes under the motorway.

    Args:
        at_m: along the motorway.
        inner, outer: roundabouts on the town's side and on the other: vertices of the plane.
    """

    at_m: float
    inner: int
    outer: int


def motorway_course(size: TownSize, terrain: Terrain) -> Line:
    """The middle of the motorway from the west edge of the map to the east; empty if there is none."""
    if not size.has_motorway:
        return []
    radius = size.rings_m[-1] + size.outskirts_m * 0.54
    arc = [polar(float(angle), radius) for angle in range(120, 59, -3)]
    reach = size.rings_m[-1] + size.outskirts_m * 2.0
    before = [
        moved(arc[0], direction(arc[1], arc[0]), step * STEP_M * 2) for step in range(int(reach / STEP_M / 2), 0, -1)
    ]
    after = [
        moved(arc[-1], direction(arc[-2], arc[-1]), step * STEP_M * 2) for step in range(1, int(reach / STEP_M / 2))
    ]
    course = terrain.bend.line([*before, *arc, *after])
    cuts = [
        sum(distance(p, q) for p, q in pairwise(course[: index + 1])) + shares[0] * distance(a, b)
        for index, (a, b) in enumerate(pairwise(course))
        for c, d in pairwise(terrain.limit)
        if (shares := crossing(a, b, c, d)) is not None
    ]
    middle = length(course) / 2.0
    start = max(cut for cut in cuts if cut < middle)
    end = min(cut for cut in cuts if cut > middle)
    count = round((end - start) / 40.0)
    return [point_at(course, start + (end - start) * index / count)[0] for index in range(count + 1)]


def find_interchanges(plane: Plane, curves: Sequence[Curve], course: Line) -> list[Interchange]:
    """Where roads cross the motorway; puts a vertex on them for each roundabout."""
    found = []
    for number, curve in enumerate(curves):
        if not curve.role.startswith("radial ") or not course:
            continue
        for edge in [edge for edge, line in enumerate(plane.line) if line == number]:
            a, b = plane.points[plane.origin[2 * edge]], plane.points[plane.origin[2 * edge + 1]]
            done = 0.0
            for c, d in pairwise(course):
                shares = crossing(a, b, c, d)
                if shares is not None:
                    found.append((done + shares[1] * distance(c, d), edge, shares[0]))
                done += distance(c, d)
    result = []
    for at, edge, share in sorted(found):
        half = 2 * edge
        # Roads are drawn outwards, but a piece that was cut may have been turned.
        if distance(plane.points[plane.origin[half]], (0.0, 0.0)) > distance(
            plane.points[plane.destination(half)], (0.0, 0.0)
        ):
            half, share = half ^ 1, 1.0 - share
        size = distance(plane.points[plane.origin[half]], plane.points[plane.destination(half)])
        outer = _vertex_along(plane, half, _FOOT_M + share * size)
        inner = _vertex_along(plane, half ^ 1, _FOOT_M + (1.0 - share) * size)
        result.append(Interchange(at, inner, outer))
    return result


def lay_motorway(
    seed: int, plane: Plane, terrain: Terrain, course: Line, interchanges: Sequence[Interchange]
) -> list[Piece]:
    """Carriageways, slip roads and the trunk roads at the ends."""
    if not course:
        return []
    total = length(course)
    bridges = [(at.at_m - 20.0, at.at_m + 20.0) for at in interchanges] + _river_spans(course, terrain)
    has_toll = len(interchanges) > 1 and Stream(seed, "toll").chance(0.75)
    toll = (interchanges[0].at_m + SLIP_M, interchanges[-1].at_m - SLIP_M) if has_toll else (0.0, 0.0)
    slips = [at.at_m + side * SLIP_M for at in interchanges for side in (-1.0, 1.0)]
    stations = {TRUNK_M, total - TRUNK_M, *slips, *toll, *(end for span in bridges for end in span)}
    steps = round(total / 42.0)
    plain = [total * index / steps for index in range(steps + 1)]
    stations |= {s for s in plain if all(abs(s - other) > 12.0 for other in stations)}
    ordered = sorted(s for s in stations if TRUNK_M <= s <= total - TRUNK_M)
    pieces = [
        Piece("trunk", _stretch(course, 0.0, TRUNK_M)),
        Piece("trunk", _stretch(course, total - TRUNK_M, total)),
    ]
    for side in (-1.0, 1.0):
        lane = [_beside(course, s, side, total) for s in ordered]
        states = [
            (any(a < (s + t) / 2.0 < b for a, b in bridges), toll[0] < (s + t) / 2.0 < toll[1])
            for s, t in pairwise(ordered)
        ]
        start = 0
        for index in range(1, len(states) + 1):
            if index == len(states) or states[index] != states[start]:
                pieces.append(_piece(lane[start : index + 1], side, *states[start]))
                start = index
    for at in interchanges:
        for line in _slip_roads(plane, course, at, total):
            pieces += _over_river(line, terrain)
    return pieces


def _piece(points: Line, side: float, is_bridge: bool, is_toll: bool) -> Piece:
    # Traffic keeps right: the lane to the left of the course goes back.
    return Piece("motorway", points[::-1] if side > 0 else points, is_bridge, is_toll)


def _stretch(course: Line, start: float, end: float) -> Line:
    count = max(2, round((end - start) / 40.0))
    return [point_at(course, start + (end - start) * index / count)[0] for index in range(count + 1)]


def _beside(course: Line, station: float, side: float, total: float) -> Point:
    """A point of a carriageway; both begin and end in the middle."""
    point, along = point_at(course, station)
    spread = min(1.0, (station - TRUNK_M) / 90.0, (total - TRUNK_M - station) / 90.0)
    return moved(point, left_of(along), side * OFFSET_M * max(0.0, spread))


def _slip_roads(plane: Plane, course: Line, at: Interchange, total: float) -> list[Line]:
    """In the direction of travel."""
    result = []
    for side, vertex in ((1.0, at.outer), (-1.0, at.inner)):
        foot = plane.points[vertex]
        for end in (-1.0, 1.0):
            start = _beside(course, at.at_m + end * SLIP_M, side, total)
            aside, along = point_at(course, at.at_m + end * SLIP_M * 0.56)
            bend = moved(aside, left_of(along), side * (OFFSET_M + 16.0))
            near = moved(foot, direction(foot, bend), ROUNDABOUT_M * 2.2)
            line = smoothed([start, bend, near, foot], 38.0)
            # On the right-hand carriageway one leaves before the crossing, on the other after it.
            leaves = end * side > 0
            result.append(line if leaves else line[::-1])
    return result


def _over_river(line: Line, terrain: Terrain) -> list[Piece]:
    """A slip road in pieces that are on a bridge over the river or not."""
    spans = _river_spans(line, terrain)
    stops = sorted({0.0, length(line), *(end for span in spans for end in span)})
    pieces = []
    for start, end in pairwise(stops):
        done = 0.0
        points = [point_at(line, start)[0]]
        for a, b in pairwise(line):
            done += distance(a, b)
            if start + 1.0 < done < end - 1.0:
                points.append(b)
        points.append(line[-1] if end == stops[-1] else point_at(line, end)[0])
        is_bridge = any(low <= start and end <= high for low, high in spans)
        pieces.append(Piece("motorway_link", points, is_bridge))
    return pieces


def _river_spans(line: Line, terrain: Terrain) -> list[tuple[float, float]]:
    """From where to where along a line the river is near, in metres."""
    total = length(line)
    count = round(total / _STEP_M)
    spans: list[tuple[float, float]] = []
    for number in range(count + 1):
        at = total * number / count
        if distance_to_line(point_at(line, at)[0], terrain.river) < terrain.river_width_m / 2.0 + 24.0:
            start = spans.pop()[0] if spans and at - spans[-1][1] < 2.0 * _STEP_M else at
            spans.append((start, at))
    return spans


def _vertex_along(plane: Plane, half: int, metres: float) -> int:
    """The vertex that far along a road from the start of one of its half-edges; made if there is none."""
    line = plane.line[half >> 1]
    left = metres
    while True:
        a, b = plane.points[plane.origin[half]], plane.points[plane.destination(half)]
        size = distance(a, b)
        if left <= size - 5.0:
            if left < 5.0:
                return plane.origin[half]
            u = direction(a, b)
            return plane.origin[plane.cut(half, snap(a[0] + u[0] * left, a[1] + u[1] * left))]
        left -= size
        onward = [h for h in plane.spokes(half ^ 1) if plane.line[h >> 1] == line and h != half ^ 1]
        if not onward or left < 0.0:
            return plane.destination(half)
        half = onward[0]
