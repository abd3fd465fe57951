"""Builds a place index from an OpenStreetMap extract: the same file always gives the same bytes.

Everything is staged in a temporary database first, then written in order of prominence and id. Memory stays bounded
whatever the size of the extract: SQLite sorts on disk, and only outlines of boundaries are held. The index gets its
name when it is whole; an interrupted build leaves nothing behind.
"""

import json
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from annotator.errors import MapBuildError, StorageError
from annotator.geo import LatLon
from annotator.maps.embedded import lines, reader
from annotator.maps.embedded.rows import folded_address, folded_names, text_columns
from annotator.maps.embedded.schema import FACETS, SCHEMA, VERSION, PlaceClass, Spot, tune_for_building
from annotator.maps.embedded.sorting import has_address
from annotator.maps.embedded.surroundings import NEAR_SETTLEMENTS, Area, Context, Surroundings
from annotator.maps.embedded.synonyms import KIND_PHRASES, kinds_of

_CACHE_BYTES = 16 * 1024 * 1024
_BATCH = 4_000
_PIECE_POINTS = 12
"""Lines are in the R*Tree by pieces of so many points: the box of a long street would hold half a town."""

_AREAS = (PlaceClass.SETTLEMENT, PlaceClass.BOUNDARY)

_KIND_NUMBERS = {kind: number for number, kind in enumerate(KIND_PHRASES, start=1)}


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What an index holds.

    Args:
        data_timestamp: when OpenStreetMap was as the extract says, ISO 8601; None if its header doesn't tell.
        south, west, north, east: box around all places, in degrees.
        country_code: the country that most addresses name, if any does.
    """

    num_pois: int
    num_addresses: int
    num_lines: int
    num_areas: int
    num_words: int
    size_bytes: int
    data_timestamp: str | None
    south: float
    west: float
    north: float
    east: float
    country_code: str | None


def build_index(pbf: Path, target: Path, *, progress: Callable[[float], None] = lambda _share: None) -> IndexSummary:
    """Writes the index of an extract to `target`, replacing what is there only when all went well.

    Args:
        pbf: an `.osm.pbf` (or any other format that osmium reads).
        target: the index; its folder must exist.
        progress: is told the share that is done, from 0 to 1, never falling.

    Raises:
        MapBuildError: the extract is missing, broken, cut off or holds no places.
        StorageError: the disk is full or cannot be written.
    """
    if not pbf.is_file():
        raise MapBuildError(f"there is no file {pbf}; give the path of an .osm.pbf extract")
    if pbf.stat().st_size == 0:
        raise MapBuildError(f"{pbf.name} is empty; fetch it again")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
            return _Build(pbf, target, Path(folder), progress).run()
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"cannot write the index {target} ({error}); see that there is room on the disk") from error


class _Build:
    def __init__(self, pbf: Path, target: Path, folder: Path, progress: Callable[[float], None]) -> None:
        self._pbf = pbf
        self._target = target
        self._folder = folder
        self._progress = progress
        self._spot_id = 0
        self._contexts: dict[Context, int] = {}
        self._num_of_kind: Counter[str] = Counter()
        self._countries: Counter[str] = Counter()

    def run(self) -> IndexSummary:
        with closing(self._connect("staging")) as staging, closing(self._connect("index")) as index:
            staging.executescript(reader.STAGING + lines.STAGING)
            timestamp = reader.read_extract(self._pbf, staging, self._folder, lambda share: self._progress(0.6 * share))
            lines.merge_lines(staging)
            num_things = staging.execute("SELECT count(*) FROM thing").fetchone()[0]
            if num_things == 0:
                raise MapBuildError(f"{self._pbf.name} holds no places; is it an extract of OpenStreetMap?")
            self._progress(0.65)
            index.executescript(SCHEMA)
            self._write_places(staging, index, num_things)
            _write_references(staging, index)
            self._write_contexts(index)
            self._progress(0.9)
            self._write_words(index)
            summary = self._summarise(index, timestamp)
            index.commit()
        size_bytes = self._publish()
        self._progress(1.0)
        return IndexSummary(**(asdict(summary) | {"size_bytes": size_bytes}))

    def _connect(self, name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self._folder / name)
        tune_for_building(connection, _CACHE_BYTES)
        return connection

    def _write_places(self, staging: sqlite3.Connection, index: sqlite3.Connection, num_things: int) -> None:
        surroundings = Surroundings(list(_areas(staging)))
        rows = staging.execute(
            "SELECT thing.osm, class, lat, lon, prominence, wkb, tags, street FROM thing "
            "LEFT JOIN street_of ON street_of.osm = thing.osm ORDER BY prominence DESC, class, thing.osm"
        )
        place_id = 0
        for batch in batched(rows, _BATCH):
            contexts = surroundings.of([(row[2], row[3]) for row in batch])
            for row, context in zip(batch, contexts, strict=True):
                place_id += 1
                self._write_place(index, place_id, row, context)
            self._progress(0.65 + 0.25 * place_id / num_things)

    def _write_place(self, index: sqlite3.Connection, place_id: int, row: Sequence[Any], context: Context) -> None:
        osm, class_number, lat, lon, prominence, wkb, tags_text, street = row
        place_class = PlaceClass(class_number)
        tags: dict[str, str] = json.loads(tags_text)
        if street and has_address(tags) and "addr:street" not in tags and "addr:place" not in tags:
            tags["addr:street"] = street
        kinds = tuple(kind for kind in kinds_of(tags) if _has_kind(place_class, kind))
        names = folded_names(tags)
        around = context.outside(osm, tags) if place_class in _AREAS else context
        context_id = self._contexts.setdefault(around, len(self._contexts) + 1)
        index.execute(
            "INSERT INTO place VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                place_id,
                osm,
                class_number,
                lat,
                lon,
                prominence,
                f" {' '.join(kinds)} ",
                "\n".join(names),
                folded_address(tags),
                context_id,
                json.dumps(dict(sorted(tags.items())), ensure_ascii=False, separators=(",", ":")),
            ),
        )
        if place_class is not PlaceClass.LINE:
            index.execute("INSERT OR IGNORE INTO ref VALUES (?, ?)", (osm, place_id))
        if wkb is not None:
            index.execute("INSERT INTO shape VALUES (?, ?)", (place_id, wkb))
        index.execute(
            "INSERT INTO text(rowid, name, alt, category, detail, address) VALUES (?, ?, ?, ?, ?, ?)",
            (place_id, *text_columns(tags, place_class, kinds, names, dict(around.parts))),
        )
        if place_class is PlaceClass.POI:
            rows = [(key, place_id) for key in FACETS if tags.get(key)]
            index.executemany("INSERT INTO facet VALUES (?, ?)", rows)
        self._num_of_kind.update(kinds)
        # The point of a country or a county says nothing about what is near it.
        is_settlement = place_class is PlaceClass.SETTLEMENT and tags["place"] in NEAR_SETTLEMENTS
        self._write_spots(index, place_id, place_class, (lat, lon), kinds, has_address(tags), is_settlement, wkb)
        if country := tags.get("addr:country"):
            self._countries[country.upper()] += 1

    def _write_spots(
        self,
        index: sqlite3.Connection,
        place_id: int,
        place_class: PlaceClass,
        point: LatLon,
        kinds: Sequence[str],
        is_addressed: bool,
        is_settlement: bool,
        wkb: bytes | None,
    ) -> None:
        lat, lon = point
        box = (lon, lat, lon, lat)
        entries: list[tuple[int, tuple[float, float, float, float]]] = []
        if place_class is PlaceClass.POI:
            entries += [(number, box) for number in (Spot.ANY_POI, *(_KIND_NUMBERS[kind] for kind in kinds))]
        if is_addressed:
            entries.append((Spot.ADDRESS, box))
        if is_settlement:
            entries.append((Spot.SETTLEMENT, box))
        if wkb is not None:
            shape = shapely.from_wkb(wkb)
            kind = Spot.LINE if place_class is PlaceClass.LINE else Spot.AREA
            boxes = (
                _line_boxes(shape)
                if place_class is PlaceClass.LINE
                else [part.bounds for part in shapely.get_parts(shape)]
            )
            entries += [(kind, copy) for bounds in boxes for copy in _within_the_globe(bounds)]
        for number, (west, south, east, north) in entries:
            self._spot_id += 1
            index.execute(
                "INSERT INTO spot VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self._spot_id, south, north, west, east, number, number, place_id, lat, lon),
            )

    def _write_contexts(self, index: sqlite3.Connection) -> None:
        known = {osm for context in self._contexts for osm in context.areas}
        found = ((osm, index.execute("SELECT place FROM ref WHERE osm = ?", (osm,)).fetchone()) for osm in known)
        ids = {osm: row[0] for osm, row in found if row}
        index.executemany(
            "INSERT INTO context VALUES (?, ?, ?)",
            [
                (number, context.parts_json, f" {' '.join(str(ids[osm]) for osm in context.areas if osm in ids)} ")
                for context, number in self._contexts.items()
            ],
        )
        index.executemany(
            "INSERT INTO kind VALUES (?, ?, ?)",
            [(number, key, self._num_of_kind[key]) for key, number in _KIND_NUMBERS.items()],
        )

    @staticmethod
    def _write_words(index: sqlite3.Connection) -> None:
        index.execute("INSERT INTO text(text) VALUES ('optimize')")
        index.execute("CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab('main', 'text', 'row')")
        index.execute("INSERT INTO word SELECT term, doc FROM temp.vocabulary ORDER BY term")
        index.execute("DROP TABLE temp.vocabulary")

    def _summarise(self, index: sqlite3.Connection, timestamp: str | None) -> IndexSummary:
        num = Counter(dict(index.execute("SELECT class, count(*) FROM place GROUP BY class")))
        south, west, north, east = index.execute("SELECT min(lat), min(lon), max(lat), max(lon) FROM place").fetchone()
        country, votes = min(self._countries.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
        summary = IndexSummary(
            num_pois=num[PlaceClass.POI],
            num_addresses=num[PlaceClass.ADDRESS],
            num_lines=num[PlaceClass.LINE],
            num_areas=num[PlaceClass.SETTLEMENT] + num[PlaceClass.BOUNDARY],
            num_words=index.execute("SELECT count(*) FROM word").fetchone()[0],
            size_bytes=0,
            data_timestamp=timestamp,
            south=south,
            west=west,
            north=north,
            east=east,
            country_code=country if votes and len(country) == 2 else None,
        )
        facts = {"version": VERSION} | {key: value for key, value in asdict(summary).items() if key != "size_bytes"}
        index.executemany("INSERT INTO meta VALUES (?, ?)", [(key, json.dumps(facts[key])) for key in sorted(facts)])
        return summary

    def _publish(self) -> int:
        """Packs the index without free pages, writes it out to the disk and gives it its name; returns its size."""
        packed = self._folder / "packed"
        with closing(sqlite3.connect(self._folder / "index")) as index:
            index.execute("VACUUM INTO ?", (str(packed),))
        with packed.open("rb") as file:
            os.fsync(file.fileno())
        size_bytes = packed.stat().st_size
        packed.replace(self._target)
        return size_bytes


def _has_kind(place_class: PlaceClass, kind: str) -> bool:
    """Whether a kind that tags name is one of the place: streets and areas have tags of many things along them."""
    is_water = place_class is PlaceClass.LINE and kind.startswith("waterway=")
    return place_class is PlaceClass.POI or is_water


def _areas(staging: sqlite3.Connection) -> Iterator[Area]:
    rows = staging.execute(
        "SELECT osm, tags, lat, lon, wkb FROM thing WHERE class IN (?, ?) ORDER BY osm",
        (int(PlaceClass.SETTLEMENT), int(PlaceClass.BOUNDARY)),
    )
    for osm, tags, lat, lon, wkb in rows:
        yield Area(osm, json.loads(tags), (lat, lon), shapely.from_wkb(wkb) if wkb is not None else None)


def _write_references(staging: sqlite3.Connection, index: sqlite3.Connection) -> None:
    """Makes every way of a merged street known, and turns staged keys of crossing streets into place ids."""
    places = dict(index.execute("SELECT osm, id FROM place WHERE class = ?", (int(PlaceClass.LINE),)))
    index.executemany(
        "INSERT OR IGNORE INTO ref VALUES (?, ?)",
        ((osm, places[street]) for osm, street in staging.execute("SELECT osm, street FROM member ORDER BY osm")),
    )
    pairs = ((*sorted((places[a], places[b])), node, lat, lon) for a, b, node, lat, lon in lines.crossings(staging))
    index.executemany("INSERT OR IGNORE INTO crossing VALUES (?, ?, ?, ?, ?)", pairs)


def _line_boxes(shape: BaseGeometry) -> list[tuple[float, float, float, float]]:
    boxes = []
    for line in shapely.get_parts(shape):
        points = shapely.get_coordinates(line)
        for start in range(0, max(1, len(points) - 1), _PIECE_POINTS):
            piece = points[start : start + _PIECE_POINTS + 1]
            (west, south), (east, north) = np.min(piece, axis=0), np.max(piece, axis=0)
            boxes.append((float(west), float(south), float(east), float(north)))
    return boxes


def _within_the_globe(box: tuple[float, float, float, float]) -> list[tuple[float, float, float, float]]:
    """A box that crosses the antimeridian as two."""
    west, south, east, north = box
    if east <= 180.0:
        return [box]
    return [(min(west, 180.0), south, 180.0, north), (-180.0, south, east - 360.0, north)]
