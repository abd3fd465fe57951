"""Overpass QL for our searches. Words from outside become regular expressions of letters, digits and dots alone.

Such an expression can end no string and hold no operator, and it matches everything that the words match and sometimes
a little more; `holds_words` then judges exactly. So nothing depends on how a server's library reads escapes or on its
locale's idea of upper and lower case.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping

from annotator.geo import LatLon
from annotator.maps.categories import CATEGORIES

TIMEOUT_S = 15
"""Seconds that a query may take on the server; we wait 20."""

MAX_ELEMENTS = 5000
"""Objects that one answer may have. Overpass orders by id, not by distance, so an answer that is cut is of no use."""

PLACE_KEYS = ("amenity", "shop", "tourism", "leisure", "office", "historic", "healthcare", "craft", "natural")
"""Keys of what one looks for nearby when no type is given."""

NAME_KEYS = ("name", "alt_name", "official_name", "short_name", "int_name", "loc_name", "old_name", "brand", "operator")
"""Keys that hold what a place is called; `name:en` and its like too."""

WORD_KEYS = (*NAME_KEYS, *PLACE_KEYS, "cuisine", "description", "sport", "religion", "denomination")
"""Keys in which a keyword is looked for."""

_TRANSLATION = "(:[a-z][a-z][a-z]?(-[A-Za-z]+)?)?"
_STATIONS = '["railway"~"^(station|halt|tram_stop)$"]["name"]'
_WHEELCHAIR = '["wheelchair"~"^(yes|designated)$"]'


def nearby_query(
    center: LatLon,
    radius_m: float,
    *,
    place_type: str | None,
    keyword: str | None,
    cuisine: str | None,
    step_free: bool,
) -> str:
    """Objects of a type, or of any when there is none, around a point.

    Args:
        keyword: words that `WORD_KEYS` hold, each of them.
        cuisine: one of the entries of `cuisine`.
        step_free: only what wheelchairs can enter.
    """
    filters = _words(WORD_KEYS, keyword) if keyword else ""
    if cuisine:
        filters += f'["cuisine"~"{pattern(cuisine)}",i]'
    if step_free:
        filters += _WHEELCHAIR
    around = _around(center, radius_m)
    if place_type is None:
        # A nameless object of no type in particular is nothing that anybody looks for.
        kinds = [f'[~"^({"|".join(PLACE_KEYS)})$"~"."]["name"]', _STATIONS]
    else:
        kinds = [tag_filter(tag) for tag in CATEGORIES[place_type].osm_tags]
    return _query(f"nwr{kind}{filters}{around};" for kind in kinds)


def name_query(center: LatLon, radius_m: float, words: str) -> str:
    """Objects of any kind, streets too, whose names hold each of the words."""
    return _query([f"nwr{_words(NAME_KEYS, words)}{_around(center, radius_m)};"])


def object_query(kind: str, osm_id: int) -> str:
    """One object."""
    return _query([f"{kind}({osm_id});"])


def tag_filter(tag: str) -> str:
    """A filter for `key=value` or `key=*` of the table of types."""
    key, _, value = tag.partition("=")
    return f'["{key}"]' if value == "*" else f'["{key}"="{value}"]'


def pattern(word: str) -> str:
    """A regular expression that matches whatever equals `word` but for case, without any character of syntax in it."""
    return "".join(_character(character) for character in word)


def holds_words(words: str, values: Iterable[str]) -> bool:
    """Whether each of the words, in any case, stands in one of the values."""
    lowered = [_plain(value) for value in values]
    return all(any(word in value for value in lowered) for word in _plain(words).split())


def called(tags: Mapping[str, str], keys: Iterable[str]) -> list[str]:
    """Values of the keys and of their translations, such as `name:en`."""
    wanted = re.compile(_keys(keys))
    return [value for key, value in tags.items() if wanted.match(key)]


def has_cuisine(tags: Mapping[str, str], cuisine: str) -> bool:
    """Whether a place serves it; OpenStreetMap writes `ice_cream` for ice cream."""
    return _entry(cuisine) in [_entry(value) for value in tags.get("cuisine", "").replace(",", ";").split(";")]


def _entry(text: str) -> str:
    return " ".join(_plain(text).replace("_", " ").split())


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def _character(character: str) -> str:
    if character.isascii():
        return character if character.isalnum() else "."
    cases = sorted({character, character.lower(), character.upper()})
    if "Σ" in cases:
        cases = [*"Σςσ"]
    if not all(case.isalpha() for case in cases):
        # One character is up to four bytes to a server without a locale.
        return ".{1,4}"
    return cases[0] if len(cases) == 1 else f"({'|'.join(cases)})"


def _words(keys: Iterable[str], words: str) -> str:
    return "".join(f'[~"{_keys(keys)}"~"{pattern(word)}",i]' for word in words.split())


def _keys(keys: Iterable[str]) -> str:
    return f"^({'|'.join(keys)}){_TRANSLATION}$"


def _around(center: LatLon, radius_m: float) -> str:
    return f"(around:{max(radius_m, 0.001):.3f},{center[0]:.6f},{center[1]:.6f})"


def _query(statements: Iterable[str]) -> str:
    union = "".join(statements)
    return f"[out:json][timeout:{TIMEOUT_S}];({union});out tags center {MAX_ELEMENTS + 1};"
