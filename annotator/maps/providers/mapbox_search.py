"""Mapbox Search Box API: searches in one request each. https://docs.mapbox.com/api/search/search-box/

Every search asks for as many places as Mapbox gives, so that circle and distances can be applied to the answer exactly
and a smaller limit is the beginning of the same answer. Travel times to the places found come from its Matrix API.
"""

import re
import uuid
from typing import Any

from annotator.errors import InputError
from annotator.geo import LatLon, bounding_box
from annotator.maps.calls import HttpCall
from annotator.maps.params import NearbySearchParams, PlaceDetailsParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.mapbox_categories import MAPBOX_CATEGORIES, canonical_types
from annotator.maps.providers.mapbox_routes import TITLE, TOKEN, matrix_call, mode_refusals, read_matrix
from annotator.maps.providers.nearby import (
    measured,
    nearest_first,
    no_filter,
    over_limit,
    to_each,
    with_travel,
    within,
)
from annotator.maps.providers.positions import lon_lat, on_earth
from annotator.maps.providers.reading import get, items, need
from annotator.maps.results import OpeningHours, Place, PlaceList, PlaceResult

NUM_BY_WORDS = 10
NUM_BY_CATEGORY = 25
NUM_WITH_TRAVEL = 24
"""A matrix has 25 positions, and one is the centre."""

_ID = re.compile(r"^[A-Za-z0-9_=-]+$", re.ASCII)

_CONTEXT = {
    "street": ("street", "name"),
    "house_number": ("address", "address_number"),
    "postcode": ("postcode", "name"),
    "city": ("place", "name"),
    "district": ("district", "name"),
    "state": ("region", "name"),
    "country": ("country", "name"),
    "country_code": ("country", "country_code"),
}


def search_call(provider: Provider, path: str, query: tuple[tuple[str, str], ...]) -> HttpCall:
    """A request to the Search Box API."""
    return HttpCall("GET", f"{provider.base_url}/search/searchbox/v1/{path}", query=query, secrets=(TOKEN,))


def type_refusals(place_type: str | None) -> list[str]:
    """Why places of a canonical type cannot be searched for."""
    if place_type is None or place_type in MAPBOX_CATEGORIES:
        return []
    return [f"{TITLE} has no category for {place_type}: leave out type and give it as keyword"]


def _box(center: LatLon, radius_m: float) -> tuple[str, str]:
    south, west, north, east = bounding_box(center, radius_m)
    return ("bbox", f"{lon_lat((south, west))},{lon_lat((north, east))}")


def read_place(provider: Provider, feature: dict[str, Any]) -> Place:
    """A feature of the Search Box API.

    Raises:
        UpstreamFormatError: it has no id or position.
    """
    raw = need(feature, "properties", kind=dict)
    lat, lon = on_earth(
        need(feature, "geometry", "coordinates", 1, kind=float),
        need(feature, "geometry", "coordinates", 0, kind=float),
    )
    ids = [category for category in get(raw, "poi_category_ids", kind=list) or [] if isinstance(category, str)]
    parts = {part: get(raw, "context", *path, kind=str) for part, path in _CONTEXT.items()}
    hours = get(raw, "metadata", "open_hours", "weekday_text", kind=list) or []
    weekdays = tuple(line for line in hours if isinstance(line, str))
    step_free = get(raw, "metadata", "wheelchair_accessible", kind=bool)
    brands = [brand for brand in get(raw, "brand", kind=list) or [] if isinstance(brand, str)]
    return Place(
        pid=provider.pid(need(raw, "mapbox_id", kind=str)),
        provider=provider.info.key,
        name=get(raw, "name", kind=str) or "",
        lat=lat,
        lon=lon,
        address=get(raw, "full_address", kind=str) or get(raw, "place_formatted", kind=str),
        address_parts={part: text for part, text in parts.items() if text},
        categories=canonical_types(ids),
        kind=ids[0] if ids else get(raw, "feature_type", kind=str),
        opening_hours=OpeningHours(weekdays=weekdays) if weekdays else None,
        phone=get(raw, "metadata", "phone", kind=str),
        website=get(raw, "metadata", "website", kind=str),
        wheelchair=None if step_free is None else "yes" if step_free else "no",
        attributes={"brand": brands} if brands else {},
    )


def read_places(provider: Provider, payload: Any) -> list[Place]:
    """The places of a feature collection.

    Raises:
        UpstreamFormatError: it is none.
    """
    need(payload, "features", kind=list)
    return [read_place(provider, feature) for feature in items(payload, "features")]


def _refuse_text(provider: Provider, params: TextSearchParams) -> list[str]:
    return over_limit(TITLE, params.limit, NUM_BY_WORDS)


def _build_text(provider: Provider, params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    query = [("q", params.query), ("language", params.language), ("limit", str(NUM_BY_WORDS))]
    if params.near is not None:
        query.append(("proximity", lon_lat(params.near)))
    if params.near is not None and params.radius_m is not None:
        query.append(_box(params.near, params.radius_m))
    return (search_call(provider, "forward", tuple(query)),)


def _parse_text(provider: Provider, params: TextSearchParams, responses: Responses) -> PlaceList:
    places = read_places(provider, responses[0].json())
    if params.near is not None:
        places = within(places, params.near, params.radius_m)
    return PlaceList(places=tuple(places[: params.limit]))


def _refuse_nearby(provider: Provider, params: NearbySearchParams) -> list[str]:
    reasons = type_refusals(params.type)
    reasons += no_filter(TITLE, params, "open_at", "wheelchair", "cuisine", "min_rating", "price_levels")
    if params.type is None and params.keyword is None:
        reasons.append(f"{TITLE} needs a type or a keyword to look for")
    if params.rank == "prominence":
        reasons.append(f"{TITLE} does not tell how prominent places are: give rank distance")
    most = NUM_BY_CATEGORY if params.keyword is None else NUM_BY_WORDS
    reasons += over_limit(TITLE, params.limit, most if params.travel_mode is None else min(most, NUM_WITH_TRAVEL))
    if params.travel_mode is not None:
        reasons += mode_refusals(params.travel_mode)
    return reasons


def _build_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    center = (params.lat, params.lon)
    if responses:
        places = _near(provider, params, responses) if len(responses) == 1 else []
        if params.travel_mode is None or not places:
            return ()
        return tuple(matrix_call(provider, asked) for asked in to_each(center, places, params.travel_mode))
    query = [("language", params.language), ("proximity", lon_lat(center)), _box(center, params.radius_m)]
    category = "" if params.type is None else MAPBOX_CATEGORIES[params.type]
    if params.keyword is None:
        query.append(("limit", str(NUM_BY_CATEGORY)))
        return (search_call(provider, f"category/{category}", tuple(query)),)
    query += [("q", params.keyword), ("types", "poi"), ("limit", str(NUM_BY_WORDS))]
    if category:
        query.append(("poi_category", category))
    return (search_call(provider, "forward", tuple(query)),)


def _near(provider: Provider, params: NearbySearchParams, responses: Responses) -> list[Place]:
    center = (params.lat, params.lon)
    places = within(read_places(provider, responses[0].json()), center, params.radius_m)
    return nearest_first(places, center)[: params.limit]


def _parse_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> PlaceList:
    places = _near(provider, params, responses)
    if params.travel_mode is not None and places:
        (asked,) = to_each((params.lat, params.lon), places, params.travel_mode)
        cells = read_matrix(provider, asked, responses[1]).cells[0]
        places = with_travel(places, params.travel_mode, cells)
    return PlaceList(places=tuple(places))


def _build_details(provider: Provider, params: PlaceDetailsParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    native = provider.native_id(params.place_id)
    if not _ID.match(native):
        raise InputError(f"'{params.place_id}' is no id that {TITLE} gives", param="place_id")
    # The token groups the requests of one search for billing. Ours has one request, and an adapter rolls no dice.
    token = str(uuid.uuid5(uuid.NAMESPACE_URL, f"mapbox:{native}"))
    return (
        HttpCall(
            "GET",
            f"{provider.base_url}/search/searchbox/v1/retrieve/{native}",
            query=(("language", params.language), ("session_token", token)),
            secrets=(TOKEN,),
            volatile=frozenset({"session_token"}),
        ),
    )


def _parse_details(provider: Provider, params: PlaceDetailsParams, responses: Responses) -> PlaceResult:
    places = [] if responses[0].status == 404 else read_places(provider, responses[0].json())
    return PlaceResult(place=places[0] if places else None)


def _build_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    query = (
        ("longitude", f"{params.lon:.6f}"),
        ("latitude", f"{params.lat:.6f}"),
        ("language", params.language),
        ("limit", str(params.limit)),
    )
    return (search_call(provider, "reverse", query),)


def _parse_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> PlaceList:
    places = measured(read_places(provider, responses[0].json()), (params.lat, params.lon))
    return PlaceList(places=tuple(places[: params.limit]))


TEXT_SEARCH = Operation(_build_text, _parse_text, _refuse_text, applied_here=frozenset({"limit"}))
NEARBY_SEARCH = Operation(
    _build_nearby, _parse_nearby, _refuse_nearby, applied_here=frozenset({"limit", "travel_mode"})
)
PLACE_DETAILS = Operation(_build_details, _parse_details)
REVERSE_GEOCODE = Operation(_build_reverse, _parse_reverse)
