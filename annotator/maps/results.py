"""What the canonical map tools give: one shape for every provider; what one does not know is None, never invented.

Distances are metres, durations seconds, positions WGS 84 degrees with six decimals, shapes encoded polylines of
precision 5. A list that is empty is an answer: the provider looked and found nothing.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from annotator.geo import round_degrees
from annotator.maps.params import TravelMode

Degrees = Annotated[float, AfterValidator(round_degrees)]


def _round_m(value: float) -> float:
    # A decimetre: finer digits are noise of the arithmetic and would make equal answers differ.
    return round(value, 1)


Metres = Annotated[float, AfterValidator(_round_m)]
Seconds = Annotated[float, AfterValidator(_round_m)]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class OpeningHours(_Result):
    """When a place is open.

    Args:
        raw: in OpenStreetMap's syntax, where the provider has it.
        weekdays: the provider's own lines for people, Monday first.
        timezone: IANA zone of the place, where known.
    """

    raw: str | None = None
    weekdays: tuple[str, ...] = ()
    timezone: str | None = None


class Travel(_Result):
    """How to get to a place from the search's centre or the route."""

    mode: TravelMode
    duration_s: Seconds
    distance_m: Metres | None = None


class Detour(_Result):
    """What stopping at a place costs on a given way; never less than nothing by more than rounding.

    Args:
        duration_s: added time, out and back included.
        distance_m: added distance.
        offset_m: how far along the route the place is reached.
    """

    duration_s: Seconds
    distance_m: Metres | None = None
    offset_m: Metres | None = None


class Place(_Result):
    """A place as one provider knows it.

    Args:
        pid: namespace and the provider's own stable id, for instance `osm:n123`.
        provider: key of the provider that said so.
        name: in the asked-for language where there is one; may be empty for addresses.
        names: other names by language tag or kind (`fr`, `alt`, `old`, `short`).
        address: one line.
        address_parts: `street`, `house_number`, `postcode`, `city`, `district`, `state`, `country`, `country_code`.
        categories: canonical types, most specific first; empty where the provider's kind has no canonical one.
        kind: the provider's own kind, such as `amenity=cafe`.
        rating: 0 to 5; only where the provider really has ratings.
        attributes: everything else that is useful, in the provider's own words.
        distance_m: from the search's centre.
        prominence: the embedded map's documented proxy, 0 to 1.
    """

    pid: str
    provider: str
    name: str
    lat: Degrees
    lon: Degrees
    names: dict[str, str] = Field(default_factory=dict)
    address: str | None = None
    address_parts: dict[str, str] = Field(default_factory=dict)
    categories: tuple[str, ...] = ()
    kind: str | None = None
    rating: float | None = None
    rating_count: int | None = None
    price_level: int | None = None
    opening_hours: OpeningHours | None = None
    phone: str | None = None
    website: str | None = None
    email: str | None = None
    wheelchair: Literal["yes", "limited", "no"] | None = None
    attributes: dict[str, Any] = Field(default_factory=dict)
    distance_m: Metres | None = None
    travel: Travel | None = None
    detour: Detour | None = None
    prominence: float | None = None


class PlaceList(_Result):
    """Places in the order asked for; `total` counts matches before the limit, where the provider tells."""

    kind: Literal["places"] = "places"
    places: tuple[Place, ...]
    total: int | None = None


class PlaceResult(_Result):
    """One place, or None where the provider has none with that id."""

    kind: Literal["place"] = "place"
    place: Place | None = None


class Step(_Result):
    """One instruction of a leg."""

    text: str
    distance_m: Metres
    duration_s: Seconds
    road: str | None = None
    maneuver: str | None = None


class Leg(_Result):
    """The part of a route between two stops."""

    distance_m: Metres
    duration_s: Seconds
    steps: tuple[Step, ...] = ()


class Route(_Result):
    """A way through all stops.

    Args:
        summary: the roads by which one would name it.
        waypoint_order: input index of each intermediate in the order of visit; empty unless optimised.
    """

    mode: TravelMode
    distance_m: Metres
    duration_s: Seconds
    legs: tuple[Leg, ...]
    geometry: str
    summary: str = ""
    waypoint_order: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    has_toll: bool | None = None
    has_ferry: bool | None = None
    has_highway: bool | None = None


class RouteList(_Result):
    """The best route first; empty when there is no way, and `reason` says why."""

    kind: Literal["routes"] = "routes"
    routes: tuple[Route, ...]
    reason: str | None = None


class MatrixCell(_Result):
    """One pair of the matrix; both None when there is no way."""

    duration_s: Seconds | None = None
    distance_m: Metres | None = None


class Matrix(_Result):
    """`cells[i][j]` goes from origin i to destination j."""

    kind: Literal["matrix"] = "matrix"
    mode: TravelMode
    cells: tuple[tuple[MatrixCell, ...], ...]


class AlongRoute(_Result):
    """The way, and the places beside it with their detours."""

    kind: Literal["along_route"] = "along_route"
    route: Route | None = None
    places: tuple[Place, ...]
    reason: str | None = None


class DistanceBearing(_Result):
    """Great-circle distance, initial bearing clockwise from north, and the compass point."""

    kind: Literal["distance_bearing"] = "distance_bearing"
    distance_m: Metres
    bearing_deg: Annotated[float, AfterValidator(lambda value: round(value, 2) % 360.0)]
    compass: str


class OpenAt(_Result):
    """State of a place at a time.

    Args:
        state: `unknown` is what opening hours themselves may say, as in "Sa unknown".
        comment: words in the hours that apply at that time, such as "by appointment".
        local_time: the asked-for time in the place's zone, ISO 8601 with offset.
        next_change: when the state changes next, ISO 8601 with offset; None if never.
        country: whose public holidays were used; None if no calendar was.
    """

    kind: Literal["open_at"] = "open_at"
    state: Literal["open", "closed", "unknown"]
    comment: str = ""
    local_time: str
    next_change: str | None = None
    timezone: str
    country: str | None = None
    warnings: tuple[str, ...] = ()


Result = Annotated[
    PlaceList | PlaceResult | RouteList | Matrix | AlongRoute | DistanceBearing | OpenAt, Field(discriminator="kind")
]
