"""Reads an OpenStreetMap extract and puts everything that may be a place into staging tables, one object at a time.

Two passes over the file: relations first, to learn which ways they need, then everything. Nodes without tags never
reach Python, and their positions are kept by osmium, on disk when the file is large.
"""

import json
import sqlite3
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import osmium
import shapely
from osmium.filter import KeyFilter

from annotator.errors import MapBuildError
from annotator.geo import round_degrees
from annotator.maps.embedded.folding import fold
from annotator.maps.embedded.prominence import prominence_of
from annotator.maps.embedded.schema import PlaceClass
from annotator.maps.embedded.shapes import extent_m, inner_point, middle, simplified, unwrapped
from annotator.maps.embedded.sorting import ADDRESS_KEYS, FILTER_KEYS, class_of, is_line, is_open_place

STAGING = """
CREATE TABLE thing(
    osm INTEGER PRIMARY KEY, class INTEGER, lat REAL, lon REAL, prominence REAL, wkb BLOB, tags TEXT
);
CREATE TABLE part(osm INTEGER PRIMARY KEY, name TEXT, wkb BLOB, nodes BLOB, tags TEXT);
CREATE TABLE middle(osm INTEGER PRIMARY KEY, lat REAL, lon REAL);
CREATE TABLE street_of(osm INTEGER PRIMARY KEY, street TEXT);
"""

NODE, WAY, RELATION = 0, 1, 2
_TYPES = {"n": NODE, "w": WAY, "r": RELATION}

_IN_MEMORY_BYTES = 40 * 1024 * 1024
"""Extracts up to this size keep the positions of their nodes in memory (about 16 bytes each)."""

_MIN_EXTENT_M = 40.0
"""A smaller area is as good as its point."""

_BATCH = 2_000


def osm_key(kind: int, osm_id: int) -> int:
    """One number for type and id: `4 * id + type`."""
    return 4 * osm_id + kind


def read_extract(
    pbf: Path, staging: sqlite3.Connection, scratch: Path, progress: Callable[[float], None]
) -> str | None:
    """Fills the staging tables; returns the data's own timestamp, if the file's header has one.

    Args:
        pbf: the extract.
        staging: an empty database with the tables of `STAGING`.
        scratch: a folder for temporary files.
        progress: is told a share from 0 to 1, an estimate as the number of objects is not known beforehand.

    Raises:
        MapBuildError: it cannot be read to its end as OpenStreetMap data.
    """
    try:
        return _Reader(pbf, staging, scratch, progress).read()
    except MapBuildError:
        raise
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MapBuildError(f"cannot read {pbf.name} as an OpenStreetMap extract ({reason}); fetch it again") from None


class _Ways:
    """What osmium hands the objects to that its filter held back; only ways are looked at."""

    def __init__(self, take: Callable[[Any], None]) -> None:
        self._take = take

    def way(self, way: Any) -> None:
        self._take(way)


class _Reader:
    def __init__(
        self, pbf: Path, staging: sqlite3.Connection, scratch: Path, progress: Callable[[float], None]
    ) -> None:
        self._staging = staging
        self._progress = progress
        self._scratch = scratch
        self._num_bytes = pbf.stat().st_size
        # An unusual name says nothing about the format.
        is_known = pbf.name.endswith((".pbf", ".osm", ".osm.gz", ".osm.bz2", ".xml", ".opl"))
        self._file = osmium.io.File(str(pbf), "" if is_known else "pbf")
        self._wkb = osmium.geom.WKBFactory()
        self._things: list[tuple[Any, ...]] = []
        self._parts: list[tuple[Any, ...]] = []
        self._wanted_ways = osmium.index.IdSet()
        self._num_objects = 0

    def read(self) -> str | None:
        self._read_relations()
        on_disk = self._num_bytes > _IN_MEMORY_BYTES
        store = f"sparse_file_array,{self._scratch / 'nodes'}" if on_disk else "flex_mem"
        processor = osmium.FileProcessor(self._file).with_locations(store).with_areas()
        if len(self._wanted_ways):
            # Members of relations need no tags of their own, and then the filter holds them back.
            processor = processor.handler_for_filtered(_Ways(self._note_middle))
        for thing in processor.with_filter(KeyFilter(*FILTER_KEYS)):
            self._num_objects += 1
            if self._num_objects % 1_000 == 0:
                # Filtered objects take some fifty bytes of a file each, so this comes near one and never reaches it.
                seen = self._num_objects * 50 / max(1, self._num_bytes)
                self._progress(seen / (seen + 0.1))
            self._take(thing, processor)
        self._flush()
        stamp = processor.header.get("osmosis_replication_timestamp")
        return stamp or None

    def _read_relations(self) -> None:
        """Notes which ways a relation's place may have to be taken from, and which streets relations give to houses."""
        relations: Iterable[Any] = osmium.FileProcessor(self._file, osmium.osm.RELATION)
        for relation in relations:
            tags = _tags_of(relation)
            street = tags.get("name", "")
            if tags.get("type") in ("associatedStreet", "street") and street:
                self._staging.executemany(
                    "INSERT OR IGNORE INTO street_of VALUES (?, ?)",
                    [
                        (osm_key(_TYPES[m.type], m.ref), street)
                        for m in relation.members
                        if m.role in ("house", "address")
                    ],
                )
            elif _may_be_scattered(tags):
                for member in relation.members:
                    if member.type == "w" and member.ref > 0:
                        self._wanted_ways.set(member.ref)

    def _take(self, thing: Any, processor: osmium.FileProcessor) -> None:
        tags = _tags_of(thing)
        if not tags:
            return
        if thing.is_node():
            if thing.location.valid():
                self._add_point(osm_key(NODE, thing.id), tags, thing.location.lat, thing.location.lon, is_area=False)
        elif thing.is_way():
            self._take_way(thing, tags)
        elif thing.is_area():
            self._take_area(thing, tags)
        else:
            self._take_relation(thing, tags, processor)

    def _take_way(self, way: Any, tags: dict[str, str]) -> None:
        nodes = [(node.ref, node.lat, node.lon) for node in way.nodes if node.location.valid()]
        if not nodes:
            return
        key = osm_key(WAY, way.id)
        if is_line(tags) and len(nodes) > 1:
            line = shapely.LineString([(lon, lat) for _, lat, lon in nodes])
            name = ("h " if "highway" in tags else "w ") + " ".join(fold(tags["name"]))
            self._parts.append((key, name, line.wkb, array("q", [ref for ref, *_ in nodes]).tobytes(), _json(tags)))
            if len(self._parts) >= _BATCH:
                self._flush()
        elif way.is_closed() or is_open_place(tags):
            # For a closed way its area comes later and takes this one's place, unless its outline is broken.
            self._add_point(key, tags, *middle([(lat, lon) for _, lat, lon in nodes]), is_area=False)
        self._note_middle(way)

    def _note_middle(self, way: Any) -> None:
        """Keeps where a way is if a relation may have to be found by it."""
        if not self._wanted_ways.get(way.id):
            return
        points = [(node.lat, node.lon) for node in way.nodes if node.location.valid()]
        if points:
            row = (osm_key(WAY, way.id), *middle(points))
            self._staging.execute("INSERT OR REPLACE INTO middle VALUES (?, ?, ?)", row)

    def _take_area(self, area: Any, tags: dict[str, str]) -> None:
        if area.from_way() and is_line(tags):
            return
        place_class = class_of(tags, is_area=True)
        if place_class is None:
            return
        try:
            outline = shapely.from_wkb(bytes.fromhex(self._wkb.create_multipolygon(area)))
        except (RuntimeError, shapely.errors.GEOSException):
            return
        outline = unwrapped(outline)
        if outline.is_empty or not np.isfinite(outline.bounds).all():
            return
        lat, lon = inner_point(outline)
        size_m = extent_m(outline)
        key = osm_key(WAY if area.from_way() else RELATION, area.orig_id())
        wkb = simplified(outline).wkb if size_m >= _MIN_EXTENT_M or place_class is PlaceClass.BOUNDARY else None
        self._add(key, place_class, lat, lon, prominence_of(tags, size_m), wkb, tags)

    def _take_relation(self, relation: Any, tags: dict[str, str], processor: osmium.FileProcessor) -> None:
        """A relation that is no area (a site, or one with members missing): the middle of the members that are here."""
        key = osm_key(RELATION, relation.id)
        if not _may_be_scattered(tags) or class_of(tags, is_area=False) is None or self._is_known(key):
            return
        points = []
        for member in relation.members:
            if member.type == "w":
                self._flush()
                row = self._staging.execute(
                    "SELECT lat, lon FROM middle WHERE osm = ?", (osm_key(WAY, member.ref),)
                ).fetchone()
                points += [row] if row else []
            elif member.type == "n" and (location := _location(processor, member.ref)):
                points.append(location)
        if points:
            self._add_point(key, tags, *middle(points), is_area=False)

    def _is_known(self, key: int) -> bool:
        self._flush()
        return self._staging.execute("SELECT 1 FROM thing WHERE osm = ?", (key,)).fetchone() is not None

    def _add_point(self, key: int, tags: dict[str, str], lat: float, lon: float, *, is_area: bool) -> None:
        place_class = class_of(tags, is_area=is_area)
        if place_class is not None:
            self._add(key, place_class, lat, lon, prominence_of(tags), None, tags)

    def _add(
        self,
        key: int,
        place_class: PlaceClass,
        lat: float,
        lon: float,
        prominence: float,
        wkb: bytes | None,
        tags: dict[str, str],
    ) -> None:
        lon = (lon + 180.0) % 360.0 - 180.0 if not -180.0 <= lon <= 180.0 else lon
        row = (key, int(place_class), round_degrees(lat), round_degrees(lon), prominence, wkb, _json(tags))
        self._things.append(row)
        if len(self._things) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._things:
            # A way's area replaces the way; a way that comes again (in a file with history) replaces itself.
            self._staging.executemany("INSERT OR REPLACE INTO thing VALUES (?, ?, ?, ?, ?, ?, ?)", self._things)
            self._things.clear()
        if self._parts:
            self._staging.executemany("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?)", self._parts)
            self._parts.clear()


def _tags_of(thing: Any) -> dict[str, str]:
    """Tags by sorted key; where one is no text (bytes that are not UTF-8), only those that say what a thing is."""
    try:
        return dict(sorted((tag.k, tag.v) for tag in thing.tags))
    except UnicodeDecodeError:
        return dict(sorted(_readable(thing.tags)))


def _readable(tags: Any) -> Iterator[tuple[str, str]]:
    # osmium cannot go on behind a tag that it cannot decode, but it can be asked for each of those that matter.
    for key in (*FILTER_KEYS, *ADDRESS_KEYS):
        with suppress(UnicodeDecodeError):
            value = tags.get(key)
            if value is not None:
                yield key, value


def _may_be_scattered(tags: Mapping[str, str]) -> bool:
    return tags.get("type") in ("multipolygon", "site") and class_of(tags, is_area=False) is not None


def _location(processor: osmium.FileProcessor, ref: int) -> tuple[float, float] | None:
    store = processor.node_location_storage
    try:
        location = store.get(ref) if store is not None and ref > 0 else None
    except KeyError:
        return None
    return (location.lat, location.lon) if location is not None and location.valid() else None


def _json(tags: Mapping[str, str]) -> str:
    return json.dumps(tags, ensure_ascii=False, separators=(",", ":"))
