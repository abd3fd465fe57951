"""The land before there is a town: coast, river, and the bends of everything.

A town is drawn with the sea in the south, its centre just behind the harbour, and rings around it. A smooth field then
bends all of it together, so that nothing is straight or round; the whole is turned when it is put on the globe.
"""

import math
from dataclasses import dataclass

from annotator.demo.plane.geometry import Line, Point, distance_to_line, inside, offset, smoothed, snap
from annotator.demo.sizes import TownSize
from annotator.demo.stream import Stream

CENTRE: Point = (0.0, 135.0)
"""Middle of the old town before bending; the harbour is at the origin."""

STEP_M = 22.0
"""Distance between points of drawn lines."""


class Bend:
    """A smooth displacement of the plane that never folds it.

    Args:
        stream: where its waves come from.
        reach_m: how far the plane matters.
    """

    def __init__(self, stream: Stream, reach_m: float) -> None:
        self._waves = []
        for wavelength, size in ((reach_m * 1.5, 46.0), (reach_m * 0.8, 24.0), (520.0, 11.0)):
            for _ in range(2):
                angle, phase = stream.uniform(0.0, math.tau), stream.uniform(0.0, math.tau)
                push = stream.uniform(0.0, math.tau)
                wave = math.tau / wavelength
                self._waves.append(
                    (
                        wave * math.cos(angle),
                        wave * math.sin(angle),
                        phase,
                        size * math.cos(push),
                        size * math.sin(push),
                    )
                )

    def point(self, point: Point) -> Point:
        """Where a point ends up."""
        x, y = point
        dx = dy = 0.0
        for kx, ky, phase, sx, sy in self._waves:
            value = math.sin(kx * x + ky * y + phase)
            dx += sx * value
            dy += sy * value
        return snap(x + dx, y + dy)

    def line(self, line: Line) -> Line:
        """A line bent point by point."""
        return [self.point(p) for p in line]


@dataclass(frozen=True)
class Terrain:
    """Lines of the land, bent.

    Args:
        bend: how everything else has to be bent.
        side: 1 if the river is east of the old town, -1 if west.
        coast: from west to east, so that the sea is to its right.
        coast_road: the course of a road behind the coast, from limit to limit and a little further.
        behind_coast: the points of that road beside the points of the coast.
        coast_xs: where the points of both lay before bending, in metres east of the harbour.
        limit: edge of the map on land, from the coast's east end counterclockwise to its west end.
        river: from its entry into the map to the sea.
        river_angle: where the river comes from, counterclockwise from east in degrees, seen from the centre.
        river_width_m: distance between its banks.
        harbour_half_m: the quay reaches this far to either side of the origin.
    """

    bend: Bend
    side: int
    coast: Line
    coast_road: Line
    behind_coast: Line
    coast_xs: list[float]
    limit: Line
    river: Line
    river_angle: float
    river_width_m: float
    harbour_half_m: float

    @property
    def land(self) -> Line:
        """The outline of the map's land."""
        return [*self.coast, *self.limit[1:-1]]

    @property
    def river_bed(self) -> Line:
        """The outline of the river, from the edge of the map to the sea."""
        half = self.river_width_m / 2.0
        left, right = (self.from_limit(_beside(self.river, side)) for side in (half, -half))
        return [*right, *reversed(left)]

    @property
    def river_paths(self) -> tuple[Line, Line]:
        """Where paths beside the water run."""
        half = self.river_width_m / 2.0 + 11.0
        return _beside(self.river, half), _beside(self.river, -half)

    def from_limit(self, line: Line) -> Line:
        """A line down to the sea without what lies before the edge of the map."""
        land = self.land
        first = next(k for k, point in enumerate(line) if inside(point, land))
        return line[max(0, first - 1) :]


def _beside(line: Line, metres: float) -> Line:
    """The line moved to its left, without the loops that this makes in tight bends."""
    return [p for p in offset(line, metres) if distance_to_line(p, line) > abs(metres) - 1.0]


def shape_terrain(seed: int, size: TownSize, attempt: int) -> Terrain:
    """Coast, river and limits of the town of a seed; each attempt shapes other ones."""
    again = f" {attempt}" if attempt else ""
    stream = Stream(seed, f"terrain{again}")
    reach = size.rings_m[-1] + size.outskirts_m
    bend = Bend(Stream(seed, f"bend{again}"), reach)
    side = stream.pick((1, -1))
    harbour_half = size.rings_m[0] * stream.uniform(0.62, 0.72)
    coast, coast_road = _coast(stream, reach, harbour_half)
    river_angle = 90.0 - side * stream.uniform(19.0, 25.0)
    return Terrain(
        bend=bend,
        side=side,
        coast=bend.line(coast),
        coast_road=bend.line(coast_road),
        behind_coast=bend.line(coast_road[4:-4]),
        coast_xs=[point[0] for point in coast],
        limit=bend.line(_limit(stream, reach, coast)),
        river=bend.line(_river(stream, size, side, river_angle, reach, coast)),
        river_angle=river_angle,
        river_width_m=stream.uniform(22.0, 34.0) * min(1.0, size.rings_m[0] / 250.0),
        harbour_half_m=harbour_half,
    )


def polar(angle: float, radius: float) -> Point:
    """The point at an angle in degrees and a radius in metres from the town's centre."""
    radians = math.radians(angle)
    return snap(CENTRE[0] + radius * math.cos(radians), CENTRE[1] + radius * math.sin(radians))


def _coast(stream: Stream, reach: float, harbour_half: float) -> tuple[Line, Line]:
    bow = stream.uniform(-0.12, 0.17) * reach
    tilt = stream.uniform(-0.1, 0.1)
    waves = [(stream.uniform(170.0, 420.0), stream.uniform(0.0, math.tau), stream.uniform(4.0, 10.0)) for _ in range(3)]
    waves += [(stream.uniform(600.0, 1300.0), stream.uniform(0.0, math.tau), stream.uniform(18.0, 42.0))]
    coast, road = [], []
    steps = int(reach // STEP_M)
    # The road goes on beyond the limit, which will cut it.
    for index in range(-steps - 4, steps + 5):
        x = reach * index / steps
        away = min(1.0, max(0.0, (abs(x) - harbour_half) / 150.0))
        base = away * (-bow * (x / reach) ** 2 + tilt * x)
        rough = sum(size * math.sin(math.tau * x / wavelength + phase) for wavelength, phase, size in waves)
        swell = waves[-1][2] * math.sin(math.tau * x / waves[-1][0] + waves[-1][1])
        if abs(index) <= steps:
            coast.append(snap(x, base + away * rough))
        # The road keeps to the quay, follows bays, and leaves room for a beach.
        road.append(snap(x, base + 44.0 + 30.0 * away + away * (swell + 0.35 * (rough - swell))))
    return coast, road


def _limit(stream: Stream, reach: float, coast: Line) -> Line:
    phases = [stream.uniform(0.0, math.tau) for _ in range(3)]
    points = [coast[-1]]
    for angle in range(6, 175, 4):
        wobble = sum(0.035 * math.sin((k + 2) * math.radians(angle) + phase) for k, phase in enumerate(phases))
        point = polar(float(angle), reach * (1.0 + wobble))
        # Where the coast rises at its ends, the limit begins above it.
        if point[1] > (coast[-1] if point[0] > 0.0 else coast[0])[1] + 160.0:
            points.append(point)
    return [*points, coast[0]]


def _river(stream: Stream, size: TownSize, side: int, angle: float, reach: float, coast: Line) -> Line:
    inner, outer = size.rings_m[0], size.rings_m[-1]
    mouth_x = side * (inner + stream.uniform(75.0, 110.0))
    shore = min(coast, key=lambda point: abs(point[0] - mouth_x))[1]
    controls = [
        # Beyond the limit, which will cut it.
        polar(angle + side * stream.around(0.0, 3.0), reach * 1.15),
        polar(angle + side * stream.around(0.0, 6.0), (outer + reach) / 2.0),
        polar(angle + side * stream.around(0.0, 6.0), outer * 0.93),
        polar(angle - side * stream.uniform(2.0, 12.0), (inner + outer) / 2.0),
        snap(mouth_x + side * stream.uniform(5.0, 40.0), CENTRE[1] + inner * 0.75),
        snap(mouth_x - side * stream.uniform(0.0, 25.0), shore + 95.0),
        snap(mouth_x, shore - 40.0),
    ]
    return smoothed(controls, STEP_M)
