"""The steps by which a town is made, in their order."""

from dataclasses import dataclass
from itertools import count

from annotator.demo.anchors import Anchor
from annotator.demo.draw import Drawing
from annotator.demo.land.blocks import STREETS
from annotator.demo.land.buildings import build_up, plot_of
from annotator.demo.land.districts import found_districts
from annotator.demo.land.grounds import GROUND_TAGS, lay_grounds
from annotator.demo.land.quarters import build_blocks, choose_sites, measure, survey
from annotator.demo.land.skeleton import draw_skeleton
from annotator.demo.land.terrain import Terrain, shape_terrain
from annotator.demo.land.uses import STYLES, choose_uses
from annotator.demo.land.waterside import lay_beach, lay_harbour, lay_water
from annotator.demo.names.naming import Namer, name_streets, name_town
from annotator.demo.names.words import shown, tables
from annotator.demo.places.addresses import number_houses
from annotator.demo.places.settler import Settler, crossing_names
from annotator.demo.plan import Feature, Ground, Plan
from annotator.demo.plane.arrangement import Curve, arrange, is_sound
from annotator.demo.plane.geometry import Point, between, centroid, distance, inside
from annotator.demo.plane.planar import Plane
from annotator.demo.plane.shapes import is_simple
from annotator.demo.sheet import Sheet
from annotator.demo.sizes import TownSize
from annotator.demo.stream import Stream
from annotator.demo.ways.corners import BusLine, lay_bus_lines, mark_corners
from annotator.demo.ways.motorway import ROUNDABOUT_M, Interchange, find_interchanges, lay_motorway, motorway_course
from annotator.demo.ways.rail import lay_tracks, platforms, rail_halves, raise_railway, station_point
from annotator.demo.ways.roundabouts import choose_roundabouts
from annotator.demo.ways.streets import course, find_streets
from annotator.demo.ways.traffic import regulate

_BUS = {"en": "Bus", "fr": "Bus", "de": "Bus"}
_RAILWAY = {"en": "Coast Railway", "fr": "Chemin de fer du Littoral", "de": "Küstenbahn"}


@dataclass(frozen=True, slots=True)
class Made:
    """A town that is on its sheet.

    Args:
        plan: all about it.
        num_places: how many of its objects are places with a name.
        exits: node and position where its roads and its railway leave the map, by role and side (`west`, `east`).
    """

    plan: Plan
    num_places: int
    exits: dict[tuple[str, str], tuple[int, Point]]


def make_town(seed: int, size: TownSize, anchor: Anchor, sheet: Sheet) -> Made:
    """Makes the town of a seed and draws it on a sheet."""
    terrain, curves, plane = draw_plane(seed, size)
    quarters = survey(plane, curves, size, terrain.river)
    motorway = motorway_course(size, terrain)
    interchanges = find_interchanges(plane, curves, motorway)
    raised = raise_railway(plane)
    sites = choose_sites(seed, size, terrain)
    blocks = build_blocks(seed, plane, curves, quarters, sites, motorway)
    measure(plane, blocks)
    plan = Plan(seed, size, anchor, terrain, curves, plane, quarters, blocks)
    _open_streets(plan)
    _choose_roundabouts(plan, interchanges)
    _build(plan)
    namer = Namer(seed, anchor.languages[0])
    name_town(plan, namer)
    _lay_land(plan)
    river_edges = _river_edges(plan)
    tracks = lay_tracks(plan, raised, river_edges)
    station = _open_stations(plan)
    mark_corners(plan)
    lines = lay_bus_lines(plan)
    found_districts(plan, namer)
    name_streets(plan, namer)
    number_houses(plan)
    _name_grounds(plan)
    num_places = _settle(plan, namer, station, lines)

    drawing = Drawing(plan, sheet, river_edges)
    drawing.draw_streets()
    pieces = lay_motorway(seed, plane, terrain, motorway, interchanges)
    drawing.draw_motorway(pieces, interchanges, tables()["role motorway"][0].names)
    drawing.draw_roundabouts()
    drawing.draw_railway(tracks, _RAILWAY)
    drawing.draw_features()
    drawing.draw_buildings()
    drawing.draw_bus_lines(lines, _BUS)
    drawing.draw_boundaries("8", size.population + Stream(seed, "population").integer(-900, 900))
    return Made(plan, num_places, _exits(plan, sheet, motorway))


def draw_plane(seed: int, size: TownSize) -> tuple[Terrain, list[Curve], Plane]:
    """Land and skeleton whose lines cross cleanly, on land; where the first drawing does not, there are more."""
    for attempt in count():
        terrain = shape_terrain(seed, size, attempt)
        curves = draw_skeleton(seed, size, terrain, attempt)
        plane = arrange(curves)
        if is_sound(plane) and is_simple(terrain.river_bed) and _is_dry(plane, terrain):
            break
    return terrain, curves, plane


def _is_dry(plane: Plane, terrain: Terrain) -> bool:
    """Whether no road runs out to sea, as one along a steep coast might."""
    land = terrain.land
    return all(
        inside(between(plane.points[plane.origin[2 * edge]], plane.points[plane.origin[2 * edge + 1]], 0.5), land)
        for edge, kind in enumerate(plane.kind)
        if kind in STREETS or kind == "rail"
    )


def _open_streets(plan: Plan) -> None:
    """Finds the streets and says who may use them."""
    plane = plan.plane
    zones = [""] * len(plane.origin)
    for block in plan.blocks:
        for half in plane.loop(block.half):
            zones[half] = block.zone
    plan.streets = find_streets(plane, plan.curves, zones)
    squares = [centroid(block.ring) for block in plan.blocks if block.use == "square"]
    plan.square = squares[0] if squares else plan.terrain.bend.point((0.0, 150.0))
    regulate(plan.seed, plane, plan.streets, plan.square, plan.size.rings_m[0])
    plan.kinds = list(plane.kind)
    plan.street_of = [-1] * len(plane.kind)
    for index, street in enumerate(plan.streets):
        for half in street.halves:
            plan.kinds[half >> 1] = street.kind
            plan.street_of[half >> 1] = index


def _choose_roundabouts(plan: Plan, interchanges: list[Interchange]) -> None:
    most = max(1, len(plan.size.rings_m) - 1)
    plan.roundabouts = choose_roundabouts(plan.seed, plan.plane, plan.kinds, most)
    for at in interchanges:
        plan.roundabouts[at.inner] = plan.roundabouts[at.outer] = ROUNDABOUT_M


def _build(plan: Plan) -> None:
    """Houses, and what stands on grounds."""
    plane = plan.plane
    _choose_camp(plan)
    choose_uses(plan.seed, plane, plan.blocks, plan.square, plan.size.rings_m[0])
    obstacles = [(plane.points[vertex], radius + 9.0) for vertex, radius in plan.roundabouts.items()]
    for index, block in enumerate(plan.blocks):
        if block.use in STYLES and block.use not in GROUND_TAGS:
            plot = plot_of(plane, block.half, plan.kinds, obstacles, block.ring)
            stream = Stream(plan.seed, f"houses {index}")
            plan.buildings += build_up(
                plane, index, block.half, plot, STYLES[block.use], plan.street_of, plan.kinds, stream
            )
    lay_grounds(plan, obstacles)


def _choose_camp(plan: Plan) -> None:
    """A field behind the beach becomes the camp site."""
    terrain = plan.terrain
    x = -terrain.side * (terrain.harbour_half_m + 0.9 * plan.size.rings_m[1])
    beach = terrain.bend.point((x, 110.0))
    fields = [block for block in plan.blocks if block.zone == "rural" and 9000.0 < block.area_m2 < 90000.0]
    if fields:
        min(fields, key=lambda block: distance(centroid(block.ring), beach)).use = "camp"


def _lay_land(plan: Plan) -> None:
    lay_water(plan)
    lay_harbour(plan)
    lay_beach(plan)


def _river_edges(plan: Plan) -> set[int]:
    """Edges with the river on both sides."""
    wet = {half for block in plan.blocks if block.zone == "river" for half in plan.plane.loop(block.half)}
    return {half >> 1 for half in wet if half ^ 1 in wet}


def _open_stations(plan: Plan) -> Point:
    """The station beside its square, and a halt at the edge of town; returns where the station is."""
    blocks = [index for index, block in enumerate(plan.blocks) if block.use == "station"]
    line = course(plan.plane, rail_halves(plan.plane))
    middle = plan.terrain.bend.point((0.0, 500.0))
    stop = station_point(plan, blocks[0]) if blocks else min(line, key=lambda p: distance(p, middle))
    far = plan.size.rings_m[-1] * 0.9
    halt = min(line, key=lambda p: abs(distance(p, stop) - far) + (400.0 if p[0] > stop[0] else 0.0))
    plan.features += platforms(plan, stop)
    for use, point in (("rail", stop), ("halt", halt)):
        feature = Feature("point", [point], {})
        plan.features.append(feature)
        plan.grounds.append(Ground(use, feature, -1))
    return stop


def _name_grounds(plan: Plan) -> None:
    """Names of land that is no place to search for: the market square, the sea."""
    for ground in plan.grounds:
        names = {"square": tables()["squares"][0].names, "sea": plan.names["bay"]}.get(ground.use)
        if names:
            ground.feature.tags |= shown(names, plan.anchor.languages)


def _settle(plan: Plan, namer: Namer, station: Point, lines: list[BusLine]) -> int:
    settler = Settler(plan, namer, station)
    stops = [stop for line in lines for stop in line.stops]
    settler.settle(len(stops))
    settler.address_houses()
    return settler.num_places + settler.name_stops(
        stops, {index: crossing_names(plan, stop.points[0], 4) for index, stop in enumerate(stops)}
    )


def _exits(plan: Plan, sheet: Sheet, motorway: list[Point]) -> dict[tuple[str, str], tuple[int, Point]]:
    plane = plan.plane
    result: dict[tuple[str, str], tuple[int, Point]] = {}
    limits = {plane.origin[half] for half in range(len(plane.origin)) if plane.kind[half >> 1] == "limit"}
    for half, vertex in enumerate(plane.origin):
        line = plane.line[half >> 1]
        if vertex in limits and line < len(plan.curves):
            role = {"radial east": "road", "radial west": "road"}.get(plan.curves[line].role, plan.curves[line].role)
            if role in ("road", "coast road", "railway"):
                point = plane.points[vertex]
                result[role, "west" if point[0] < 0.0 else "east"] = (sheet.node(point), point)
    if motorway:
        for side, point in (("west", motorway[0]), ("east", motorway[-1])):
            result["motorway", side] = (sheet.node(point, "motorway"), point)
    return result
