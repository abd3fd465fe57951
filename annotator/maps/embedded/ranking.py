"""How well a place answers a query, in points; the places with the most points come first.

Full-text search says which places hold the words; what follows decides their order. (FTS5's own bm25 would punish the
places with names in many languages, which are the best known, so it is not used.)

| what | points |
| --- | --- |
| words found in one name, the best of all (others than the local one count 0.95) | 4 * W * (0.45 + 0.55 * N) |
| the whole query is the whole name | 2 |
| ... with its small words and in its order; if there are small words | 0.3; 1.8 |
| words found in the words for its kind (`synonyms.py`) | 3 * their share |
| words found in other tags; in its address only | 1.6 * their share; 1 * their share |
| the whole query names its kind; and is its name too | 6.5, if that is more than all above; 1 |
| a number of the query is its house number, by the share of its street's words; all of them | 2.5; 1.5 |
| ... and it is a plain address | 0.5 |
| spelling: each letter mended; a singular; an unfinished word | -1; -0.1; -0.3 |
| settlement; boundary; street (a square 0.1 more) | 0.7; 0.6; 0.3 |
| not asked for: a stop, a bench; what only leads to a place (lifts, entrances) | -1; -2.2 |
| prominence (`prominence.py`) | up to 2; up to 0.8 where a position is given |
| distance from a given position | -1.2 * log10(1 + metres / 300) |

W is the share of the query's words by weight, N the share of the name's words that the query holds, small words aside.
A word's weight falls from 1 for a word of one place to 0.2 for a word that all places have. Ties go to the nearer
place, then to the lower id.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from annotator.geo import LatLon, haversine_m
from annotator.maps.embedded.folding import STOP_WORDS, telling
from annotator.maps.embedded.opened import Row
from annotator.maps.embedded.schema import PlaceClass
from annotator.maps.embedded.spelling import Reading, cheapest_options
from annotator.maps.embedded.synonyms import KIND_WORDS

_NAME, _EXACT, _VERBATIM, _WITH_SMALL_WORDS, _OTHER_NAME = 4.0, 2.0, 0.3, 1.8, 0.95
_CATEGORY, _DETAIL, _ADDRESS, _KIND, _NAMED_LIKE_ITS_KIND = 3.0, 1.6, 1.0, 6.5, 1.0
_HOUSE, _STREET, _PLAIN_ADDRESS, _PREFIX = 2.5, 1.5, 0.5, 0.3
_CLASS = {PlaceClass.SETTLEMENT: 0.7, PlaceClass.BOUNDARY: 0.6, PlaceClass.LINE: 0.3}
_MINOR, _WAY_IN = -1.0, -2.2
STOPS = frozenset({"bus_stop", "tram_stop", "bus=yes", "highway=platform"})
"""Kinds of which one stop has several objects."""
SQUARE = "place=square"
_MINOR_KINDS = STOPS | {"bench", "bicycle_parking", "recycling", "taxi_stand"}
_WAYS_IN = frozenset({"amenity=parking_entrance", "highway=elevator", "railway=subway_entrance"})


@dataclass(frozen=True, slots=True)
class Hit:
    """A place that answers a query.

    Args:
        points: of the table above.
        is_named: all words of the query are in one of its names.
        is_kind: the whole query names its kind.
        distance_m: from the given position, if there is one.
    """

    row: Row
    points: float
    is_named: bool
    is_kind: bool
    distance_m: float | None = None

    @property
    def order(self) -> tuple[float, float, int]:
        """Sorts the best first."""
        return -round(self.points, 6), self.distance_m or 0.0, self.row.osm


@dataclass(frozen=True, slots=True)
class _Match:
    """Points of one name, which words of the query it holds, and what their spelling costs."""

    points: float
    words: frozenset[int]
    cost: float
    is_exact: bool = False


_NOT_NAMED = _Match(0.0, frozenset(), 0.0)


class Ranking:
    """Ranks places for one reading of a query.

    Args:
        words: the query's, small words included.
        readings: of its telling words.
        kinds: that the whole query names.
        near: position to prefer places near.
    """

    def __init__(
        self, words: tuple[str, ...], readings: tuple[Reading, ...], kinds: Collection[str], near: LatLon | None
    ) -> None:
        self._words = words
        self._readings = readings
        self._kinds = frozenset(kinds)
        self._near = near
        # Who types the article too means the name: Le Salon is no beauty salon.
        self._verbatim = _VERBATIM if STOP_WORDS.isdisjoint(words) else _WITH_SMALL_WORDS
        self._options = cheapest_options(readings)
        self._prefix = readings[-1].prefix if readings else ""
        total = sum(reading.weight for reading in readings)
        self._shares = [reading.weight / total for reading in readings]
        # Most names of a place hold none of the words, and looking for these in the text is the quickest way to see it.
        self._clues = [*self._options, *([self._prefix] if self._prefix else [])]

    def hits(self, rows: Collection[Row], rest_points: Mapping[int, float]) -> list[Hit]:
        """The rows ranked, best first.

        Args:
            rows: places that hold every word somewhere.
            rest_points: by row id, what words are worth that are in neither a name nor the kind.
        """
        return sorted((self._hit(row, rest_points[row.id]) for row in rows), key=lambda hit: hit.order)

    def _hit(self, row: Row, rest_points: float) -> Hit:
        kinds = row.kinds.split()
        best = _NOT_NAMED
        is_named = False
        for number, name in enumerate(row.names):
            if any(clue in name for clue in self._clues):
                match = self._match(name.split(), 1.0 if number == 0 else _OTHER_NAME)
                best = max(best, match, key=lambda match: match.points - match.cost)
                is_named = is_named or len(match.words) == len(self._readings)
        rest, cost = self._rest(kinds, best.words, rest_points)
        points = best.points + rest
        is_kind = not self._kinds.isdisjoint(kinds)
        if is_kind:
            points = max(points, _KIND + (_NAMED_LIKE_ITS_KIND if best.is_exact else 0.0))
        points += self._house_points(row) + self._class_points(row, kinds) - best.cost - cost
        if self._near is None:
            return Hit(row, points + 2.0 * row.prominence, is_named, is_kind)
        distance_m = haversine_m(self._near, row.point)
        points += 0.8 * row.prominence - 1.2 * math.log10(1.0 + distance_m / 300.0)
        return Hit(row, points, is_named, is_kind, distance_m)

    def _match(self, name: list[str], worth: float) -> "_Match":
        """How well one name answers."""
        paid: dict[int, float] = {}
        num_matched = num_telling = 0
        for word in name:
            option = self._options.get(word)
            if option is None and self._prefix and word.startswith(self._prefix):
                option = (len(self._readings) - 1, _PREFIX)
            if option is not None:
                index, cost = option
                paid[index] = min(cost, paid.get(index, cost))
            if word not in STOP_WORDS:
                num_telling += 1
                num_matched += option is not None
        if not paid:
            return _NOT_NAMED
        coverage = num_matched / num_telling if num_telling else 1.0
        points = _NAME * sum(self._shares[index] for index in sorted(paid)) * (0.45 + 0.55 * coverage)
        is_exact = len(paid) == len(self._readings) and coverage == 1.0
        if is_exact:
            points += _EXACT + (self._verbatim if tuple(name) == self._words else 0.0)
        return _Match(points * worth, frozenset(paid), sum(paid.values()), is_exact)

    def _rest(self, kinds: list[str], named: frozenset[int], rest_points: float) -> tuple[float, float]:
        """Points of the words that are not in the name, and what their spelling costs."""
        points = paid = 0.0
        for index, reading in enumerate(self._readings):
            if index not in named:
                in_kind = any(word in KIND_WORDS[kind] for kind in kinds for word, _ in reading.options)
                points += (_CATEGORY if in_kind else rest_points) * self._shares[index]
                paid += min((cost for _, cost in reading.options), default=_PREFIX)
        return points, paid

    def _house_points(self, row: Row) -> float:
        if not row.address:
            return 0.0
        number, _, street = row.address.partition("\n")
        if not any(reading.word in number.split() for reading in self._readings):
            return 0.0
        words = telling(street.split())
        num_matched = sum(word in self._options or word.startswith(self._prefix or " ") for word in words)
        share = num_matched / len(words) if words else 1.0
        points = _HOUSE * share + (_STREET if share == 1.0 else 0.0)
        return points + (_PLAIN_ADDRESS if row.place_class is PlaceClass.ADDRESS else 0.0)

    def _class_points(self, row: Row, kinds: list[str]) -> float:
        if kinds and self._kinds.isdisjoint(kinds):
            if _MINOR_KINDS.issuperset(kinds):
                return _MINOR
            if SQUARE in kinds:
                return _CLASS[PlaceClass.LINE] + 0.1
            if _WAYS_IN.intersection(kinds):
                return _WAY_IN
        return _CLASS.get(row.place_class, 0.0)


DETAIL_POINTS = _DETAIL
"""Worth of a word that only other tags of a place hold."""

ADDRESS_POINTS = _ADDRESS
"""Worth of a word that only a place's address holds."""
