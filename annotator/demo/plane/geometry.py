"""Plane geometry in metres. Points are snapped to centimetres, so that the last bits of `sin` never show."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

type Point = tuple[float, float]
"""East and north in metres."""

type Line = list[Point]


def snap(x: float, y: float) -> Point:
    """The point on the grid of centimetres; without minus zero, so that equal points have equal text."""
    return round(x, 2) + 0.0, round(y, 2) + 0.0


def distance(a: Point, b: Point) -> float:
    """Metres between two points."""
    return math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2)


def between(a: Point, b: Point, share: float) -> Point:
    """The point that lies this share of the way from `a` to `b`."""
    return snap(a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


def direction(a: Point, b: Point) -> Point:
    """Unit vector from `a` to `b`; east if they are one point."""
    length = distance(a, b)
    return ((b[0] - a[0]) / length, (b[1] - a[1]) / length) if length > 0.0 else (1.0, 0.0)


def moved(point: Point, along: Point, metres: float) -> Point:
    """The point moved along a unit vector."""
    return snap(point[0] + along[0] * metres, point[1] + along[1] * metres)


def left_of(along: Point) -> Point:
    """The unit vector to the left of another."""
    return -along[1], along[0]


def edges(ring: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """Sides of a polygon that does not repeat its first point."""
    yield from pairwise(ring)
    yield ring[-1], ring[0]


def length(line: Sequence[Point]) -> float:
    """Metres along a line."""
    return sum(distance(a, b) for a, b in pairwise(line))


def point_at(line: Sequence[Point], metres: float) -> tuple[Point, Point]:
    """The point that far along a line, and the unit vector in which the line goes there."""
    left = max(0.0, metres)
    for a, b in pairwise(line):
        span = distance(a, b)
        if left <= span and span > 0.0:
            return between(a, b, left / span), direction(a, b)
        left -= span
    return line[-1], direction(line[-2], line[-1])


def resampled(line: Sequence[Point], step: float) -> Line:
    """The line with points about every `step` metres."""
    total = length(line)
    count = max(1, round(total / step))
    return [point_at(line, total * index / count)[0] for index in range(count)] + [line[-1]]


def smoothed(controls: Sequence[Point], step: float) -> Line:
    """A Catmull-Rom spline through the controls, with points about every `step` metres."""
    padded = [controls[0], *controls, controls[-1]]
    result = [controls[0]]
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        count = max(1, round(distance(p1, p2) / step))
        for index in range(1, count + 1):
            t = index / count
            weights = (
                -0.5 * t + t * t - 0.5 * t**3,
                1.0 - 2.5 * t * t + 1.5 * t**3,
                0.5 * t + 2.0 * t * t - 1.5 * t**3,
                -0.5 * t * t + 0.5 * t**3,
            )
            x, y = (sum(w * p[axis] for w, p in zip(weights, (p0, p1, p2, p3), strict=True)) for axis in (0, 1))
            result.append(snap(x, y))
    return result


def offset(line: Sequence[Point], metres: float) -> Line:
    """The line moved to its left; to its right for a negative number. Sharp bends are blunted."""
    result = []
    for index, point in enumerate(line):
        before = direction(line[index - 1], point) if index > 0 else None
        after = direction(point, line[index + 1]) if index + 1 < len(line) else None
        a, b = before or after or (1.0, 0.0), after or before or (1.0, 0.0)
        normal = left_of((a[0] + b[0], a[1] + b[1]))
        size = math.sqrt(normal[0] ** 2 + normal[1] ** 2)
        unit = (normal[0] / size, normal[1] / size) if size > 0.2 else left_of(a)
        side = left_of(a)
        cosine = max(0.6, unit[0] * side[0] + unit[1] * side[1])
        result.append(moved(point, unit, metres / cosine))
    return result


def area(ring: Sequence[Point]) -> float:
    """Square metres of a polygon; negative if its points go clockwise."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in edges(ring)) / 2.0


def centroid(ring: Sequence[Point]) -> Point:
    """Centre of mass of a polygon."""
    size = area(ring)
    if abs(size) < 1e-6:
        return snap(sum(p[0] for p in ring) / len(ring), sum(p[1] for p in ring) / len(ring))
    x = sum((a[0] + b[0]) * (a[0] * b[1] - b[0] * a[1]) for a, b in edges(ring)) / (6.0 * size)
    y = sum((a[1] + b[1]) * (a[0] * b[1] - b[0] * a[1]) for a, b in edges(ring)) / (6.0 * size)
    return snap(x, y)


def inside(point: Point, ring: Sequence[Point]) -> bool:
    """Whether a point lies in a polygon."""
    x, y = point
    result = False
    ax, ay = ring[-1]
    for bx, by in ring:
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            result = not result
        ax, ay = bx, by
    return result


def distance_to_segment(point: Point, a: Point, b: Point) -> float:
    """Metres from a point to the nearest point of a segment."""
    ux, uy = b[0] - a[0], b[1] - a[1]
    px, py = point[0] - a[0], point[1] - a[1]
    square = ux * ux + uy * uy
    share = 0.0 if square == 0.0 else min(1.0, max(0.0, (px * ux + py * uy) / square))
    return math.sqrt((px - share * ux) ** 2 + (py - share * uy) ** 2)


def distance_to_line(point: Point, line: Sequence[Point]) -> float:
    """Metres from a point to the nearest point of a line; written out, as much waits for it."""
    x, y = point
    best = math.inf
    ax, ay = line[0]
    for bx, by in line[1:]:
        ux, uy, px, py = bx - ax, by - ay, x - ax, y - ay
        square = ux * ux + uy * uy
        share = (px * ux + py * uy) / square if square > 0.0 else 0.0
        if share > 0.0:
            if share > 1.0:
                share = 1.0
            px -= share * ux
            py -= share * uy
        best = min(best, px * px + py * py)
        ax, ay = bx, by
    return math.sqrt(best)


def nearest(point: Point, points: Sequence[Point]) -> float:
    """Metres from a point to the nearest of some points; infinite if there are none."""
    x, y = point
    return math.sqrt(min(((px - x) ** 2 + (py - y) ** 2 for px, py in points), default=math.inf))


class Nearby:
    """Finds the nearest of many points.

    Args:
        points: all of them, at least one.
    """

    _CELL_M = 150.0

    def __init__(self, points: Sequence[Point]) -> None:
        self._points = points
        self._cells: dict[tuple[int, int], list[int]] = {}
        for index, point in enumerate(points):
            self._cells.setdefault(self._cell(point), []).append(index)

    def index(self, point: Point) -> int:
        """Index of the nearest point."""
        x, y = point
        column, row = self._cell(point)
        best = (math.inf, -1)
        reach = 0
        # Once something is found, only cells that are no farther can hold anything nearer.
        while best[1] < 0 or (reach - 1) * self._CELL_M < math.sqrt(best[0]):
            for i in range(column - reach, column + reach + 1):
                for j in range(row - reach, row + reach + 1):
                    if max(abs(i - column), abs(j - row)) == reach:
                        for index in self._cells.get((i, j), ()):
                            px, py = self._points[index]
                            best = min(best, ((px - x) ** 2 + (py - y) ** 2, index))
            reach += 1
        return best[1]

    def _cell(self, point: Point) -> tuple[int, int]:
        return int(point[0] // self._CELL_M), int(point[1] // self._CELL_M)


def crossing(a: Point, b: Point, c: Point, d: Point) -> tuple[float, float] | None:
    """Where segments ab and cd cross, as shares of ab and cd; None if they do not or are parallel."""
    ux, uy = b[0] - a[0], b[1] - a[1]
    vx, vy = d[0] - c[0], d[1] - c[1]
    cross = ux * vy - uy * vx
    if abs(cross) < 1e-9:
        return None
    wx, wy = c[0] - a[0], c[1] - a[1]
    s = (wx * vy - wy * vx) / cross
    t = (wx * uy - wy * ux) / cross
    return (s, t) if 0.0 <= s <= 1.0 and 0.0 <= t <= 1.0 else None


def hull(points: Sequence[Point]) -> list[Point]:
    """Convex hull, counterclockwise (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return ordered

    def half(sequence: Sequence[Point]) -> list[Point]:
        chain: list[Point] = []
        for p in sequence:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], p) <= 0.0:
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return half(ordered) + half(ordered[::-1])


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


class Box:
    """The smallest rectangle of any orientation around some points.

    Attributes:
        along: unit vector of the long side.
        low, high: extent along `along`; `across_low`, `across_high`: extent to its left, in metres.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        outline = hull(points)
        best = math.inf
        self.along: Point = (1.0, 0.0)
        self.low = self.high = self.across_low = self.across_high = 0.0
        for a, b in edges(outline):
            u = direction(a, b)
            ahead = [p[0] * u[0] + p[1] * u[1] for p in outline]
            beside = [p[1] * u[0] - p[0] * u[1] for p in outline]
            spread, depth = max(ahead) - min(ahead), max(beside) - min(beside)
            if spread * depth < best - 1e-6:
                best = spread * depth
                if spread >= depth:
                    self.along = u
                    self.low, self.high, self.across_low, self.across_high = (
                        min(ahead),
                        max(ahead),
                        min(beside),
                        max(beside),
                    )
                else:
                    self.along = left_of(u)
                    self.low, self.high, self.across_low, self.across_high = (
                        min(beside),
                        max(beside),
                        -max(ahead),
                        -min(ahead),
                    )

    @property
    def length_m(self) -> float:
        """The long side."""
        return self.high - self.low

    @property
    def width_m(self) -> float:
        """The short side."""
        return self.across_high - self.across_low

    def point(self, ahead: float, beside: float) -> Point:
        """The point at these shares of the long and the short side."""
        s = self.low + (self.high - self.low) * ahead
        t = self.across_low + (self.across_high - self.across_low) * beside
        u = self.along
        return snap(u[0] * s - u[1] * t, u[1] * s + u[0] * t)


def overlap(a: Sequence[Point], b: Sequence[Point], slack: float = 0.0) -> bool:
    """Whether two convex polygons share more than a strip of `slack` metres (separating axes)."""
    for ring in (a, b):
        for p, q in edges(ring):
            ux, uy = direction(p, q)
            first = [x * uy - y * ux for x, y in a]
            second = [x * uy - y * ux for x, y in b]
            if max(first) <= min(second) + slack or max(second) <= min(first) + slack:
                return False
    return True
