"""The quickest order of visiting stops between a fixed origin and a fixed destination.

Up to `MAX_EXACT` stops the order is the best there is, by dynamic programming over sets (Held and Karp, 1962). For
more, the nearest stop comes next, and the order is then improved by reversing and moving runs until nothing helps.
Times differ by direction, so nothing here takes them for symmetric. Ties go to the order that comes first by index.
"""

import math
from collections.abc import Sequence
from itertools import combinations, pairwise

MAX_EXACT = 10

type Times = Sequence[Sequence[float]]


def quickest_order(times: Times) -> tuple[int, ...] | None:
    """Indices of the stops between, counted from 0, in the order of visit; None where no order reaches all.

    Args:
        times: seconds from every stop to every other; the first is the origin, the last the destination, and infinity
            stands where there is no way.
    """
    num_between = len(times) - 2
    order = _exact(times) if num_between <= MAX_EXACT else _improved(times, _nearest_next(times))
    if not math.isfinite(duration(times, order)):
        return None
    return tuple(stop - 1 for stop in order[1:-1])


def duration(times: Times, order: Sequence[int]) -> float:
    """Seconds of a tour."""
    return sum(times[a][b] for a, b in pairwise(order))


def _exact(times: Times) -> list[int]:
    last = len(times) - 1
    stops = range(1, last)
    # Seconds from a stop through a set of others to the destination; the set as bits.
    rest = {(0, stop): times[stop][last] for stop in range(last)}
    for size in range(1, last):
        for chosen in combinations(stops, size):
            left = sum(1 << stop for stop in chosen)
            for here in range(last):
                if not left & 1 << here:
                    rest[left, here] = min(times[here][stop] + rest[left & ~(1 << stop), stop] for stop in chosen)
    order, left = [0], sum(1 << stop for stop in stops)
    while left:
        here = order[-1]
        ways = [(times[here][stop] + rest[left & ~(1 << stop), stop], stop) for stop in stops if left & 1 << stop]
        order.append(min(ways)[1])
        left &= ~(1 << order[-1])
    return [*order, last]


def _nearest_next(times: Times) -> list[int]:
    order, left = [0], set(range(1, len(times) - 1))
    while left:
        here = order[-1]
        order.append(min(left, key=lambda stop: (times[here][stop], stop)))
        left.remove(order[-1])
    return [*order, len(times) - 1]


def _improved(times: Times, order: list[int]) -> list[int]:
    shortest = duration(times, order)
    is_improving = True
    while is_improving:
        is_improving = False
        for candidate in _neighbours(order):
            # Less than a thousandth of a second is rounding, which must not make this go round in circles.
            if (found := duration(times, candidate)) < shortest - 1e-3:
                order, shortest, is_improving = candidate, found, True
                break
    return order


def _neighbours(order: list[int]) -> list[list[int]]:
    """Orders with one run of stops reversed, or moved elsewhere."""
    between = order[1:-1]
    found = []
    for start, end in combinations(range(len(between) + 1), 2):
        run, rest = between[start:end], between[:start] + between[end:]
        found.append(between[:start] + run[::-1] + between[end:])
        if len(run) <= 3:
            found += [rest[:at] + run + rest[at:] for at in range(len(rest) + 1) if at != start]
    return [[order[0], *candidate, order[-1]] for candidate in found]
