"""HERE Geocoding and Search API v7: searches, details and addresses. https://docs.here.com/geocoding-and-search

`browse` knows categories and names around a position, `discover` understands words there, and `geocode` finds a name or
an address anywhere. A circle is exact at HERE; distances and times to places are measured here and by its matrix.
"""

import math
from typing import Any

from annotator.geo import LatLon
from annotator.maps.calls import HttpCall
from annotator.maps.params import NearbySearchParams, PlaceDetailsParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.here_categories import HERE_CATEGORIES, canonical_types
from annotator.maps.providers.here_http import KEY, TITLE
from annotator.maps.providers.here_matrix import matrix_call, mode_refusals, read_matrix
from annotator.maps.providers.nearby import flat, measured, nearest_first, no_filter, to_each, with_travel, within
from annotator.maps.providers.positions import lat_lon, on_earth, service_url
from annotator.maps.providers.reading import get, items, need
from annotator.maps.results import OpeningHours, Place, PlaceList, PlaceResult

NUM_TEXT = 20
NUM_NEARBY = 50

_PARTS = {
    "street": "street",
    "house_number": "houseNumber",
    "postcode": "postalCode",
    "city": "city",
    "district": "district",
    "state": "state",
    "country": "countryName",
}


def search_call(provider: Provider, service: str, language: str, *query: tuple[str, str]) -> HttpCall:
    """A request to one of the search services, such as `browse`."""
    url = service_url(provider.base_url, f"{service}.search", f"/v1/{service}")
    return HttpCall("GET", url, query=(*query, ("lang", language)), secrets=(KEY,))


def type_refusals(place_type: str | None) -> list[str]:
    """Why places of a canonical type cannot be searched for."""
    if place_type is None or place_type in HERE_CATEGORIES:
        return []
    return [f"{TITLE} has no category for {place_type}: leave out type and give it as keyword"]


def browse_filter(place_type: str | None, keyword: str | None) -> list[tuple[str, str]]:
    """Category and words of a name, as `browse` takes them."""
    query = []
    if place_type is not None:
        query.append(("categories", ",".join(HERE_CATEGORIES[place_type])))
    if keyword is not None:
        query.append(("name", keyword))
    return query


def _circle(center: LatLon, radius_m: float) -> tuple[str, str]:
    # Whole metres, and never too few of them.
    return ("in", f"circle:{lat_lon(center)};r={math.ceil(radius_m)}")


def read_place(provider: Provider, raw: dict[str, Any]) -> Place:
    """An item of any of the search services.

    Raises:
        UpstreamFormatError: it has no id or position.
    """
    lat, lon = on_earth(need(raw, "position", "lat", kind=float), need(raw, "position", "lng", kind=float))
    categories = sorted(items(raw, "categories"), key=lambda entry: get(entry, "primary", kind=bool) is not True)
    ids = [category for entry in categories if (category := get(entry, "id", kind=str))]
    parts = {part: get(raw, "address", name, kind=str) for part, name in _PARTS.items()}
    hours = [line for entry in items(raw, "openingHours") for line in get(entry, "text", kind=list) or []]
    weekdays = tuple(line for line in hours if isinstance(line, str))
    lists = {name: [get(entry, "name", kind=str) for entry in items(raw, name)] for name in ("chains", "foodTypes")}
    return Place(
        pid=provider.pid(need(raw, "id", kind=str)),
        provider=provider.info.key,
        name=get(raw, "title", kind=str) or "",
        lat=lat,
        lon=lon,
        address=get(raw, "address", "label", kind=str),
        address_parts={part: text for part, text in parts.items() if text},
        categories=canonical_types(ids),
        kind=ids[0] if ids else get(raw, "resultType", kind=str),
        opening_hours=OpeningHours(weekdays=weekdays) if weekdays else None,
        phone=_contact(raw, "phone"),
        website=_contact(raw, "www"),
        email=_contact(raw, "email"),
        attributes={name: known for name, entries in lists.items() if (known := [text for text in entries if text])},
    )


def _contact(raw: dict[str, Any], kind: str) -> str | None:
    found = [get(entry, "value", kind=str) for contact in items(raw, "contacts") for entry in items(contact, kind)]
    return next((value for value in found if value), None)


def read_places(provider: Provider, payload: Any) -> list[Place]:
    """The places of a search.

    Raises:
        UpstreamFormatError: it has no list of them.
    """
    need(payload, "items", kind=list)
    return [read_place(provider, raw) for raw in items(payload, "items")]


def _build_text(provider: Provider, params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    query = [("q", params.query), ("limit", str(NUM_TEXT))]
    if params.near is None:
        return (search_call(provider, "geocode", params.language, *query),)
    where = ("at", lat_lon(params.near)) if params.radius_m is None else _circle(params.near, params.radius_m)
    return (search_call(provider, "discover", params.language, where, *query),)


def _parse_text(provider: Provider, params: TextSearchParams, responses: Responses) -> PlaceList:
    places = read_places(provider, responses[0].json())
    if params.near is not None:
        places = within(places, params.near, params.radius_m)
    return PlaceList(places=tuple(places[: params.limit]))


def _refuse_nearby(provider: Provider, params: NearbySearchParams) -> list[str]:
    reasons = type_refusals(params.type)
    reasons += no_filter(TITLE, params, "open_at", "wheelchair", "cuisine", "min_rating", "price_levels")
    if params.rank == "prominence":
        reasons.append(f"{TITLE} does not tell how prominent places are: give rank distance")
    return reasons if params.travel_mode is None else reasons + mode_refusals(params.travel_mode)


def _build_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    center = (params.lat, params.lon)
    if responses:
        places = _near(provider, params, responses) if len(responses) == 1 and params.travel_mode is not None else []
        asked = to_each(center, places, params.travel_mode or "drive")
        return tuple(matrix_call(provider, one) for one in asked)
    circle, limit = _circle(center, params.radius_m), ("limit", str(NUM_NEARBY))
    if params.type is None and params.keyword is not None:
        return (search_call(provider, "discover", params.language, circle, ("q", params.keyword), limit),)
    where = (("at", lat_lon(center)), circle, *browse_filter(params.type, params.keyword))
    return (search_call(provider, "browse", params.language, *where, limit),)


def _near(provider: Provider, params: NearbySearchParams, responses: Responses) -> list[Place]:
    center = (params.lat, params.lon)
    places = within(read_places(provider, responses[0].json()), center, params.radius_m)
    return nearest_first(places, center)[: params.limit]


def _parse_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> PlaceList:
    places = _near(provider, params, responses)
    if params.travel_mode is not None:
        asked = to_each((params.lat, params.lon), places, params.travel_mode)
        matrices = [read_matrix(one, response) for one, response in zip(asked, responses[1:], strict=True)]
        places = with_travel(places, params.travel_mode, flat(matrices))
    return PlaceList(places=tuple(places))


def _build_details(provider: Provider, params: PlaceDetailsParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    return (search_call(provider, "lookup", params.language, ("id", provider.native_id(params.place_id))),)


def _parse_details(provider: Provider, params: PlaceDetailsParams, responses: Responses) -> PlaceResult:
    if responses[0].status == 404:
        return PlaceResult(place=None)
    return PlaceResult(place=read_place(provider, need(responses[0].json(), kind=dict)))


def _build_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    at = ("at", lat_lon((params.lat, params.lon)))
    return (search_call(provider, "revgeocode", params.language, at, ("limit", str(params.limit))),)


def _parse_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> PlaceList:
    places = measured(read_places(provider, responses[0].json()), (params.lat, params.lon))
    return PlaceList(places=tuple(places[: params.limit]))


TEXT_SEARCH = Operation(_build_text, _parse_text, applied_here=frozenset({"limit"}))
NEARBY_SEARCH = Operation(
    _build_nearby, _parse_nearby, _refuse_nearby, applied_here=frozenset({"limit", "travel_mode"})
)
PLACE_DETAILS = Operation(_build_details, _parse_details)
REVERSE_GEOCODE = Operation(_build_reverse, _parse_reverse)
