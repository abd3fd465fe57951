"""Houses along the streets of a block: beside the road, inside the block, clear of each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from annotator.demo.land.uses import Style
from annotator.demo.plane.geometry import (
    Line,
    Point,
    between,
    direction,
    distance,
    edges,
    inside,
    left_of,
    length,
    moved,
    overlap,
    point_at,
)
from annotator.demo.plane.planar import Plane
from annotator.demo.stream import Stream

HALF_WIDTH_M = {
    "primary": 8.5,
    "secondary": 8.0,
    "tertiary": 7.0,
    "unclassified": 6.5,
    "residential": 5.6,
    "living_street": 4.2,
    "pedestrian": 4.4,
    "service": 3.5,
    "footway": 3.0,
    "rail": 9.0,
    "coast": 8.0,
    "limit": 3.0,
    "none": 1.6,
}
"""Metres from the middle of an edge to where land that can be built on begins."""


@dataclass(slots=True)
class Building:
    """A house.

    Args:
        ring: its corners, counterclockwise, the front's two first.
        street: index of the street that it stands on.
        door: middle of its front.
        block: index of its block.
        tags: of OpenStreetMap.
        number: its house number; empty if it has no address.
        circle: middle and radius of a circle around it.
    """

    ring: list[Point]
    street: int
    door: Point
    block: int
    tags: dict[str, str] = field(default_factory=dict)
    number: str = ""
    circle: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        self.circle = _circle(self.ring)


class Plot:
    """What of a block can be built on.

    Args:
        ring: corners of the block.
        margins: metres to keep from each side.
        obstacles: circles to keep out of: middle and radius.
    """

    def __init__(
        self, ring: Sequence[Point], margins: Sequence[float], obstacles: Sequence[tuple[Point, float]] = ()
    ) -> None:
        self.ring = ring
        self.margins = margins
        self._obstacles = obstacles
        # Each side with the box around all that is too near to it.
        self._sides = [
            (
                a,
                b,
                margin,
                min(a[0], b[0]) - margin,
                max(a[0], b[0]) + margin,
                min(a[1], b[1]) - margin,
                max(a[1], b[1]) + margin,
            )
            for (a, b), margin in zip(edges(ring), margins, strict=True)
        ]

    def holds(self, corners: Sequence[Point]) -> bool:
        """Whether a convex polygon lies in the plot."""
        xs, ys = [p[0] for p in corners], [p[1] for p in corners]
        low_x, high_x, low_y, high_y = min(xs), max(xs), min(ys), max(ys)
        checked = [*corners, *(between(a, b, 0.5) for a, b in edges(corners))]
        for a, b, margin, west, east, south, north in self._sides:
            if east < low_x or west > high_x or north < low_y or south > high_y:
                continue
            if inside(a, corners) or _is_within(checked, a, b, margin):
                return False
        if not all(inside(p, self.ring) for p in corners):
            return False
        return all(distance(p, middle) > radius for middle, radius in self._obstacles for p in checked)


def _is_within(points: Sequence[Point], a: Point, b: Point, margin: float) -> bool:
    """Whether one of some points is nearer to a segment than the margin; written out, as all houses wait for it."""
    ax, ay = a
    ux, uy = b[0] - ax, b[1] - ay
    square = ux * ux + uy * uy
    limit = margin * margin
    for x, y in points:
        px, py = x - ax, y - ay
        share = (px * ux + py * uy) / square
        if share < 0.0:
            share = 0.0
        elif share > 1.0:
            share = 1.0
        dx, dy = px - share * ux, py - share * uy
        if dx * dx + dy * dy < limit:
            return True
    return False


def plot_of(
    plane: Plane, half: int, kinds: Sequence[str], obstacles: Sequence[tuple[Point, float]], ring: Sequence[Point]
) -> Plot:
    """The plot of a block; `kinds` is what every edge has become."""
    margins = [HALF_WIDTH_M[kinds[h >> 1]] for h in plane.loop(half)]
    low_x, high_x = min(p[0] for p in ring), max(p[0] for p in ring)
    low_y, high_y = min(p[1] for p in ring), max(p[1] for p in ring)
    near = [
        (middle, radius)
        for middle, radius in obstacles
        if low_x - radius < middle[0] < high_x + radius and low_y - radius < middle[1] < high_y + radius
    ]
    return Plot(ring, margins, near)


def build_up(
    plane: Plane,
    block: int,
    half: int,
    plot: Plot,
    style: Style,
    street_of: Sequence[int],
    kinds: Sequence[str],
    stream: Stream,
) -> list[Building]:
    """Houses of one block, in rows along each of its streets.

    Args:
        plane: the plane of the streets.
        block: index of the block.
        half: a half-edge of it.
        plot: where houses may stand.
        style: what they are like.
        street_of: index of the street of every edge, -1 where there is none.
        kinds: what every edge has become.
        stream: where their sizes come from.
    """
    houses: list[Building] = []
    names, weights = zip(*style.types, strict=True)
    for front, street, road_m in _fronts(plane, half, street_of, kinds):
        total = length(front)
        s = road_m + stream.uniform(*style.setback)
        left_in_row = stream.integer(*style.row)
        setback = road_m + 0.3 + stream.uniform(*style.setback)
        depth = stream.uniform(*style.depth)
        while s < total - style.front[0] and not (style.most and len(houses) >= style.most):
            width = stream.uniform(*style.front)
            if style.row[1] < 3:
                setback = road_m + 0.3 + stream.uniform(*style.setback)
                depth = stream.uniform(*style.depth)
            ring = _house(front, s, s + width, setback, depth, plot, houses)
            if ring is None:
                s += 3.0
                continue
            tags = {"building": stream.pick_weighted(names, weights)}
            levels = stream.integer(*style.levels)
            if levels > 1 or stream.chance(0.3):
                tags["building:levels"] = str(levels)
            houses.append(Building(ring, street, between(ring[0], ring[1], 0.5), block, tags))
            left_in_row -= 1
            s += width
            if left_in_row <= 0:
                s += stream.uniform(*style.gap)
                left_in_row = stream.integer(*style.row)
                setback = road_m + 0.3 + stream.uniform(*style.setback)
                depth = stream.uniform(*style.depth)
    return houses


def _fronts(plane: Plane, half: int, street_of: Sequence[int], kinds: Sequence[str]) -> list[tuple[Line, int, float]]:
    """Sides of a block along one street each, with the block to their left, and half the street's width."""
    loop = plane.loop(half)
    streets = [street_of[h >> 1] for h in loop]
    # Start where the street changes, so that no front is cut in two.
    start = next((k for k in range(len(loop)) if streets[k] != streets[k - 1]), 0)
    fronts: list[tuple[Line, int, float]] = []
    previous = -1
    for k in range(len(loop)):
        h, street = loop[(start + k) % len(loop)], streets[(start + k) % len(loop)]
        if street >= 0 and kinds[h >> 1] != "footway":
            a, b = plane.points[plane.origin[h]], plane.points[plane.destination(h)]
            if street == previous:
                fronts[-1][0].append(b)
            else:
                fronts.append(([a, b], street, HALF_WIDTH_M[kinds[h >> 1]]))
            previous = street
        else:
            previous = -1
    # Houses face the greatest street first; the side streets get what is left.
    return sorted(fronts, key=lambda item: -item[2])


def _house(
    front: Line, start: float, end: float, setback: float, depth: float, plot: Plot, others: Sequence[Building]
) -> list[Point] | None:
    (p, u), (q, v) = point_at(front, start), point_at(front, end)
    normal_p, normal_q = left_of(u), left_of(v)
    a, b = moved(p, normal_p, setback), moved(q, normal_q, setback)
    width = distance(a, b)
    if not 0.7 * (end - start) < width < 1.4 * (end - start):
        return None
    for share in (1.0, 0.78, 0.6):
        ring = [a, b, moved(b, normal_q, depth * share), moved(a, normal_p, depth * share)]
        far = direction(ring[3], ring[2])
        if distance(ring[3], ring[2]) < 0.6 * width or far[0] * u[0] + far[1] * u[1] < 0.7:
            return None
        if plot.holds(ring) and not _touches_any(ring, others):
            return ring
    return None


def _touches_any(ring: Sequence[Point], others: Sequence[Building]) -> bool:
    x, y, reach = _circle(ring)
    for other in others:
        other_x, other_y, other_reach = other.circle
        limit = reach + other_reach
        if (other_x - x) ** 2 + (other_y - y) ** 2 < limit * limit and overlap(ring, other.ring, 0.05):
            return True
    return False


def _circle(ring: Sequence[Point]) -> tuple[float, float, float]:
    """Middle and radius of a circle around a house."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = ring
    x, y = (ax + bx + cx + dx) / 4.0, (ay + by + cy + dy) / 4.0
    square = max((px - x) ** 2 + (py - y) ** 2 for px, py in ring)
    return x, y, math.sqrt(square)
