"""TomTom's Search API 2: fuzzy search, place by id, nearby search and reverse geocoding.

https://developer.tomtom.com/search-api/documentation. It has no ratings, prices, cuisines or wheelchair access.
"""

import math
from collections.abc import Sequence
from typing import Any

from annotator.errors import InputError, UpstreamFormatError
from annotator.geo import LatLon
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.osm_place import address_line
from annotator.maps.params import NearbySearchParams, PlaceDetailsParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.nearby import flat, nearest_first, no_filter, to_each, with_travel, within
from annotator.maps.providers.positions import lat_lon, on_earth
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.tomtom_categories import TOMTOM_CATEGORIES, categories_of_tomtom
from annotator.maps.providers.tomtom_hours import opening_hours
from annotator.maps.providers.tomtom_http import TITLE, get_call, language_query, language_refusals, segment
from annotator.maps.providers.tomtom_routes import matrix_call, mode_refusals, read_matrix
from annotator.maps.results import Place, PlaceList, PlaceResult

NUM_MOST = 100
"""Most places that one search gives."""

_ADDRESS_ID = "address:"
"""Begins what names an address that TomTom has no id for."""

_ADDRESS = {
    "street": ("streetName",),
    "house_number": ("streetNumber",),
    "postcode": ("extendedPostalCode", "postalCode"),
    "city": ("municipality", "localName"),
    "district": ("municipalitySubdivision", "neighbourhood"),
    "state": ("countrySubdivisionName", "countrySubdivision"),
    "country": ("country",),
    "country_code": ("countryCode",),
}


def type_refusals(place_type: str | None) -> list[str]:
    """Why places of a canonical type cannot be searched for."""
    if place_type is None or place_type in TOMTOM_CATEGORIES:
        return []
    return [f"{TITLE} has no category for {place_type}: leave out type and give it as keyword"]


def category_query(place_type: str | None) -> tuple[tuple[str, str], ...]:
    """The filter for a canonical type; places of any of its categories pass."""
    if place_type is None:
        return ()
    return (("categorySet", ",".join(str(number) for number in TOMTOM_CATEGORIES[place_type])),)


def read_places(provider: Provider, response: HttpResponse) -> list[Place]:
    """The results of a search."""
    payload = response.json()
    need(payload, "results", kind=list)
    return [read_place(provider, result) for result in items(payload, "results")]


def read_place(provider: Provider, result: dict[str, Any]) -> Place:
    """One result: a place of interest, or an address, a street, a town."""
    lat, lon = on_earth(need(result, "position", "lat", kind=float), need(result, "position", "lon", kind=float))
    poi = get(result, "poi", kind=dict) or {}
    numbers = [number for entry in items(poi, "categorySet") if (number := get(entry, "id", kind=int)) is not None]
    kind = get(poi, "classifications", 0, "code", kind=str) or get(result, "type", kind=str)
    return Place(
        pid=provider.pid(need(result, "id", kind=str)),
        provider=provider.info.key,
        name=get(poi, "name", kind=str) or _name_of_address(result),
        lat=lat,
        lon=lon,
        **_address(result),
        categories=categories_of_tomtom(numbers),
        kind=kind,
        opening_hours=opening_hours(poi),
        phone=get(poi, "phone", kind=str) or None,
        website=get(poi, "url", kind=str) or None,
        attributes=_attributes(poi),
    )


def _name_of_address(result: dict[str, Any]) -> str:
    """Streets and towns have names; a house has only its address."""
    kind = get(result, "type", kind=str)
    if kind == "Street":
        return get(result, "address", "streetName", kind=str) or ""
    return get(result, "address", "freeformAddress", kind=str) or "" if kind == "Geography" else ""


def _address(result: dict[str, Any]) -> dict[str, Any]:
    parts = {
        part: text
        for part, names in _ADDRESS.items()
        if (text := next((found for name in names if (found := get(result, "address", name, kind=str))), None))
    }
    return {
        "address": get(result, "address", "freeformAddress", kind=str) or address_line(parts),
        "address_parts": parts,
    }


def _attributes(poi: dict[str, Any]) -> dict[str, Any]:
    brands = [name for brand in items(poi, "brands") if (name := get(brand, "name", kind=str))]
    kinds = [name for name in get(poi, "categories", kind=list) or [] if isinstance(name, str)]
    return {key: names for key, names in (("brands", brands), ("categories", kinds)) if names}


def _circle(center: LatLon, radius_m: float | None) -> tuple[tuple[str, str], ...]:
    """Where to look, in whole metres, not less than asked for: without a radius results only lean to the centre."""
    position = (("lat", f"{center[0]:.6f}"), ("lon", f"{center[1]:.6f}"))
    return position if radius_m is None else (*position, ("radius", str(math.ceil(radius_m))))


def _total(response: HttpResponse) -> int | None:
    return get(response.json(), "summary", "totalResults", kind=int)


def _refuse_search(provider: Provider, params: TextSearchParams) -> list[str]:
    return language_refusals(params.language)


def _build_search(provider: Provider, params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    where = _circle(params.near, params.radius_m) if params.near else ()
    query = (("limit", str(params.limit)), language_query(params.language), *where)
    return (get_call(provider, f"/search/2/search/{segment(params.query)}.json", *query),)


def _parse_search(provider: Provider, params: TextSearchParams, responses: Responses) -> PlaceList:
    places = read_places(provider, responses[0])
    if params.near is not None:
        places = within(places, params.near, params.radius_m)
    return PlaceList(places=tuple(places[: params.limit]), total=_total(responses[0]))


def _refuse_details(provider: Provider, params: PlaceDetailsParams) -> list[str]:
    return language_refusals(params.language)


def _build_details(provider: Provider, params: PlaceDetailsParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    native = provider.native_id(params.place_id)
    if native.startswith(_ADDRESS_ID):
        raise InputError(
            f"'{params.place_id}' is an address, of which {TITLE} tells no more: ask reverse_geocode where it is",
            param="place_id",
        )
    query = (
        ("entityId", native),
        language_query(params.language),
        ("openingHours", "nextSevenDays"),
        ("timeZone", "iana"),
    )
    return (get_call(provider, "/search/2/place.json", *query),)


def _parse_details(provider: Provider, params: PlaceDetailsParams, responses: Responses) -> PlaceResult:
    if responses[0].status == 404:
        return PlaceResult(place=None)
    places = read_places(provider, responses[0])
    return PlaceResult(place=places[0] if places else None)


def _refuse_reverse(provider: Provider, params: ReverseGeocodeParams) -> list[str]:
    return language_refusals(params.language)


def _build_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    path = f"/search/2/reverseGeocode/{lat_lon((params.lat, params.lon))}.json"
    return (get_call(provider, path, language_query(params.language)),)


def _parse_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> PlaceList:
    payload = responses[0].json()
    need(payload, "addresses", kind=list)
    places = [_read_address(provider, entry) for entry in items(payload, "addresses")]
    return PlaceList(places=tuple(within(places, (params.lat, params.lon), None)[: params.limit]))


def _read_address(provider: Provider, entry: dict[str, Any]) -> Place:
    """An address of reverse geocoding, whose position is text."""
    text = need(entry, "position", kind=str)
    try:
        lat, lon = (float(part) for part in text.split(","))
    except ValueError:
        raise UpstreamFormatError(f"the answer's position is '{text[:40]}', not lat,lon") from None
    lat, lon = on_earth(lat, lon)
    return Place(
        # Addresses may have no id: where they are is all that names them.
        pid=provider.pid(get(entry, "id", kind=str) or f"{_ADDRESS_ID}{lat_lon((lat, lon))}"),
        provider=provider.info.key,
        name="",
        lat=lat,
        lon=lon,
        kind=get(entry, "entityType", kind=str) or get(entry, "matchType", kind=str) or "Address",
        **_address(entry),
    )


def _refuse_nearby(provider: Provider, params: NearbySearchParams) -> list[str]:
    reasons = type_refusals(params.type) + language_refusals(params.language)
    reasons += no_filter(TITLE, params, "open_at", "wheelchair", "cuisine", "min_rating", "price_levels")
    if params.rank == "prominence":
        reasons.append(f"{TITLE} does not tell how prominent places are: give rank distance")
    if params.travel_mode is not None:
        reasons += mode_refusals(params.travel_mode)
    return reasons


def _build_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    center = params.lat, params.lon
    if responses:
        places = _nearby(provider, params, responses)
        if params.travel_mode is None or not places or len(responses) > 1:
            return ()
        return tuple(matrix_call(provider, asked) for asked in to_each(center, places, params.travel_mode))
    query = (*_circle(center, params.radius_m), language_query(params.language), *category_query(params.type))
    if params.keyword is None:
        return (get_call(provider, "/search/2/nearbySearch/.json", ("limit", str(params.limit)), *query),)
    # A search by words comes in the order of their likeness: the nearest are found among as many as there can be.
    path = f"/search/2/poiSearch/{segment(params.keyword)}.json"
    return (get_call(provider, path, ("limit", str(NUM_MOST)), *query),)


def _nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> Sequence[Place]:
    center = params.lat, params.lon
    found = [
        place
        for place in within(read_places(provider, responses[0]), center, params.radius_m)
        if params.type is None or params.type in place.categories
    ]
    return nearest_first(found, center)[: params.limit]


def _parse_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> PlaceList:
    places = _nearby(provider, params, responses)
    if params.travel_mode is not None and places:
        asked = to_each((params.lat, params.lon), places, params.travel_mode)
        matrices = (read_matrix(response, matrix) for response, matrix in zip(responses[1:], asked, strict=True))
        places = with_travel(places, params.travel_mode, flat(matrices))
    return PlaceList(places=tuple(places), total=_total(responses[0]))


TEXT_SEARCH = Operation(_build_search, _parse_search, _refuse_search)
PLACE_DETAILS = Operation(_build_details, _parse_details, _refuse_details)
REVERSE_GEOCODE = Operation(_build_reverse, _parse_reverse, _refuse_reverse, applied_here=frozenset({"limit"}))
NEARBY_SEARCH = Operation(
    _build_nearby, _parse_nearby, _refuse_nearby, applied_here=frozenset({"limit", "travel_mode"})
)
