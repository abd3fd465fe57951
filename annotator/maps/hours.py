"""OpenStreetMap `opening_hours`, asked at a moment; the library `opening_hours` reads the syntax.

What is done here and not there: exact moments through changes of the clock; a comment without a state means unknown,
and what follows `||` counts whenever the hours before it say closed (as in
https://wiki.openstreetmap.org/wiki/Key:opening_hours/specification); a limit to how far ahead a change is looked for;
and words on what the answer had to assume. Nothing depends on this machine's clock or zone.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, Literal

from opening_hours import OpeningHours, State

from annotator.errors import InputError
from annotator.geo import LatLon
from annotator.maps.zones import clock_change_between, country_at, is_first_of_two, localise, zone, zone_name_at

FIRST_YEAR, LAST_YEAR = 1900, 9900
"""The library knows no other years."""

HORIZON_DAYS = 30 * 366
"""How far ahead a change is looked for. Without a limit, hours of 2,000 characters can take minutes."""

_MAX_STEPS = 1000
# The library's type hints leave out its errors.
_library: Any = import_module("opening_hours")
_STATES: dict[State, Literal["open", "closed", "unknown"]] = {
    State.OPEN: "open",
    State.CLOSED: "closed",
    State.UNKNOWN: "unknown",
}
_COMMENT = re.compile(r'(?P<modifier>\b(?:open|closed|off|unknown)\s*)?(?P<comment>"[^"]*")', re.I)
_PUBLIC_HOLIDAY = re.compile(r"\bPH\b")
_SCHOOL_HOLIDAY = re.compile(r"\bSH\b")
_SUN = re.compile(r"\b(?:dawn|sunrise|sunset|dusk)\b", re.I)
_OPEN_END = re.compile(r"\d\s*\+")
# The library takes such a day for every day. As the end of a range it is merely sloppy.
_NO_SUCH_DAY = re.compile(r"(?<![-\w])(?:Feb\s*3[01]|(?:Apr|Jun|Sep|Nov)\s*31)\b(?!\s*-)", re.I)
_PARSER_MESSAGE = re.compile(r"--> (\d+):(\d+).*= (.*)", re.S)
_EXPECTED = {
    "EOI": "the end",
    "any_rule_separator": "';', ',' or '||'",
    "rules_modifier": "open, closed, unknown or a comment in double quotes",
    "always_open": "24/7",
    "small_range_selectors": "weekdays such as Mo-Fr or times",
    "week_selector": "week 1-53",
    "monthday_range": "a date such as Jan 01",
    "year": "a year",
    "comment": "a comment in double quotes",
    "timespan": "times such as 09:00-18:00",
    "timespan_plus": "'-' and a time",
    "extended_time": "a time such as 18:00",
    "holiday": "PH or SH",
}


@dataclass(frozen=True, slots=True)
class Hours:
    """One place's opening hours, made by `read_hours`.

    Args:
        rules: as the library read them, parted at `||`.
        bare: the same without comments, so that a change is one of the state.
        country: whose public holidays count; None if no calendar does.
        warnings: what the hours hold that could not be taken at its word.
    """

    rules: tuple[OpeningHours, ...]
    bare: tuple[OpeningHours, ...]
    country: str | None
    warnings: tuple[str, ...]

    def state(self, moment: datetime) -> tuple[Literal["open", "closed", "unknown"], str]:
        """State and comment at a moment, given on the place's clock."""
        # Hours are about what the clock shows, so both passes of an hour that comes twice are alike.
        state, comment = _state(self.rules, _shown(moment))
        return _STATES[state], comment

    def next_change(self, moment: datetime) -> datetime | None:
        """When the state is another one for the first time after `moment`, which is aware and on the place's clock.

        None if it stays for `HORIZON_DAYS`. Every change is a real moment: hours inside a skipped hour never come, and
        an hour that comes twice opens twice.
        """
        before = _state(self.bare, _shown(moment))[0]
        end = moment.astimezone(UTC) + timedelta(days=HORIZON_DAYS)
        for _ in range(_MAX_STEPS):
            following = self._next_on_clock(moment)
            if following is None or following.astimezone(UTC) > end:
                return None
            if _state(self.bare, _shown(following))[0] != before:
                return following
            moment = following
        return None

    def _next_on_clock(self, moment: datetime) -> datetime | None:
        """The next moment at which the state may differ: the clock reaches a change of the hours, or is put back."""
        changes = [change for part in self.bare if (change := part.next_change(_shown(moment))) is not None]
        wall = min((_shown(change) for change in changes if change.year <= LAST_YEAR), default=None)
        if is_first_of_two(moment):
            second = moment.replace(fold=1)
            back = clock_change_between(moment, second)
            wall_at_back = _shown(moment) + (back.astimezone(UTC) - moment.astimezone(UTC))
            if wall is None or wall >= wall_at_back:
                return back
        if wall is None:
            return None
        first = wall.replace(tzinfo=moment.tzinfo)
        following = first.astimezone(UTC).astimezone(moment.tzinfo)
        if _shown(following) != wall:
            # The clock skips that time: what counts is the first moment after the gap.
            return clock_change_between(first.replace(fold=1).astimezone(UTC).astimezone(moment.tzinfo), following)
        if following.astimezone(UTC) <= moment.astimezone(UTC):
            return first.replace(fold=1)
        return first


def read_hours(raw: str, zone_name: str | None, country: str | None, point: LatLon | None) -> Hours:
    """Reads opening hours for one place.

    Args:
        raw: in OpenStreetMap's syntax.
        zone_name: where the sun's times are told; only needed when they occur.
        country: ISO 3166 code for public holidays.
        point: where the sun rises and sets; without it from 07:00 to 19:00.

    Raises:
        InputError: with the position of what cannot be read.
    """
    has_sun = _SUN.search(_without_comments(raw)) is not None
    # Most places of a town share one entry, because only the sun makes the exact position matter.
    return _read(raw, zone_name if has_sun else None, country, point if has_sun else None)


@lru_cache(maxsize=16_384)
def _read(raw: str, zone_name: str | None, country: str | None, point: LatLon | None) -> Hours:
    calendar = country if country and _has_calendar(country) else None
    where = zone(zone_name) if zone_name and point else None

    def parse(text: str) -> OpeningHours:
        return OpeningHours(
            text, where, calendar, point if where else None, auto_country=False, max_interval_days=HORIZON_DAYS
        )

    try:
        as_written = parse(raw)
    except _library.ParserError as error:
        raise _input_error(raw, str(error)) from None
    except UnicodeEncodeError as error:
        raise InputError(
            f"opening_hours holds half a character at position {error.start + 1}", param="opening_hours"
        ) from None
    text = _without_comments(raw)
    if found := _NO_SUCH_DAY.search(text):
        raise InputError(
            f"opening_hours names {found[0]} at character {found.start() + 1}, a day that no year has",
            param="opening_hours",
        )
    warnings = (
        *dict.fromkeys(as_written.warnings),
        *_assumptions(text, country, calendar, has_point=point is not None),
    )
    parts = _parts(raw, text)
    return Hours(
        tuple(
            parse(_COMMENT.sub(lambda found: f"{found['modifier'] or 'unknown '}{found['comment']}", part))
            for part in parts
        ),
        tuple(parse(_COMMENT.sub(lambda found: (found["modifier"] or "unknown").rstrip(), part)) for part in parts),
        calendar,
        warnings,
    )


def is_open(raw: str, at: datetime, lat: float, lon: float) -> bool | None:
    """Whether a place is open; None where its hours say unknown or cannot be read. About 10 µs once they were read.

    Args:
        raw: in OpenStreetMap's syntax.
        at: without an offset it is the place's local time.
        lat: of the place; gives its zone, its holidays and the sun.
        lon: of the place.
    """
    zone_name = zone_name_at(lat, lon)
    try:
        hours = read_hours(raw, zone_name, country_at(lat, lon), (lat, lon))
    except InputError:
        return None
    state, _ = hours.state(_on_clock_of(zone_name, at))
    return None if state == "unknown" else state == "open"


@lru_cache(maxsize=64)
def _on_clock_of(zone_name: str, at: datetime) -> datetime:
    # A search asks the same moment of every place.
    return localise(at, zone(zone_name))[0]


def _state(parts: tuple[OpeningHours, ...], shown: datetime) -> tuple[State, str]:
    """That of the first part that does not say closed, or of the last one."""
    for part in parts[:-1]:
        state, comment = part.state(shown)
        if state != State.CLOSED:
            return state, comment
    return parts[-1].state(shown)


def _without_comments(raw: str) -> str:
    """The same text with blanks in place of every comment, so that positions stay."""
    return re.sub(r'"[^"]*"', lambda found: " " * len(found[0]), raw)


def _parts(raw: str, text: str) -> list[str]:
    ends = [found.start() for found in re.finditer(r"\|\|", text)]
    return [
        raw[start:end].strip() for start, end in zip([0, *(end + 2 for end in ends)], [*ends, len(raw)], strict=True)
    ]


def _shown(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, fold=0)


@cache
def _has_calendar(country: str) -> bool:
    try:
        OpeningHours("24/7", country=country)
    except _library.UnknownCountryError:
        return False
    return True


@cache
def calendar_years(kind: Literal["PH", "SH"], country: str) -> tuple[int, int] | None:
    """First and last year of a country's public (PH) or school (SH) holidays in the library; None if it has none."""
    if not _has_calendar(country):
        return None
    intervals = OpeningHours(kind, country=country).intervals(datetime(FIRST_YEAR, 1, 1))
    years = [start.year for start, _, state, _ in intervals if state == State.OPEN]
    return (years[0], years[-1]) if years else None


def holiday_warnings(raw: str, country: str | None, year: int) -> list[str]:
    """Says when hours name holidays of a year for which the calendar has none."""
    text = _without_comments(raw)
    found = []
    for pattern, kind, words in (
        (_PUBLIC_HOLIDAY, "PH", "public"),
        (_SCHOOL_HOLIDAY, "SH", "school"),
    ):
        if country is None or not pattern.search(text):
            continue
        years = calendar_years("PH" if kind == "PH" else "SH", country)
        if years is None:
            found.append(f"{words} holidays of {country} are not known; {kind} was taken as no day")
        elif not years[0] <= year <= years[1]:
            found.append(f"{words} holidays of {country} are known for {years[0]} to {years[1]} only")
    return found


def _assumptions(text: str, country: str | None, calendar: str | None, *, has_point: bool) -> list[str]:
    found = []
    if calendar is None and (_PUBLIC_HOLIDAY.search(text) or _SCHOOL_HOLIDAY.search(text)):
        reason = f"there is no calendar of {country}" if country else "no country is given"
        found.append(f"the hours name holidays, but {reason}; no day was taken as one")
    if not has_point and _SUN.search(text):
        found.append("the hours follow the sun, but no position is given; it was taken to shine from 07:00 to 19:00")
    if _OPEN_END.search(text):
        found.append("the hours leave an end open: '12:00+' was read as until midnight, '10:00-12:00+' as until 12:00")
    return found


def _input_error(raw: str, message: str) -> InputError:
    found = _PARSER_MESSAGE.search(message)
    if found is None:
        return InputError("opening_hours cannot be read", param="opening_hours")
    line, column = int(found[1]), int(found[2])
    before = sum(len(text) for text in raw.splitlines(keepends=True)[: line - 1])
    position = before + column
    rest = " ".join(raw[position - 1 :].split())
    at = f"at '{rest[:30]}{'…' if len(rest) > 30 else ''}'" if rest else "where it ends"
    names = re.findall(r"\w+", found[3].removeprefix("expected ")) if found[3].startswith("expected ") else []
    expected = list(dict.fromkeys(_EXPECTED.get(name, name.replace("_", " ")) for name in names if name != "or"))
    hint = f"; expected {' or '.join(expected)}" if expected else ""
    return InputError(f"opening_hours cannot be read from character {position} on, {at}{hint}", param="opening_hours")
