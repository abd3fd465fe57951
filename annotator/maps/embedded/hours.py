"""Whether a place is open at a time, by its `opening_hours` and where it is."""

from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from opening_hours import OpeningHours, validate

from annotator.geo import LatLon

_UTC = ZoneInfo("UTC")


def is_open(raw: str, point: LatLon, at: datetime) -> bool:
    """Whether these hours surely say open; False for what cannot be read and for what hours call unknown.

    Args:
        raw: in OpenStreetMap's syntax.
        point: where the place is: gives its time zone, public holidays, sunrise and sunset.
        at: without an offset it is the place's local time.
    """
    hours = _read(raw, point)
    # The library takes zones by name only, so times with a bare offset are given in UTC.
    return hours is not None and hours.is_open(at if at.tzinfo is None else at.astimezone(_UTC))


@lru_cache(maxsize=4_096)
def _read(raw: str, point: LatLon) -> OpeningHours | None:
    return OpeningHours(raw, coords=point) if validate(raw) else None
