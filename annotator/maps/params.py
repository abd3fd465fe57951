"""What the canonical map tools take. One model a tool; units are in the names, coordinates have six decimals.

The same models validate HTTP bodies, command lines and a model's tool calls, so their messages are written for people.
"""

import math
import unicodedata
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from annotator.geo import round_degrees
from annotator.maps.categories import CATEGORIES

ToolName = Literal[
    "text_search",
    "place_details",
    "reverse_geocode",
    "nearby_search",
    "compute_routes",
    "travel_matrix",
    "search_along_route",
    "distance_bearing",
    "open_at",
]

TravelMode = Literal["drive", "walk", "bicycle", "motorcycle", "transit"]
Avoidable = Literal["tolls", "highways", "ferries"]

MAX_QUERY_CHARACTERS = 256
MAX_RADIUS_M = 50_000


def _degrees(limit: float, name: str, other: str) -> BeforeValidator:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError(f"must be a number of degrees from -{limit:g} to {limit:g}")
        try:
            number = float(value)
        except ValueError:
            raise ValueError(f"must be a number of degrees from -{limit:g} to {limit:g}") from None
        if not math.isfinite(number):
            raise ValueError(f"must be a finite number of degrees, not {number}")
        if abs(number) > limit:
            hint = f"; did you swap {name} and {other}?" if limit < abs(number) <= 180 else ""
            raise ValueError(f"must be from -{limit:g} to {limit:g} degrees, not {number:g}{hint}")
        return round_degrees(number)

    return BeforeValidator(check)


def _clean_text(value: str) -> str:
    """NFC and single spaces, so that what looks equal has one request key."""
    text = " ".join(unicodedata.normalize("NFC", value).split())
    if not text:
        raise ValueError("must not be empty")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise ValueError("must not hold control characters")
    return text


def _known_category(value: str) -> str:
    if value not in CATEGORIES:
        raise ValueError(f"'{value}' is not a place type; `mapqator types` lists them, for instance cafe or pharmacy")
    return value


def _known_timezone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"'{value}' is not an IANA time zone, for instance Europe/Monaco")
    return value


Latitude = Annotated[float, _degrees(90, "lat", "lon"), Field(json_schema_extra={"minimum": -90, "maximum": 90})]
Longitude = Annotated[float, _degrees(180, "lon", "lat"), Field(json_schema_extra={"minimum": -180, "maximum": 180})]
Text = Annotated[str, Field(max_length=MAX_QUERY_CHARACTERS), AfterValidator(_clean_text)]
PlaceId = Annotated[
    str,
    Field(
        max_length=512,
        pattern=r"^[a-z][a-z0-9_-]{0,31}:[^\s\x00-\x1f]+$",
        description="Namespace and id, for instance osm:n123 or google:ChIJ….",
    ),
]
PlaceType = Annotated[str, AfterValidator(_known_category), Field(description="A canonical place type, such as cafe.")]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="BCP 47 tag, such as en.")]
RadiusM = Annotated[float, Field(gt=0, le=MAX_RADIUS_M, allow_inf_nan=False, description="Metres.")]
Avoid = Annotated[tuple[Avoidable, ...], AfterValidator(lambda value: tuple(sorted(set(value))))]


class Point(BaseModel):
    """A position in WGS 84 degrees."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lat: Latitude
    lon: Longitude


class Waypoint(BaseModel):
    """A stop of a route: coordinates, or a place by id (which not every provider can resolve)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lat: Latitude | None = None
    lon: Longitude | None = None
    place_id: PlaceId | None = None

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("give both lat and lon, or neither")
        if (self.lat is None) == (self.place_id is None):
            raise ValueError("give either lat and lon, or place_id")
        return self

    @property
    def point(self) -> tuple[float, float] | None:
        """Latitude and longitude, if it was given by coordinates."""
        return None if self.lat is None or self.lon is None else (self.lat, self.lon)


class ToolParams(BaseModel):
    """Base of all parameters; equal parameters have equal canonical JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: ClassVar[ToolName]

    def canonical(self) -> dict[str, Any]:
        """JSON values without the fields that say nothing, ready for hashing."""
        return self.model_dump(mode="json", exclude_none=True)


class _Near(ToolParams):
    lat: Latitude | None = Field(None, description="Latitude to prefer results near.")
    lon: Longitude | None = Field(None, description="Longitude to prefer results near.")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("give both lat and lon, or neither")
        return self

    @property
    def near(self) -> tuple[float, float] | None:
        """Latitude and longitude to prefer results near."""
        return None if self.lat is None or self.lon is None else (self.lat, self.lon)


class TextSearchParams(_Near):
    """Find places by name, kind or address."""

    tool: ClassVar[ToolName] = "text_search"

    query: Text = Field(description="What to look for, such as 'pharmacy near the harbour'.")
    radius_m: RadiusM | None = Field(
        None, description="How far from lat, lon results may be; without it they only lean."
    )
    limit: int = Field(10, ge=1, le=20)
    language: Language = "en"

    @model_validator(mode="after")
    def _radius_needs_center(self) -> Self:
        if self.radius_m is not None and self.near is None:
            raise ValueError("radius_m needs lat and lon")
        return self


class PlaceDetailsParams(ToolParams):
    """Everything known about one place."""

    tool: ClassVar[ToolName] = "place_details"

    place_id: PlaceId
    language: Language = "en"


class ReverseGeocodeParams(ToolParams):
    """The address and the places at a position."""

    tool: ClassVar[ToolName] = "reverse_geocode"

    lat: Latitude
    lon: Longitude
    limit: int = Field(1, ge=1, le=10)
    language: Language = "en"


class NearbySearchParams(ToolParams):
    """Places of a type, or matching a keyword, around a position."""

    tool: ClassVar[ToolName] = "nearby_search"

    lat: Latitude
    lon: Longitude
    radius_m: RadiusM = 1000.0
    type: PlaceType | None = None
    keyword: Text | None = Field(None, description="Words that the name or the tags must hold.")
    rank: Literal["distance", "prominence"] = "distance"
    limit: int = Field(20, ge=1, le=50)
    open_at: datetime | None = Field(
        None, description="Only places open at this time; without an offset it is the place's local time."
    )
    wheelchair: bool | None = Field(None, description="Only places that wheelchairs can enter.")
    cuisine: Text | None = None
    min_rating: float | None = Field(None, ge=0, le=5)
    price_levels: tuple[Literal[0, 1, 2, 3, 4], ...] | None = Field(None, description="0 is free, 4 very expensive.")
    travel_mode: TravelMode | None = Field(None, description="Also say how long it takes to get to each place.")
    language: Language = "en"


class _Route(ToolParams):
    origin: Waypoint
    destination: Waypoint
    mode: TravelMode = "drive"
    avoid: Avoid = ()
    language: Language = "en"


class ComputeRoutesParams(_Route):
    """Ways from one place to another, with steps."""

    tool: ClassVar[ToolName] = "compute_routes"

    intermediates: tuple[Waypoint, ...] = Field((), max_length=23)
    optimize_order: bool = Field(False, description="Visit the intermediates in the quickest order.")
    alternatives: int = Field(0, ge=0, le=3, description="How many other routes to look for.")


class TravelMatrixParams(ToolParams):
    """Times and distances from every origin to every destination."""

    tool: ClassVar[ToolName] = "travel_matrix"

    origins: tuple[Waypoint, ...] = Field(min_length=1, max_length=25)
    destinations: tuple[Waypoint, ...] = Field(min_length=1, max_length=25)
    mode: TravelMode = "drive"
    avoid: Avoid = ()


class SearchAlongRouteParams(_Route):
    """Places near the way from one place to another, with the detour that each costs."""

    tool: ClassVar[ToolName] = "search_along_route"

    type: PlaceType | None = None
    keyword: Text | None = None
    max_detour_s: float | None = Field(None, ge=0, le=7200, allow_inf_nan=False)
    rank: Literal["detour", "route", "prominence"] = Field("detour", description="'route': in order of the journey.")
    min_rating: float | None = Field(None, ge=0, le=5)
    limit: int = Field(10, ge=1, le=20)

    @model_validator(mode="after")
    def _something_to_find(self) -> Self:
        if self.type is None and self.keyword is None:
            raise ValueError("give a type or a keyword to look for")
        return self


class DistanceBearingParams(ToolParams):
    """Straight-line distance and direction between two points, computed here."""

    tool: ClassVar[ToolName] = "distance_bearing"

    origin: Point
    destination: Point


class OpenAtParams(ToolParams):
    """Whether OpenStreetMap `opening_hours` say open at a time, computed here."""

    tool: ClassVar[ToolName] = "open_at"

    opening_hours: str = Field(
        min_length=1, max_length=2000, description="OpenStreetMap syntax, such as 'Mo-Fr 09:00-18:00'."
    )
    at: datetime = Field(description="Without an offset it is local time in the place's zone.")
    lat: Latitude | None = Field(None, description="Where the place is: gives zone, holidays and the sun.")
    lon: Longitude | None = None
    timezone: Annotated[str, AfterValidator(_known_timezone)] | None = Field(
        None, description="IANA zone; wins over lat, lon."
    )
    country: str | None = Field(None, pattern=r"^[A-Z]{2}$", description="ISO 3166 code, for public holidays.")

    @model_validator(mode="after")
    def _has_zone(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("give both lat and lon, or neither")
        if self.timezone is None and self.lat is None:
            raise ValueError("give a timezone, or lat and lon, so that local time is known")
        return self


PARAMS: dict[ToolName, type[ToolParams]] = {
    model.tool: model
    for model in (
        TextSearchParams,
        PlaceDetailsParams,
        ReverseGeocodeParams,
        NearbySearchParams,
        ComputeRoutesParams,
        TravelMatrixParams,
        SearchAlongRouteParams,
        DistanceBearingParams,
        OpenAtParams,
    )
}
"""The parameters' model of every tool."""
