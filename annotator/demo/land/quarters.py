"""What the faces of the skeleton are to the town, and which land is set aside before streets are cut."""

from collections.abc import Sequence
from dataclasses import dataclass

from annotator.demo.land.blocks import Block, Site, split_quarter
from annotator.demo.land.terrain import Terrain, polar
from annotator.demo.plane.arrangement import Curve
from annotator.demo.plane.geometry import (
    Point,
    area,
    between,
    direction,
    distance,
    distance_to_line,
    inside,
    left_of,
    moved,
    offset,
)
from annotator.demo.plane.planar import Plane
from annotator.demo.sizes import TownSize
from annotator.demo.stream import Stream


@dataclass(frozen=True, slots=True)
class Quarter:
    """A face of the skeleton.

    Args:
        half: a half-edge of it.
        zone: `old` within the first ring, `centre` within the second, `inner`, `outer`, `works` for industry,
            `rural` beyond the last ring, `river`, `waterfront`.
        point: somewhere inside.
    """

    half: int
    zone: str
    point: Point


def survey(plane: Plane, curves: Sequence[Curve], size: TownSize, river: Sequence[Point]) -> list[Quarter]:
    """Every face of the skeleton with its zone."""
    rings = []
    for curve in curves:
        if curve.role.startswith("ring "):
            # The coast road is not straight: what lies behind a bulge of it is within the ring as well.
            (ax, ay), (bx, by) = curve.points[0], curve.points[-1]
            rings.append([*curve.points, (bx, by - 900.0), (ax, ay - 900.0)])
    roles = [curve.role for curve in curves]
    quarters = []
    for half in plane.faces():
        loop = plane.loop(half)
        point = _interior(plane, loop)
        touched = {roles[plane.line[h >> 1]] for h in loop}
        within = next((number for number, ring in enumerate(rings) if inside(point, ring)), len(rings))
        if _is_between_banks(plane, loop, roles, river):
            zone = "river"
        elif "coast" in touched:
            zone = "waterfront"
        elif "limit" in touched or within == len(rings):
            zone = "rural"
        else:
            zone = ("old", "centre", "inner", "outer", "outer")[within] if len(rings) > 2 else ("old", "inner")[within]
        quarters.append(Quarter(half, zone, point))
    return _with_works(plane, quarters, roles, size)


def build_blocks(
    seed: int,
    plane: Plane,
    curves: Sequence[Curve],
    quarters: Sequence[Quarter],
    sites: Sequence[Site],
    keep_away: Sequence[Point],
) -> list[Block]:
    """Cuts streets into every quarter, and into some fields beside the town, but not near the line `keep_away`."""
    blocks: list[Block] = []
    last_ring = max((curve.role for curve in curves if curve.role.startswith("ring ")), default="")
    for number, quarter in enumerate(quarters):
        if quarter.zone in ("river", "waterfront"):
            blocks.append(Block(quarter.half, number, quarter.zone))
        else:
            # A stream for each quarter: what changes in one leaves the others as they are.
            stream = Stream(seed, f"blocks {number}")
            line = max(len(curves), max(plane.line) + 1)
            parts = split_quarter(plane, quarter.half, number, quarter.zone, sites, stream, line)
            if quarter.zone == "rural":
                parts = _with_estates(plane, curves, parts, last_ring, keep_away, stream)
            blocks += parts
    return blocks


def measure(plane: Plane, blocks: Sequence[Block]) -> None:
    """Gives the blocks their rings, which hold every junction on their sides, and their sizes."""
    for block in blocks:
        block.ring = plane.ring(block.half)
        block.area_m2 = area(block.ring)


def choose_sites(seed: int, size: TownSize, terrain: Terrain) -> list[Site]:
    """Land for parks, schools, the hospital and whatever else needs more of it than a house."""
    stream = Stream(seed, "sites")
    bend = terrain.bend.point
    inner, second, last = size.rings_m[0], size.rings_m[1], size.rings_m[-1]
    away = -terrain.side

    def at(angle: float, radius: float, spread: float = 5.0) -> Point:
        """A bent point; angles are counted from the side away from the river."""
        turned = stream.around(angle, spread)
        return bend(polar(90.0 - away * (90.0 - turned), stream.around(radius, 0.06 * radius)))

    # The bank on the old town's side, where the river is between the first ring and the second.
    bank = offset(terrain.river, terrain.side * -95.0)
    near = min(bank, key=lambda p: abs(distance(p, bend(polar(90.0, 0.0))) - (inner + second) / 2.0 - 40.0))
    sites = [
        Site("square", bend(polar(70.0, inner * 0.2)), 4600.0),
        Site("church", bend(polar(200.0, inner * 0.4)), 4200.0),
        Site("town hall", bend(polar(110.0, inner * 0.36)), 4200.0),
        Site("park", near, 0.12 * (inner + second) ** 2),
        Site("station", bend(polar(90.0 + away * 7.0, (inner + second) / 2.0 - 40.0)), 10500.0),
        Site("cemetery", at(48.0, last * 0.84), 24000.0),
        Site("sports", at(14.0, last * 0.82), 42000.0),
        Site("allotments", at(68.0, last * 0.9), 21000.0),
    ]
    if len(size.rings_m) > 2:
        sites += [
            Site("hospital", at(112.0, (second + last) / 2.0 * 0.94), 30000.0),
            Site("college", at(60.0, (second + size.rings_m[2]) / 2.0), 27000.0),
            Site("retail", at(8.0, last * 1.02 - 90.0, 2.0), 42000.0),
            Site("retail", at(170.0, last - 90.0, 2.0), 30000.0),
            Site("green", at(84.0, last * 0.8), 26000.0),
            Site("allotments", at(160.0, last * 0.62), 21000.0),
        ]
    num_schools = max(2, round(size.num_places / 72))
    for index in range(num_schools):
        angle = 8.0 + 164.0 * (index + 0.5) / num_schools
        share = (0.62, 0.86, 0.74)[index % 3] if len(size.rings_m) > 2 else 0.72
        sites.append(Site("school", at(angle, last * share, 7.0), 12500.0))
    for index in range(max(2, round(size.num_places / 90))):
        angle = stream.uniform(12.0, 168.0)
        share = 0.58 + 0.36 * ((index * 0.618) % 1.0)
        sites.append(Site("small park", at(angle, last * share, 6.0), 9500.0))
    return sites


def _with_estates(
    plane: Plane,
    curves: Sequence[Curve],
    fields: list[Block],
    last_ring: str,
    keep_away: Sequence[Point],
    stream: Stream,
) -> list[Block]:
    """The fields with some of those at the last ring road built on: a town has no sharp edge."""
    result = []
    for block in fields:
        ring = plane.ring(block.half)
        roles = {curves[line].role for h in plane.loop(block.half) if (line := plane.line[h >> 1]) < len(curves)}
        is_chosen = last_ring in roles and 14000.0 < area(ring) < 120000.0 and stream.chance(0.42)
        if is_chosen and (not keep_away or min(distance_to_line(point, keep_away) for point in ring) > 165.0):
            line = max(plane.line) + 1
            estate = split_quarter(plane, block.half, block.quarter, "outer", (), stream, line)
            # Where no street could be cut it stays a field.
            result += estate if len(estate) > 1 else [block]
        else:
            result.append(block)
    return result


def _interior(plane: Plane, loop: list[int]) -> Point:
    """A point a few metres inside the longest side."""
    half = max(loop, key=lambda h: distance(plane.points[plane.origin[h]], plane.points[plane.destination(h)]))
    a, b = plane.points[plane.origin[half]], plane.points[plane.destination(half)]
    return moved(between(a, b, 0.5), left_of(direction(a, b)), 3.0)


def _is_between_banks(plane: Plane, loop: list[int], roles: list[str], river: Sequence[Point]) -> bool:
    """Whether a face has the river to the inner side of the river's paths."""
    for half in loop:
        if roles[plane.line[half >> 1]] in ("river left", "river right"):
            a, b = plane.points[plane.origin[half]], plane.points[plane.destination(half)]
            middle = between(a, b, 0.5)
            inner = moved(middle, left_of(direction(a, b)), 2.0)
            if distance_to_line(inner, river) < distance_to_line(middle, river):
                return True
    return False


def _with_works(plane: Plane, quarters: list[Quarter], roles: list[str], size: TownSize) -> list[Quarter]:
    """The quarters with the industrial ones marked: inside the last ring, at the railway, far from the old town."""
    if len(size.rings_m) < 3:
        return quarters
    edge_of_town = f"ring {len(size.rings_m)}"
    found = []
    for number, quarter in enumerate(quarters):
        touched = {roles[plane.line[h >> 1]] for h in plane.loop(quarter.half)}
        if quarter.zone in ("inner", "outer") and {"railway", edge_of_town} <= touched:
            found.append((abs(quarter.point[0]), number))
    for _, number in sorted(found, reverse=True)[:1]:
        quarters[number] = Quarter(quarters[number].half, "works", quarters[number].point)
    return quarters
