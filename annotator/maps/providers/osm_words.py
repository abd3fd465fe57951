"""Words in OpenStreetMap tags: what a place is called, and whether it holds what somebody looks for."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

PLACE_KEYS = ("amenity", "shop", "tourism", "leisure", "office", "historic", "healthcare", "craft", "natural")
"""Keys of what one looks for nearby when no type is given."""

NAME_KEYS = ("name", "alt_name", "official_name", "short_name", "int_name", "loc_name", "old_name", "brand", "operator")
"""Keys that hold what a place is called; `name:en` and its like too."""

WORD_KEYS = (*NAME_KEYS, *PLACE_KEYS, "cuisine", "description", "sport", "religion", "denomination")
"""Keys in which a keyword is looked for."""

_TRANSLATION = "(:[a-z][a-z][a-z]?(-[A-Za-z]+)?)?"


def key_pattern(keys: Iterable[str]) -> str:
    """A regular expression (POSIX extended, and Python's) for the keys and their translations, such as `name:en`."""
    return f"^({'|'.join(keys)}){_TRANSLATION}$"


def holds_words(words: str, values: Iterable[str]) -> bool:
    """Whether each of the words, in any case, stands in one of the values."""
    lowered = [_plain(value) for value in values]
    return all(any(word in value for value in lowered) for word in _plain(words).split())


def called(tags: Mapping[str, str], keys: Iterable[str]) -> list[str]:
    """Values of the keys and of their translations, such as `name:en`."""
    wanted = re.compile(key_pattern(keys))
    return [value for key, value in tags.items() if wanted.match(key)]


def has_cuisine(tags: Mapping[str, str], cuisine: str) -> bool:
    """Whether a place serves it; OpenStreetMap writes `ice_cream` for ice cream."""
    return _entry(cuisine) in [_entry(value) for value in tags.get("cuisine", "").replace(",", ";").split(";")]


def _entry(text: str) -> str:
    return " ".join(_plain(text).replace("_", " ").split())


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()
