"""Opening hours in words, for readers that do not know OpenStreetMap's syntax; the raw text stands beside them.

Put into words is what most places have: weekdays, public holidays, times, `off`, `24/7`. Anything else (months, weeks,
sunrise, comments) stays as it is, because half a translation would be wrong.
"""

import re

from annotator.contexts.words import clean, listed
from annotator.maps.results import OpeningHours

_DAYS = {
    "Mo": "Monday",
    "Tu": "Tuesday",
    "We": "Wednesday",
    "Th": "Thursday",
    "Fr": "Friday",
    "Sa": "Saturday",
    "Su": "Sunday",
    "PH": "public holidays",
    "SH": "school holidays",
}
_TIMES = re.compile(r"([0-2]?\d:[0-5]\d)\s*-\s*([0-2]?\d:[0-5]\d)(\+?)")
_RULE = re.compile(
    r"(?P<days>(?:(?:Mo|Tu|We|Th|Fr|Sa|Su|PH|SH)(?:\s*-\s*(?:Mo|Tu|We|Th|Fr|Sa|Su))?\s*,?\s*)*)"
    r"(?P<times>off|closed|24/7|[\d:,\s+-]*)"
)
_ALWAYS = re.compile(r"(?:Mo-Su\s+)?(?:24/7|0?0:00-24:00)")


def opening_words(hours: OpeningHours) -> str:
    """Words, with the raw text in brackets; the raw text alone where no words fit; the provider's lines without one."""
    raw = clean(hours.raw or "")
    if not raw:
        return "; ".join(filter(None, (clean(line) for line in hours.weekdays)))
    words = _all_rules(raw)
    return raw if words is None else f"{words} ({raw})"


def _all_rules(raw: str) -> str | None:
    if _ALWAYS.fullmatch(raw):
        return "always open"
    rules = [_rule(part.strip()) for part in raw.split(";") if part.strip()]
    return "; ".join(rule for rule in rules if rule is not None) if rules and None not in rules else None


def _rule(text: str) -> str | None:
    found = _RULE.fullmatch(text)
    if found is None:
        return None
    days = _days(found["days"])
    times = found["times"].strip()
    if days is None or not times:
        return None
    if times in ("off", "closed"):
        return f"closed on {days}" if days else None
    if times == "24/7":
        return f"{days or 'every day'} all day"
    spans = [_TIMES.fullmatch(span.strip()) for span in times.split(",")]
    parts = []
    for span in spans:
        if span is None:
            return None
        parts.append(f"{_clock(span[1])} to {_clock(span[2])}{' or later' if span[3] else ''}")
    return f"{days or 'every day'} {listed(parts)}"


def _days(text: str) -> str | None:
    """Days in words; empty for none, None for what has none."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    words = []
    for part in parts:
        first, _, last = (piece.strip() for piece in part.partition("-"))
        if " " in part.replace(" - ", "-"):
            return None
        words.append(f"{_DAYS[first]} to {_DAYS[last]}" if last else _DAYS[first])
    if words == ["Monday to Sunday"]:
        return "every day"
    return listed(words) if words else ""


def _clock(time: str) -> str:
    return time.rjust(5, "0")
