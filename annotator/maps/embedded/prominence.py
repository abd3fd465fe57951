"""How well known a place probably is, from how much its mappers took the trouble to say: 0 to 1.

OpenStreetMap has no ratings and no visitor counts, so this is a proxy and is called one. It is the sum, cut at 1, of:

| what | adds |
| --- | --- |
| an entry of its own in Wikidata; in Wikipedia | 0.25; 0.15 |
| names in other languages | 0.015 each, at most 0.15 |
| website; opening hours; phone or e-mail | 0.1; 0.1; 0.05 |
| a street and a house number | 0.03 |
| an attraction, a museum, listed heritage, anything historic | 0.1 |
| area: the extent of its box, from 50 m to 5 km, on a logarithmic scale | up to 0.1 |
| settlements, boundaries: their sort; population from 100 to 10 million on a logarithmic scale | 0.1 to 0.5; 0.2 |
| streets and waterways: their class, and their length from 100 m to 100 km on a logarithmic scale | up to 0.25; 0.1 |
"""

import math
from collections.abc import Mapping

_SETTLEMENTS = {
    "country": 0.5,
    "state": 0.45,
    "region": 0.4,
    "province": 0.4,
    "city": 0.5,
    "municipality": 0.4,
    "town": 0.4,
    "county": 0.35,
    "district": 0.3,
    "borough": 0.3,
    "village": 0.3,
    "suburb": 0.25,
    "quarter": 0.2,
    "neighbourhood": 0.15,
    "hamlet": 0.15,
}
_LINES = {
    "motorway": 0.25,
    "trunk": 0.22,
    "primary": 0.2,
    "secondary": 0.17,
    "tertiary": 0.14,
    "raceway": 0.14,
    "pedestrian": 0.12,
    "unclassified": 0.1,
    "residential": 0.1,
    "living_street": 0.1,
    "river": 0.2,
    "canal": 0.15,
    "steps": 0.04,
    "footway": 0.04,
    "path": 0.04,
    "stream": 0.04,
    "service": 0.03,
}


def prominence_of(tags: Mapping[str, str], extent_m: float = 0.0) -> float:
    """The proxy of a place, with three decimals.

    Args:
        tags: its own.
        extent_m: diagonal of its box; a street's length.
    """
    is_line = tags.get("highway") in _LINES or tags.get("waterway") in _LINES
    num_languages = sum(key.startswith("name:") for key in tags)
    score = (
        0.25 * ("wikidata" in tags)
        + 0.15 * any(key.partition(":")[0] == "wikipedia" for key in tags)
        + min(0.15, 0.015 * num_languages)
        + 0.1 * any(key in tags for key in ("website", "contact:website", "url"))
        + 0.1 * ("opening_hours" in tags)
        + 0.05 * any(key in tags for key in ("phone", "contact:phone", "email", "contact:email"))
        + 0.03 * ("addr:housenumber" in tags and "addr:street" in tags)
        + 0.1 * (tags.get("tourism") in ("attraction", "museum") or "heritage" in tags or "historic" in tags)
    )
    if is_line:
        score += max(_LINES.get(tags.get("highway", ""), 0.0), _LINES.get(tags.get("waterway", ""), 0.0))
        score += 0.1 * _log_share(extent_m, 100, 100_000)
    else:
        score += 0.1 * _log_share(extent_m, 50, 5_000)
    place = tags.get("place", "")
    level = tags.get("admin_level", "") if tags.get("boundary") == "administrative" else ""
    if place in _SETTLEMENTS or level:
        by_level = 0.5 - 0.04 * (int(level) - 2) if level in {str(number) for number in range(2, 12)} else 0.0
        score += max(_SETTLEMENTS.get(place, 0.0), by_level)
        score += 0.2 * _log_share(_number(tags.get("population", "")), 100, 10_000_000)
    return round(min(1.0, score), 3)


def _log_share(value: float, low: float, high: float) -> float:
    """0 at `low` or less, 1 at `high` or more, by its logarithm."""
    return min(1.0, math.log(value / low) / math.log(high / low)) if value > low else 0.0


def _number(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0.0
