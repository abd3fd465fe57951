"""A place index that is open for reading: connections for any number of threads, rows, and rows as places."""

import json
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotator.errors import MapBuildError, NotFoundError
from annotator.geo import LatLon
from annotator.maps.embedded.schema import VERSION, PlaceClass
from annotator.maps.osm_place import address_line, fields_from_tags
from annotator.maps.results import Place

_TYPE_LETTERS = "nwr"
_MMAP_BYTES = 1 << 30
_CHUNK_IDS = 400
"""Ids that one query takes: builds of SQLite differ in how many they allow, and all allow these."""


@dataclass(frozen=True, slots=True)
class Row:
    """A place as the index keeps it, without its tags; see `schema.py` for the fields."""

    id: int
    osm: int
    place_class: PlaceClass
    lat: float
    lon: float
    prominence: float
    kinds: str
    names: tuple[str, ...]
    address: str
    context: int

    @property
    def point(self) -> LatLon:
        """Latitude and longitude."""
        return self.lat, self.lon


class OpenIndex:
    """Read-only access to an index; safe to use from many threads at once.

    Args:
        path: what `build_index` wrote.
        namespace: what its place ids begin with.
        provider: key that its places carry.

    Raises:
        NotFoundError: there is no such file.
        MapBuildError: it is no index, or one of another version.
    """

    def __init__(self, path: Path, *, namespace: str, provider: str) -> None:
        if not path.is_file():
            raise NotFoundError(f"there is no place index {path}; build the map with `mapqator map build`")
        self._uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        self._idle: deque[sqlite3.Connection] = deque()
        self.namespace = namespace
        self.provider = provider
        try:
            with self.connection() as connection:
                rows = connection.execute("SELECT key, value FROM meta").fetchall()
                self.meta: Mapping[str, Any] = {key: json.loads(value) for key, value in rows}
                self.kind_numbers = dict(connection.execute("SELECT key, number FROM kind"))
        except (sqlite3.Error, ValueError) as error:
            raise MapBuildError(f"{path.name} is no place index ({error}); build the map again") from None
        if self.meta.get("version") != VERSION:
            raise MapBuildError(f"{path.name} was built by another version of MapQaTor; build the map again")
        self._country = self.meta.get("country_code") or ""

    def close(self) -> None:
        """Closes the connections that no query is using."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that no other thread has meanwhile."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = sqlite3.connect(self._uri, uri=True, check_same_thread=False, cached_statements=256)
            connection.execute(f"PRAGMA mmap_size={_MMAP_BYTES}")
        try:
            yield connection
        finally:
            self._idle.append(connection)

    def rows(self, connection: sqlite3.Connection, ids: Iterable[int]) -> list[Row]:
        """The rows of places, in the order of their ids; unknown ids give none."""
        return [
            _row(row)
            for some in _chunks(sorted(set(ids)))
            for row in connection.execute(
                "SELECT id, osm, class, lat, lon, prominence, kinds, names, address, context FROM place "
                f"WHERE id IN ({_marks(some)}) ORDER BY id",
                some,
            )
        ]

    def ranks(self, connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, tuple[float, int]]:
        """Prominence and OpenStreetMap key by id: all that sorting takes, where whole rows would take longer."""
        return {
            row[0]: (row[1], row[2])
            for some in _chunks(sorted(set(ids)))
            for row in connection.execute(f"SELECT id, prominence, osm FROM place WHERE id IN ({_marks(some)})", some)
        }

    def tags(self, connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, dict[str, str]]:
        """Tags of places by id."""
        return {
            row[0]: json.loads(row[1])
            for some in _chunks(sorted(set(ids)))
            for row in connection.execute(f"SELECT id, tags FROM place WHERE id IN ({_marks(some)})", some)
        }

    def shapes(self, connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, bytes]:
        """WKB of the places that have a shape, by id."""
        return {
            row[0]: row[1]
            for some in _chunks(sorted(set(ids)))
            for row in connection.execute(f"SELECT place, wkb FROM shape WHERE place IN ({_marks(some)})", some)
        }

    def pid(self, osm: int) -> str:
        """The canonical id of `4 * id + type`."""
        return f"{self.namespace}:{_TYPE_LETTERS[osm & 3]}{osm >> 2}"

    def osm(self, pid: str) -> int | None:
        """The key behind a canonical id of this namespace; None for any other text."""
        namespace, _, native = pid.partition(":")
        letter, digits = native[:1], native[1:]
        is_number = digits.isascii() and digits.isdigit() and len(digits) < 18
        if namespace != self.namespace or letter not in _TYPE_LETTERS or not letter or not is_number:
            return None
        return 4 * int(digits) + _TYPE_LETTERS.index(letter)

    def place_of(self, connection: sqlite3.Connection, osm: int) -> int | None:
        """The row id of an object, or of the street that it is part of."""
        row = connection.execute("SELECT place FROM ref WHERE osm = ?", (osm,)).fetchone()
        return row[0] if row else None

    def places(
        self,
        connection: sqlite3.Connection,
        rows: Sequence[Row],
        language: str,
        distances_m: Mapping[int, float] | None = None,
    ) -> tuple[Place, ...]:
        """Rows as places, in their order.

        Args:
            rows: what to make places of.
            language: for names.
            distances_m: from the search's centre, by row id.
        """
        tags = self.tags(connection, [row.id for row in rows])
        contexts = {row.context: self._context(connection, row.context) for row in rows}
        return tuple(
            self._place(row, tags[row.id], contexts[row.context], language, (distances_m or {}).get(row.id))
            for row in rows
        )

    def address_line(self, parts: Mapping[str, str]) -> str | None:
        """An address in the order of its country, or of the one that most addresses here are in, without naming it."""
        in_short = {part: text for part, text in parts.items() if part != "country"}
        return address_line(in_short, self._country)

    def _context(self, connection: sqlite3.Connection, context: int) -> dict[str, str]:
        row = connection.execute("SELECT parts FROM context WHERE id = ?", (context,)).fetchone()
        return dict(json.loads(row[0]))

    def _place(
        self, row: Row, tags: dict[str, str], context: dict[str, str], language: str, distance_m: float | None
    ) -> Place:
        fields = fields_from_tags(tags, language)
        own = fields.pop("address_parts", {})
        if "highway" in tags and row.place_class is PlaceClass.LINE:
            own = {"street": tags["name"]} | own
        order = ("street", "house_number", "postcode", "city", "district", "state", "country", "country_code")
        parts = {part: text for part in order if (text := own.get(part) or context.get(part))}
        if parts.get("district") == parts.get("city"):
            parts.pop("district", None)
        fields["address"] = self.address_line(parts) or fields.pop("address", None)
        return Place(
            pid=self.pid(row.osm),
            provider=self.provider,
            lat=row.lat,
            lon=row.lon,
            address_parts=parts,
            distance_m=distance_m,
            prominence=row.prominence,
            **fields,
        )


def _row(row: Sequence[Any]) -> Row:
    number, osm, place_class, lat, lon, prominence, kinds, names, address, context = row
    every_name = tuple(names.split("\n")) if names else ()
    return Row(number, osm, PlaceClass(place_class), lat, lon, prominence, kinds, every_name, address, context)


def _chunks(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), _CHUNK_IDS):
        yield ids[start : start + _CHUNK_IDS]


def _marks(ids: Sequence[int]) -> str:
    return ",".join("?" * len(ids))
