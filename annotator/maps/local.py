"""Map tools that need no provider: straight-line distance and direction, and whether opening hours say open.

Pure functions of their parameters: no clock, no zone and no file of this machine is looked at, so that `VERSION` and
`DATA_VINTAGE` together say which answer they give.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import Any

from annotator.errors import InputError
from annotator.geo import bearing_deg, compass_point, haversine_m
from annotator.maps.hours import FIRST_YEAR, LAST_YEAR, holiday_warnings, read_hours
from annotator.maps.params import DistanceBearingParams, OpenAtParams, ToolName
from annotator.maps.results import DistanceBearing, OpenAt
from annotator.maps.zones import country_at, localise, zone, zone_name_at

VERSION = 1
"""Goes up when a tool here gives another answer to the same parameters."""

DATA_VINTAGE = f"opening-hours-py {version('opening-hours-py')}, tzdata {version('tzdata')}"
"""What holds the holidays, the zones' borders and their rules."""


def distance_bearing(params: DistanceBearingParams) -> DistanceBearing:
    """Great-circle distance and initial direction on a sphere of the earth's mean radius."""
    origin = (params.origin.lat, params.origin.lon)
    destination = (params.destination.lat, params.destination.lon)
    bearing = bearing_deg(origin, destination)
    return DistanceBearing(
        distance_m=haversine_m(origin, destination), bearing_deg=bearing, compass=compass_point(bearing)
    )


def open_at(params: OpenAtParams) -> OpenAt:
    """What opening hours say at a time.

    The zone is `timezone`, or that of the coordinates; the country of the holidays is `country`, or that of the
    coordinates. A local time that the clock skips or shows twice is answered with a warning that says how it was read.

    Raises:
        InputError: the hours cannot be read, with the position; the zone is unknown; the year is out of range.
    """
    point = None if params.lat is None or params.lon is None else (params.lat, params.lon)
    country = params.country or (country_at(*point) if point else None)
    zone_name = params.timezone or (zone_name_at(*point) if point else "Etc/UTC")
    try:
        where = zone(zone_name)
    except ValueError as error:
        raise InputError(f"timezone: {error}", param="timezone") from None
    if not FIRST_YEAR < params.at.year < LAST_YEAR:
        raise InputError(f"at must lie between the years {FIRST_YEAR} and {LAST_YEAR}", param="at")
    hours = read_hours(params.opening_hours, zone_name, country, point)
    moment, assumed = localise(params.at.replace(microsecond=0), where)
    state, comment = hours.state(moment)
    change = hours.next_change(moment)
    holidays = holiday_warnings(params.opening_hours, hours.country, moment.year)
    return OpenAt(
        state=state,
        comment=comment,
        local_time=_iso(moment),
        next_change=None if change is None else _iso(change),
        timezone=zone_name,
        country=hours.country,
        warnings=(*([assumed] if assumed else []), *hours.warnings, *holidays),
    )


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


LOCAL_TOOLS: Mapping[ToolName, Callable[[Any], DistanceBearing | OpenAt]] = {
    "distance_bearing": distance_bearing,
    "open_at": open_at,
}
"""The tools computed here by name; each takes its own parameters' model."""
