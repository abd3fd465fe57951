"""TomTom's opening hours as lines for people: it tells the ranges of the next seven days, each with its dates."""

from datetime import date, datetime, timedelta
from typing import Any

from annotator.errors import UpstreamFormatError
from annotator.maps.providers.reading import get, items, need
from annotator.maps.results import OpeningHours

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_NUM_DAYS = 7


def opening_hours(poi: dict[str, Any]) -> OpeningHours | None:
    """Hours of a place by weekday, Monday first, or None if TomTom tells none.

    A range past midnight counts on the day that it begins; one that covers several days is split between them.
    """
    timezone = get(poi, "timeZone", "ianaId", kind=str)
    ranges = [
        (_moment(entry, "startTime"), _moment(entry, "endTime")) for entry in items(poi, "openingHours", "timeRanges")
    ]
    if not ranges:
        return None
    lines: dict[int, list[str]] = {weekday: [] for weekday in range(_NUM_DAYS)}
    first = min(start for start, _ in ranges).date()
    for start, end in sorted(ranges):
        for day, text in _by_day(start, end):
            # The eighth day is the first one's weekday again.
            if (day - first).days < _NUM_DAYS and text not in lines[day.weekday()]:
                lines[day.weekday()].append(text)
    return OpeningHours(
        weekdays=tuple(f"{_DAYS[weekday]}: {', '.join(texts) or 'closed'}" for weekday, texts in lines.items()),
        timezone=timezone,
    )


def _by_day(start: datetime, end: datetime) -> list[tuple[date, str]]:
    if end - start < timedelta(days=1):
        return [(start.date(), f"{start:%H:%M}-{end:%H:%M}")]
    parts = []
    while start < end:
        midnight = datetime.combine(start.date() + timedelta(days=1), datetime.min.time())
        until = min(end, midnight)
        closing = "24:00" if until == midnight else f"{until:%H:%M}"
        parts.append((start.date(), f"{start:%H:%M}-{closing}"))
        start = midnight
    return parts


def _moment(entry: dict[str, Any], name: str) -> datetime:
    day = need(entry, name, "date", kind=str)
    hour, minute = need(entry, name, "hour", kind=int), need(entry, name, "minute", kind=int)
    try:
        return datetime.combine(date.fromisoformat(day), datetime.min.time()) + timedelta(hours=hour, minutes=minute)
    except (ValueError, OverflowError):
        raise UpstreamFormatError(
            f"the answer's opening hours have '{day}' {hour}:{minute}, which is no time"
        ) from None
