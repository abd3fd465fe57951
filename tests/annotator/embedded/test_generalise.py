"""Features for every zoom: simpler from afar, once in every zoom, never broken."""

import sqlite3
from collections import defaultdict
from typing import Any

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.maps.embedded.generalise import SCHEMA, Generaliser, to_degrees, to_plane
from annotator.maps.embedded.layers import MAX_ZOOM, Sketch


def written(sketches: list[Sketch], geometries: list[Any]) -> list[tuple[Any, str, int, int]]:
    """Geometry, properties, first and last zoom of every row."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(SCHEMA)
    generaliser = Generaliser(connection)
    kept = np.empty(len(geometries), dtype=object)
    kept[:] = geometries
    generaliser.add(sketches, kept)
    generaliser.finish()
    rows = connection.execute(
        "SELECT geometry, properties, first_zoom, last_zoom FROM feature JOIN box USING (id) ORDER BY id"
    ).fetchall()
    connection.close()
    return [(shapely.from_wkb(row[0]), row[1], int(row[2]), int(row[3])) for row in rows]


def wiggly(num_points: int, size_deg: float) -> list[tuple[float, float]]:
    angles = np.linspace(0, 2 * np.pi, num_points, endpoint=False)
    radius = size_deg * (1 + 0.05 * np.sin(17 * angles))
    return [(10 + r * np.cos(a), 50 + r * np.sin(a)) for a, r in zip(angles, radius, strict=True)]


def test_an_area_is_in_every_zoom_from_its_first_on_exactly_once() -> None:
    rows = written([Sketch("green", 7, {"class": "wood"})], [shapely.Polygon(wiggly(400, 0.05))])
    zooms = sorted(zoom for _, _, first, last in rows for zoom in range(first, last + 1))
    assert zooms == list(range(7, MAX_ZOOM + 1))
    sizes = [shapely.get_num_coordinates(geometry) for geometry, *_ in sorted(rows, key=lambda row: row[2])]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 2
    assert all(geometry.is_valid for geometry, *_ in rows)


@settings(max_examples=30)
@given(st.floats(1e-6, 0.5))
def test_an_area_is_left_out_where_it_would_be_a_dot_and_never_at_the_deepest_zoom(size_deg: float) -> None:
    rows = written([Sketch("green", 0, {"class": "wood"})], [shapely.Polygon(wiggly(60, size_deg))])
    assert max(last for *_, last in rows) == MAX_ZOOM
    side = np.sqrt(shapely.area(shapely.transform(shapely.Polygon(wiggly(60, size_deg)), to_plane)))
    first = min(first for _, _, first, _ in rows)
    assert first == MAX_ZOOM or side * 512 * 2**first >= 2.0
    assert first == 0 or side * 512 * 2 ** (first - 1) < 2.0 or first == MAX_ZOOM


def test_a_large_area_is_cut_into_pieces_that_cover_it() -> None:
    area = shapely.Polygon(wiggly(9_000, 0.3))
    rows = [row for row in written([Sketch("water", 0, {"class": "lake"})], [area]) if row[3] == MAX_ZOOM]
    assert len(rows) >= 4
    assert all(shapely.get_num_coordinates(geometry) <= 1_000 for geometry, *_ in rows)
    whole = shapely.transform(area, to_plane)
    together = shapely.union_all([geometry for geometry, *_ in rows])
    assert whole.symmetric_difference(together).area < 1e-4 * whole.area


def test_pieces_of_a_motorway_are_one_line_from_afar_and_themselves_from_near() -> None:
    points = [(10 + 0.01 * number, 50 + 0.002 * (number % 3)) for number in range(50)]
    pieces = [shapely.LineString(points[at : at + 2]) for at in range(49)]
    sketches = [Sketch("roads", 4, {"class": "motorway", "ref": "M 1", "name": f"Part {n}"}) for n in range(49)]
    by_zoom: dict[int, list[tuple[Any, str]]] = defaultdict(list)
    for geometry, said, first, last in written(sketches, pieces):
        for zoom in range(first, last + 1):
            by_zoom[zoom].append((geometry, said))
    assert sorted(by_zoom) == list(range(4, MAX_ZOOM + 1))
    assert [len(by_zoom[zoom]) for zoom in range(4, 13)] == [1] * 9
    assert [len(by_zoom[zoom]) for zoom in range(13, MAX_ZOOM + 1)] == [49] * 4
    assert by_zoom[4][0][1] == '{"class": "motorway", "ref": "M 1"}'
    assert "Part 0" in by_zoom[13][0][1]


@given(st.floats(-179.9, 179.9), st.floats(-85, 85))
def test_the_projection_goes_there_and_back(lon: float, lat: float) -> None:
    x, y = to_plane(np.array([[lon, lat]]))[0]
    assert 0 <= x <= 1
    assert 0 <= y <= 1
    back = to_degrees(x, y)
    assert abs(back[0] - lon) < 1e-9
    assert abs(back[1] - lat) < 1e-9
