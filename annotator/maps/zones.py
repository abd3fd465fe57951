"""Time zones and countries of places, without a look at this machine: the rules come from the `tzdata` package.

A pinned package instead of the system's files, so that a recorded answer can be computed again on another machine.
"""

from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo

from opening_hours import OpeningHours

_DATA = files("tzdata.zoneinfo")
_MAX_LAT, _MAX_LON = 89.999, 179.999
_ANY_DAY = datetime(2020, 6, 1, 6)


@cache
def zone(key: str) -> ZoneInfo:
    """The zone of that IANA name.

    Raises:
        ValueError: there is none.
    """
    # `available_timezones` lists what this machine has, which may be more or less; only the package counts.
    if key not in _names():
        raise ValueError(f"'{key}' is not an IANA time zone, for instance Europe/Monaco")
    with _DATA.joinpath(*key.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=key)


@cache
def _names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


@lru_cache(maxsize=65_536)
def zone_name_at(lat: float, lon: float) -> str:
    """IANA name of the zone in which a place lies; `Etc/GMT…` at sea."""
    # The library has the zones' borders but tells them only by what it answers with; of the poles and the antimeridian
    # themselves it knows nothing, so a point some 100 m beside them is asked for.
    beside = (max(-_MAX_LAT, min(_MAX_LAT, lat)), max(-_MAX_LON, min(_MAX_LON, lon)))
    answer = OpeningHours("12:00-13:00", coords=beside, auto_country=False).next_change(_ANY_DAY)
    key = getattr(answer and answer.tzinfo, "key", None)
    return key if isinstance(key, str) else "Etc/UTC"


@cache
def _country_by_zone() -> dict[str, str]:
    table = _DATA.joinpath("zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if line and not line.startswith("#")]
    return {row[2]: row[0] for row in rows}


def country_at(lat: float, lon: float) -> str | None:
    """ISO 3166 code of the country whose time zone holds at a place; None at sea."""
    return _country_by_zone().get(zone_name_at(lat, lon))


def localise(at: datetime, where: ZoneInfo) -> tuple[datetime, str | None]:
    """A moment on the clock of a zone, and what had to be assumed, in words; None when nothing was.

    Without an offset `at` is what the clock shows. A time that the clock skips is read as if it had not been put
    forward yet (so 02:30 becomes 03:30); of a time that it shows twice the first is taken.
    """
    if at.tzinfo is not None:
        return at.astimezone(where), None
    wall = at.replace(fold=0)
    first = wall.replace(tzinfo=where)
    moment = first.astimezone(UTC).astimezone(where)
    if moment.replace(tzinfo=None, fold=0) != wall:
        shown = f"{moment:%H:%M}"
        return moment, f"clocks in {where.key} skip {wall:%Y-%m-%d %H:%M}; it was read as {shown}"
    if is_first_of_two(first):
        return first, f"clocks in {where.key} show {wall:%Y-%m-%d %H:%M} twice; the first was taken"
    return first, None


def is_first_of_two(moment: datetime) -> bool:
    """Whether the clock will show this local time once more, after it was put back."""
    return moment.fold == 0 and bool(moment.utcoffset() != moment.replace(fold=1).utcoffset()) and not _skipped(moment)


def _skipped(moment: datetime) -> bool:
    return moment.astimezone(UTC).astimezone(moment.tzinfo).replace(tzinfo=None) != moment.replace(tzinfo=None)


def clock_change_between(before: datetime, after: datetime) -> datetime:
    """The first moment with the UTC offset of `after`; both are in one zone, and one change lies between them."""
    where = before.tzinfo
    offset = before.utcoffset()
    low, high = before.astimezone(UTC), after.astimezone(UTC)
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle <= low:
            break
        if middle.astimezone(where).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0).astimezone(where)
