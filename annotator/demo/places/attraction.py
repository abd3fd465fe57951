"""Where in a town which trade settles."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from annotator.demo.plan import Plan
from annotator.demo.plane.geometry import Point, distance, nearest

_MAIN = frozenset({"primary", "secondary", "tertiary", "pedestrian"})


@dataclass(frozen=True, slots=True)
class Spot:
    """A house as seen by somebody who looks for premises.

    Args:
        building: its index.
        door: where one enters.
        centre: distance to the market in radii of the old town; `harbour_m`, `coast_m`, `river_m` and
            `station_m` are metres.
        is_main: on a main or a pedestrian street.
        zone: of its block.
        use: of its block.
        area_m2: of its floor.
    """

    building: int
    door: Point
    centre: float
    harbour_m: float
    coast_m: float
    river_m: float
    station_m: float
    is_main: bool
    zone: str
    use: str
    area_m2: float


def survey_houses(plan: Plan, station: Point) -> list[Spot]:
    """Every house that belongs to no ground."""
    taken = {index for ground in plan.grounds for index in ground.buildings}
    harbour = plan.terrain.bend.point((0.0, 30.0))
    coast, river = plan.terrain.coast[::4], plan.terrain.river[::4]
    spots = []
    for index, house in enumerate(plan.buildings):
        if index in taken:
            continue
        block = plan.blocks[house.block] if house.block >= 0 else None
        a, b, c, _ = house.ring
        spots.append(
            Spot(
                index,
                house.door,
                distance(house.door, plan.square) / plan.size.rings_m[0],
                distance(house.door, harbour),
                nearest(house.door, coast),
                nearest(house.door, river),
                distance(house.door, station),
                plan.streets[house.street].kind in _MAIN,
                block.zone if block else "waterfront",
                block.use if block else "quay",
                distance(a, b) * distance(b, c),
            )
        )
    return spots


_HOMES = frozenset({"houses", "terraces", "apartments", "mixed"})

_WEIGHTS: dict[str, Callable[[Spot], float]] = {
    "core": lambda s: math.exp(-1.3 * s.centre) * (4.0 if s.is_main or s.use == "old" else 1.0),
    "lively": lambda s: (
        math.exp(-0.75 * s.centre) * (2.6 if s.is_main else 1.0)
        + 0.5 * math.exp(-s.harbour_m / 160.0)
        + (0.03 if s.is_main else 0.001)
    ),
    "night": lambda s: math.exp(-1.1 * s.centre) + 0.5 * math.exp(-s.harbour_m / 150.0),
    "local": lambda s: (2.2 if s.is_main else 0.5) * math.exp(-0.32 * s.centre) * (0.2 if s.use == "works" else 1.0),
    "homes": lambda s: (1.0 if s.use in _HOMES else 0.02) * (1.5 if s.is_main else 1.0),
    "civic": lambda s: math.exp(-0.9 * s.centre) * (1.0 if s.zone in ("old", "centre") else 0.05),
    "harbour": lambda s: math.exp(-s.harbour_m / 190.0),
    "seaside": lambda s: math.exp(-s.coast_m / 130.0) * math.exp(-0.3 * s.centre),
    "station": lambda s: math.exp(-s.station_m / 210.0),
    "stay": lambda s: 0.7 * math.exp(-0.9 * s.centre) + math.exp(-s.coast_m / 150.0) * math.exp(-0.35 * s.centre),
    "edge": lambda s: (1.0 if s.is_main else 0.01) * (1.0 if s.centre > 1.7 else 0.02),
    "retail": lambda s: 8.0 if s.use == "retail" else 0.02 if s.is_main and s.centre > 1.3 else 0.0005,
    "works": lambda s: 3.0 if s.use == "works" else 0.4 if s.zone == "waterfront" else 0.03,
}


def attraction(where: str, spot: Spot) -> float:
    """How much a spot attracts what likes to be `where`; at least something, so that all find a place."""
    return _WEIGHTS[where](spot) + 1e-9


_LANDMARKS: dict[str, Callable[[Spot], bool]] = {
    "harbour": lambda s: s.harbour_m < 330.0,
    "quayside": lambda s: s.harbour_m < 280.0,
    "station": lambda s: s.station_m < 340.0,
    "beach": lambda s: s.coast_m < 260.0,
    "market": lambda s: s.centre < 0.9,
    "square": lambda s: s.centre < 0.7,
    "rampart": lambda s: s.centre < 1.5,
    "riverside": lambda s: s.river_m < 260.0,
    "river": lambda s: s.river_m < 260.0,
}


def suits(template: str, spot: Spot) -> bool:
    """Whether an English name that begins with a landmark may be given here; others always may."""
    is_near = _LANDMARKS.get(template.lower().removeprefix("the ").partition(" ")[0])
    return is_near is None or is_near(spot)
