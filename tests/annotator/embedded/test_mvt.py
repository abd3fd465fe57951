"""The vector tile encoder against an independent decoder: what is drawn comes back, and nothing invalid is written."""

import json
from typing import Any

import mapbox_vector_tile
import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st
from mapbox_vector_tile.Mapbox import vector_tile_pb2

from annotator.maps.embedded.mvt import EXTENT, TileEncoder

UNITS = st.integers(-64, EXTENT + 64)
POINTS = st.tuples(UNITS, UNITS)


def encoded(geometries: list[Any], properties: list[dict[str, Any]] | None = None) -> bytes:
    """A tile whose plane is its own grid."""
    encoder = TileEncoder(0.0, 0.0, float(EXTENT))
    kept = np.empty(len(geometries), dtype=object)
    kept[:] = geometries
    said = properties if properties is not None else [{"number": number} for number in range(len(geometries))]
    encoder.add("layer", kept, [json.dumps(entry) for entry in said])
    return encoder.encode()


def decoded(tile: bytes) -> list[tuple[Any, dict[str, Any]]]:
    layers = mapbox_vector_tile.decode(tile, default_options={"y_coord_down": True})
    return [
        (shapely.geometry.shape(feature["geometry"]), feature["properties"])
        for feature in layers.get("layer", {"features": []})["features"]
    ]


@given(st.lists(POINTS, min_size=1, max_size=20))
def test_points_come_back_where_they_were(points: list[tuple[int, int]]) -> None:
    found = decoded(encoded([shapely.Point(point) for point in points]))
    assert [(geometry.x, geometry.y) for geometry, _ in found] == points
    assert [said["number"] for _, said in found] == list(range(len(points)))


@given(st.lists(st.lists(POINTS, min_size=2, max_size=12), min_size=1, max_size=8))
def test_lines_come_back_without_repeated_points_and_dots_are_left_out(lines: list[list[tuple[int, int]]]) -> None:
    def distinct(line: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [point for number, point in enumerate(line) if number == 0 or point != line[number - 1]]

    expected = {number: distinct(line) for number, line in enumerate(lines) if len(distinct(line)) > 1}
    found = {
        said["number"]: list(geometry.coords)
        for geometry, said in decoded(encoded(list(map(shapely.LineString, lines))))
    }
    assert found == expected


@given(st.lists(st.tuples(POINTS, st.integers(20, 900), st.integers(3, 20), st.booleans()), min_size=1, max_size=6))
def test_areas_come_back_with_their_holes(
    discs: list[tuple[tuple[int, int], int, int, bool]],
) -> None:
    areas = []
    for center, radius, quadrants, has_hole in discs:
        disc = shapely.Point(center).buffer(radius, quad_segs=quadrants)
        areas.append(disc.difference(shapely.Point(center).buffer(radius / 2, quad_segs=4)) if has_hole else disc)
    found = decoded(encoded(areas))
    assert [said["number"] for _, said in found] == list(range(len(areas)))
    for (geometry, _), area, (_, radius, _, has_hole) in zip(found, areas, discs, strict=True):
        assert geometry.is_valid
        assert len(shapely.get_rings(geometry)) == 1 + has_hole
        # Every vertex moves by less than a unit, so the edge sweeps over less than its length times one.
        assert geometry.symmetric_difference(area).area <= area.length + 4 * radius


def test_outer_rings_turn_right_and_inner_ones_left_as_the_specification_wants() -> None:
    square = shapely.box(0, 0, 100, 100).difference(shapely.box(20, 20, 60, 60))
    tile = vector_tile_pb2.tile.FromString(encoded([square, shapely.reverse(square)]))
    for feature in tile.layers[0].features:
        rings = _rings(list(feature.geometry))
        assert [_doubled_area(ring) > 0 for ring in rings] == [True, False]
        assert [abs(_doubled_area(ring)) for ring in rings] == [2 * 100 * 100, 2 * 40 * 40]


def _rings(commands: list[int]) -> list[list[tuple[int, int]]]:
    """Rings of drawing commands, by the specification."""
    rings: list[list[tuple[int, int]]] = []
    x = y = at = 0
    while at < len(commands):
        command, count = commands[at] & 7, commands[at] >> 3
        at += 1
        if command == 7:
            continue
        for _ in range(count):
            d_x, d_y = ((value >> 1) ^ -(value & 1) for value in commands[at : at + 2])
            x, y, at = x + d_x, y + d_y, at + 2
            if command == 1:
                rings.append([])
            rings[-1].append((x, y))
    return rings


def _doubled_area(ring: list[tuple[int, int]]) -> int:
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))


def test_what_collapses_on_the_grid_is_left_out_and_a_tile_of_nothing_has_no_bytes() -> None:
    sliver = shapely.box(10.1, 10.1, 10.3, 200.0)
    assert encoded([sliver]) == b""
    hole_only = shapely.box(0, 0, 50, 50).difference(shapely.box(10.1, 10.1, 10.3, 40.0))
    ((geometry, _),) = decoded(encoded([hole_only]))
    assert geometry.equals(shapely.box(0, 0, 50, 50))
    assert TileEncoder(0.0, 0.0, 1.0).encode() == b""


def test_several_parts_are_one_feature() -> None:
    two = shapely.MultiPolygon([shapely.box(0, 0, 10, 10), shapely.box(20, 20, 30, 30)])
    ((geometry, _),) = decoded(encoded([two]))
    assert geometry.equals(two)
    lines = shapely.MultiLineString([[(0, 0), (5, 5)], [(9, 9), (9, 20)]])
    ((geometry, _),) = decoded(encoded([lines]))
    assert geometry.equals(lines)


def test_properties_are_written_once_and_come_back_as_what_they_were() -> None:
    said = [{"name": "Straße 1", "layer": -2}, {"name": "Straße 1", "layer": 3}, {"name": "1", "layer": 1}]
    tile = encoded([shapely.Point(1, 1)] * 3, said)
    assert [entry for _, entry in decoded(tile)] == said
    layer = vector_tile_pb2.tile.FromString(tile).layers[0]
    assert (list(layer.keys), len(layer.values)) == (["name", "layer"], 5)
    assert (layer.version, layer.extent) == (2, EXTENT)
