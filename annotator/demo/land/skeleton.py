"""The roads that were there first: coast road, rings, radials, the railway, drawn as curves that cross."""

import math
from itertools import pairwise

from annotator.demo.land.terrain import CENTRE, STEP_M, Terrain, polar
from annotator.demo.plane.arrangement import Curve
from annotator.demo.plane.geometry import Line, Point, between, crossing, direction, moved, smoothed, snap
from annotator.demo.sizes import TownSize
from annotator.demo.stream import Stream

_OVERHANG_M = 3.0
"""Roads are drawn this much further than to the road at which they end, so that they surely meet."""


def draw_skeleton(seed: int, size: TownSize, terrain: Terrain, attempt: int) -> list[Curve]:
    """Every curve of the town's skeleton, bent like the land; the arrangement of them cuts the land into quarters.

    Args:
        seed: of the town.
        size: of the town.
        terrain: the land.
        attempt: each draws other curves.
    """
    stream = Stream(seed, f"skeleton {attempt}")
    bend = terrain.bend.line
    curves = [
        Curve("coast", "coast", tuple(terrain.coast)),
        Curve("limit", "limit", tuple(terrain.limit)),
        Curve("coast road", "secondary", tuple(terrain.coast_road)),
    ]
    for name, path in zip(("river left", "river right"), terrain.river_paths, strict=True):
        curves.append(Curve(name, "footway", tuple(path)))
    ring = _Ring(stream, size)
    for number, kind in zip(range(len(size.rings_m)), ("secondary", "secondary", *["tertiary"] * 9), strict=False):
        curves.append(Curve(f"ring {number + 1}", kind, tuple(_landward(bend(ring.line(number)), terrain.coast_road))))
    for role, kind, line in _radials(stream, size, terrain, ring):
        curves.append(Curve(role, kind, tuple(bend(line))))
    for role, kind, line in _old_town(stream, size, ring):
        curves.append(Curve(role, kind, tuple(bend(line))))
    curves.append(Curve("railway", "rail", tuple(bend(_railway(size)))))
    for name, x in (("quay west", -terrain.harbour_half_m), ("quay east", terrain.harbour_half_m)):
        curves.append(Curve(name, "footway", tuple(bend([snap(x, -15.0), snap(x, 70.0)]))))
    return curves


class _Ring:
    """Ring roads that are not quite round, and never touch."""

    def __init__(self, stream: Stream, size: TownSize) -> None:
        self._radii = size.rings_m
        self._waves = [
            [(k, stream.uniform(0.0, math.tau), stream.uniform(0.012, 0.03)) for k in (2, 3, 5)] for _ in size.rings_m
        ]

    def radius(self, number: int, angle: float) -> float:
        wobble = sum(size * math.sin(k * math.radians(angle) + phase) for k, phase, size in self._waves[number])
        return self._radii[number] * (1.0 + wobble)

    def line(self, number: int) -> Line:
        count = round(math.tau * self._radii[number] / STEP_M)
        # From below the coast road to below the coast road: what hangs over is cut off.
        depth = CENTRE[1] / self._radii[number] + 0.4
        low = -math.degrees(math.asin(min(0.99, depth)))
        angles = [low + (180.0 - 2.0 * low) * index / count for index in range(count + 1)]
        return [polar(angle, self.radius(number, angle)) for angle in angles]


def _landward(line: Line, coast_road: Line) -> Line:
    """The part of a line from where it first crosses the coast road to where it last does."""
    found = []
    for index, (a, b) in enumerate(pairwise(line)):
        for c, d in pairwise(coast_road):
            shares = crossing(a, b, c, d)
            if shares is not None:
                found.append((index, between(a, b, shares[0])))
    (first, start), (last, end) = found[0], found[-1]
    kept = [start, *line[first + 1 : last + 1], end]
    # A little further than the coast road, so that they surely cross.
    return [moved(start, direction(kept[1], start), 2.0), *kept[1:-1], moved(end, direction(kept[-2], end), 2.0)]


def exit_angle(size: TownSize) -> float:
    """Angle of the roads to the east and west, in degrees above the coast: they stay south of the railway."""
    reach = size.rings_m[-1] + size.outskirts_m
    height = (size.rings_m[0] + size.rings_m[1]) / 2.0
    return math.degrees(math.atan2(height * 0.62, reach))


def _radials(stream: Stream, size: TownSize, terrain: Terrain, ring: _Ring) -> list[tuple[str, str, Line]]:
    last = len(size.rings_m) - 1
    reach = (size.rings_m[-1] + size.outskirts_m) * 1.12
    low = exit_angle(size)
    roads = [
        ("radial north", "primary", stream.around(91.0, 3.0), 0, True),
        ("radial east", "primary", low + stream.around(0.0, 1.0), 0, True),
        ("radial west", "primary", 180.0 - low - stream.around(0.0, 1.0), 0, True),
        ("radial northeast", "secondary", stream.around(47.0 if terrain.side < 0 else 37.0, 4.0), 0, terrain.side > 0),
        (
            "radial northwest",
            "secondary",
            stream.around(133.0 if terrain.side > 0 else 143.0, 4.0),
            0,
            terrain.side < 0,
        ),
    ]
    # Each further ring has room for roads between those that come from inside.
    for number in range(1, last):
        taken = sorted([angle for _, _, angle, start, _ in roads if start <= number] + [terrain.river_angle])
        for a, b in pairwise(taken):
            if math.radians(b - a) * size.rings_m[number] > 620.0:
                middle = (a + b) / 2.0 + stream.around(0.0, 3.0)
                roads.append((f"radial {number} {middle:.0f}", "tertiary", middle, number, False))
    result = []
    for role, kind, angle, start, goes_out in roads:
        wave, phase = stream.uniform(1.5, 3.5), stream.uniform(0.0, math.tau)
        near = ring.radius(start, angle)
        far = reach if goes_out else ring.radius(last, angle)
        # A little over both ends: the arrangement cuts at the rings.
        count = max(2, round((far - near) / STEP_M))
        line = []
        for index in range(count + 1):
            radius = near + (far - near) * index / count
            radius += -_OVERHANG_M if index == 0 else _OVERHANG_M if index == count else 0.0
            swing = min(1.0, max(0.0, (radius - near) / 300.0)) * wave
            line.append(polar(angle + swing * math.sin(radius / 310.0 + phase), radius))
        result.append((role, kind, line))
    return result


def _old_town(stream: Stream, size: TownSize, ring: _Ring) -> list[tuple[str, str, Line]]:
    inner = size.rings_m[0]
    shift = stream.uniform(-0.09, 0.09) * inner
    main: list[Point] = [
        polar(91.0, ring.radius(0, 91.0) + _OVERHANG_M),
        snap(shift, CENTRE[1] + inner * 0.45),
        snap(-shift * 0.6, CENTRE[1]),
        snap(shift * 0.8, 30.0),
    ]
    rise = stream.uniform(0.08, 0.2) * inner
    high: list[Point] = [
        polar(172.0, ring.radius(0, 172.0) + _OVERHANG_M),
        snap(-inner * 0.45, CENTRE[1] + rise),
        snap(inner * 0.1, CENTRE[1] + rise * 1.3),
        snap(inner * 0.55, CENTRE[1] + rise * 0.6),
        polar(4.0, ring.radius(0, 4.0) + _OVERHANG_M),
    ]
    return [("main street", "tertiary", smoothed(main, 18.0)), ("high street", "tertiary", smoothed(high, 18.0))]


def _railway(size: TownSize) -> Line:
    reach = (size.rings_m[-1] + size.outskirts_m) * 1.1
    height = CENTRE[1] + (size.rings_m[0] + size.rings_m[1]) / 2.0
    count = round(2.0 * reach / STEP_M)
    xs = [-reach + 2.0 * reach * index / count for index in range(count + 1)]
    return [snap(x, height + 0.05 * height * (x / reach) ** 2) for x in xs]
