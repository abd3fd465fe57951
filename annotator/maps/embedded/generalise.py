"""Features for every zoom: each is simplified to what a screen shows, and left out where it would be a dot.

Zooms are handled in bands; a feature has one row for every band in which it looks different. Lines of the lower bands
are merged first, as a motorway of a thousand pieces is one line from afar.
"""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from annotator.maps.embedded.layers import LAYER_INDEX, LAYERS, MAX_ZOOM, Sketch

BANDS: tuple[tuple[int, int], ...] = ((0, 4), (5, 7), (8, 9), (10, 11), (12, 12), (13, 13), (14, 14), (15, MAX_ZOOM))
_FIRST_UNMERGED_ZOOM = 13

SCHEMA = """
CREATE TABLE feature(id INTEGER PRIMARY KEY, layer INTEGER NOT NULL, properties TEXT NOT NULL, geometry BLOB NOT NULL);
CREATE VIRTUAL TABLE box USING rtree(id, west, east, north, south, first_zoom, last_zoom);
"""
"""Geometries are WKB in the unit square of the Mercator projection, y downwards, as map tiles are numbered."""

_TILE_PIXELS = 512
_TOLERANCE_PIXELS = 0.25
_MIN_SIDE_PIXELS = 2.0
_MAX_COORDINATES = 1_000
"""Larger polygons are cut into pieces: a tile need not clip the whole coast."""
_OVERLAP_PIXELS = 4.0
"""By which pieces overlap, so that no hairline shows between them."""

_MAX_LATITUDE = 85.0511287798066
_LOW_KEYS = ("class", "ref", "link", "admin_level", "maritime", "service")

type Geometries = npt.NDArray[np.object_]
type Zooms = npt.NDArray[np.int64]


def to_plane(coordinates: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Longitudes and latitudes in degrees to the unit square of the Mercator projection."""
    lat = np.radians(np.clip(coordinates[:, 1], -_MAX_LATITUDE, _MAX_LATITUDE))
    return np.column_stack([(coordinates[:, 0] + 180.0) / 360.0, (1.0 - np.arctanh(np.sin(lat)) / np.pi) / 2.0])


def to_degrees(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude of a point of the unit square."""
    return x * 360.0 - 180.0, float(np.degrees(np.arctan(np.sinh(np.pi * (1.0 - 2.0 * y)))))


def pixels(number: float, zoom: int) -> float:
    """Length of so many pixels of a zoom in the unit square."""
    return number / (_TILE_PIXELS * 2**zoom)


@dataclass(frozen=True, slots=True)
class _LowLine:
    layer: int
    first_zoom: int
    properties: str


class Generaliser:
    """Takes features in degrees and writes them for all zooms.

    Args:
        connection: a database with the tables of `SCHEMA`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._next_id = 1
        self._low_lines: dict[_LowLine, list[Geometries]] = {}
        self.num_by_layer = dict.fromkeys(LAYER_INDEX, 0)
        self.bounds: tuple[float, ...] = (np.inf, np.inf, -np.inf, -np.inf)

    def add(self, sketches: list[Sketch], geometries: Geometries) -> None:
        """Writes features of any layers.

        Args:
            geometries: one for each sketch, in degrees of longitude and latitude.
        """
        flat = shapely.transform(geometries, to_plane)
        layers = np.array([LAYER_INDEX[sketch.layer] for sketch in sketches])
        # Boundaries go around much that an extract does not hold.
        held = flat[layers != LAYER_INDEX["boundaries"]]
        if len(held):
            low, high = np.array(self.bounds[:2]), np.array(self.bounds[2:])
            box = shapely.total_bounds(held)
            self.bounds = (*np.minimum(low, box[:2]).tolist(), *np.maximum(high, box[2:]).tolist())
        for index in np.unique(layers).tolist():
            chosen = np.flatnonzero(layers == index)
            of_layer = [sketches[number] for number in chosen.tolist()]
            self.num_by_layer[LAYERS[index].name] += len(of_layer)
            add = {"area": self._add_areas, "line": self._add_lines, "point": self._add_points}[LAYERS[index].geometry]
            add(index, of_layer, flat[chosen])

    def finish(self) -> None:
        """Writes the merged lines, when all features have been added."""
        for group in sorted(self._low_lines, key=lambda line: (line.layer, line.first_zoom, line.properties)):
            pieces = np.concatenate(self._low_lines[group])
            merged = shapely.get_parts(shapely.line_merge(shapely.multilinestrings(pieces)))
            length = shapely.length(merged)
            # From afar a piece shorter than a pixel is a dot; its zoom is the first that shows more of it.
            sized = _zoom_where(length, 1.0)
            first = np.maximum(sized, group.first_zoom)
            self._write_bands(
                group.layer, [group.properties] * len(merged), merged, first, last_zoom=_FIRST_UNMERGED_ZOOM - 1
            )
        self._low_lines.clear()

    def _add_points(self, layer: int, sketches: list[Sketch], points: Geometries) -> None:
        first = np.array([sketch.first_zoom for sketch in sketches])
        self._write(layer, [_json(sketch) for sketch in sketches], points, first, np.full(len(points), MAX_ZOOM))

    def _add_areas(self, layer: int, sketches: list[Sketch], areas: Geometries) -> None:
        first = np.array([sketch.first_zoom for sketch in sketches])
        first = np.maximum(first, _zoom_where(np.sqrt(shapely.area(areas)), _MIN_SIDE_PIXELS))
        self._write_bands(layer, [_json(sketch) for sketch in sketches], areas, first, last_zoom=MAX_ZOOM)

    def _add_lines(self, layer: int, sketches: list[Sketch], lines: Geometries) -> None:
        first = np.array([sketch.first_zoom for sketch in sketches])
        low = np.flatnonzero(first < _FIRST_UNMERGED_ZOOM)
        if len(low):
            simple = shapely.simplify(lines[low], pixels(_TOLERANCE_PIXELS, 12), preserve_topology=False)
            for number, line in zip(low.tolist(), simple.tolist(), strict=True):
                sketch = sketches[number]
                said = {key: sketch.properties[key] for key in _LOW_KEYS if key in sketch.properties}
                group = _LowLine(layer, sketch.first_zoom, json.dumps(said, ensure_ascii=False))
                self._low_lines.setdefault(group, []).append(np.array([line], dtype=object))
        first = np.maximum(first, _FIRST_UNMERGED_ZOOM)
        self._write_bands(layer, [_json(sketch) for sketch in sketches], lines, first, last_zoom=MAX_ZOOM)

    def _write_bands(
        self, layer: int, properties: list[str], geometries: Geometries, first_zoom: Zooms, *, last_zoom: int
    ) -> None:
        """Writes features simplified for each band, one row for bands in which they are the same."""
        is_area = LAYERS[layer].geometry == "area"
        shown = np.full(len(geometries), None, dtype=object)
        since = np.zeros(len(geometries), dtype=np.int64)
        for low, high in BANDS:
            if low > last_zoom:
                break
            chosen = np.flatnonzero(first_zoom <= high)
            simple = shapely.simplify(geometries[chosen], pixels(_TOLERANCE_PIXELS, high), preserve_topology=is_area)
            is_new = ~shapely.equals_exact(simple, shown[chosen], 0.0)
            changed = chosen[is_new]
            ending = changed[since[changed] < low] if low else changed[:0]
            ending = ending[np.array([shown[number] is not None for number in ending.tolist()], dtype=bool)]
            self._write(
                layer,
                [properties[number] for number in ending.tolist()],
                shown[ending],
                since[ending],
                np.full(len(ending), low - 1),
            )
            shown[changed] = simple[is_new]
            since[changed] = np.maximum(low, first_zoom[changed])
        rest = np.flatnonzero(np.array([geometry is not None for geometry in shown.tolist()], dtype=bool))
        self._write(
            layer,
            [properties[number] for number in rest.tolist()],
            shown[rest],
            since[rest],
            np.full(len(rest), last_zoom),
        )

    def _write(
        self, layer: int, properties: list[str], geometries: Geometries, first_zoom: Zooms, last_zoom: Zooms
    ) -> None:
        if not len(geometries):
            return
        if LAYERS[layer].geometry == "area":
            geometries, source = _cut(_made_valid(geometries), last_zoom)
            properties = [properties[number] for number in source.tolist()]
            first_zoom, last_zoom = first_zoom[source], last_zoom[source]
        if not len(geometries):
            return
        ids = range(self._next_id, self._next_id + len(geometries))
        self._next_id += len(geometries)
        bounds = shapely.bounds(geometries).tolist()
        self._connection.executemany(
            "INSERT INTO feature VALUES (?, ?, ?, ?)",
            zip(ids, [layer] * len(geometries), properties, shapely.to_wkb(geometries).tolist(), strict=True),
        )
        self._connection.executemany(
            "INSERT INTO box VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (number, west, east, north, south, low, high)
                for number, (west, north, east, south), low, high in zip(
                    ids, bounds, first_zoom.tolist(), last_zoom.tolist(), strict=True
                )
            ),
        )


def _json(sketch: Sketch) -> str:
    return json.dumps(sketch.properties, ensure_ascii=False)


def _zoom_where(side: npt.NDArray[np.float64], num_pixels: float) -> Zooms:
    """The first zoom at which a length in the unit square is so many pixels; the deepest one for shorter lengths."""
    with np.errstate(divide="ignore"):
        zoom = np.ceil(np.log2(num_pixels / (_TILE_PIXELS * side)))
    found: Zooms = np.clip(zoom, 0, MAX_ZOOM).astype(np.int64)
    return found


def _made_valid(areas: Geometries) -> Geometries:
    """Simplifying can make rings of one polygon cross; what is mended may fall into parts, of which areas stay."""
    broken = np.flatnonzero(~shapely.is_valid(areas))
    areas = areas.copy()
    for number in broken.tolist():
        parts = shapely.get_parts(shapely.make_valid(areas[number]))
        areas[number] = shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
    return areas


def _cut(areas: Geometries, last_zoom: Zooms) -> tuple[Geometries, Zooms]:
    """Areas with large ones in pieces, and the number of the area that each piece is of."""
    pieces: list[BaseGeometry] = []
    source: list[int] = []
    sizes = shapely.get_num_coordinates(areas)
    for number, area in enumerate(areas.tolist()):
        found = (
            [area]
            if sizes[number] <= _MAX_COORDINATES
            else _halves(area, pixels(_OVERLAP_PIXELS, int(last_zoom[number])))
        )
        found = [piece for piece in found if not piece.is_empty]
        pieces += found
        source += [number] * len(found)
    kept = np.empty(len(pieces), dtype=object)
    kept[:] = pieces
    return kept, np.array(source, dtype=np.int64)


def _halves(area: BaseGeometry, overlap: float) -> Iterable[BaseGeometry]:
    """Pieces of few enough coordinates, by halving the longer side again and again."""
    west, north, east, south = area.bounds
    is_wide = east - west > south - north
    side = east - west if is_wide else south - north
    if shapely.get_num_coordinates(area) <= _MAX_COORDINATES or side <= 4 * overlap:
        return [area]
    if is_wide:
        middle = (west + east) / 2
        frames = [(west, north, middle + overlap, south), (middle - overlap, north, east, south)]
    else:
        middle = (north + south) / 2
        frames = [(west, north, east, middle + overlap), (west, middle - overlap, east, south)]
    return [piece for frame in frames for piece in _halves(shapely.clip_by_rect(area, *frame), overlap)]
