"""Finds the places that hold all words of a query, whatever is meant by it, and ranks them."""

import math
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, product

from annotator.geo import LatLon, bounding_box
from annotator.maps.embedded.folding import telling
from annotator.maps.embedded.opened import OpenIndex
from annotator.maps.embedded.query_text import kinds_meant
from annotator.maps.embedded.ranking import ADDRESS_POINTS, DETAIL_POINTS, Hit, Ranking
from annotator.maps.embedded.spelling import Reading, Speller

MAX_WORDS = 12
"""Telling words that count; what a longer query says after them only costs time."""

_MAX_CANDIDATES = 250
"""Places that are ranked; rows are in order of prominence, so that the best known of very many are among them."""

_ENOUGH = 20
_MAX_SORTED = 5_000
_LEAN_RADII_M = (1_000.0, 5_000.0)
_EVERYWHERE = "{name alt category detail address}"
_NO_ADDRESS = "{name alt category detail}"
_MAX_KIND_READINGS = 64


class Matcher:
    """Text matching for one query.

    Args:
        index: the open index.
        connection: to it.
        near: position to prefer places near, if one is given.
    """

    def __init__(self, index: OpenIndex, connection: sqlite3.Connection, near: LatLon | None) -> None:
        self._index = index
        self._connection = connection
        self._near = near
        self._speller = _speller(index, connection)
        self._found: dict[tuple[tuple[str, ...], bool, bool], list[Hit]] = {}

    def find(self, words: tuple[str, ...], *, fuzzy: bool = False, is_end: bool = True) -> list[Hit]:
        """Places that hold every telling word, best first.

        Args:
            words: folded.
            fuzzy: allow for typing errors.
            is_end: nothing comes after these words, so that the last one may be unfinished.
        """
        key = (words, fuzzy, is_end)
        if key not in self._found:
            self._found[key] = self._find(words, fuzzy=fuzzy, is_end=is_end)
        return self._found[key]

    def _find(self, words: tuple[str, ...], *, fuzzy: bool, is_end: bool) -> list[Hit]:
        readings = self._speller.read(_distinct(words), may_be_unfinished=is_end, fuzzy=fuzzy)
        if kinds_meant(words):
            # A whole kind is no unfinished word: a gym is not a gymnasium.
            readings = tuple(replace(reading, prefix="") for reading in readings)
        return self._matches(words, readings)

    def find_joined(self, words: tuple[str, ...]) -> list[Hit]:
        """As `find`, with two words written as one or one as two."""
        return next((hits for other in self._speller.joined(words) if (hits := self.find(other))), [])

    def find_most(self, words: tuple[str, ...]) -> list[Hit]:
        """As `find`, with unknown words left out, and one more if need be; nothing if less than half the words stay.

        Numbers go first (a house that is not on the map leaves the street), then whichever word leaves the best match.
        """
        plain = _distinct(words)
        readings = self._speller.read(plain, may_be_unfinished=True, fuzzy=True)
        known = tuple(reading for reading in readings if reading.is_known)
        num_characters = sum(len(reading.word) for reading in readings)
        if 2 * sum(len(reading.word) for reading in known) < num_characters or 2 * len(known) < len(readings):
            return []
        if len(known) < len(readings) and (hits := self._matches(words, known)):
            return hits
        if 2 * (len(known) - 1) < len(readings):
            return []
        fewer = [(known[index], known[:index] + known[index + 1 :]) for index in range(len(known))]
        fewer.sort(key=lambda item: (not any(character.isdigit() for character in item[0].word), item[0].weight))
        found: list[Hit] = []
        for dropped, rest in fewer:
            hits = self._matches(words, rest)
            if hits and any(character.isdigit() for character in dropped.word):
                return hits
            found += hits
        best: dict[int, Hit] = {}
        for hit in sorted(found, key=lambda hit: hit.order):
            best.setdefault(hit.row.id, hit)
        return list(best.values())

    def kinds(self, words: tuple[str, ...], *, fuzzy: bool = False) -> tuple[str, ...]:
        """The kinds that the whole phrase names, typing errors allowed for if so asked."""
        if found := kinds_meant(words):
            return found
        if not fuzzy:
            return ()
        plain = _distinct(words)
        return _kinds_of_readings(self._speller.read(plain, may_be_unfinished=False, fuzzy=True))

    def ranking(self, words: tuple[str, ...], kinds: Sequence[str]) -> Ranking:
        """How to rank places that were found by their kind."""
        readings = self._speller.read(_distinct(words), may_be_unfinished=False, fuzzy=False)
        return Ranking(words, readings, kinds, self._near)

    def _matches(self, words: tuple[str, ...], readings: tuple[Reading, ...]) -> list[Hit]:
        if not readings or not all(reading.is_known for reading in readings):
            return []
        kinds = kinds_meant(words) or _kinds_of_readings(readings)
        ranking = Ranking(words, readings, kinds, self._near)
        rest_points = dict.fromkeys(self._ids(_NO_ADDRESS, readings), DETAIL_POINTS)
        hits = ranking.hits(self._index.rows(self._connection, rest_points), rest_points)
        if any(hit.is_kind for hit in hits):
            # A market is no mini market, and a hospital no animal hospital.
            return [hit for hit in hits if hit.is_kind or hit.is_named]
        # Who names a street or a place wants that, and not everything whose address holds its name.
        if len(hits) >= _ENOUGH or any(hit.is_named for hit in hits):
            return hits
        for place in self._ids(_EVERYWHERE, readings):
            rest_points.setdefault(place, ADDRESS_POINTS)
        return ranking.hits(self._index.rows(self._connection, rest_points), rest_points)

    def _ids(self, columns: str, readings: tuple[Reading, ...]) -> list[int]:
        expression = f"{columns} : ({' AND '.join(_alternatives(reading) for reading in readings)})"
        query = "SELECT rowid FROM text WHERE text MATCH ? ORDER BY rowid LIMIT ?"
        ids = [row[0] for row in self._connection.execute(query, (expression, _MAX_CANDIDATES))]
        if len(ids) < _MAX_CANDIDATES or self._near is None:
            return ids
        # More than can be ranked: the best known of them, and the nearest.
        return sorted({*ids[: _MAX_CANDIDATES // 4], *self._nearest(expression, self._near)})

    def _nearest(self, expression: str, near: LatLon) -> list[int]:
        """The nearest places that hold words that many hold."""
        query = "SELECT rowid FROM text WHERE text MATCH ? ORDER BY rowid LIMIT ?"
        num_matches = len(self._connection.execute(query, (expression, _MAX_SORTED + 1)).fetchall())
        if num_matches <= _MAX_SORTED:
            lat, lon = near
            shrink = math.cos(math.radians(lat)) ** 2
            rows = self._connection.execute(
                f"SELECT id FROM place WHERE id IN ({query}) ORDER BY (lat - ?) * (lat - ?) "
                "+ ? * min(abs(lon - ?), 360 - abs(lon - ?)) * min(abs(lon - ?), 360 - abs(lon - ?)), id LIMIT ?",
                (expression, _MAX_SORTED, lat, lat, shrink, lon, lon, lon, lon, _MAX_CANDIDATES),
            )
            return [row[0] for row in rows]
        # Words of so many places are words for a kind, and then there is enough close by.
        close: list[int] = []
        for radius_m in _LEAN_RADII_M:
            south, west, north, east = bounding_box(near, radius_m)
            rows = self._connection.execute(
                "SELECT place FROM spot WHERE north >= ? AND south <= ? AND east >= ? AND west <= ? "
                "INTERSECT SELECT rowid FROM text WHERE text MATCH ? LIMIT ?",
                (south, north, west, east, expression, _MAX_CANDIDATES),
            )
            close = [row[0] for row in rows]
            if len(close) >= _ENOUGH:
                break
        return close


def whole_words_expression(index: OpenIndex, connection: sqlite3.Connection, words: tuple[str, ...]) -> str:
    """A full-text expression for places that hold all words, or their singulars, anywhere but in the address.

    Empty if the index does not have one of the words at all.
    """
    readings = _speller(index, connection).read(words, may_be_unfinished=False, fuzzy=False)
    if not all(reading.is_known for reading in readings):
        return ""
    return f"{_NO_ADDRESS} : ({' AND '.join(_alternatives(reading) for reading in readings)})"


def _distinct(words: tuple[str, ...]) -> tuple[str, ...]:
    """The telling words, each once, and no more than count."""
    return tuple(dict.fromkeys(telling(words)))[:MAX_WORDS]


def _speller(index: OpenIndex, connection: sqlite3.Connection) -> Speller:
    meta = index.meta
    return Speller(connection, meta["num_pois"] + meta["num_addresses"] + meta["num_lines"] + meta["num_areas"])


def _alternatives(reading: Reading) -> str:
    """A full-text expression for one typed word; all words in it are the index's own, so quotes cannot occur."""
    parts = [f'"{word}"' for word, _ in reading.options]
    parts += [f'"{reading.prefix}" *'] if reading.prefix else []
    return f"({' OR '.join(parts)})"


def _kinds_of_readings(readings: tuple[Reading, ...]) -> tuple[str, ...]:
    choices = [[word for word, _ in sorted(reading.options, key=lambda option: option[1])] for reading in readings]
    if not choices or not all(choices):
        return ()
    tries = islice(product(*choices), _MAX_KIND_READINGS)
    return next((kinds for words in tries if (kinds := kinds_meant(words))), ())
