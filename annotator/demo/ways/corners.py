"""What stands at street corners and along streets: traffic lights, crossings, turning circles, bus stops."""

from dataclasses import dataclass, field

from annotator.demo.land.blocks import STREETS
from annotator.demo.plan import Feature, Plan
from annotator.demo.plane.geometry import Point, distance, distance_to_line, left_of, length, moved, point_at
from annotator.demo.stream import Stream
from annotator.demo.ways.roundabouts import MAIN
from annotator.demo.ways.streets import course

STOP_GAP_M = 330.0
_LINES = (
    ("coast road",),
    ("radial north", "main street"),
    ("radial west", "radial east"),
    ("ring 2",),
    ("ring 3",),
    ("radial northwest", "radial northeast"),
    ("ring 4",),
    ("ring 5",),
)
"""Roads that a bus line runs along."""


@dataclass(slots=True)
class BusLine:
    """A bus line.

    Args:
        number: on the front of the bus.
        stops: features of its stops, in order.
        streets: indexes of the streets that it uses.
    """

    number: str
    stops: list[Feature] = field(default_factory=list)
    streets: list[int] = field(default_factory=list)


def mark_corners(plan: Plan) -> None:
    """Traffic lights where main roads meet, crossings beside the market, turning circles at dead ends."""
    plane = plan.plane
    stream = Stream(plan.seed, "corners")
    arms: dict[int, list[str]] = {}
    for half, vertex in enumerate(plane.origin):
        kind = plan.kinds[half >> 1]
        if kind in STREETS or kind in ("living_street", "pedestrian", "footway"):
            arms.setdefault(vertex, []).append(kind)
    for vertex, kinds in arms.items():
        if vertex in plan.roundabouts:
            continue
        point = plane.points[vertex]
        num_main = sum(kind in MAIN for kind in kinds)
        if len(kinds) > 2 and num_main > 2 and any(kind in ("primary", "secondary") for kind in kinds):
            if stream.chance(0.6):
                plan.vertex_tags.setdefault(point, {})["highway"] = "traffic_signals"
        elif len(kinds) > 2 and num_main == 2 and stream.chance(0.35):
            tags = plan.vertex_tags.setdefault(point, {})
            tags.setdefault("highway", "crossing")
            tags.setdefault("crossing", stream.pick(("marked", "marked", "uncontrolled")))
        elif len(kinds) == 1 and kinds[0] in ("residential", "living_street") and stream.chance(0.7):
            plan.vertex_tags.setdefault(point, {})["highway"] = "turning_circle"


def lay_bus_lines(plan: Plan) -> list[BusLine]:
    """Bus stops along the main roads inside the town."""
    lines: list[BusLine] = []
    stops: list[Point] = []
    for roles in _LINES:
        line = BusLine(str(len(lines) + 1))
        for index, street in enumerate(plan.streets):
            if street.role in roles and street.kind in STREETS and street.zone != "rural":
                line.streets.append(index)
                line.stops += _stops_along(plan, index, stops)
        if len(line.stops) > 1:
            lines.append(line)
    for line in lines:
        for stop in line.stops:
            stop.tags["route_ref"] = ";".join(other.number for other in lines if stop in other.stops)
    return lines


def _stops_along(plan: Plan, index: int, taken: list[Point]) -> list[Feature]:
    street = plan.streets[index]
    path = course(plan.plane, street.halves)
    total = length(path)
    result = []
    count = max(1, round(total / STOP_GAP_M))
    for number in range(count):
        point, along = point_at(path, total * (number + 0.5) / count)
        right = left_of((-along[0], -along[1]))
        spot = moved(point, right, 5.4)
        is_clear = all(distance(plan.plane.points[v], spot) > 40.0 for v in plan.roundabouts)
        is_clear = is_clear and distance_to_line(spot, plan.terrain.river) > plan.terrain.river_width_m
        if is_clear and all(distance(spot, other) > 0.6 * STOP_GAP_M for other in taken):
            taken.append(spot)
            tags = {"highway": "bus_stop", "public_transport": "platform", "bus": "yes"}
            result.append(Feature("point", [spot], tags))
    plan.features += result
    return result
