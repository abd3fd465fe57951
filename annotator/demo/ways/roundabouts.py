"""Which junctions are roundabouts, and where their arms end on the circle."""

import math
from collections.abc import Sequence

from annotator.demo.land.blocks import STREETS
from annotator.demo.plane.geometry import Line, Point, direction, distance, moved, snap
from annotator.demo.plane.planar import Plane
from annotator.demo.stream import Stream

MAIN = frozenset({"primary", "secondary", "tertiary"})


def choose_roundabouts(seed: int, plane: Plane, kinds: Sequence[str], most: int) -> dict[int, float]:
    """Some junctions of main roads with enough room for a circle: radius in metres by vertex."""
    stream = Stream(seed, "roundabouts")
    arms: dict[int, list[int]] = {}
    for half, vertex in enumerate(plane.origin):
        if kinds[half >> 1] != "none":
            arms.setdefault(vertex, []).append(half)
    found = []
    for vertex, halves in arms.items():
        around = [kinds[h >> 1] for h in halves]
        if len(halves) < 3 or sum(kind in MAIN for kind in around) < 3 or not set(around) <= STREETS:
            continue
        if distance(plane.points[vertex], (0.0, 135.0)) > 420.0 and all(_has_room(plane, h) for h in halves):
            found.append(vertex)
    return {vertex: stream.uniform(13.0, 16.5) for vertex in stream.sample(found, most)}


def _has_room(plane: Plane, half: int) -> bool:
    """Whether a road goes on for a while without a junction or a railway."""
    left = 34.0
    while left > 0.0:
        left -= distance(plane.points[plane.origin[half]], plane.points[plane.destination(half)])
        onward = [h for h in plane.spokes(half ^ 1) if h != half ^ 1]
        if left > 0.0 and (len(onward) != 1 or plane.kind[onward[0] >> 1] != plane.kind[half >> 1]):
            return False
        half = onward[0] if onward else half
    return True


def shortened(line: Line, middle: Point, radius: float) -> Line:
    """A line from the middle of a circle without its part inside; its first point is on the circle."""
    for index, point in enumerate(line):
        if distance(point, middle) > radius + 2.0:
            before = line[index - 1]
            u = direction(before, point)
            # Where the step from inside to outside meets the circle.
            fx, fy = before[0] - middle[0], before[1] - middle[1]
            b = fx * u[0] + fy * u[1]
            root = math.sqrt(max(0.0, b * b - (fx * fx + fy * fy - radius * radius)))
            return [moved(before, u, root - b), *line[index:]]
    return line[-1:]


def circle_through(stops: list[Point], middle: Point, radius: float) -> Line:
    """Points of a circle, counterclockwise, among them the stops; the first is not repeated."""
    marked = {round(_turn(stop, middle), 9): stop for stop in stops}
    angles = sorted(marked)
    result: Line = []
    for angle, after in zip(angles, [*angles[1:], angles[0] + math.tau], strict=True):
        result.append(marked[angle])
        steps = int((after - angle) / 0.5)
        for step in range(1, steps + 1):
            turn = angle + (after - angle) * step / (steps + 1)
            result.append(snap(middle[0] + radius * math.cos(turn), middle[1] + radius * math.sin(turn)))
    return result


def _turn(point: Point, middle: Point) -> float:
    return math.atan2(point[1] - middle[1], point[0] - middle[0])
