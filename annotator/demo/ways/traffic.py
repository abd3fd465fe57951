"""Which streets cars may use and in which direction, so that nobody is ever stranded."""

from collections.abc import Sequence

from annotator.demo.plane.geometry import Point, distance, length
from annotator.demo.plane.planar import Plane
from annotator.demo.stream import Stream
from annotator.demo.ways.streets import CAR_KINDS, Street, course, vertices


class CarGraph:
    """Where a car can go next from every vertex."""

    def __init__(self, plane: Plane, streets: Sequence[Street]) -> None:
        self._plane = plane
        self._next: dict[int, set[int]] = {}
        for street in streets:
            if street.kind in CAR_KINDS:
                self._add(street.halves, both_ways=not street.is_oneway)

    def without(self, street: Street) -> bool:
        """Takes a street away if all others stay connected; says whether it did."""
        for half in street.halves:
            self._discard(half)
            self._discard(half ^ 1)
        if self._is_connected():
            return True
        self._add(street.halves, both_ways=True)
        return False

    def one_way(self, street: Street) -> bool:
        """Closes a street against its direction if one can still get back to its start; says whether it did."""
        for half in street.halves:
            self._discard(half ^ 1)
        path = vertices(self._plane, street.halves)
        if path[0] in self._reached(path[-1]):
            return True
        self._add(street.halves, both_ways=True)
        return False

    def _add(self, halves: Sequence[int], *, both_ways: bool) -> None:
        for half in halves:
            a, b = self._plane.origin[half], self._plane.destination(half)
            self._next.setdefault(a, set()).add(b)
            back = self._next.setdefault(b, set())
            if both_ways:
                back.add(a)

    def _discard(self, half: int) -> None:
        self._next[self._plane.origin[half]].discard(self._plane.destination(half))

    def _is_connected(self) -> bool:
        # Asked while all streets go both ways, so one direction tells all.
        used = [vertex for vertex, onward in self._next.items() if onward]
        return len(self._reached(used[0])) == len(used)

    def _reached(self, start: int) -> set[int]:
        seen = {start}
        waiting = [start]
        while waiting:
            for vertex in self._next[waiting.pop()]:
                if vertex not in seen:
                    seen.add(vertex)
                    waiting.append(vertex)
        return seen


def regulate(seed: int, plane: Plane, streets: list[Street], square: Point, inner_m: float) -> None:
    """Makes streets at the market pedestrian, quiet lanes living streets, and some narrow streets one-way.

    Args:
        seed: the town's.
        plane: the plane of the streets.
        streets: changed in place.
        square: middle of the market square.
        inner_m: radius of the old town.
    """
    stream = Stream(seed, "traffic")
    graph = CarGraph(plane, streets)

    def away(street: Street) -> float:
        return min(distance(point, square) for point in course(plane, street.halves))

    for street in sorted(streets, key=away):
        near = inner_m * (0.85 if street.role in ("main street", "high street") else 0.3)
        is_old = street.role in ("main street", "high street") or (not street.role and street.zone == "old")
        if is_old and away(street) < near and graph.without(street):
            street.kind = "pedestrian"
    for street in streets:
        if street.kind == "residential" and not street.role:
            size = length(course(plane, street.halves))
            if (street.zone == "old" and stream.chance(0.45)) or (size < 75.0 and stream.chance(0.3)):
                street.kind = "living_street"
    for street in streets:
        likely = {"old": 0.4, "centre": 0.3}.get(street.zone, 0.06)
        is_narrow = street.kind in ("residential", "living_street") and not street.role
        if is_narrow and length(course(plane, street.halves)) > 60.0 and stream.chance(likely):
            if stream.chance(0.5):
                street.halves = [half ^ 1 for half in reversed(street.halves)]
            street.is_oneway = graph.one_way(street)
