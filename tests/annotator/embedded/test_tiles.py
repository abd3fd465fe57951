"""Base map and vector tiles of the island town and of Monaco: what is there is drawn, at the zooms where it shows."""

import gzip
import math
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import mapbox_vector_tile
import pytest
import shapely

from annotator.errors import NotFoundError
from annotator.maps.embedded.engine import EmbeddedMap
from annotator.maps.embedded.layers import LAYERS, MAX_ZOOM
from annotator.maps.embedded.mvt import EXTENT

TOWN_CENTER = (50.005, 10.0075)
MARGIN = 64


def tile_of(point: tuple[float, float], zoom: int) -> tuple[int, int, int]:
    """Column and row of the tile that a position is in."""
    lat, lon = point
    x = (lon + 180) / 360
    y = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return zoom, int(x * 2**zoom), int(y * 2**zoom)


def layers_of(opened: EmbeddedMap, z: int, x: int, y: int) -> dict[str, list[tuple[Any, dict[str, Any]]]]:
    tile = mapbox_vector_tile.decode(opened.tiles.tile(z, x, y), default_options={"y_coord_down": True})
    return {
        name: [(shapely.geometry.shape(feature["geometry"]), feature["properties"]) for feature in layer["features"]]
        for name, layer in tile.items()
    }


def around(opened: EmbeddedMap, zoom: int) -> list[tuple[int, int, int]]:
    """All tiles of a zoom that the map reaches into."""
    box = opened.manifest.bbox
    _, west, north = tile_of((box.north, box.west), zoom)
    _, east, south = tile_of((box.south, box.east), zoom)
    return [(zoom, x, y) for x in range(west, east + 1) for y in range(north, south + 1)]


def everything(opened: EmbeddedMap, zoom: int, layer: str) -> list[dict[str, Any]]:
    return [said for tile in around(opened, zoom) for _, said in layers_of(opened, *tile).get(layer, [])]


def test_every_layer_of_the_town_is_drawn_at_the_deepest_zoom(island: EmbeddedMap) -> None:
    drawn = {layer.name: everything(island, MAX_ZOOM, layer.name) for layer in LAYERS}
    assert {entry["class"] for entry in drawn["water"]} == {"sea", "lake"}
    assert {(entry["name"], entry["name_en"]) for entry in drawn["green"]} == {("Stadtpark", "Town Park")}
    assert {entry["height_m"] for entry in drawn["buildings"]} == {9}
    assert {entry["class"] for entry in drawn["waterways"]} == {"river"}
    assert {entry["admin_level"] for entry in drawn["boundaries"]} == {8}
    assert {entry["class"] for entry in drawn["rail"]} == {"rail"}
    assert {(entry["name"], entry["name_en"], entry["kind"]) for entry in drawn["places"]} == {
        ("Probstadt", "Sampleton", "town")
    }
    assert {entry["number"] for entry in drawn["housenumbers"]} == {str(number) for number in range(1, 31)}
    roads = drawn["roads"]
    assert {entry["class"] for entry in roads} >= {"motorway", "trunk", "tertiary", "minor", "service"}
    assert {entry["name"] for entry in roads if entry.get("oneway") == 1} == {"Short Cut"}
    assert {entry["ref"] for entry in roads if entry["class"] == "motorway"} == {"M 1"}


def test_every_poi_is_in_one_tile_of_a_zoom_with_an_id_that_the_tools_know(island: EmbeddedMap) -> None:
    pois = everything(island, MAX_ZOOM, "pois")
    assert len(pois) == len({entry["pid"] for entry in pois}) == 34
    for entry in pois:
        assert island.index.resolve(entry["pid"]) is not None
    assert {entry["category"] for entry in pois} == {"cafe", "pharmacy", "museum", "park"}
    assert [entry["name"] for entry in everything(island, 13, "pois")] == ["Town Museum"]


def test_the_documented_layers_and_properties_are_all_that_there_is(island: EmbeddedMap) -> None:
    fields = {layer.name: set(layer.fields) for layer in LAYERS}
    for zoom in (3, 9, 12, 14, 16):
        for tile in around(island, zoom):
            for name, features in layers_of(island, *tile).items():
                for _, said in features:
                    assert set(said) <= fields[name], name


@pytest.mark.parametrize("zoom", [0, 5, 8, 11, 13, 14, 15, 16])
def test_geometries_are_valid_and_inside_the_tile_and_its_margin(island: EmbeddedMap, zoom: int) -> None:
    kinds = {"area": "Polygon", "line": "LineString", "point": "Point"}
    for tile in around(island, zoom):
        drawn = layers_of(island, *tile)
        for layer in LAYERS:
            for geometry, _ in drawn.get(layer.name, []):
                assert geometry.geom_type.removeprefix("Multi") == kinds[layer.geometry]
                margin = 0 if layer.geometry == "point" else MARGIN
                low, high = -margin, EXTENT + margin
                assert shapely.box(low, low, high, high).covers(geometry)


def test_less_is_drawn_from_afar(island: EmbeddedMap) -> None:
    sizes = [sum(len(island.tiles.tile(*tile)) for tile in around(island, zoom)) for zoom in (6, 10, 12, 14, 16)]
    assert all(near > far > 0 for far, near in pairwise(sizes))
    assert {entry["class"] for entry in everything(island, 9, "roads")} == {"motorway", "trunk"}
    assert everything(island, 12, "buildings") == []


def test_the_sea_is_west_of_the_coast_and_the_land_is_dry(island: EmbeddedMap) -> None:
    def is_sea(lat: float, lon: float) -> bool:
        z, x, y = tile_of((lat, lon), 14)
        scale = 2**14
        across = ((lon + 180) / 360 * scale - x) * EXTENT
        down = ((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * scale - y) * EXTENT
        return any(
            said["class"] == "sea" and geometry.covers(shapely.Point(across, down))
            for geometry, said in layers_of(island, z, x, y).get("water", [])
        )

    assert is_sea(50.005, 9.993)
    assert is_sea(50.015, 9.992)
    assert not is_sea(*TOWN_CENTER)
    assert not is_sea(50.005, 10.035)


def test_small_areas_are_drawn_after_the_large_ones_that_they_lie_in(monaco: EmbeddedMap) -> None:
    num_compared = 0
    for tile in around(monaco, 14):
        # Of what the tile's edge cuts off, only a part is seen; the rest has its size but for rounding.
        areas = [
            geometry.area
            for geometry, _ in layers_of(monaco, *tile).get("green", [])
            if shapely.box(0, 0, EXTENT, EXTENT).contains(geometry)
        ]
        assert all(after <= before * 1.05 + 50 for before, after in pairwise(areas))
        num_compared += len(areas)
    assert num_compared > 50


def test_outside_the_map_a_tile_is_empty(island: EmbeddedMap) -> None:
    assert island.tiles.tile(16, 0, 0) == b""
    assert island.tiles.tile(*tile_of((-33.0, 151.0), 12)) == b""


@pytest.mark.parametrize("tile", [(-1, 0, 0), (17, 0, 0), (0, 1, 0), (0, 0, 1), (3, 8, 0), (3, 0, -1), (10**9, 5, 5)])
def test_tiles_that_cannot_be_are_not_found(island: EmbeddedMap, tile: tuple[int, int, int]) -> None:
    with pytest.raises(NotFoundError, match="tile"):
        island.tiles.tile(*tile)


def test_a_tile_has_the_same_bytes_every_time_from_every_thread(island_data: Path) -> None:
    tile = tile_of(TOWN_CENTER, 14)
    found: list[bytes] = []
    opened = [EmbeddedMap(island_data / "maps" / "probstadt") for _ in range(2)]
    threads = [Thread(target=lambda one=one: found.append(one.tiles.tile(*tile))) for one in opened * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    packed = opened[0].tiles.tile(*tile, compressed=True)
    assert gzip.decompress(packed) == found[0]
    assert packed == opened[1].tiles.tile(*tile, compressed=True)
    for one in opened:
        one.close()


def test_the_tilejson_says_what_the_tiles_are(island: EmbeddedMap) -> None:
    document = island.tiles.tilejson("http://127.0.0.1:8100")
    assert document["tiles"] == ["http://127.0.0.1:8100/tiles/probstadt/{z}/{x}/{y}.mvt"]
    assert document["attribution"] == "© OpenStreetMap contributors"
    assert (document["minzoom"], document["maxzoom"]) == (0, 16)
    west, south, east, north = document["bounds"]
    lon, lat, zoom = document["center"]
    assert west < lon < east
    assert south < lat < north
    assert 10 <= zoom <= 15
    assert [layer["id"] for layer in document["vector_layers"]] == [layer.name for layer in LAYERS]


def test_monaco_shows_its_streets_harbour_and_sea(monaco: EmbeddedMap) -> None:
    names = {entry.get("name") for entry in everything(monaco, 14, "roads")}
    assert {"Boulevard Albert 1er", "Avenue d'Ostende"} <= names
    assert {"Monaco", "Monte-Carlo"} <= {entry["name"] for entry in everything(monaco, 14, "places")}
    assert "sea" in {entry["class"] for entry in everything(monaco, 14, "water")}
    assert len(everything(monaco, 16, "buildings")) >= 1_200
