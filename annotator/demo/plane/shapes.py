"""Outlines that are made from others: land without its roads, ponds, rectangles, moles."""

import math
from collections.abc import Sequence

from annotator.demo.plane.geometry import (
    Line,
    Point,
    area,
    crossing,
    direction,
    distance,
    distance_to_segment,
    edges,
    left_of,
    moved,
    offset,
    snap,
)
from annotator.demo.stream import Stream


def inset(ring: Sequence[Point], margins: Sequence[float]) -> list[Point] | None:
    """A polygon moved inwards, each side by a margin of its own in metres; None if little would be left of it.

    Where margins change along a straight side the outline makes a step.
    """
    count = len(ring)
    sides = []
    for index in range(count):
        a, b = ring[index], ring[(index + 1) % count]
        along = direction(a, b)
        normal = left_of(along)
        sides.append((moved(a, normal, margins[index]), moved(b, normal, margins[index]), along))
    result: list[Point] = []
    for index in range(count):
        (_, end, u), (start, _, v) = sides[index - 1], sides[index]
        turn = u[0] * v[1] - u[1] * v[0]
        if abs(turn) < 0.12 and u[0] * v[0] + u[1] * v[1] > 0.0:
            corner = [end] if distance(end, start) < 1.0 else [end, start]
        else:
            share = ((start[0] - end[0]) * v[1] - (start[1] - end[1]) * v[0]) / turn if turn else 0.0
            far = snap(end[0] + u[0] * share, end[1] + u[1] * share)
            # The point of a sharp corner would be far away.
            corner = [far] if distance(far, ring[index]) < 4.0 * max(margins[index], margins[index - 1], 1.0) else [end]
        result += [point for point in corner if not result or distance(point, result[-1]) > 0.3]
    if len(result) > 3 and distance(result[0], result[-1]) <= 0.3:
        result.pop()
    if len(result) < 3 or area(result) < 0.25 * area(ring) or not is_simple(result):
        return None
    return result


def is_simple(ring: Sequence[Point]) -> bool:
    """Whether a polygon's sides meet at its corners only, and no corner lies on another side."""
    sides = list(edges(ring))
    count = len(sides)
    for i, (a, b) in enumerate(sides):
        for j in range(i + 2, count):
            c, d = sides[j]
            if i == 0 and j == count - 1:
                continue
            if max(a[0], b[0]) < min(c[0], d[0]) or max(c[0], d[0]) < min(a[0], b[0]):
                continue
            if crossing(a, b, c, d) is not None or distance_to_segment(c, a, b) < 0.05:
                return False
        after = sides[(i + 1) % count][1]
        if distance_to_segment(after, a, b) < 0.05 or distance_to_segment(a, b, after) < 0.05:
            return False
    return True


def pond(stream: Stream, middle: Point, radius: float) -> list[Point]:
    """A round water with a bulge or two."""
    phases = [stream.uniform(0.0, math.tau) for _ in range(3)]
    count = max(14, round(radius / 1.6))
    points = []
    for index in range(count):
        angle = math.tau * index / count
        reach = radius * (1.0 + sum(0.11 * math.sin((k + 1) * angle + phase) for k, phase in enumerate(phases)))
        points.append(snap(middle[0] + reach * 1.25 * math.cos(angle), middle[1] + reach * 0.85 * math.sin(angle)))
    return points


def circle(middle: Point, radius: float, count: int) -> list[Point]:
    """Points around a middle, counterclockwise."""
    return [
        snap(middle[0] + radius * math.cos(math.tau * k / count), middle[1] + radius * math.sin(math.tau * k / count))
        for k in range(count)
    ]


def rectangle(middle: Point, along: Point, long_m: float, wide_m: float) -> list[Point]:
    """A rectangle around a middle, counterclockwise."""
    side = left_of(along)
    corners = ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
    return [
        snap(
            middle[0] + along[0] * s * long_m + side[0] * t * wide_m,
            middle[1] + along[1] * s * long_m + side[1] * t * wide_m,
        )
        for s, t in corners
    ]


def band(line: Line, width: float) -> list[Point]:
    """The outline of a line as wide as that, counterclockwise."""
    return [*offset(line, -width / 2.0), *reversed(offset(line, width / 2.0))]
