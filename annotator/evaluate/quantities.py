"""Numbers, durations, distances, times and positions as they stand in a text.

The whole text must be the value. Nothing is picked out of a sentence, and a range such as `10-15 min` is no value.
"""

import math
import re
from collections.abc import Mapping

from annotator.evaluate.units import METRES, SECONDS

_NUMBER = r"(?:\d{1,3}(?:[,'\u2019\u00a0\u202f ]\d{3})+(?:\.\d+)?(?!\d)|\d+(?:[.,]\d+)?(?!\d)|\.\d+)"
_ABOUT = re.compile(r"^(?:about|approximately|approx\.?|around|roughly|circa|ca\.|[~\u2248=])\s*", re.IGNORECASE)
_ASIDE = re.compile(r"\s*\([^()]*\)$")
_QUANTITY = re.compile(rf"(?P<sign>[-+\u2212]?)(?P<number>{_NUMBER})\s*(?P<unit>.{{0,40}})", re.DOTALL)
_PART = re.compile(rf"({_NUMBER})\s*([a-z]+)\.?\s*(?:,|and\b)?\s*", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,3}):([0-5]\d)(?::([0-5]\d))?\s*(h|hr|hrs|hours)?", re.IGNORECASE)
_ISO_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE)
_TIME = re.compile(
    r"(?:(?P<date>\d{4}-\d{2}-\d{2})[T ]\s*)?(?P<hour>\d{1,2})"
    r"(?:[:.](?P<minute>[0-5]\d)(?::[0-5]\d)?)?\s*(?P<half>[ap]\.?\s?m\.?)?(?:\s*(?:h|o'clock|hours|uhr))?",
    re.IGNORECASE,
)
_DEGREES = r"[-+\u2212]?\d{1,3}(?:\.\d{1,20})?"
_LAT = rf"(?:lat(?:itude)?\s*[:=]?\s*)?(?P<lat>{_DEGREES})\s*\u00b0?\s*(?P<ns>[NS])?"
_LON = rf"(?:lon(?:gitude)?|lng)?\s*[:=]?\s*(?P<lon>{_DEGREES})\s*\u00b0?\s*(?P<ew>[EW])?"
_POINT = re.compile(rf"{_LAT}\s*[,; ]\s*{_LON}", re.IGNORECASE)
_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def number(text: str) -> tuple[float, str] | None:
    """A number and what follows it as its unit; `three` is one too."""
    text = plain(text)
    first, _, rest = text.partition(" ")
    if first.casefold() in _WORDS:
        return float(_WORDS.index(first.casefold())), rest.strip()
    found = _QUANTITY.fullmatch(text)
    if found is None or re.search(r"\d", unit := found["unit"].strip()):
        return None
    value = _value(found["number"])
    return (-value if found["sign"] in ("-", "\u2212") else value), unit


def seconds(text: str, unit: str = "") -> float | None:
    """A duration: `25 min`, `1 h 20 min`, `1:20:00`, `1:20 h`, `PT1H20M`; a bare number is in `unit`, if any."""
    text = plain(text)
    if (found := _CLOCK.fullmatch(text)) and (found[3] or found[4]):
        return int(found[1]) * 3600.0 + int(found[2]) * 60.0 + int(found[3] or 0)
    if len(text) > 2 and (found := _ISO_DURATION.fullmatch(text)):
        days, hours, minutes, rest = (float(part or 0) for part in found.groups())
        return days * 86400 + hours * 3600 + minutes * 60 + rest
    return _sum_of_parts(text, unit, SECONDS)


def metres(text: str, unit: str = "") -> float | None:
    """A distance: `850 m`, `1.2 km`, `3 miles`; a bare number is in `unit`, if there is one."""
    return _sum_of_parts(plain(text), unit, METRES)


def time(text: str) -> str | None:
    """A time of day as `HH:MM`, behind its date where there is one: `14:30`, `2 pm`, `2026-01-31 09:05`, `noon`."""
    text = plain(text)
    if text.casefold() in ("noon", "midnight"):
        return "12:00" if text.casefold() == "noon" else "00:00"
    found = _TIME.fullmatch(text)
    if found is None or (found["minute"] is None and found["half"] is None):
        return None
    hour, half = int(found["hour"]), (found["half"] or "").casefold()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    if hour > 23:
        return None
    of_day = f"{hour:02}:{found['minute'] or '00'}"
    return f"{found['date']}T{of_day}" if found["date"] else of_day


def point(text: str) -> tuple[float, float] | None:
    """Latitude and longitude in degrees: `43.73, 7.42` or `43.73° N, 7.42° E`."""
    found = _POINT.fullmatch(text.strip())
    if found is None:
        return None
    lat, lon = _signed(found["lat"]), _signed(found["lon"])
    lat = -lat if (found["ns"] or "").upper() == "S" else lat
    lon = -lon if (found["ew"] or "").upper() == "W" else lon
    return lat, lon


def plain(text: str) -> str:
    """The text without `about` before it and an aside in brackets behind it."""
    return _ABOUT.sub("", _ASIDE.sub("", text.strip())).strip()


def finite(value: float) -> float | None:
    """The number; None where it is none, or no computer holds it."""
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _sum_of_parts(text: str, unit: str, units: Mapping[str, float]) -> float | None:
    if re.fullmatch(_NUMBER, text):
        return _value(text) * units[unit.casefold()] if unit.casefold() in units else None
    total, at, last = 0.0, 0, math.inf
    while at < len(text):
        found = _PART.match(text, at)
        size = None if found is None else units.get(found[2].casefold())
        # Smaller units follow larger ones: anything else is not one quantity.
        if found is None or size is None or size >= last:
            return None
        total, at, last = total + _value(found[1]) * size, found.end(), size
    return total if at else None


def _value(number: str) -> float:
    if re.fullmatch(r"\d+,\d+", number) and not re.fullmatch(r"\d{1,3},\d{3}", number):
        return float(number.replace(",", "."))
    return float(re.sub(r"[,'\u2019\u00a0\u202f ]", "", number))


def _signed(number: str) -> float:
    return float(number.replace("\u2212", "-"))
