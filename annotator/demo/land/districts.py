"""The town's districts: groups of quarters with a name, a postcode and a boundary."""

import math
from collections.abc import Sequence

from annotator.demo.land.skeleton import exit_angle
from annotator.demo.land.terrain import CENTRE
from annotator.demo.names.naming import Namer
from annotator.demo.plan import District, Plan
from annotator.demo.plane.geometry import Point, centroid, distance
from annotator.demo.plane.planar import Plane
from annotator.demo.stream import Stream


def found_districts(plan: Plan, namer: Namer) -> None:
    """Groups the blocks into districts and names them."""
    stream = Stream(plan.seed, "districts")
    groups: dict[str, list[int]] = {}
    middles = _quarter_middles(plan)
    for index, block in enumerate(plan.blocks):
        is_estate = plan.quarters[block.quarter].zone == "rural"
        topic = _topic(plan, index, centroid(block.ring) if is_estate else middles[block.quarter])
        if topic and block.zone not in ("river", "waterfront", "rural"):
            groups.setdefault(topic, []).append(index)
    plan.district_of = [-1] * len(plan.blocks)
    for topic in sorted(groups):
        members = groups[topic]
        postcode = plan.anchor.code(stream)
        names = namer.district(topic.partition(":")[0])
        number = len(plan.districts)
        faces = [plan.blocks[index].half for index in members]
        plan.districts.append(District(topic, faces, members, names, postcode, _middle(plan, members)))
        for index in members:
            plan.district_of[index] = number


def nearest_district(plan: Plan, point: Point) -> int:
    """The district whose middle is nearest to a point."""
    return min(range(len(plan.districts)), key=lambda k: distance(plan.districts[k].middle, point))


def outlines(plane: Plane, faces: Sequence[int]) -> list[list[int]]:
    """Half-edges around a group of faces, ring by ring; holes are rings that go clockwise."""
    members = {half for face in faces for half in plane.loop(face)}
    border = {half for half in members if half ^ 1 not in members}
    rings = []
    while border:
        start = min(border)
        ring = []
        half = start
        while True:
            border.discard(half)
            ring.append(half)
            half = plane.following[half]
            # Across inner edges, the border goes on around the next face.
            while half ^ 1 in members:
                half = plane.following[half ^ 1]
            if half == start:
                break
        rings += _apart(plane, ring)
    return rings


def _apart(plane: Plane, ring: list[int]) -> list[list[int]]:
    """A ring that touches itself as several that do not."""
    result = []
    path: list[int] = []
    for half in ring:
        path.append(half)
        end = plane.destination(half)
        start = next((k for k, h in enumerate(path) if plane.origin[h] == end), None)
        if start is not None:
            result.append(path[start:])
            path = path[:start]
    return result


def _topic(plan: Plan, index: int, middle: Point) -> str:
    """Which district a block belongs to; the part after a colon keeps districts of one topic apart.

    Args:
        plan: the town.
        index: of the block.
        middle: of the block's quarter.
    """
    block = plan.blocks[index]
    match block.zone:
        case "old":
            loop = plan.plane.loop(plan.quarters[block.quarter].half)
            roles = {plan.curves[line].role for h in loop if (line := plan.plane.line[h >> 1]) < len(plan.curves)}
            return "district harbour" if "coast road" in roles else "district old"
        case "works":
            return "district works"
        case "centre":
            topics = ("riverbank", "riverside", "riverside", "station", "station", "beach")
            return f"district {topics[_sector(plan, middle)]}"
        case "inner" | "outer":
            sector = _sector(plan, middle)
            if len(plan.size.rings_m) < 3:
                return f"district suburb:{(0, 0, 1, 2, 3, 3)[sector]}"
            is_far = block.zone == "outer" and len(plan.size.rings_m) > 3
            return f"district suburb:{sector}{'far' if is_far else ''}"
    return ""


def _sector(plan: Plan, point: Point) -> int:
    """Between which roads a point lies: 0 at the coast on the river's side, counted around to the other coast."""
    angle = math.degrees(math.atan2(point[1] - CENTRE[1], point[0] - CENTRE[0])) % 360.0
    turned = angle if plan.terrain.side > 0 else (180.0 - angle) % 360.0
    low = exit_angle(plan.size)
    if turned > 270.0:
        return 0
    return sum(turned > border for border in (low, 68.0, 91.0, 133.0, 180.0 - low))


def _quarter_middles(plan: Plan) -> dict[int, Point]:
    """Middle of the blocks of every quarter, by its number."""
    members: dict[int, list[int]] = {}
    for index, block in enumerate(plan.blocks):
        members.setdefault(block.quarter, []).append(index)
    return {quarter: _mean(plan, blocks) for quarter, blocks in members.items()}


def _mean(plan: Plan, members: Sequence[int]) -> Point:
    sizes = [plan.blocks[index].area_m2 for index in members]
    middles = [centroid(plan.blocks[index].ring) for index in members]
    total = sum(sizes)
    return (
        sum(p[0] * s for p, s in zip(middles, sizes, strict=True)) / total,
        sum(p[1] * s for p, s in zip(middles, sizes, strict=True)) / total,
    )


def _middle(plan: Plan, members: Sequence[int]) -> Point:
    """The middle of the block that is nearest to the middle of all."""
    mean = _mean(plan, members)
    return min((centroid(plan.blocks[index].ring) for index in members), key=lambda p: (distance(p, mean), p))
