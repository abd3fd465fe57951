"""What lies at the water: sea and river, quay and moles, marina, beach, the ferry."""

from annotator.demo.land.buildings import Building
from annotator.demo.names.words import shown
from annotator.demo.plan import Feature, Ground, Plan
from annotator.demo.plane.geometry import (
    Line,
    Point,
    between,
    direction,
    distance,
    distance_to_line,
    distance_to_segment,
    edges,
    inside,
    left_of,
    moved,
    overlap,
    snap,
)
from annotator.demo.plane.shapes import band
from annotator.demo.stream import Stream

_SEA_M = 720.0
_FOOTWAY = {"highway": "footway"}


def lay_water(plan: Plan) -> None:
    """Coastline, sea and river."""
    terrain = plan.terrain
    coast = terrain.coast
    for block in plan.blocks:
        if block.zone in ("waterfront", "river"):
            plan.features.append(Feature("area", list(block.ring), {"landuse": "grass"}))
    far = terrain.bend.line([snap(x, -_SEA_M) for x in (terrain.coast_xs[-1], 0.0, terrain.coast_xs[0])])
    plan.features.append(Feature("line", list(coast), {"natural": "coastline"}))
    sea = Feature("area", [*far[::-1], *coast[::-1]], {"natural": "water", "water": "sea"})
    plan.features.append(sea)
    plan.grounds.append(Ground("sea", sea, -1))
    plan.features.append(Feature("area", terrain.river_bed, {"natural": "water", "water": "river"}, is_apart=True))
    names = plan.names["river"]
    plan.features.append(
        Feature(
            "line",
            terrain.from_limit(terrain.river),
            {"waterway": "river", **shown(names, plan.anchor.languages)},
            is_apart=True,
        )
    )


def lay_harbour(plan: Plan) -> None:
    """Quay, moles with the lighthouse, piers, marina, ferry; sheds along the quay."""
    terrain, half = plan.terrain, plan.terrain.harbour_half_m
    bend = terrain.bend.line
    stream = Stream(plan.seed, "harbour")
    strip = _strip(plan, -half, half, 0.0, 0.62)
    if strip:
        quay = Feature("area", strip, {"landuse": "harbour", "surface": "concrete"}, is_apart=True)
        plan.features.append(quay)
    foot = frozenset({"footway"})
    roots = [_vertex_near(plan, terrain.bend.point((side * half, 0.0)), foot) for side in (-1.0, 1.0)]
    west = [roots[0], *bend([snap(-half + 4.0, -105.0), snap(-half * 0.72, -178.0), snap(-half * 0.2, -226.0)])]
    east = [roots[1], *bend([snap(half - 2.0, -88.0), snap(half * 0.8, -150.0), snap(half * 0.32, -186.0)])]
    for mole in (west, east):
        plan.features.append(Feature("area", band(mole, 11.0), {"man_made": "breakwater"}, is_apart=True))
        plan.features.append(Feature("line", mole, dict(_FOOTWAY)))
    light = Feature("point", [snap(west[-1][0] + 1.5, west[-1][1] + 1.5)], {"man_made": "lighthouse"})
    plan.features.append(light)
    plan.grounds.append(Ground("lighthouse", light, -1))
    pier_x = -half * stream.uniform(0.3, 0.45)
    pier = _pier(plan, pier_x, 86.0)
    _pier(plan, pier_x + half * 0.45, 62.0)
    _marina(plan, half * 0.66)
    if pier:
        _lay_ferry(plan, pier)
    for x in range(int(-half + 26.0), int(half - 30.0), 31):
        clear = all(abs(x + 8.0 - other) > 21.0 for other in (pier_x, pier_x + half * 0.45, half * 0.66))
        if clear and stream.chance(0.75):
            _shed(plan, float(x), stream.uniform(14.0, 20.0), stream)


def lay_beach(plan: Plan) -> None:
    """Sand, a promenade behind it, and wild shore beyond; works at the other end."""
    terrain = plan.terrain
    away = -float(terrain.side)
    second = plan.size.rings_m[1]
    near, far = terrain.harbour_half_m + 150.0, terrain.harbour_half_m + 150.0 + min(680.0, second * 0.85)
    low, high = sorted((away * near, away * far))
    sand = _strip(plan, low, high, 0.0, 0.4)
    if sand:
        beach = Feature("area", sand, {"natural": "beach", "surface": "sand"}, is_apart=True)
        plan.features.append(beach)
        plan.grounds.append(Ground("beach", beach, -1))
    _promenade(plan, low, high)
    reserve_near, reserve_far = far + 90.0, far + 90.0 + 0.5 * second
    low, high = sorted((away * reserve_near, away * reserve_far))
    dunes = _strip(plan, low, high, 0.02, 0.68)
    if dunes:
        reserve = Feature("area", dunes, {"leisure": "nature_reserve", "natural": "grassland"}, is_apart=True)
        plan.features.append(reserve)
        plan.grounds.append(Ground("nature reserve", reserve, -1))
    port_near = plan.size.rings_m[0] + 190.0
    low, high = sorted((-away * port_near, -away * (port_near + 0.55 * second)))
    port = _strip(plan, low, high, 0.0, 0.8)
    if port:
        plan.features.append(Feature("area", port, {"landuse": "industrial", "industrial": "port"}, is_apart=True))
        stream = Stream(plan.seed, "port")
        for x in range(int(low) + 16, int(high) - 40, 52):
            _shed(plan, float(x), stream.uniform(28.0, 38.0), stream, 18.0, "warehouse")


def _strip(plan: Plan, low: float, high: float, start: float, end: float) -> list[Point]:
    """Land between shares of the way from the coast to the coast road, from one `x` to another; may be empty."""
    terrain = plan.terrain
    inner = [k for k, x in enumerate(terrain.coast_xs) if low <= x <= high]
    if len(inner) < 3:
        return []
    lower = [between(terrain.coast[k], terrain.behind_coast[k], start) for k in inner]
    upper = [between(terrain.coast[k], terrain.behind_coast[k], end) for k in inner]
    return [*lower, *reversed(upper)]


def _vertex_near(plan: Plan, point: Point, kinds: frozenset[str]) -> Point:
    """The nearest corner of edges of some kinds that is not a roundabout."""
    plane = plan.plane
    found = [
        plane.points[v] for h, v in enumerate(plane.origin) if plan.kinds[h >> 1] in kinds and v not in plan.roundabouts
    ]
    return min(found, key=lambda p: (distance(p, point), p))


def _road_vertex(plan: Plan, x: float) -> Point:
    """The corner of the coast road nearest to an `x`."""
    terrain = plan.terrain
    index = min(range(len(terrain.coast_xs)), key=lambda k: abs(terrain.coast_xs[k] - x))
    return _vertex_near(plan, terrain.behind_coast[index], frozenset({"secondary"}))


def _pier(plan: Plan, x: float, reach: float) -> Line:
    """A pier at the quay and the way to it from the road; returns its line."""
    bend = plan.terrain.bend.point
    line = [bend(snap(x, 0.0)), bend(snap(x, -reach / 2.0)), bend(snap(x, -reach))]
    plan.features.append(Feature("area", band(line, 7.0), {"man_made": "pier"}, is_apart=True))
    plan.features.append(Feature("line", [_road_vertex(plan, x), *line], dict(_FOOTWAY)))
    return line


def _marina(plan: Plan, x: float) -> None:
    bend = plan.terrain.bend.point
    half = plan.terrain.harbour_half_m
    low, high = x - half * 0.2, x + half * 0.2
    basin = [bend(snap(*p)) for p in ((low, -96.0), (high, -84.0), (high, -6.0), (low, -6.0))]
    marina = Feature("area", basin, {"leisure": "marina", "seamark:type": "harbour"}, is_apart=True)
    plan.features.append(marina)
    plan.grounds.append(Ground("marina", marina, -1))
    line = [bend(snap(x, y)) for y in (0.0, -14.0, -30.0, -46.0, -62.0, -78.0)]
    tags = {"man_made": "pier", "floating": "yes"}
    plan.features.append(Feature("line", line, {**tags, **_FOOTWAY}))
    plan.features.append(Feature("line", [_road_vertex(plan, x), line[0]], dict(_FOOTWAY)))
    for point in line[2:]:
        u = left_of(direction(line[0], line[-1]))
        for side in (-1.0, 1.0):
            plan.features.append(Feature("line", [point, moved(point, u, side * half * 0.17)], dict(tags)))


def _lay_ferry(plan: Plan, pier: Line) -> None:
    """A small ferry from the harbour to a landing stage at the beach."""
    terrain = plan.terrain
    away = -float(terrain.side)
    x = away * (terrain.harbour_half_m + 150.0 + min(520.0, plan.size.rings_m[1] * 0.62))
    index = min(range(len(terrain.coast_xs)), key=lambda k: abs(terrain.coast_xs[k] - x))
    root = terrain.coast[index]
    out = direction(terrain.behind_coast[index], root)
    stage = [root, moved(root, out, 24.0), moved(root, out, 48.0)]
    plan.features.append(Feature("area", band(stage, 5.0), {"man_made": "pier"}, is_apart=True))
    plan.features.append(Feature("line", [_road_vertex(plan, x), *stage], dict(_FOOTWAY)))
    bend = terrain.bend.point
    entrance, sea = bend(snap(0.0, -262.0)), bend(snap(away * terrain.harbour_half_m * 1.2, -330.0))
    inside_moles = bend(snap(-0.15 * terrain.harbour_half_m, -150.0))
    way = [pier[-1], inside_moles, entrance, sea, moved(stage[-1], out, 120.0), stage[-1]]
    names = {
        "en": "Beach Ferry",
        "fr": "Bac de la Plage",
        "de": "Strandfähre",
    }
    tags = {"route": "ferry", "foot": "yes", "bicycle": "yes", "motor_vehicle": "no", "duration": "00:12"}
    plan.features.append(Feature("line", way, {**tags, **shown(names, plan.anchor.languages)}))
    for use, point in (("ferry terminal", pier[0]), ("ferry landing", stage[0])):
        terminal = Feature("point", [snap(point[0] + 2.0, point[1] + 6.0)], {"amenity": "ferry_terminal"})
        plan.features.append(terminal)
        plan.grounds.append(Ground(use, terminal, -1))


def _promenade(plan: Plan, low: float, high: float) -> None:
    terrain = plan.terrain
    inner = [k for k, x in enumerate(terrain.coast_xs) if low <= x <= high]
    if len(inner) < 4:
        return
    line = [between(terrain.coast[k], terrain.behind_coast[k], 0.52) for k in inner]
    stops = [_road_vertex(plan, terrain.coast_xs[k]) for k in (inner[0], inner[len(inner) // 2], inner[-1])]
    tags = {"highway": "footway", "bicycle": "yes", "surface": "paving_stones", "lit": "yes"}
    names = {"en": "Sea Walk", "fr": "Promenade du Front-de-Mer", "de": "Seeuferweg"}
    plan.features.append(Feature("line", [stops[0], *line, stops[2]], {**tags, **shown(names, plan.anchor.languages)}))
    plan.features.append(Feature("line", [stops[1], line[len(line) // 2]], dict(_FOOTWAY)))
    for k in range(2, len(line), 3):
        seat = between(line[k], terrain.behind_coast[inner[k]], 0.12)
        plan.features.append(Feature("point", [seat], {"amenity": "bench", "backrest": "no"}))


def _shed(plan: Plan, x: float, width: float, stream: Stream, depth: float = 10.0, kind: str = "commercial") -> None:
    """A building between the coast road and the water, its front to the road."""
    terrain = plan.terrain
    index = min(range(1, len(terrain.coast_xs)), key=lambda k: abs(terrain.coast_xs[k] - x))
    road = terrain.behind_coast[index]
    along = direction(terrain.behind_coast[index], terrain.behind_coast[index - 1])
    down = left_of(along)
    front = moved(road, down, 10.5)
    a, b = moved(front, along, -width / 2.0), moved(front, along, width / 2.0)
    ring = [a, b, moved(b, down, depth), moved(a, down, depth)]
    land, plane = terrain.land, plan.plane
    circles = [(plane.points[v], radius + 6.0) for v, radius in plan.roundabouts.items()]
    for corner in ring:
        if distance_to_line(corner, terrain.behind_coast) < 9.0 or not inside(corner, land):
            return
    if any(distance_to_segment(middle, p, q) < radius for middle, radius in circles for p, q in edges(ring)):
        return
    if any(house.block == -1 and overlap(ring, house.ring) for house in plan.buildings):
        return
    vertex = _vertex_near(plan, road, frozenset({"secondary"}))
    halves = [h for h, v in enumerate(plane.origin) if plane.points[v] == vertex]
    street = next(plan.street_of[h >> 1] for h in halves if plan.kinds[h >> 1] == "secondary")
    tags = {"building": kind, "building:levels": str(stream.integer(1, 2))}
    plan.buildings.append(Building(ring, street, between(a, b, 0.5), -1, tags))
