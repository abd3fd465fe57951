"""Extracts as plain data, in metres around their first node: the oracle that judges fictional towns."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import osmium
import pytest
import shapely

from annotator.demo.town import SMALL, TownSummary, build_town

type Position = tuple[float, float]


@dataclass
class Extract:
    """What a file holds.

    Args:
        nodes: east and north in metres by id.
        node_tags: of the nodes that have some.
        ways: tags and nodes of each.
        relations: tags and members of each.
    """

    nodes: dict[int, Position] = field(default_factory=dict)
    node_tags: dict[int, dict[str, str]] = field(default_factory=dict)
    ways: dict[int, tuple[dict[str, str], list[int]]] = field(default_factory=dict)
    relations: dict[int, tuple[dict[str, str], list[tuple[str, int, str]]]] = field(default_factory=dict)

    def line(self, way: int) -> shapely.LineString:
        """The course of a way."""
        return shapely.LineString([self.nodes[ref] for ref in self.ways[way][1]])

    def areas(self, *, key: str, values: tuple[str, ...] = ()) -> dict[int, shapely.Polygon]:
        """Closed ways with a tag, by id; all values of the key if none are given."""
        return {
            way: shapely.Polygon([self.nodes[ref] for ref in refs])
            for way, (tags, refs) in self.ways.items()
            if refs[0] == refs[-1] and key in tags and (not values or tags[key] in values)
        }

    def roads(self, *kinds: str) -> list[int]:
        """Ways that are a `highway` of one of the kinds, squares left out."""
        return [way for way, (tags, _) in self.ways.items() if tags.get("highway") in kinds and "area" not in tags]


def _read(path: Path) -> Extract:
    result = Extract()
    origin: Position | None = None
    for item in osmium.FileProcessor(str(path)):
        tags = {tag.k: tag.v for tag in item.tags}
        if item.is_node():
            origin = origin or (item.lat, item.lon)
            east = (item.lon - origin[1]) * 111_320.0 * math.cos(math.radians(origin[0]))
            result.nodes[item.id] = (east, (item.lat - origin[0]) * 111_320.0)
            if tags:
                result.node_tags[item.id] = tags
        elif item.is_way():
            result.ways[item.id] = (tags, [node.ref for node in item.nodes])
        else:
            result.relations[item.id] = (tags, [(m.type, m.ref, m.role) for m in item.members])
    return result


@pytest.fixture(scope="session")
def read_extract() -> Callable[[Path], Extract]:
    """Reads a file."""
    return _read


@dataclass(frozen=True)
class SmallTown:
    """A town that was built, and what is in its file."""

    path: Path
    summary: TownSummary
    extract: Extract


@pytest.fixture(scope="session", params=[2, 3, 4])
def small_town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SmallTown:
    """A small town of each of some seeds: on three shores, in three languages."""
    path = tmp_path_factory.mktemp("town") / f"{request.param}.osm.pbf"
    summary = build_town(request.param, path, size=SMALL)
    return SmallTown(path, summary, _read(path))
