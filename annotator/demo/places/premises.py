"""Which houses are still free, and which of them a trade takes."""

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

from annotator.demo.places.attraction import Spot, attraction
from annotator.demo.places.catalogue import Kind
from annotator.demo.plane.geometry import Point, nearest
from annotator.demo.stream import Stream

_UNIT_M2 = 95.0
_HOUSE_M2 = 130.0
_LEAST_M2 = {"fuel": 90.0, "car_wash": 90.0, "supermarket": 220.0, "hotel": 170.0, "place_of_worship": 90.0}
_APART_M = {"homes": 420.0, "local": 420.0}
"""Places of one kind keep this far from each other, by where they like to be."""

_DRAWS = 220
_CANDIDATES = 24


class Premises:
    """The houses of a town as premises.

    Args:
        spots: those with an address.
    """

    def __init__(self, spots: Sequence[Spot]) -> None:
        self._spots = spots
        self._room = {spot.building: max(1, min(4, int(spot.area_m2 / _UNIT_M2))) for spot in spots}
        self._used = dict.fromkeys(self._room, 0)
        self._sums: dict[tuple[str, float], tuple[list[Spot], list[float]]] = {}

    def find(self, kind: Kind, others: Sequence[Point], stream: Stream) -> Spot | None:
        """A free house, the likelier the more its surroundings attract, and not beside another of its kind.

        Args:
            kind: what looks for a house.
            others: where there are some already.
            stream: what decides.
        """
        least = _LEAST_M2.get(kind.key, _HOUSE_M2) if kind.how == "house" else 0.0
        spots, sums = self._weighted(kind.where, least)
        apart = _APART_M.get(kind.where, 90.0)
        best: tuple[float, Spot] | None = None
        num_seen = 0
        for _ in range(_DRAWS):
            if not spots or num_seen == _CANDIDATES:
                break
            spot = spots[min(len(spots) - 1, bisect(sums, stream.unit() * sums[-1]))]
            if not self._is_free(kind, spot):
                continue
            num_seen += 1
            near = nearest(spot.door, others)
            if near >= apart:
                return spot
            if best is None or near > best[0]:
                best = (near, spot)
        if best is not None:
            return best[1]
        free = [spot for spot in spots if self._is_free(kind, spot)]
        return max(free, key=lambda spot: attraction(kind.where, spot), default=None)

    def take_whole(self, building: int) -> None:
        """Nobody else may move in."""
        self._used[building] = self._room[building] = 99

    def take_unit(self, building: int) -> float:
        """Takes a part of a house; returns where along its front that is, as a share."""
        number = self._used[building]
        self._used[building] += 1
        return (number + 0.5) / self._room[building]

    def _is_free(self, kind: Kind, spot: Spot) -> bool:
        if kind.how == "house":
            return self._used[spot.building] == 0
        return self._used[spot.building] < self._room[spot.building]

    def _weighted(self, where: str, least_m2: float) -> tuple[list[Spot], list[float]]:
        key = (where, least_m2)
        if key not in self._sums:
            spots = [spot for spot in self._spots if spot.area_m2 >= least_m2]
            self._sums[key] = (spots, list(accumulate(attraction(where, spot) for spot in spots)))
        return self._sums[key]
