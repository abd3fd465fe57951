"""Streets and waterways: named ways of one name that touch, or nearly do, are one place; where streets meet."""

import json
import math
import sqlite3
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from annotator.geo import EARTH_RADIUS_M, round_degrees, shape_length_m
from annotator.maps.embedded.prominence import prominence_of
from annotator.maps.embedded.schema import PlaceClass
from annotator.maps.embedded.shapes import Points, simplified, unwrapped

STAGING = """
CREATE TABLE member(osm INTEGER PRIMARY KEY, street INTEGER);
CREATE TABLE corner(node INTEGER, street INTEGER, lat REAL, lon REAL);
"""

_GAP_M = 250.0
"""Parts of one name as near as this are one street: two carriageways, the far side of a roundabout or a square."""

_METRES_PER_DEGREE = math.radians(EARTH_RADIUS_M)

_IDENTITY = ("name", "highway", "waterway")


@dataclass(frozen=True, slots=True)
class _Part:
    osm: int
    line: BaseGeometry
    nodes: tuple[int, ...]
    tags: dict[str, str]


def merge_lines(staging: sqlite3.Connection) -> None:
    """Merges staged parts into things; `member` says which way is in which thing, `corner` where its nodes are."""
    parts = staging.execute("SELECT osm, name, wkb, nodes, tags FROM part ORDER BY name, osm")
    for name, rows in groupby(parts, key=lambda row: str(row[1])):
        group = [_read(osm, wkb, nodes, tags) for osm, _, wkb, nodes, tags in rows]
        for street in _connected(group):
            _stage(staging, street, has_corners=name.startswith("h "))
    staging.execute("CREATE INDEX corner_node ON corner(node, street)")


def crossings(staging: sqlite3.Connection) -> Iterator[tuple[int, int, int, float, float]]:
    """Every pair of streets that share a node, as (street, other street, node, lat, lon); the first id is smaller."""
    yield from staging.execute(
        "SELECT DISTINCT a.street, b.street, a.node, a.lat, a.lon FROM corner a JOIN corner b ON a.node = b.node "
        "WHERE a.street < b.street ORDER BY 1, 2, 3"
    )


def _read(osm: int, wkb: bytes, nodes: bytes, tags: str) -> _Part:
    ids = array("q")
    ids.frombytes(nodes)
    line = unwrapped(shapely.from_wkb(wkb))
    return _Part(osm, line, tuple(ids), json.loads(tags))


def _connected(parts: list[_Part]) -> list[list[_Part]]:
    """Parts in groups that share nodes or are near each other; groups and parts in the order of the lowest id."""
    root = list(range(len(parts)))

    def find(index: int) -> int:
        while root[index] != index:
            root[index] = root[root[index]]
            index = root[index]
        return index

    def join(a: int, b: int) -> None:
        low, high = sorted((find(a), find(b)))
        root[high] = low

    owner: dict[int, int] = {}
    for index, part in enumerate(parts):
        for node in part.nodes:
            join(owner.setdefault(node, index), index)
    if len({find(index) for index in range(len(parts))}) > 1:
        for a, b in _near_pairs(parts):
            join(a, b)
    groups: dict[int, list[_Part]] = {}
    for index, part in enumerate(parts):
        groups.setdefault(find(index), []).append(part)
    return list(groups.values())


def _near_pairs(parts: list[_Part]) -> list[tuple[int, int]]:
    lines = [shapely.transform(part.line, _stretch) for part in parts]
    tree = shapely.STRtree(lines)
    # A metre takes more of a Mercator degree the farther from the equator.
    reach = np.array(
        [_GAP_M / _METRES_PER_DEGREE / max(0.05, math.cos(math.radians(_latitude(part)))) for part in parts]
    )
    first, second = tree.query(lines, predicate="dwithin", distance=reach)
    return [(int(a), int(b)) for a, b in zip(first, second, strict=True) if a < b]


def _latitude(part: _Part) -> float:
    return float(part.line.coords[0][1])


def _stretch(points: Points) -> Points:
    """Mercator, in degrees: true to shape everywhere, so that near is equally near in every direction."""
    lat = np.radians(np.clip(points[:, 1], -85.0, 85.0))
    return np.column_stack([points[:, 0], np.degrees(np.arcsinh(np.tan(lat)))])


def _stage(staging: sqlite3.Connection, parts: list[_Part], *, has_corners: bool) -> None:
    key = min(part.osm for part in parts)
    length_m = sum(_length_m(part.line) for part in parts)
    main = max(parts, key=lambda part: (prominence_of(part.tags), -part.osm))
    shared = set(main.tags.items()).intersection(*(part.tags.items() for part in parts))
    # What only some parts say (lanes, surface, limits) is not said of the whole.
    tags = {
        name: value
        for name, value in main.tags.items()
        if (name, value) in shared or name in _IDENTITY or name.startswith("name:")
    }
    merged = shapely.line_merge(shapely.union_all([part.line for part in parts]))
    longest = max(shapely.get_parts(merged), key=lambda line: (_length_m(line), line.wkb))
    middle = shapely.line_interpolate_point(longest, 0.5, normalized=True)
    lon = middle.x - 360.0 if middle.x > 180.0 else middle.x
    staging.execute(
        "INSERT OR REPLACE INTO thing VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            key,
            int(PlaceClass.LINE),
            round_degrees(middle.y),
            round_degrees(lon),
            prominence_of(tags, length_m),
            simplified(merged).wkb,
            json.dumps(tags, ensure_ascii=False, separators=(",", ":")),
        ),
    )
    staging.executemany("INSERT OR REPLACE INTO member VALUES (?, ?)", [(part.osm, key) for part in parts])
    if has_corners:
        staging.executemany(
            "INSERT INTO corner VALUES (?, ?, ?, ?)",
            [
                (node, key, round_degrees(lat), round_degrees(lon - 360.0 if lon > 180.0 else lon))
                for part in parts
                for node, (lon, lat) in zip(part.nodes, part.line.coords, strict=True)
            ],
        )


def _length_m(line: BaseGeometry) -> float:
    return shape_length_m([(lat, lon) for lon, lat in line.coords])
