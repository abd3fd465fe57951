"""Overpass QL for our searches. Of words from outside only letters and digits get into it; a dot stands for the rest.

So they can end no string and bring no operator. The expression matches everything that the words match and sometimes a
little more, and `holds_words` then judges exactly: nothing depends on how a server's library reads escapes, or on its
locale's idea of upper and lower case.
"""

from collections.abc import Iterable

from annotator.geo import LatLon
from annotator.maps.categories import CATEGORIES
from annotator.maps.providers.osm_words import NAME_KEYS, PLACE_KEYS, WORD_KEYS, key_pattern

TIMEOUT_S = 15
"""Seconds that a query may take on the server; we wait 20."""

MAX_ELEMENTS = 5000
"""Objects that one answer may have. Overpass orders by id, not by distance, so an answer that is cut is of no use."""

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
    with_hours: bool,
) -> str:
    """Objects of a type, or of any when there is none, around a point.

    Args:
        keyword: words that `WORD_KEYS` hold, each of them.
        cuisine: one of the entries of `cuisine`.
        step_free: only what wheelchairs can enter.
        with_hours: only what says when it is open.
    """
    filters = _words(WORD_KEYS, keyword) if keyword else ""
    if cuisine:
        filters += f'["cuisine"~"{pattern(cuisine)}",i]'
    if step_free:
        filters += _WHEELCHAIR
    if with_hours:
        filters += '["opening_hours"]'
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
    """A regular expression that matches whatever equals `word` but for case."""
    return "".join(_character(character) for character in word)


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
    return "".join(f'[~"{key_pattern(keys)}"~"{pattern(word)}",i]' for word in words.split())


def _around(center: LatLon, radius_m: float) -> str:
    return f"(around:{max(radius_m, 0.001):.3f},{center[0]:.6f},{center[1]:.6f})"


def _query(statements: Iterable[str]) -> str:
    union = "".join(statements)
    return f"[out:json][timeout:{TIMEOUT_S}];({union});out tags center {MAX_ELEMENTS + 1};"
