"""Corners of two streets: found by both names, and known by the node that the streets share."""

import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from annotator.geo import LatLon, haversine_m
from annotator.maps.embedded.opened import OpenIndex, Row
from annotator.maps.embedded.reader import NODE, osm_key
from annotator.maps.results import Place

_BETWEEN = re.compile(
    r"\s*(?:&|\+|/|@)\s*|\s+(?:and|et|und|y|e|at|x|corner of|corner|ecke|angle|coin|esquina|angolo)\s+", re.IGNORECASE
)
_BEFORE = re.compile(
    r"^\s*(?:corner of|at the corner of|intersection of|crossing of|angle de|coin de|ecke|kreuzung)\s+", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where two streets meet."""

    streets: tuple[Row, Row]
    node: int
    point: LatLon


def two_streets(query: str) -> tuple[str, str] | None:
    """The two names in a query like "Main Street & First Avenue"; None if it is no such query."""
    parts = [part for part in _BETWEEN.split(_BEFORE.sub("", query)) if part.strip()]
    return (parts[0], parts[1]) if len(parts) == 2 else None


def find_crossing(
    connection: sqlite3.Connection, some: Sequence[Row], others: Sequence[Row], near: LatLon | None
) -> Crossing | None:
    """Where one of some streets meets one of others: the nearest corner, else that of the best known streets."""
    found = []
    for a in some:
        for b in others:
            first, second = sorted((a.id, b.id))
            rows = connection.execute(
                "SELECT node, lat, lon FROM crossing WHERE a = ? AND b = ? ORDER BY node", (first, second)
            )
            found += [Crossing((a, b), node, (lat, lon)) for node, lat, lon in rows]
    if near is None:
        return found[0] if found else None
    return min(found, key=lambda crossing: (haversine_m(near, crossing.point), crossing.node), default=None)


def crossing_of_node(index: OpenIndex, connection: sqlite3.Connection, osm: int) -> Crossing | None:
    """The corner at a node, by the key of the node."""
    if osm & 3 != NODE:
        return None
    row = connection.execute(
        "SELECT a, b, node, lat, lon FROM crossing WHERE node = ? ORDER BY a, b LIMIT 1", (osm >> 2,)
    ).fetchone()
    if row is None:
        return None
    first, second = index.rows(connection, row[:2])
    return Crossing((first, second), row[2], (row[3], row[4]))


def crossing_place(
    index: OpenIndex, connection: sqlite3.Connection, crossing: Crossing, language: str, near: LatLon | None = None
) -> Place:
    """A corner as a place: named after its streets, which its attributes give by id."""
    streets = index.places(connection, crossing.streets, language)
    lat, lon = crossing.point
    parts = {part: value for part, value in streets[0].address_parts.items() if part != "street"}
    return Place(
        pid=index.pid(osm_key(NODE, crossing.node)),
        provider=index.provider,
        name=" & ".join(street.name for street in streets),
        lat=lat,
        lon=lon,
        address=index.address_line(parts),
        address_parts=parts,
        attributes={"intersection_of": [street.pid for street in streets]},
        distance_m=None if near is None else haversine_m(near, crossing.point),
    )
