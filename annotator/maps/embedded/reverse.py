"""What is at a position: its address, the places there, its street and the areas around it.

The first result is the best answer to "where is this": the named building that holds the position, or the address that
does or is nearest, up to 50 m; else the smallest named area that holds it (a park, a campus); else the street, if it is
within 15 m; else the nearest of streets up to 250 m and named places up to 25 m. What else holds it or is within 25 m
follows, then the settlements and boundaries around it, smallest first, and at last other addresses and streets near it.
`distance_m` is to the outline of areas and streets, 0 inside.
"""

import math
import sqlite3
from dataclasses import dataclass

import numpy as np
import shapely

from annotator.geo import EARTH_RADIUS_M, LatLon, bounding_box, haversine_m
from annotator.maps.embedded.opened import OpenIndex, Row
from annotator.maps.embedded.schema import PlaceClass, Spot
from annotator.maps.embedded.shapes import distances_m
from annotator.maps.params import ReverseGeocodeParams
from annotator.maps.results import PlaceList

_ADDRESS_M, _STREET_M, _IN_STREET_M, _HERE_M, _SETTLEMENT_M = 50.0, 250.0, 15.0, 25.0, 15_000.0
_BUILDING_M2 = 10_000.0
_MAX_SHAPES = 200


@dataclass(frozen=True, slots=True)
class _Found:
    row: Row
    distance_m: float
    area_m2: float = 0.0


def reverse_geocode(index: OpenIndex, params: ReverseGeocodeParams) -> PlaceList:
    """The address of a position and what else is there, as the module says."""
    point = (params.lat, params.lon)
    with index.connection() as connection:
        addresses = _nearest(index, connection, point, Spot.ADDRESS, _ADDRESS_M)
        streets = _nearest(index, connection, point, Spot.LINE, _STREET_M)
        here = _nearest(index, connection, point, Spot.ANY_POI, _HERE_M)
        holding = _holding(index, connection, point)
        inside = [found for found in holding if found.row.place_class is PlaceClass.POI and found.row.names]
        named = [found for found in here if found.row.names]
        # Who stands in a street is in it; who stands back from it is where the nearest thing is.
        is_in_street = bool(streets) and streets[0].distance_m <= _IN_STREET_M
        first = [*streets[:1], *named[:1]]
        if not is_in_street:
            first.sort(key=lambda found: found.distance_m)
        order = [*addresses[:1], *inside[:1], *first, *inside[1:], *here]
        if inside and inside[0].area_m2 <= _BUILDING_M2 and addresses and addresses[0].distance_m > 0.0:
            order = [inside[0], *order]
        anywhere = order[0].row if order else None
        areas = [found for found in holding if found.row.place_class is PlaceClass.BOUNDARY]
        areas += _around(index, connection, point, anywhere)
        found = list({item.row.id: item for item in [*order, *areas, *addresses, *streets]}.values())[: params.limit]
        distances = {item.row.id: item.distance_m for item in found}
        return PlaceList(places=index.places(connection, [item.row for item in found], params.language, distances))


def _nearest(
    index: OpenIndex, connection: sqlite3.Connection, point: LatLon, spot: Spot, reach_m: float
) -> list[_Found]:
    """Places with such an entry within reach, the nearest first."""
    south, west, north, east = bounding_box(point, reach_m)
    ids = connection.execute(
        "SELECT DISTINCT place FROM spot WHERE kind_from >= ? AND kind_to <= ? "
        "AND north >= ? AND south <= ? AND east >= ? AND west <= ? LIMIT ?",
        (int(spot), int(spot), south, north, west, east, _MAX_SHAPES),
    )
    rows = index.rows(connection, [row[0] for row in ids])
    shapes = index.shapes(connection, [row.id for row in rows])
    found = [_Found(row, _distance_m(row, shapes.get(row.id), point)) for row in rows]
    return sorted(
        (item for item in found if item.distance_m <= reach_m), key=lambda item: (item.distance_m, item.row.osm)
    )


def _distance_m(row: Row, wkb: bytes | None, point: LatLon) -> float:
    return haversine_m(point, row.point) if wkb is None else distances_m(wkb, [point])[0]


def _holding(index: OpenIndex, connection: sqlite3.Connection, point: LatLon) -> list[_Found]:
    """Areas that hold the position, smallest first."""
    lat, lon = point
    ids = connection.execute(
        "SELECT DISTINCT place FROM spot WHERE kind_from >= ? AND kind_to <= ? "
        "AND north >= ? AND south <= ? AND east >= ? AND west <= ?",
        (int(Spot.AREA), int(Spot.AREA), lat, lat, lon, lon),
    )
    rows = index.rows(connection, [row[0] for row in ids])
    shapes = {id: shapely.from_wkb(wkb) for id, wkb in index.shapes(connection, [row.id for row in rows]).items()}
    # A shape across the antimeridian has longitudes above 180.
    positions = shapely.points(np.array([(lon, lat), (lon + 360.0, lat)]))
    held = [row for row in rows if bool(np.any(shapely.intersects(shapes[row.id], positions)))]
    held.sort(key=lambda row: (shapes[row.id].area, row.osm))
    square_degree_m2 = math.radians(EARTH_RADIUS_M) ** 2 * math.cos(math.radians(lat))
    return [_Found(row, 0.0, shapes[row.id].area * square_degree_m2) for row in held]


def _around(index: OpenIndex, connection: sqlite3.Connection, point: LatLon, anywhere: Row | None) -> list[_Found]:
    """The areas around what was found there; where nothing was found, the nearest settlement."""
    if anywhere is None:
        return _nearest(index, connection, point, Spot.SETTLEMENT, _SETTLEMENT_M)
    areas = connection.execute("SELECT areas FROM context WHERE id = ?", (anywhere.context,)).fetchone()[0].split()
    rows = {row.id: row for row in index.rows(connection, [int(area) for area in areas])}
    shapes = index.shapes(connection, rows)
    return [
        _Found(rows[int(area)], _distance_m(rows[int(area)], shapes.get(int(area)), point))
        for area in areas
        if int(area) in rows
    ]
