"""What a town consists of before it is written down as nodes, ways and relations."""

from dataclasses import dataclass, field
from typing import Literal

from annotator.demo.anchors import Anchor
from annotator.demo.land.blocks import Block
from annotator.demo.land.buildings import Building
from annotator.demo.land.quarters import Quarter
from annotator.demo.land.terrain import Terrain
from annotator.demo.names.words import Names
from annotator.demo.plane.arrangement import Curve
from annotator.demo.plane.geometry import Point
from annotator.demo.plane.planar import Plane
from annotator.demo.sizes import TownSize
from annotator.demo.ways.streets import Street


@dataclass(slots=True)
class Feature:
    """Anything with tags that is neither a street of the plane nor a house.

    Args:
        shape: a point, a line, or an area, whose points do not repeat the first.
        points: where it is.
        tags: of OpenStreetMap.
        is_apart: its points are its own, even where a street has one at the same position.
    """

    shape: Literal["point", "line", "area"]
    points: list[Point]
    tags: dict[str, str]
    is_apart: bool = False


@dataclass(slots=True)
class Ground:
    """Land of an institution, a park, a square: a place of its own.

    Args:
        use: what for.
        feature: its outline.
        block: index of its block.
        buildings: indexes of what stands on it.
    """

    use: str
    feature: Feature
    block: int
    buildings: list[int] = field(default_factory=list)


@dataclass(slots=True)
class District:
    """Part of the town with a name.

    Args:
        topic: the table of names that it has its own from.
        faces: half-edges of faces, one of each that belongs to it.
        blocks: indexes of its blocks.
        names: by language.
        postcode: of all addresses in it.
        middle: where its name is written.
    """

    topic: str
    faces: list[int]
    blocks: list[int]
    names: Names
    postcode: str
    middle: Point


@dataclass(slots=True)
class Plan:
    """Everything about a town; each step of the making adds its part.

    Args:
        seed: of the town.
        size: of the town.
        anchor: where it is put.
        terrain: the land.
        curves: the skeleton.
        plane: streets and blocks.
        quarters: faces of the skeleton.
        blocks: faces of the plane.
        streets: chains of edges.
        kinds: what every edge has become.
        street_of: index of the street of every edge, -1 where there is none.
        roundabouts: radius in metres by vertex.
        buildings: houses.
        grounds: land with a purpose.
        features: all else that is drawn.
        vertex_tags: tags of street corners by position.
        districts: parts of the town.
        district_of: index of every block's district, -1 where there is none.
        names: of the town, its river, its bay.
        square: middle of the market square.
    """

    seed: int
    size: TownSize
    anchor: Anchor
    terrain: Terrain
    curves: list[Curve]
    plane: Plane
    quarters: list[Quarter]
    blocks: list[Block]
    streets: list[Street] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    street_of: list[int] = field(default_factory=list)
    roundabouts: dict[int, float] = field(default_factory=dict)
    buildings: list[Building] = field(default_factory=list)
    grounds: list[Ground] = field(default_factory=list)
    features: list[Feature] = field(default_factory=list)
    vertex_tags: dict[Point, dict[str, str]] = field(default_factory=dict)
    districts: list[District] = field(default_factory=list)
    district_of: list[int] = field(default_factory=list)
    names: dict[str, Names] = field(default_factory=dict)
    square: Point = (0.0, 0.0)
