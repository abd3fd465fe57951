"""Land with a purpose: parks with paths and ponds, campuses, squares, sports fields, car parks."""

from collections.abc import Sequence

from annotator.demo.land.blocks import STREETS, Block
from annotator.demo.land.buildings import Plot, build_up, plot_of
from annotator.demo.land.uses import LANDUSE, STYLES
from annotator.demo.plan import Feature, Ground, Plan
from annotator.demo.plane.geometry import (
    Box,
    Line,
    Point,
    between,
    centroid,
    direction,
    distance,
    distance_to_line,
    inside,
    overlap,
    resampled,
    smoothed,
    snap,
)
from annotator.demo.plane.shapes import circle, inset, pond, rectangle
from annotator.demo.stream import Stream

GROUND_TAGS = {
    "park": {"leisure": "park"},
    "small park": {"leisure": "park"},
    "square": {"highway": "pedestrian", "area": "yes", "place": "square", "surface": "sett"},
    "church": {"landuse": "religious"},
    "town hall": {"landuse": "civic_admin"},
    "station": {"landuse": "commercial"},
    "cemetery": {"landuse": "cemetery"},
    "sports": {"leisure": "sports_centre"},
    "school": {"amenity": "school"},
    "college": {"amenity": "college"},
    "hospital": {"amenity": "hospital"},
    "parking": {"amenity": "parking", "parking": "surface"},
    "retail": {"landuse": "retail"},
    "allotments": {"landuse": "allotments"},
    "green": {"landuse": "recreation_ground"},
    "camp": {"tourism": "camp_site"},
}
"""Tags of land with a purpose, by use."""

_MOTOR = frozenset({"primary", "secondary", "tertiary", "unclassified", "residential", "living_street"})


def lay_grounds(plan: Plan, obstacles: Sequence[tuple[Point, float]]) -> None:
    """Adds the grounds of all blocks that have a purpose to the plan, and what is on them."""
    for index, block in enumerate(plan.blocks):
        if block.use not in GROUND_TAGS:
            if block.use in LANDUSE:
                plan.features.append(Feature("area", list(block.ring), dict(LANDUSE[block.use])))
            continue
        stream = Stream(plan.seed, f"ground {index}")
        plot = plot_of(plan.plane, block.half, plan.kinds, obstacles, block.ring)
        outline: Line | None = list(block.ring)
        if block.use != "square":
            outline = inset(block.ring, [0.85 * margin for margin in plot.margins])
        ground = Ground(block.use, Feature("area", outline or list(block.ring), dict(GROUND_TAGS[block.use])), index)
        plan.grounds.append(ground)
        plan.features.append(ground.feature)
        if block.use in STYLES:
            houses = build_up(
                plan.plane, index, block.half, plot, STYLES[block.use], plan.street_of, plan.kinds, stream
            )
            ground.buildings = list(range(len(plan.buildings), len(plan.buildings) + len(houses)))
            plan.buildings += houses
        _furnish(plan, block, ground, plot, stream)


def _furnish(plan: Plan, block: Block, ground: Ground, plot: Plot, stream: Stream) -> None:
    taken = [plan.buildings[index].ring for index in ground.buildings]
    match ground.use:
        case "park" | "small park":
            _lay_park(plan, block, stream)
        case "cemetery" | "allotments" | "green":
            middle = centroid(block.ring)
            if inside(middle, block.ring):
                _spokes(plan, block, [middle], 3, taken, {"highway": "footway", "surface": "gravel"})
            if ground.use == "green":
                _pitch(plan, plot, taken, (92.0, 58.0), {"sport": "soccer", "surface": "grass"})
        case "sports":
            _pitch(plan, plot, taken, (104.0, 66.0), {"sport": "soccer", "surface": "grass", "lit": "yes"})
            _pitch(plan, plot, taken, (96.0, 60.0), {"sport": "soccer", "surface": "artificial_turf"})
            for _ in range(4):
                _pitch(plan, plot, taken, (36.0, 18.0), {"sport": "tennis", "surface": "clay"})
            _car_park(plan, block, plot, taken, (52.0, 34.0))
        case "school":
            _pitch(plan, plot, taken, (30.0, 17.0), {"sport": "basketball", "surface": "asphalt"})
        case "hospital" | "college" | "retail":
            for size in ((74.0, 46.0), (54.0, 32.0)):
                if _car_park(plan, block, plot, taken, size):
                    break
        case "parking":
            middle = centroid(block.ring)
            _drive(plan, block, middle)
        case "station":
            _car_park(plan, block, plot, taken, (40.0, 30.0))


def _lay_park(plan: Plan, block: Block, stream: Stream) -> None:
    ring = block.ring
    middle = centroid(ring)
    box = Box(ring)
    if not inside(middle, ring):
        return
    gravel = {"highway": "footway", "surface": "fine_gravel"}
    if block.area_m2 < 15000.0:
        _spokes(plan, block, [middle], 4, [], gravel)
        hub = {"natural": "tree"} if stream.chance(0.5) else {"amenity": "bench", "backrest": "yes"}
        plan.features.append(Feature("point", [snap(middle[0] + 4.0, middle[1] + 3.0)], hub))
        return
    radius = min(34.0, 0.21 * box.width_m)
    water = pond(stream, middle, radius)
    plan.features.append(Feature("area", water, {"natural": "water", "water": "pond"}, is_apart=True))
    walk = circle(middle, radius * 1.75, 18)
    walk = [p for p in walk if inside(p, ring) and _margin(p, ring) > 6.0]
    if len(walk) < 12:
        return
    plan.features.append(Feature("line", [*walk, walk[0]], dict(gravel)))
    _spokes(plan, block, walk, 8, [water], {**gravel, "bicycle": "yes"})
    for index in range(0, len(walk), 3):
        seat = between(walk[index], middle, -0.09)
        plan.features.append(Feature("point", [seat], {"amenity": "bench", "backrest": "yes", "material": "wood"}))
    for _ in range(26):
        tree = box.point(stream.unit(), stream.unit())
        if inside(tree, ring) and _margin(tree, ring) > 9.0 and distance(tree, middle) > radius * 2.0:
            plan.features.append(Feature("point", [tree], {"natural": "tree", "leaf_type": "broadleaved"}))


def _spokes(
    plan: Plan,
    block: Block,
    hubs: Sequence[Point],
    count: int,
    obstacles: Sequence[Sequence[Point]],
    tags: dict[str, str],
) -> None:
    """Paths from street corners around a block to the nearest of some points inside."""
    for entry in _entries(plan, block, count):
        hub = min(hubs, key=lambda p: distance(p, entry))
        path = _inner_path(entry, hub, block.ring, obstacles)
        if path:
            plan.features.append(Feature("line", path, dict(tags)))


def _inner_path(a: Point, b: Point, ring: Sequence[Point], obstacles: Sequence[Sequence[Point]]) -> Line | None:
    for aside in (0.12, -0.12, 0.0, 0.3, -0.3):
        u = direction(a, b)
        gap = distance(a, b)
        bend = snap((a[0] + b[0]) / 2.0 - u[1] * aside * gap, (a[1] + b[1]) / 2.0 + u[0] * aside * gap)
        path = smoothed([a, bend, b], 18.0)
        inner = [p for p in path[1:-1] if distance(p, a) > 7.0]
        if all(inside(p, ring) and _margin(p, ring) > 3.5 for p in inner) and not any(
            inside(p, other) or _margin(p, other) < 3.2 for p in resampled(path, 5.0)[1:-1] for other in obstacles
        ):
            return path
    return None


def _entries(plan: Plan, block: Block, count: int) -> list[Point]:
    """Street corners around a block, far from each other."""
    plane = plan.plane
    found = []
    for half in plane.loop(block.half):
        vertex = plane.origin[half]
        if plan.kinds[half >> 1] in STREETS | _MOTOR | {"pedestrian", "footway"} and vertex not in plan.roundabouts:
            found.append(plane.points[vertex])
    chosen: list[Point] = []
    while found and len(chosen) < count:
        chosen.append(max(found, key=lambda p: min((distance(p, q) for q in chosen), default=0.0)))
        found.remove(chosen[-1])
    return chosen


def _margin(point: Point, ring: Sequence[Point]) -> float:
    return distance_to_line(point, [*ring, ring[0]])


def _pitch(plan: Plan, plot: Plot, taken: list[list[Point]], size: tuple[float, float], tags: dict[str, str]) -> None:
    outline = _place(plot, taken, size)
    if outline is not None:
        taken.append(outline)
        plan.features.append(Feature("area", outline, {"leisure": "pitch", **tags}, is_apart=True))


def _car_park(plan: Plan, block: Block, plot: Plot, taken: list[list[Point]], size: tuple[float, float]) -> bool:
    outline = _place(plot, taken, size)
    if outline is None:
        return False
    taken.append(outline)
    feature = Feature("area", outline, {"amenity": "parking", "parking": "surface"}, is_apart=True)
    plan.features.append(feature)
    plan.grounds.append(Ground("parking", feature, plan.blocks.index(block)))
    _drive(plan, block, centroid(outline), taken[:-1])
    return True


def _drive(plan: Plan, block: Block, goal: Point, obstacles: Sequence[Sequence[Point]] = ()) -> None:
    """A service road from the street to a point inside the block."""
    plane = plan.plane
    entries = [
        plane.points[plane.origin[half]]
        for half in plane.loop(block.half)
        if plan.kinds[half >> 1] in _MOTOR
        and plan.kinds[plane.previous[half] >> 1] in _MOTOR
        and plane.origin[half] not in plan.roundabouts
    ]
    for entry in sorted(entries, key=lambda p: distance(p, goal)):
        path = _inner_path(entry, goal, block.ring, obstacles)
        if path:
            tags = {"highway": "service", "service": "parking_aisle"}
            plan.features.append(Feature("line", path, tags))
            return


def _place(plot: Plot, taken: Sequence[Sequence[Point]], size: tuple[float, float]) -> list[Point] | None:
    """A free rectangle of a size in a plot, as near to its middle as there is one."""
    box = Box(plot.ring)
    spots = [(a / 8.0, b / 6.0) for a in range(1, 8) for b in range(1, 6)]
    for ahead, beside in sorted(spots, key=lambda s: abs(s[0] - 0.5) + abs(s[1] - 0.5)):
        for along in (box.along, (-box.along[1], box.along[0])):
            outline = rectangle(box.point(ahead, beside), along, *size)
            if plot.holds(outline) and not any(_near(outline, other) for other in taken):
                return outline
    return None


def _near(a: Sequence[Point], b: Sequence[Point]) -> bool:
    reach = distance(a[0], a[2]) + distance(b[0], b[len(b) // 2])
    return distance(a[0], b[0]) < reach and overlap(a, b, -2.0)
