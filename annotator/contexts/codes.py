"""Positions in a few letters, decoded here: plus codes, geohashes, OpenStreetMap's short links.

Sources: the Open Location Code specification (github.com/google/open-location-code), geohash.org, and OpenStreetMap's
"Shortlink" wiki page.
"""

import re

from annotator.geo import LatLon, round_degrees

_PLUS_DIGITS = "23456789CFGHJMPQRVWX"
_PLUS_FULL = re.compile(rf"[{_PLUS_DIGITS}]{{8}}\+(?:[{_PLUS_DIGITS}]{{2,7}})?|[{_PLUS_DIGITS}]{{2,6}}0{{2,6}}\+")
_PLUS_SHORT = re.compile(rf"[{_PLUS_DIGITS}]{{2,6}}\+[{_PLUS_DIGITS}]{{2,7}}")
_GEOHASH_DIGITS = "0123456789bcdefghjkmnpqrstuvwxyz"
_OSM_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_~"


def plus_code(text: str) -> LatLon | None:
    """The middle of a full plus code's area, such as `8FM9PCMF+RX`; None for what is none."""
    code = text.strip().upper()
    if not _PLUS_FULL.fullmatch(code):
        return None
    digits = code.replace("+", "").rstrip("0")
    if len(digits) % 2 and len(digits) < 10:
        return None
    # South-west corner and size of the area, in degrees.
    lat, lon, step = -90.0, -180.0, 20.0
    for index in range(0, min(len(digits), 10), 2):
        lat += _PLUS_DIGITS.index(digits[index]) * step
        lon += _PLUS_DIGITS.index(digits[index + 1]) * step
        height = width = step
        step /= 20
    for digit in digits[10:]:
        height, width = height / 5, width / 4
        row, column = divmod(_PLUS_DIGITS.index(digit), 4)
        lat, lon = lat + row * height, lon + column * width
    if lat >= 90 or lon >= 180:
        return None
    return round_degrees(min(lat + height / 2, 90.0)), round_degrees(lon + width / 2)


def is_short_plus_code(text: str) -> bool:
    """Whether a text begins with a plus code that lacks its first digits and therefore needs a place to be near to."""
    return _PLUS_SHORT.fullmatch(text.strip().split(" ")[0].rstrip(",").upper()) is not None


def geohash(text: str) -> LatLon | None:
    """The middle of a geohash's cell; None for what is none."""
    if not text or len(text) > 20 or any(character not in _GEOHASH_DIGITS for character in text):
        return None
    bounds = [[-180.0, 180.0], [-90.0, 90.0]]
    for index in range(5 * len(text)):
        bit = _GEOHASH_DIGITS.index(text[index // 5]) >> (4 - index % 5) & 1
        low, high = bounds[index % 2]
        bounds[index % 2][1 - bit] = (low + high) / 2
    (west, east), (south, north) = bounds
    return round_degrees((south + north) / 2), round_degrees((west + east) / 2)


def osm_short_link(code: str) -> tuple[LatLon, int] | None:
    """Position and zoom of what stands after `osm.org/go/`; None for what is none."""
    digits = code.replace("@", "~").rstrip("-=")
    if not digits or len(digits) > 10 or any(digit not in _OSM_DIGITS for digit in digits):
        return None
    x = y = 0
    for digit in digits:
        value = _OSM_DIGITS.index(digit)
        for shift in (5, 3, 1):
            x = x << 1 | value >> shift & 1
            y = y << 1 | value >> (shift - 1) & 1
    num_bits = 3 * len(digits)
    position = (round_degrees(y * 180 / 2**num_bits - 90), round_degrees(x * 360 / 2**num_bits - 180))
    # Zoom is told to three steps by the digits, and to one by hyphens after them.
    num_marks = len(code) - len(digits)
    return position, max(0, num_bits - 8 - (-num_marks % 3 if num_marks else 0))
