"""Builds the base map of an extract: one SQLite file of features for all zooms, which `tiles.py` makes tiles of.

The extract is read twice, relations first. Memory holds the positions of nodes (on disk for large extracts), a batch of
features, and the lines that low zooms merge.
"""

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import shapely
from osmium.filter import KeyFilter

from annotator.errors import MapBuildError, StorageError
from annotator.maps.embedded.coast import sea_polygons
from annotator.maps.embedded.extract import Extract
from annotator.maps.embedded.generalise import SCHEMA, Generaliser, to_degrees
from annotator.maps.embedded.layers import (
    Sketch,
    area_sketch,
    house_number_sketch,
    line_sketch,
    place_sketch,
    poi_sketch,
)
from annotator.maps.embedded.manifest import Box
from annotator.maps.embedded.schema import tune_for_building
from annotator.maps.embedded.stages import require_room, sync_file
from annotator.maps.osm_place import KIND_KEYS

_CACHE_BYTES = 16 * 1024 * 1024
_BATCH = 10_000
_IN_MEMORY_BYTES = 40 * 1024 * 1024
"""Extracts up to this size keep the positions of their nodes in memory."""

_SEA_SHARE = 0.25
"""How far beyond what is drawn the sea reaches, as a share of that box's sides."""

_NODE_KEYS = ("name", "addr:housenumber", *KIND_KEYS)
_LABELLED_AREAS = frozenset({"island", "islet", "square", "neighbourhood", "suburb", "quarter"})
"""Areas of `place` whose middle is labelled; settlements have a node of their own for that."""


@dataclass(frozen=True, slots=True)
class BasemapSummary:
    """What a base map holds.

    Args:
        num_by_layer: features of each layer, before they are simplified for each zoom.
        num_road_ways: ways that a router may use.
        box: around everything drawn, in degrees; what the extract's header says limits it.
    """

    num_by_layer: dict[str, int]
    num_road_ways: int
    box: Box


def build_basemap(extract: Extract, target: Path, progress: Callable[[float], None]) -> BasemapSummary:
    """Writes the base map of an extract; the same file always gives the same bytes.

    Args:
        target: the file to write; one that is there is overwritten.
        progress: is told the share that is done, from 0 to 1.

    Raises:
        MapBuildError: the extract cannot be read to its end, or has nothing to draw.
        StorageError: the disk is full or cannot be written.
    """
    target.unlink(missing_ok=True)
    scratch = target.with_name(f"{target.name}-nodes")
    try:
        with closing(sqlite3.connect(target)) as connection:
            tune_for_building(connection, _CACHE_BYTES)
            connection.executescript(SCHEMA)
            drawing = _Drawing(extract, Generaliser(connection), scratch, progress)
            summary = drawing.run()
            connection.commit()
    except sqlite3.Error as error:
        raise StorageError(f"cannot write the base map ({error}); see that there is room on the disk") from None
    except RuntimeError as error:
        require_room(target.parent)
        reason = " ".join(str(error).split())[:200]
        raise MapBuildError(f"cannot read {extract.path.name} to its end ({reason}); fetch it again") from None
    finally:
        scratch.unlink(missing_ok=True)
    sync_file(target)
    progress(1.0)
    return summary


@dataclass
class _Drawing:
    extract: Extract
    generaliser: Generaliser
    scratch: Path
    progress: Callable[[float], None]
    _sketches: list[Sketch] = field(default_factory=list)
    _wkbs: list[str] = field(default_factory=list)
    _coast: list[Any] = field(default_factory=list)
    _boundary_level: dict[int, int] = field(default_factory=dict)
    _num_road_ways: int = 0

    def run(self) -> BasemapSummary:
        self._wkb = osmium.geom.WKBFactory()
        self._read_boundaries()
        on_disk = self.extract.num_bytes > _IN_MEMORY_BYTES
        store = f"sparse_file_array,{self.scratch}" if on_disk else "flex_mem"
        processor = osmium.FileProcessor(osmium.io.File(str(self.extract.path), "pbf"))
        processor.with_locations(store).with_areas()
        # Other ways are needed even without tags: a boundary may be only its relation's.
        telling = KeyFilter(*_NODE_KEYS)
        telling.enable_for(osmium.osm.NODE)
        processor.with_filter(telling)
        for thing in processor:
            self._take(thing)
            if len(self._sketches) >= _BATCH:
                self._flush()
                self.progress(0.9 * share_read(self.extract.path, self.extract.num_bytes))
        self._flush()
        if not np.isfinite(self.generaliser.bounds).all():
            raise MapBuildError(f"{self.extract.path.name} has nothing that a map could show")
        drawn = self._drawn_box()
        covered = self.extract.box
        box = (covered and covered.intersection(drawn)) or drawn
        # An extract of a coast covers more sea than anything that is drawn in it, but nobody needs an ocean.
        self._add_sea((covered and covered.intersection(drawn.grown(_SEA_SHARE))) or drawn)
        self.generaliser.finish()
        return BasemapSummary(dict(self.generaliser.num_by_layer), self._num_road_ways, box)

    def _read_boundaries(self) -> None:
        """The most important administrative boundary that each way is part of."""
        levels = self._boundary_level
        file = osmium.io.File(str(self.extract.path), "pbf")
        processor = osmium.FileProcessor(file, osmium.osm.RELATION).with_filter(KeyFilter("admin_level"))
        relations: Iterable[Any] = processor
        for relation in relations:
            level = relation.tags.get("admin_level", "")
            if relation.tags.get("boundary") != "administrative" or level not in _LEVELS:
                continue
            for member in relation.members:
                if member.type == "w":
                    levels[member.ref] = min(int(level), levels.get(member.ref, 99))

    def _take(self, thing: Any) -> None:
        if thing.is_relation():
            return
        tags = _tags_of(thing)
        if thing.is_node():
            if thing.location.valid():
                self._take_point(tags, thing)
        elif thing.is_way():
            self._take_way(thing, tags)
        elif tags:
            self._take_area(thing, tags)

    def _take_point(self, tags: dict[str, str], node: Any) -> None:
        for sketch in (place_sketch(tags), poi_sketch(tags, f"n{node.id}"), house_number_sketch(tags)):
            if sketch is not None:
                self._add(sketch, self._wkb.create_point(node))

    def _take_way(self, way: Any, tags: dict[str, str]) -> None:
        if "highway" in tags or tags.get("route") == "ferry":
            self._num_road_ways += 1
        sketch = line_sketch(tags, boundary_level=self._boundary_level.get(way.id))
        is_coast = tags.get("natural") == "coastline"
        if sketch is None and not is_coast:
            return
        for line in self._lines_of(way):
            if sketch is not None:
                self._add(sketch, line)
            if is_coast:
                self._coast.append(shapely.from_wkb(line))

    def _lines_of(self, way: Any) -> list[str]:
        """The way's line as WKB in hexadecimal; in pieces where the extract lacks some of its nodes."""
        try:
            return [self._wkb.create_linestring(way)]
        except RuntimeError:
            runs: list[list[tuple[float, float]]] = [[]]
            for node in way.nodes:
                if not node.location.valid():
                    runs.append([])
                elif not runs[-1] or runs[-1][-1] != (node.lon, node.lat):
                    runs[-1].append((node.lon, node.lat))
            return [shapely.LineString(run).wkb_hex for run in runs if len(run) > 1]

    def _take_area(self, area: Any, tags: dict[str, str]) -> None:
        sketch = area_sketch(tags)
        native_id = f"{'w' if area.from_way() else 'r'}{area.orig_id()}"
        symbols = [poi_sketch(tags, native_id), house_number_sketch(tags)]
        if tags.get("place") in _LABELLED_AREAS:
            symbols.append(place_sketch(tags))
        # A closed road is a line, whatever else it is called.
        if area.from_way() and line_sketch(tags) is not None:
            symbols = []
        if sketch is None and not any(symbols):
            return
        try:
            outline = self._wkb.create_multipolygon(area)
        except RuntimeError:
            return
        if sketch is not None:
            self._add(sketch, outline)
        point = shapely.point_on_surface(shapely.from_wkb(outline)).wkb_hex if any(symbols) else ""
        for symbol in symbols:
            if symbol is not None:
                self._add(symbol, point)

    def _add(self, sketch: Sketch, wkb_hex: str) -> None:
        self._sketches.append(sketch)
        self._wkbs.append(wkb_hex)

    def _flush(self) -> None:
        if self._sketches:
            # All at once: one by one, reading them would take longer than drawing them.
            self.generaliser.add(self._sketches, shapely.from_wkb(self._wkbs))
            self._sketches, self._wkbs = [], []

    def _drawn_box(self) -> Box:
        west, north, east, south = self.generaliser.bounds
        (west_deg, north_deg), (east_deg, south_deg) = to_degrees(west, north), to_degrees(east, south)
        return Box(south=south_deg, west=max(-180.0, west_deg), north=north_deg, east=min(180.0, east_deg))

    def _add_sea(self, box: Box) -> None:
        for area in sea_polygons(self._coast, box):
            self._add(Sketch("water", 0, {"class": "sea"}), area.wkb_hex)
        self._flush()


_LEVELS = frozenset(str(level) for level in range(2, 11))


def _tags_of(thing: Any) -> dict[str, str]:
    """Tags of an object; those that are not UTF-8 are passed over."""
    try:
        return {tag.k: tag.v for tag in thing.tags}
    except UnicodeDecodeError:
        found = {}
        for tag in thing.tags:
            try:
                found[tag.k] = tag.v
            except UnicodeDecodeError:
                continue
        return found


def share_read(path: Path, num_bytes: int) -> float:
    """How far into a file this process has read, as the kernel says; 0 where it doesn't."""
    wanted = str(path.resolve())
    try:
        handles = [handle for handle in os.listdir("/proc/self/fd") if _target(handle) == wanted]
        positions = [Path(f"/proc/self/fdinfo/{handle}").read_text().split(maxsplit=2)[1] for handle in handles]
    except (OSError, IndexError):
        return 0.0
    return max((min(1.0, int(position) / num_bytes) for position in positions), default=0.0)


def _target(handle: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{handle}")
    except OSError:
        return ""
