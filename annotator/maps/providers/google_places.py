"""Google Places API (New) and Geocoding API: searches, details and addresses.

https://developers.google.com/maps/documentation/places/web-service, .../geocoding/requests-reverse-geocoding

Nearby Search takes types but no words and no ratings; Text Search takes one type, words and ratings, but restricts to
rectangles only. A search near a position is put to whichever can answer it, and circle, ratings and distances are
applied to the answer exactly. Every search asks for as many places as Google gives, 20, for the price of one request:
so a smaller limit is the beginning of the same answer, and a filter has all of it to choose from.
"""

import math
from typing import Any

from annotator.errors import InputError, RateLimitedError, UpstreamError
from annotator.geo import LatLon, bounding_box, round_degrees
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import NearbySearchParams, PlaceDetailsParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.google_http import (
    HEADER_KEY,
    MOTOR_MODES,
    QUERY_KEY,
    TRAVEL_MODES,
    listed,
    mask,
    metres,
    post,
    seconds,
)
from annotator.maps.providers.google_place import (
    DETAIL_FIELDS,
    LIST_FIELDS,
    price_level_name,
    read_geocoded,
    read_place,
)
from annotator.maps.providers.google_types import CUISINES, GOOGLE_TYPES, cuisine_type
from annotator.maps.providers.nearby import measured, nearest_first, no_filter, over_limit, within
from annotator.maps.providers.positions import lat_lon, service_url
from annotator.maps.providers.reading import get, items, need
from annotator.maps.results import Place, PlaceList, PlaceResult, Travel

TITLE = "Google Maps"
NUM_PLACES = 20
"""Most places of one search."""

LEAN_RADIUS_M = 5000.0
"""How wide the circle is towards which a search leans that has a centre and no radius."""

SEARCH_FIELDS = tuple(f"places.{name}" for name in LIST_FIELDS)


def circle(center: LatLon, radius_m: float) -> dict[str, Any]:
    """A circle as the Places API writes it."""
    return {"circle": {"center": {"latitude": center[0], "longitude": center[1]}, "radius": radius_m}}


def _rectangle(center: LatLon, radius_m: float) -> dict[str, Any]:
    south, west, north, east = (round_degrees(side) for side in bounding_box(center, radius_m))
    return {
        "rectangle": {
            "low": {"latitude": south, "longitude": west},
            "high": {"latitude": north, "longitude": east},
        }
    }


def _too_wide(center: LatLon, radius_m: float) -> list[str]:
    _, west, _, east = bounding_box(center, radius_m)
    if east - west <= 180:
        return []
    return [f"{TITLE} restricts a search by words to a rectangle, which so near a pole or the 180th meridian it cannot"]


def type_refusals(place_type: str | None) -> list[str]:
    """Why places of a canonical type cannot be searched for."""
    if place_type is None or place_type in GOOGLE_TYPES:
        return []
    return [f"{TITLE} has no type for {place_type}: leave out type and give it as keyword"]


def type_filter(types: tuple[str, ...]) -> dict[str, Any]:
    """Parameters of a text search for places of one of Google's types; it takes but one, so several are read off."""
    return {"includedType": types[0], "strictTypeFiltering": True} if len(types) == 1 else {}


def rating_filter(min_rating: float | None) -> dict[str, Any]:
    """Parameters of a text search for rated places. Google rounds up to halves, which would lose some: we go down."""
    return {} if min_rating is None else {"minRating": math.floor(min_rating * 2) / 2}


def _refuse_text(provider: Provider, params: TextSearchParams) -> list[str]:
    return [] if params.near is None or params.radius_m is None else _too_wide(params.near, params.radius_m)


def _build_text(provider: Provider, params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    body = {"textQuery": params.query, "languageCode": params.language, "pageSize": NUM_PLACES}
    if params.near is not None and params.radius_m is not None:
        body["locationRestriction"] = _rectangle(params.near, params.radius_m)
    elif params.near is not None:
        body["locationBias"] = circle(params.near, LEAN_RADIUS_M)
    return (post(provider, "places", "/v1/places:searchText", body, SEARCH_FIELDS),)


def _parse_text(provider: Provider, params: TextSearchParams, responses: Responses) -> PlaceList:
    places = [read_place(provider, raw) for raw in listed(responses[0].json(), "places")]
    if params.near is not None:
        places = within(places, params.near, params.radius_m)
    return PlaceList(places=tuple(places[: params.limit]))


def _google_types(params: NearbySearchParams) -> tuple[str, ...]:
    cuisine = None if params.cuisine is None else cuisine_type(params.cuisine)
    if cuisine is not None:
        return (cuisine,)
    return () if params.type is None else GOOGLE_TYPES[params.type]


def _needs_text(params: NearbySearchParams) -> bool:
    return bool(params.keyword or params.min_rating is not None or params.price_levels)


def _refuse_nearby(provider: Provider, params: NearbySearchParams) -> list[str]:
    reasons = over_limit(TITLE, params.limit, NUM_PLACES) + type_refusals(params.type)
    reasons += no_filter(TITLE, params, "open_at", "wheelchair")
    if params.cuisine is not None and cuisine_type(params.cuisine) is None:
        reasons.append(f"{TITLE} has no cuisine '{params.cuisine}': use one of {', '.join(sorted(CUISINES))}")
    if params.cuisine is not None and params.type not in (None, "restaurant"):
        reasons.append(f"{TITLE} knows the cuisine of restaurants only: leave out cuisine or type")
    if 0 in (params.price_levels or ()):
        reasons.append(f"{TITLE} cannot search for what is free: leave 0 out of price_levels")
    if params.travel_mode == "transit":
        reasons.append(f"{TITLE} gives no transit times in a search: use another travel_mode, or travel_matrix")
    if _needs_text(params):
        if params.keyword is None and params.type is None and params.cuisine is None:
            reasons.append(f"{TITLE} needs a type or a keyword to search by min_rating or price_levels")
        if params.rank == "prominence":
            reasons += _too_wide((params.lat, params.lon), params.radius_m)
    return reasons


def _build_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    center = (params.lat, params.lon)
    types = _google_types(params)
    fields = list(SEARCH_FIELDS)
    body: dict[str, Any] = {"languageCode": params.language}
    if params.travel_mode is not None:
        fields.append("routingSummaries")
        body["routingParameters"] = _routing(params) | {"origin": {"latitude": params.lat, "longitude": params.lon}}
    if not _needs_text(params):
        body |= {
            "locationRestriction": circle(center, params.radius_m),
            "maxResultCount": NUM_PLACES,
            "rankPreference": "DISTANCE" if params.rank == "distance" else "POPULARITY",
        }
        if types:
            body["includedTypes"] = list(types)
        return (post(provider, "places", "/v1/places:searchNearby", body, fields),)
    words = [params.cuisine, CATEGORIES[params.type].title if params.type else None]
    body |= {"textQuery": params.keyword or " ".join(word for word in words if word), "pageSize": NUM_PLACES}
    body |= type_filter(types) | rating_filter(params.min_rating)
    if params.price_levels:
        body["priceLevels"] = [price_level_name(level) for level in sorted(set(params.price_levels))]
    if params.rank == "distance":
        # Distances are from the middle of this circle; what is outside of it comes last and is left out.
        body |= {"locationBias": circle(center, params.radius_m), "rankPreference": "DISTANCE"}
    else:
        body |= {"locationRestriction": _rectangle(center, params.radius_m), "rankPreference": "RELEVANCE"}
    return (post(provider, "places", "/v1/places:searchText", body, fields),)


def _routing(params: NearbySearchParams) -> dict[str, Any]:
    """How to get to each place, without the traffic of the moment."""
    mode = params.travel_mode or "drive"
    preference = {"routingPreference": "TRAFFIC_UNAWARE"} if mode in MOTOR_MODES else {}
    return {"travelMode": TRAVEL_MODES[mode], **preference}


def _parse_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> PlaceList:
    payload = responses[0].json()
    summaries = listed(payload, "routingSummaries")
    places = []
    for index, raw in enumerate(listed(payload, "places")):
        place = read_place(provider, raw)
        legs = items(summaries, index, "legs")
        if params.travel_mode is not None and legs:
            travel = Travel(mode=params.travel_mode, duration_s=seconds(legs[0]), distance_m=metres(legs[0]))
            place = place.model_copy(update={"travel": travel})
        if _is_asked_for(place, params):
            places.append(place)
    center = (params.lat, params.lon)
    places = within(places, center, params.radius_m)
    if params.rank == "distance":
        places = nearest_first(places, center)
    return PlaceList(places=tuple(places[: params.limit]))


def _is_asked_for(place: Place, params: NearbySearchParams) -> bool:
    return (
        (params.type is None or params.type in place.categories)
        and (params.min_rating is None or (place.rating is not None and place.rating >= params.min_rating))
        and (not params.price_levels or place.price_level in params.price_levels)
    )


def _build_details(provider: Provider, params: PlaceDetailsParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    native = provider.native_id(params.place_id)
    if not native.replace("-", "").replace("_", "").isalnum() or not native.isascii():
        raise InputError(f"'{params.place_id}' is no id that {TITLE} gives", param="place_id")
    return (
        HttpCall(
            "GET",
            service_url(provider.base_url, "places", f"/v1/places/{native}"),
            query=(("languageCode", params.language),),
            headers=mask(DETAIL_FIELDS),
            secrets=(HEADER_KEY,),
        ),
    )


def _parse_details(provider: Provider, params: PlaceDetailsParams, responses: Responses) -> PlaceResult:
    if responses[0].status == 404:
        return PlaceResult(place=None)
    return PlaceResult(place=read_place(provider, need(responses[0].json(), kind=dict)))


def _build_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    return (
        HttpCall(
            "GET",
            service_url(provider.base_url, "maps", "/maps/api/geocode/json"),
            query=(("latlng", lat_lon((params.lat, params.lon))), ("language", params.language)),
            secrets=(QUERY_KEY,),
        ),
    )


def _parse_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> PlaceList:
    payload = responses[0].json()
    status = need(payload, "status", kind=str)
    if status not in ("OK", "ZERO_RESULTS"):
        raise _geocoding_error(status, get(payload, "error_message", kind=str))
    places = [read_geocoded(provider, raw) for raw in listed(payload, "results")]
    return PlaceList(places=tuple(measured(places, (params.lat, params.lon))[: params.limit]), total=len(places))


def _geocoding_error(status: str, words: str | None) -> UpstreamError:
    """The Geocoding API tells its errors with HTTP status 200."""
    message = f"{TITLE} answered {status}" + (f": {words}" if words else "")
    if status == "OVER_QUERY_LIMIT":
        return RateLimitedError(message, retry_after_s=60.0)
    return UpstreamError(message)


def place_ids(response: HttpResponse) -> tuple[str, ...]:
    """Ids of the places in an answer of any of Google's services."""
    try:
        payload = response.json()
    except UpstreamError:
        return ()
    found = [
        get(payload, "id", kind=str) if get(payload, "location", kind=dict) else None,
        *(get(raw, "id", kind=str) for raw in items(payload, "places")),
        *(get(raw, "place_id", kind=str) for raw in items(payload, "results")),
    ]
    return tuple(dict.fromkeys(native for native in found if native))


TEXT_SEARCH = Operation(_build_text, _parse_text, _refuse_text, applied_here=frozenset({"limit"}))
NEARBY_SEARCH = Operation(_build_nearby, _parse_nearby, _refuse_nearby, applied_here=frozenset({"limit", "min_rating"}))
PLACE_DETAILS = Operation(_build_details, _parse_details)
REVERSE_GEOCODE = Operation(_build_reverse, _parse_reverse, applied_here=frozenset({"limit"}))
