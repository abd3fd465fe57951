"""The railway: one track through the town, bridges over river and main roads, level crossings, station and halt."""

from dataclasses import dataclass
from itertools import pairwise

from annotator.demo.land.blocks import STREETS
from annotator.demo.plan import Feature, Plan
from annotator.demo.plane.geometry import Line, Point, direction, distance, length, moved, offset, point_at
from annotator.demo.plane.planar import Plane
from annotator.demo.ways.streets import course

_HEADROOM_M = 15.0
PLATFORM_M = 120.0


@dataclass(frozen=True, slots=True)
class Track:
    """A part of the track.

    Args:
        points: from west to east.
        is_bridge: over the river or a road.
        own: positions among them at which it does not meet the street that is there too.
    """

    points: Line
    is_bridge: bool
    own: frozenset[Point]


def rail_halves(plane: Plane) -> list[int]:
    """Half-edges of the railway from west to east."""
    leaving: dict[int, list[int]] = {}
    for edge, kind in enumerate(plane.kind):
        if kind == "rail":
            for half in (2 * edge, 2 * edge + 1):
                leaving.setdefault(plane.origin[half], []).append(half)
    ends = [vertex for vertex, halves in leaving.items() if len(halves) == 1]
    vertex = min(ends, key=lambda v: plane.points[v])
    chain: list[int] = []
    while onward := [h for h in leaving[vertex] if not chain or h != chain[-1] ^ 1]:
        chain.append(onward[0])
        vertex = plane.destination(onward[0])
    return chain


def raise_railway(plane: Plane) -> set[int]:
    """Vertices at which the railway is on a bridge over a road or a path; gives its bridges room on either side."""
    raised = set()
    for half in rail_halves(plane):
        vertex = plane.origin[half]
        arms = [h for h in plane.spokes(half) if plane.kind[h >> 1] != "rail"]
        kinds = {plane.kind[h >> 1] for h in arms}
        if kinds & {"primary", "footway"}:
            raised.add(vertex)
            for rail in [h for h in plane.spokes(half) if plane.kind[h >> 1] == "rail"]:
                a, b = plane.points[vertex], plane.points[plane.destination(rail)]
                if distance(a, b) > _HEADROOM_M + 4.0:
                    plane.cut(rail, moved(a, direction(a, b), _HEADROOM_M))
    return raised


def lay_tracks(plan: Plan, raised: set[int], river_edges: set[int]) -> list[Track]:
    """The track in parts that are on a bridge or not; marks level crossings."""
    plane = plan.plane
    halves = rail_halves(plane)
    on_bridge = []
    for half in halves:
        ends = {plane.origin[half], plane.destination(half)}
        on_bridge.append(half >> 1 in river_edges or bool(ends & raised))
    tracks = []
    start = 0
    own = frozenset(plane.points[v] for v in raised)
    for index in range(1, len(halves) + 1):
        if index == len(halves) or on_bridge[index] != on_bridge[start]:
            tracks.append(Track(course(plane, halves[start:index]), on_bridge[start], own))
            start = index
    for half in halves:
        vertex = plane.origin[half]
        arms = {plan.kinds[h >> 1] for h in plane.spokes(half)} - {"rail", "none"}
        if vertex not in raised and arms:
            is_road = bool(arms & (STREETS | {"living_street"}))
            plan.vertex_tags.setdefault(plane.points[vertex], {})["railway"] = (
                "level_crossing" if is_road else "crossing"
            )
    return tracks


def station_point(plan: Plan, block: int) -> Point:
    """The point of the track that is nearest to a block's middle."""
    line = course(plan.plane, rail_halves(plan.plane))
    ring = plan.blocks[block].ring
    middle = (sum(p[0] for p in ring) / len(ring), sum(p[1] for p in ring) / len(ring))
    return min(line, key=lambda p: distance(p, middle))


def platforms(plan: Plan, stop: Point) -> list[Feature]:
    """A siding and two platforms beside the track around a point."""
    line = course(plan.plane, rail_halves(plan.plane))
    done = 0.0
    for a, b in pairwise(line):
        if a == stop:
            break
        done += distance(a, b)
    total = length(line)
    low, high = max(0.0, done - PLATFORM_M / 2.0), min(total, done + PLATFORM_M / 2.0)
    middle = [point_at(line, low + (high - low) * k / 6.0)[0] for k in range(7)]
    result = []
    for side in (4.6, -4.6):
        outline = [*offset(middle, side + 1.6), *reversed(offset(middle, side - 1.6))]
        result.append(
            Feature(
                "area",
                outline if side < 0 else outline[::-1],
                {"railway": "platform", "public_transport": "platform", "ref": "1" if side < 0 else "2"},
                is_apart=True,
            )
        )
    return result
