"""Which words of the index a typed word may mean: itself, its singular, what it abbreviates, what it is misspelt for.

Every alternative is a word that the index holds, so a full-text query made of them is always well formed.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from annotator.maps.embedded.synonyms import singular_forms

_ABBREVIATIONS = {
    "st": ("street", "saint", "sainte", "sankt", "san", "santa"),
    "ste": ("sainte",),
    "str": ("street", "strasse", "strada"),
    "rd": ("road",),
    "av": ("avenue", "avenida"),
    "ave": ("avenue",),
    "avda": ("avenida",),
    "bd": ("boulevard",),
    "bld": ("boulevard",),
    "blvd": ("boulevard",),
    "bvd": ("boulevard",),
    "dr": ("drive", "doctor", "docteur"),
    "ln": ("lane",),
    "ct": ("court",),
    "sq": ("square",),
    "pl": ("place", "platz", "plaza"),
    "pza": ("plaza", "piazza"),
    "hwy": ("highway",),
    "pkwy": ("parkway",),
    "ter": ("terrace",),
    "imp": ("impasse",),
    "all": ("allee",),
    "ch": ("chemin",),
    "rte": ("route",),
    "r": ("rue",),
    "c": ("calle",),
    "v": ("via",),
    "mt": ("mount", "mont"),
    "ft": ("fort",),
    "ctr": ("center", "centre"),
    "univ": ("university", "universite", "universitat"),
    "intl": ("international",),
    "natl": ("national",),
    "hbf": ("hauptbahnhof",),
    "bhf": ("bahnhof",),
    "hosp": ("hospital",),
    "nat": ("national",),
    "north": ("n",),
    "south": ("s",),
    "jr": ("junior",),
    "1st": ("first",),
    "2nd": ("second",),
    "3rd": ("third",),
    "first": ("1st",),
    "second": ("2nd",),
    "third": ("3rd",),
}
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"

_COST_SINGULAR = 0.1
_COST_ABBREVIATION = 0.15
_COST_PREFIX = 0.3
_COST_EDIT = 1.0

_MAX_ALTERNATIVES = 8
_MIN_FUZZY_CHARACTERS = 4
_MIN_TWO_EDITS_CHARACTERS = 8
_MIN_PREFIX_CHARACTERS = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """A typed word and what it may mean.

    Args:
        word: as typed, folded.
        options: words of the index with what each costs in points of rank.
        prefix: the beginning of a word that the index holds, if the typed word may be unfinished; else empty.
        weight: how telling it is: 1 for a word that few places have, less for one that many have.
    """

    word: str
    options: tuple[tuple[str, float], ...]
    prefix: str = ""
    weight: float = 1.0

    @property
    def is_known(self) -> bool:
        """Whether anything in the index can match it."""
        return bool(self.options or self.prefix)


class Speller:
    """Looks words up in the vocabulary of an index.

    Args:
        connection: to the index.
        num_places: how many places it holds.
    """

    def __init__(self, connection: sqlite3.Connection, num_places: int) -> None:
        self._connection = connection
        self._num_places = max(1, num_places)

    def read(self, words: Iterable[str], *, may_be_unfinished: bool, fuzzy: bool) -> tuple[Reading, ...]:
        """What each word may mean.

        Args:
            words: folded, without stop words.
            may_be_unfinished: the last one may go on, as while somebody types.
            fuzzy: allow for typing errors, in words that the index holds too.
        """
        every = tuple(words)
        return tuple(
            self._read(word, is_last=may_be_unfinished and index == len(every) - 1, fuzzy=fuzzy)
            for index, word in enumerate(every)
        )

    def _read(self, word: str, *, is_last: bool, fuzzy: bool) -> Reading:
        wanted = {word: 0.0}
        for other in singular_forms(word):
            wanted.setdefault(other, _COST_SINGULAR)
        for other in _ABBREVIATIONS.get(word, ()):
            wanted.setdefault(other, _COST_ABBREVIATION)
        counts = self._counts(wanted)
        options = {other: wanted[other] for other in wanted if other in counts}
        is_number = any(character.isdigit() for character in word)
        prefix = ""
        if is_last and not is_number and len(word) >= _MIN_PREFIX_CHARACTERS and self._begins_a_word(word):
            prefix = word
        if fuzzy and not is_number:
            for other, edits in self._near_words(word):
                options.setdefault(other, _COST_EDIT * edits)
            counts |= self._counts(options)
        most = max((counts[other] for other in options), default=0)
        # From 1 for a single place down to 0.2 for a word that all places have.
        weight = 1.0 - 0.8 * min(1.0, most / self._num_places) ** 0.5
        return Reading(word, tuple(options.items()), prefix, weight)

    def joined(self, words: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
        """Other ways to part the words: two written as one, or one as two, where the index holds the result."""
        for index in range(len(words) - 1):
            whole = words[index] + words[index + 1]
            if self._counts([whole]):
                yield (*words[:index], whole, *words[index + 2 :])
        for index, word in enumerate(words):
            if len(word) < 6 or self._counts([word]):
                continue
            for cut in range(3, len(word) - 2):
                if len(self._counts([word[:cut], word[cut:]])) == 2:
                    yield (*words[:index], word[:cut], word[cut:], *words[index + 1 :])

    def _counts(self, words: Iterable[str]) -> dict[str, int]:
        some = list(words)
        marks = ",".join("?" * len(some))
        query = f"SELECT word, num_places FROM word WHERE word IN ({marks})"
        return dict(self._connection.execute(query, some))

    def _begins_a_word(self, word: str) -> bool:
        end = word + "\U0010ffff"
        query = "SELECT 1 FROM word WHERE word > ? AND word < ? LIMIT 1"
        return self._connection.execute(query, (word, end)).fetchone() is not None

    def _near_words(self, word: str) -> list[tuple[str, int]]:
        """Words of the index at one edit, or two for long words; the nearest and then the most common first.

        Those with the same first letter are compared one by one; a wrong first letter may be the only error.
        """
        if len(word) < _MIN_FUZZY_CHARACTERS:
            return []
        max_edits = 2 if len(word) >= _MIN_TWO_EDITS_CHARACTERS else 1
        first = word[0]
        alike = dict(
            self._connection.execute(
                "SELECT word, num_places FROM word WHERE word >= ? AND word < ? AND length(word) BETWEEN ? AND ?",
                (first, first + "\U0010ffff", len(word) - max_edits, len(word) + max_edits),
            )
        )
        alike |= self._counts(_other_beginnings(word))
        found = process.extract(word, list(alike), scorer=OSA.distance, score_cutoff=max_edits, limit=None)
        near = [(other, int(edits)) for other, edits, _ in found if edits > 0 and not _is_number(other)]
        near.sort(key=lambda item: (item[1], -alike[item[0]], item[0]))
        return near[:_MAX_ALTERNATIVES]


def cheapest_options(readings: tuple[Reading, ...]) -> dict[str, tuple[int, float]]:
    """Every option of every reading: its word to (index of the reading, cost); the cheapest where two share a word."""
    found: dict[str, tuple[int, float]] = {}
    for index, reading in enumerate(readings):
        for word, cost in reading.options:
            if word not in found or cost < found[word][1]:
                found[word] = (index, cost)
    return found


def _is_number(word: str) -> bool:
    return any(character.isdigit() for character in word)


def _other_beginnings(word: str) -> list[str]:
    """The word with one edit to its first letter."""
    swapped = word[1] + word[0] + word[2:]
    return [word[1:], swapped, *(letter + word[1:] for letter in _ALPHABET), *(letter + word for letter in _ALPHABET)]
