"""Coordinates as people write them: decimal degrees, degrees with minutes and seconds, with or without N, S, E, W."""

import re
import unicodedata

from annotator.errors import InputError
from annotator.geo import LatLon, round_degrees

_NUMBER = r"[+-]?(?:\d{1,3}(?:\.\d+)?|\.\d+)"
_COMMA_NUMBER = r"[+-]?\d{1,3},\d+"
# Letters of the directions may stand before or after; the marks are those of keyboards and of typesetters.
_ANGLE = re.compile(
    r"""
    \s*(?P<before>[NSEW])?\s*
    (?P<deg>[+-]?\d{1,3}(?:\.\d+)?|[+-]?\.\d+)\s*(?:°|º|deg|d|\s)?\s*
    (?:(?P<min>\d{1,2}(?:\.\d+)?)\s*(?:'|m|\s)\s*)?
    (?:(?P<sec>\d{1,2}(?:\.\d+)?)\s*(?:"|''|s|\s)?\s*)?
    (?P<after>[NSEW])?\s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DECIMALS = re.compile(rf"({_NUMBER})\s*°?\s*(?:[,;/|]\s*|\s+)({_NUMBER})\s*°?")
# Where commas write decimals, another mark or a space has to part the two.
_COMMA_DECIMALS = re.compile(rf"({_COMMA_NUMBER})\s*°?\s*(?:[;/|]\s*|,?\s+)({_COMMA_NUMBER})\s*°?")
_WORDS = re.compile(r"\b(latitude|longitude|lat|lon|lng|long)\b\s*[:=]?", re.IGNORECASE)
# What typesetters and keyboards of other scripts write instead: minus and dash, quotes, primes, accents, Arabic
# comma and decimal mark.
_SAME = str.maketrans(
    dict(zip("\u2212\u2013\u2018\u2019\u2032\u00b4`\u201c\u201d\u2033\u060c\u066b", "--'''''\"\"\",.", strict=True))
)


def read_coordinates(text: str) -> LatLon | None:
    """Latitude and longitude in a text that holds nothing else; None where it holds something else.

    Raises:
        InputError: they are coordinates that cannot be, such as 95 degrees north.
    """
    # NFKC makes digits and marks of other scripts' keyboards the usual ones.
    plain = unicodedata.normalize("NFKC", "".join(_ascii_digit(character) for character in text)).translate(_SAME)
    plain = " ".join(plain.strip().strip("()[]{}").split())
    if len(plain) > 200:
        return None
    first = _WORDS.search(plain)
    is_swapped = first is not None and first[1].lower().startswith("lo")
    plain = _WORDS.sub(" ", plain).strip()
    found = _decimal(plain) or _angles(plain)
    if found is None:
        return None
    lat, lon = reversed(found) if is_swapped else found
    return checked(lat, lon)


def checked(lat: float, lon: float) -> LatLon:
    """A position with the decimals that we keep.

    Raises:
        InputError: there is none.
    """
    if abs(lat) > 90:
        hint = "; did you swap latitude and longitude?" if abs(lat) <= 180 and abs(lon) <= 90 else ""
        raise InputError(f"a latitude is from -90 to 90 degrees, not {lat:g}{hint}", param="text")
    if abs(lon) > 180:
        raise InputError(f"a longitude is from -180 to 180 degrees, not {lon:g}", param="text")
    return round_degrees(lat), round_degrees(lon)


def _decimal(text: str) -> LatLon | None:
    found = _DECIMALS.fullmatch(text) or _COMMA_DECIMALS.fullmatch(text)
    if found is None:
        return None
    return float(found[1].replace(",", ".")), float(found[2].replace(",", "."))


def _angles(text: str) -> LatLon | None:
    halves = _halves(text)
    if halves is None:
        return None
    found: dict[str, float] = {}
    for half, usual in zip(halves, ("lat", "lon"), strict=True):
        part = _ANGLE.fullmatch(half)
        if part is None or (part["before"] and part["after"]):
            return None
        minutes, seconds = float(part["min"] or 0), float(part["sec"] or 0)
        if minutes >= 60 or seconds >= 60:
            raise InputError(f"'{half.strip()[:60]}' has minutes or seconds of 60 or more", param="text")
        letter = (part["before"] or part["after"] or "").upper()
        value = abs(float(part["deg"])) + minutes / 60 + seconds / 3600
        is_negative = part["deg"].startswith("-") != (letter in ("S", "W") and letter != "")
        axis = {"N": "lat", "S": "lat", "E": "lon", "W": "lon"}.get(letter, usual)
        if axis in found:
            return None
        found[axis] = -value if is_negative else value
    return (found["lat"], found["lon"]) if len(found) == 2 else None


def _halves(text: str) -> tuple[str, str] | None:
    """The two angles of a text: parted by a comma or semicolon, or after the first direction's letter."""
    for mark in (";", ","):
        parts = text.split(mark)
        if len(parts) == 2:
            return parts[0], parts[1]
    if found := re.fullmatch(r"(.*?[NSEW])\s*([^NSEW]+[NSEW])", text, re.IGNORECASE):
        return found[1], found[2]
    if found := re.fullmatch(r"([NSEW][^NSEW]+)([NSEW][^NSEW]+)", text, re.IGNORECASE):
        return found[1], found[2]
    return None


def _ascii_digit(character: str) -> str:
    value = unicodedata.decimal(character, None)
    return character if value is None else str(value)
