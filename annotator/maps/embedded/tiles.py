"""Vector tiles of a built map, made when they are asked for: the layers of `layers.py`, zooms 0 to 16."""

import gzip
import json
import math
import sqlite3
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

import numpy as np
import shapely

from annotator.errors import NotFoundError
from annotator.maps.embedded.layers import LAYERS, MAX_ZOOM
from annotator.maps.embedded.manifest import Manifest
from annotator.maps.embedded.mvt import EXTENT, TileEncoder

CONTENT_TYPE = "application/vnd.mapbox-vector-tile"

_BUFFER = 64 / EXTENT
"""Share of a tile by which lines and areas reach beyond its edges, so that their strokes meet the next tile's."""
_MAX_CACHED = 256

_QUERY = """
SELECT feature.layer, feature.properties, feature.geometry FROM box JOIN feature ON feature.id = box.id
WHERE box.east >= ? AND box.west <= ? AND box.south >= ? AND box.north <= ? AND first_zoom <= ? AND last_zoom >= ?
ORDER BY feature.layer, feature.id
"""


class Tiles:
    """Makes and remembers the tiles of one map. Safe to use from several threads.

    Args:
        path: the base map's file.
        manifest: of the map.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self._manifest = manifest
        self._lock = Lock()
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )
        self._cached = lru_cache(maxsize=_MAX_CACHED)(self._draw)

    def tile(self, z: int, x: int, y: int, *, compressed: bool = False) -> bytes:
        """One tile; no bytes at all, which is a valid tile, where the map has nothing.

        Args:
            z: zoom, 0 to 16.
            x: column from the west, from 0.
            y: row from the north, from 0.
            compressed: with gzip, always to the same bytes.

        Raises:
            NotFoundError: there is no such tile.
        """
        if not 0 <= z <= MAX_ZOOM:
            raise NotFoundError(f"there are no tiles of zoom {z}; there are zooms 0 to {MAX_ZOOM}")
        if not (0 <= x < 2**z and 0 <= y < 2**z):
            raise NotFoundError(f"there is no tile {x}, {y} at zoom {z}; columns and rows go from 0 to {2**z - 1}")
        content = self._cached(z, x, y)
        return gzip.compress(content, mtime=0) if compressed else content

    def forget(self) -> None:
        """Draws every tile anew from now on."""
        self._cached.cache_clear()

    def tilejson(self, base_url: str) -> dict[str, Any]:
        """The map's TileJSON 3.0 document.

        Args:
            base_url: address of the server, without a trailing slash; tiles are at `/tiles/NAME/{z}/{x}/{y}.mvt`.
        """
        box, (lat, lon) = self._manifest.bbox, self._manifest.center
        return {
            "tilejson": "3.0.0",
            "name": self._manifest.title,
            "attribution": self._manifest.attribution,
            "scheme": "xyz",
            "tiles": [f"{base_url}/tiles/{self._manifest.name}/{{z}}/{{x}}/{{y}}.mvt"],
            "minzoom": 0,
            "maxzoom": MAX_ZOOM,
            "bounds": [box.west, box.south, box.east, box.north],
            "center": [lon, lat, self._start_zoom()],
            "vector_layers": [{"id": layer.name, "fields": layer.fields} for layer in LAYERS],
        }

    def _start_zoom(self) -> int:
        """The zoom at which the map about fills a window."""
        box = self._manifest.bbox
        share = max((box.east - box.west) / 360.0, (box.north - box.south) / 180.0, 1e-6)
        return min(15, max(1, round(-math.log2(share))))

    def close(self) -> None:
        """Closes the file; no tile can be asked for afterwards."""
        with self._lock:
            self._connection.close()

    def _draw(self, z: int, x: int, y: int) -> bytes:
        size = 2.0**-z
        west, north = x * size, y * size
        margin = size * _BUFFER
        frame = (west - margin, north - margin, west + size + margin, north + size + margin)
        with self._lock:
            rows = self._connection.execute(_QUERY, (frame[0], frame[2], frame[1], frame[3], z, z)).fetchall()
        encoder = TileEncoder(west, north, size)
        if rows:
            self._add_layers(encoder, rows, frame, (west, north, west + size, north + size))
        return encoder.encode()

    def _add_layers(
        self,
        encoder: TileEncoder,
        rows: list[tuple[int, str, bytes]],
        frame: tuple[float, float, float, float],
        edges: tuple[float, float, float, float],
    ) -> None:
        geometries = shapely.from_wkb([row[2] for row in rows])
        properties = [row[1] for row in rows]
        layers = np.array([row[0] for row in rows])
        for index in np.unique(layers).tolist():
            spec = LAYERS[index]
            chosen = np.flatnonzero(layers == index)
            if spec.geometry == "area":
                # Small areas lie on large ones: a pond in a park in a quarter.
                chosen = chosen[np.argsort(-shapely.area(geometries[chosen]), kind="stable")]
            if spec.geometry == "point":
                # A label belongs to one tile only, and clients draw it across the edge.
                places = shapely.get_coordinates(geometries[chosen])
                inside = (places >= edges[:2]) & (places < edges[2:])
                chosen = chosen[inside.all(axis=1)]
                clipped = geometries[chosen]
            else:
                clipped = shapely.clip_by_rect(geometries[chosen], *frame)
                drawn = ~shapely.is_empty(clipped)
                chosen, clipped = chosen[drawn], clipped[drawn]
            if len(chosen):
                read = self._read_poi if spec.name == "pois" else json.loads
                encoder.add(spec.name, clipped, [properties[number] for number in chosen.tolist()], read)

    def _read_poi(self, text: str) -> dict[str, Any]:
        properties: dict[str, Any] = json.loads(text)
        return properties | {"pid": f"{self._manifest.namespace}:{properties['pid']}"}
