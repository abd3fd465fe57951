"""House numbers: along every street, odd to the left and even to the right."""

import math
from itertools import pairwise

from annotator.demo.plan import Plan
from annotator.demo.plane.geometry import Point
from annotator.demo.stream import Stream
from annotator.demo.ways.streets import course


def number_houses(plan: Plan) -> None:
    """Gives every house of the plan a number."""
    stream = Stream(plan.seed, "numbers")
    by_street: dict[int, list[int]] = {}
    for index, house in enumerate(plan.buildings):
        by_street.setdefault(house.street, []).append(index)
    for street in sorted(by_street):
        line = course(plan.plane, plan.streets[street].halves)
        placed = sorted((*_along(line, plan.buildings[index].door), index) for index in by_street[street])
        next_number = {True: 1, False: 2}
        last = {True: 0, False: 0}
        for _, is_left, index in placed:
            house = plan.buildings[index]
            if last[is_left] and stream.chance(0.03):
                # Built later, between its neighbours.
                house.number = f"{last[is_left]}A"
                last[is_left] = 0
                continue
            house.number = str(next_number[is_left])
            last[is_left] = next_number[is_left]
            next_number[is_left] += 4 if stream.chance(0.06) else 2


def _along(line: list[Point], point: Point) -> tuple[float, bool]:
    """How far along a line a point lies, and whether to its left."""
    x, y = point
    best = (math.inf, 0.0, True)
    done = 0.0
    for (ax, ay), (bx, by) in pairwise(line):
        ux, uy, px, py = bx - ax, by - ay, x - ax, y - ay
        size = math.sqrt(ux * ux + uy * uy)
        ahead = min(size, max(0.0, (px * ux + py * uy) / size))
        away = (px - ahead * ux / size) ** 2 + (py - ahead * uy / size) ** 2
        if away < best[0] - 0.01:
            best = (away, done + ahead, ux * py - uy * px > 0.0)
        done += size
    return round(best[1], 1), best[2]
