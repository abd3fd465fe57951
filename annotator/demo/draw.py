"""The plan becomes nodes, ways and relations."""

from collections.abc import Sequence
from itertools import pairwise

from annotator.demo.land.districts import outlines
from annotator.demo.names.words import Names, shown
from annotator.demo.plan import Plan
from annotator.demo.plane.geometry import Line, Point, snap
from annotator.demo.sheet import Member, Sheet, Tags
from annotator.demo.ways.corners import BusLine
from annotator.demo.ways.motorway import ROUNDABOUT_M, Interchange, Piece
from annotator.demo.ways.rail import Track
from annotator.demo.ways.roundabouts import circle_through, shortened
from annotator.demo.ways.streets import Street, vertices

_SPEEDS = {
    "motorway": "110",
    "motorway_link": "60",
    "trunk": "90",
    "primary": "50",
    "secondary": "50",
    "tertiary": "50",
    "unclassified": "50",
    "residential": "30",
    "living_street": "20",
}
_RURAL_SPEEDS = {"primary": "80", "secondary": "70", "tertiary": "60", "residential": "50"}
_LANES = {"primary": "2", "secondary": "2"}


class Drawing:
    """Draws one plan on a sheet; the parts may be drawn in any order, but always in the same.

    Args:
        plan: the town.
        sheet: gets everything.
        river_edges: edges of the plane that are over the river.
    """

    def __init__(self, plan: Plan, sheet: Sheet, river_edges: set[int]) -> None:
        self._plan = plan
        self._sheet = sheet
        self._river_edges = river_edges
        self._stops: dict[int, list[Point]] = {vertex: [] for vertex in plan.roundabouts}
        self._ways_of_street: dict[int, list[int]] = {}
        self._node_of_feature: dict[int, int] = {}

    def draw_streets(self) -> None:
        """Streets and paths of the plane."""
        for index, street in enumerate(self._plan.streets):
            self._ways_of_street[index] = []
            for halves in self._parts(street):
                line = self._between_circles(vertices(self._plan.plane, halves))
                if len(line) > 1:
                    tags = self._street_tags(street, is_bridge=halves[0] >> 1 in self._river_edges)
                    self._ways_of_street[index].append(self._sheet.line(line, tags))

    def draw_motorway(self, pieces: Sequence[Piece], interchanges: Sequence[Interchange], names: Names) -> None:
        """Carriageways and slip roads; the roundabouts at their feet get them as arms."""
        foot_of = {self._plan.plane.points[v]: v for at in interchanges for v in (at.inner, at.outer)}
        for piece in pieces:
            tags = {"highway": piece.kind, "maxspeed": _SPEEDS[piece.kind], "surface": "asphalt"}
            if piece.kind != "motorway_link":
                tags |= self._named(names)
            if piece.kind != "trunk":
                tags["oneway"] = "yes"
            if piece.kind == "motorway":
                tags["lanes"] = "2"
            if piece.is_toll:
                tags["toll"] = "yes"
            if piece.is_bridge:
                tags |= {"bridge": "yes", "layer": "1"}
            refs = []
            for position, point in enumerate(piece.points):
                vertex = foot_of.get(point)
                if vertex is None:
                    refs.append(self._sheet.node(point, "motorway"))
                    continue
                outward = piece.points[::-1] if position else piece.points
                end = shortened(outward, point, self._plan.roundabouts[vertex])[0]
                self._stops[vertex].append(end)
                refs.append(self._sheet.node(end))
            self._sheet.way(refs, tags)

    def draw_roundabouts(self) -> None:
        """Circles through the ends of their arms; counterclockwise, as traffic keeps right."""
        for vertex, stops in self._stops.items():
            radius = self._plan.roundabouts[vertex]
            ring = circle_through(stops, self._plan.plane.points[vertex], radius)
            kinds = {self._plan.kinds[h >> 1] for h, v in enumerate(self._plan.plane.origin) if v == vertex}
            kind = next(kind for kind in ("primary", "secondary", "tertiary") if kind in kinds)
            speed = "40" if radius >= ROUNDABOUT_M else "30"
            tags = {"highway": kind, "junction": "roundabout", "oneway": "yes", "maxspeed": speed, "lit": "yes"}
            self._sheet.area(ring, tags)

    def draw_railway(self, tracks: Sequence[Track], names: Names) -> None:
        """The track; where it crosses above or below a road it has corners of its own."""
        for track in tracks:
            tags = {
                "railway": "rail",
                "gauge": "1435",
                "electrified": "contact_line",
                "usage": "branch",
                **self._named(names),
            }
            if track.is_bridge:
                tags |= {"bridge": "yes", "layer": "1"}
            refs = [self._sheet.node(p, "rail" if p in track.own else "") for p in track.points]
            self._sheet.way(refs, tags)

    def draw_features(self) -> None:
        """All that is neither street nor house."""
        for index, feature in enumerate(self._plan.features):
            layer = f"feature {index}" if feature.is_apart else ""
            if feature.shape == "point":
                self._node_of_feature[id(feature)] = self._sheet.new_node(feature.points[0], feature.tags)
            elif feature.shape == "line":
                self._sheet.line(feature.points, feature.tags, layer)
            else:
                self._sheet.area(feature.points, feature.tags, layer)
        for point, tags in self._plan.vertex_tags.items():
            if self._sheet.has(point):
                self._sheet.tag_node(point, tags)

    def draw_buildings(self) -> None:
        """Houses; terraced ones share corners."""
        for index, house in enumerate(self._plan.buildings):
            self._sheet.area(_outline(house.ring, house.tags, index), house.tags, "house")

    def draw_bus_lines(self, lines: Sequence[BusLine], label: Names) -> None:
        """Route relations over stops and streets; `label` is the word for bus line by language."""
        for line in lines:
            members: list[Member] = [("n", self._node_of_feature[id(stop)], "platform") for stop in line.stops]
            members += [("w", way, "") for street in line.streets for way in self._ways_of_street[street]]
            names = {language: f"{word} {line.number}" for language, word in label.items()}
            tags = {"type": "route", "route": "bus", "ref": line.number, **self._named(names)}
            ends = {"from": line.stops[0].tags.get("name", ""), "to": line.stops[-1].tags.get("name", "")}
            self._sheet.relation(members, tags | {key: value for key, value in ends.items() if value})

    def draw_boundaries(self, town_level: str, population: int) -> None:
        """Borders of the town and its districts, and the nodes of their names."""
        plan, sheet = self._plan, self._sheet
        bend = plan.terrain.bend.line
        xs = plan.terrain.coast_xs
        sea = bend([snap(xs[0], -640.0), snap(0.0, -680.0), snap(xs[-1], -640.0)])
        border = {"boundary": "administrative", "admin_level": town_level}
        # The coast's ends are the limit's ends.
        land = sheet.line(plan.terrain.limit, border)
        water = sheet.line([plan.terrain.limit[-1], *sea, plan.terrain.limit[0]], border)
        label = self._place(plan.square, plan.names["town"], "town", {"population": str(population)})
        sheet.relation(
            [("w", land, "outer"), ("w", water, "outer"), ("n", label, "label")],
            {"type": "boundary", **border, **self._named(plan.names["town"]), "population": str(population)},
        )
        for district in plan.districts:
            refs: list[Member] = []
            tags = {"boundary": "administrative", "admin_level": "10"}
            for ring in outlines(plan.plane, district.faces):
                points = [plan.plane.points[plan.plane.origin[h]] for h in ring]
                refs.append(("w", sheet.area(points, tags, "border"), "outer"))
            node = self._place(district.middle, district.names, "suburb", {"postal_code": district.postcode})
            refs.append(("n", node, "label"))
            names = self._named(district.names)
            sheet.relation(refs, {"type": "boundary", **tags, **names, "postal_code": district.postcode})

    def _named(self, names: Names) -> Tags:
        return shown(names, self._plan.anchor.languages)

    def _place(self, point: Point, names: Names, kind: str, more: Tags) -> int:
        return self._sheet.new_node(
            snap(point[0] + 0.37, point[1] + 0.37), {"place": kind, **self._named(names), **more}
        )

    def _parts(self, street: Street) -> list[list[int]]:
        """A street in pieces that are on a bridge or not, and that end at roundabouts."""
        parts = [[street.halves[0]]]
        for before, half in pairwise(street.halves):
            changes = (before >> 1 in self._river_edges) != (half >> 1 in self._river_edges)
            if changes or self._plan.plane.origin[half] in self._plan.roundabouts:
                parts.append([])
            parts[-1].append(half)
        return parts

    def _between_circles(self, path: list[int]) -> Line:
        """The points of a path, without what lies inside roundabouts at its ends."""
        line = [self._plan.plane.points[v] for v in path]
        for vertex, at_start in ((path[0], True), (path[-1], False)):
            if vertex in self._plan.roundabouts:
                outward = line if at_start else line[::-1]
                outward = shortened(outward, self._plan.plane.points[vertex], self._plan.roundabouts[vertex])
                self._stops[vertex].append(outward[0])
                line = outward if at_start else outward[::-1]
        return line

    def _street_tags(self, street: Street, *, is_bridge: bool) -> Tags:
        tags = {"highway": street.kind}
        if street.names is not None:
            tags |= self._named(street.names)
        speeds = _SPEEDS | _RURAL_SPEEDS if street.zone == "rural" else _SPEEDS
        if street.kind in speeds:
            tags["maxspeed"] = speeds[street.kind]
        if street.kind in _LANES:
            tags["lanes"] = _LANES[street.kind]
        if street.kind == "footway":
            tags |= {"bicycle": "yes", "surface": "fine_gravel"}
        elif street.kind == "pedestrian":
            tags |= {"surface": "sett", "lit": "yes", "bicycle": "yes"}
        elif street.zone == "old":
            tags |= {"surface": "sett", "lit": "yes"}
        else:
            tags |= {"surface": "asphalt"}
            if street.zone != "rural":
                tags |= {"lit": "yes", "sidewalk": "both"}
            if street.kind == "secondary":
                tags["cycleway:both"] = "lane"
        if street.is_oneway:
            tags |= {"oneway": "yes", "oneway:bicycle": "no"}
        if is_bridge:
            tags |= {"bridge": "yes", "layer": "1"}
        return tags


_CHURCH = (
    *((0.3, 0.0), (0.7, 0.0), (0.7, 0.16), (0.82, 0.16), (0.82, 0.55), (1.0, 0.55), (1.0, 0.75), (0.82, 0.75)),
    *((0.82, 0.92), (0.6, 1.0), (0.4, 1.0), (0.18, 0.92), (0.18, 0.75), (0.0, 0.75), (0.0, 0.55), (0.18, 0.55)),
    *((0.18, 0.16), (0.3, 0.16)),
)
"""Tower, nave, transept and choir, as shares of a rectangle's front and depth."""


def _outline(ring: Sequence[Point], tags: Tags, index: int) -> list[Point]:
    """A house's corners; large houses and churches are more than a rectangle, and never leave it."""
    a, b, c, d = ring

    def at(ahead: float, beside: float) -> Point:
        x = a[0] + (b[0] - a[0]) * ahead
        y = a[1] + (b[1] - a[1]) * ahead
        far_x, far_y = d[0] + (c[0] - d[0]) * ahead, d[1] + (c[1] - d[1]) * ahead
        return snap(x + (far_x - x) * beside, y + (far_y - y) * beside)

    kind = tags["building"]
    if kind == "church":
        return [at(ahead, beside) for ahead, beside in _CHURCH]
    if kind in ("school", "college", "hospital") or (kind in ("apartments", "office") and index % 3 == 0):
        if index % 2:
            return [a, b, at(1.0, 0.55), at(0.62, 0.55), at(0.62, 1.0), d]
        return [a, b, c, at(0.68, 1.0), at(0.68, 0.6), at(0.3, 0.6), at(0.3, 1.0), d]
    if kind in ("detached", "house") and index % 4 == 0:
        return [a, b, at(1.0, 0.6), at(0.65, 0.6), at(0.65, 1.0), d]
    return [a, b, c, d]
