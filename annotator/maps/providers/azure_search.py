"""Azure Maps Search 1.0: places by words, by category and around a point, and addresses.

https://learn.microsoft.com/rest/api/maps/search. A radius is exact at Azure; distances and travel times are measured
here and by its matrix. It gives no place by its id.
"""

import math
from typing import Any

from annotator.geo import LatLon
from annotator.maps.calls import HttpCall
from annotator.maps.params import NearbySearchParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.azure_cuisines import CUISINES, cuisine_category
from annotator.maps.providers.azure_http import TITLE, get_call, language_tag
from annotator.maps.providers.azure_matrix import matrix_call, mode_refusals, read_matrix
from annotator.maps.providers.nearby import flat, measured, nearest_first, no_filter, to_each, with_travel, within
from annotator.maps.providers.positions import lat_lon, on_earth
from annotator.maps.providers.reading import get, items, need, number
from annotator.maps.providers.tomtom_categories import TOMTOM_CATEGORIES, categories_of_tomtom
from annotator.maps.results import Place, PlaceList

NUM_TEXT = 20
NUM_NEARBY = 100

_PARTS = {
    "street": "streetName",
    "house_number": "streetNumber",
    "postcode": "postalCode",
    "city": "municipality",
    "district": "municipalitySubdivision",
    "state": "countrySubdivision",
    "country": "country",
    "country_code": "countryCode",
}


def type_refusals(place_type: str | None) -> list[str]:
    """Why places of a canonical type cannot be searched for."""
    if place_type is None or place_type in TOMTOM_CATEGORIES:
        return []
    return [f"{TITLE} has no category for {place_type}: leave out type and give it as keyword"]


def category_set(categories: tuple[int, ...]) -> tuple[tuple[str, str], ...]:
    """Categories as a query has them; none if there are none."""
    return (("categorySet", ",".join(map(str, categories))),) if categories else ()


def _around(center: LatLon, radius_m: float | None) -> list[tuple[str, str]]:
    lat, lon = lat_lon(center).split(",")
    # Whole metres, and never too few of them.
    radius = [] if radius_m is None else [("radius", str(math.ceil(radius_m)))]
    return [("lat", lat), ("lon", lon), *radius]


def _address_parts(raw: dict[str, Any]) -> dict[str, str]:
    parts = {part: get(raw, "address", name, kind=str) for part, name in _PARTS.items()}
    return {part: text for part, text in parts.items() if text}


def read_place(provider: Provider, raw: dict[str, Any]) -> Place:
    """A result of any of the searches.

    Raises:
        UpstreamFormatError: it has no id or position.
    """
    lat, lon = on_earth(need(raw, "position", "lat", kind=float), need(raw, "position", "lon", kind=float))
    kind = get(raw, "type", kind=str)
    address = get(raw, "address", "freeformAddress", kind=str)
    categories = [get(entry, "id", kind=int) for entry in items(raw, "poi", "categorySet")]
    brands = [get(entry, "name", kind=str) for entry in items(raw, "poi", "brands")]
    return Place(
        pid=provider.pid(need(raw, "id", kind=str)),
        provider=provider.info.key,
        name=get(raw, "poi", "name", kind=str) or (address if kind == "Geography" else "") or "",
        lat=lat,
        lon=lon,
        address=address,
        address_parts=_address_parts(raw),
        categories=categories_of_tomtom(category for category in categories if category is not None and category > 0),
        kind=get(raw, "poi", "classifications", 0, "code", kind=str) or kind,
        phone=get(raw, "poi", "phone", kind=str),
        website=get(raw, "poi", "url", kind=str),
        attributes={"brands": known} if (known := [brand for brand in brands if brand]) else {},
    )


def read_places(provider: Provider, payload: Any) -> list[Place]:
    """The places of a search.

    Raises:
        UpstreamFormatError: it has no list of them.
    """
    need(payload, "results", kind=list)
    return [read_place(provider, raw) for raw in items(payload, "results")]


def _build_text(provider: Provider, params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    where = [] if params.near is None else _around(params.near, params.radius_m)
    language = ("language", language_tag(params.language))
    return (
        get_call(provider, "/search/fuzzy/json", ("query", params.query), *where, ("limit", str(NUM_TEXT)), language),
    )


def _parse_text(provider: Provider, params: TextSearchParams, responses: Responses) -> PlaceList:
    payload = responses[0].json()
    places = read_places(provider, payload)
    if params.near is not None:
        places = within(places, params.near, params.radius_m)
    return PlaceList(places=tuple(places[: params.limit]), total=get(payload, "summary", "totalResults", kind=int))


def _refuse_nearby(provider: Provider, params: NearbySearchParams) -> list[str]:
    reasons = type_refusals(params.type)
    reasons += no_filter(TITLE, params, "open_at", "wheelchair", "min_rating", "price_levels")
    if params.cuisine is not None and cuisine_category(params.cuisine) is None:
        reasons.append(f"{TITLE} has no cuisine '{params.cuisine}': use one of {', '.join(CUISINES)}")
    if params.cuisine is not None and params.type not in (None, "restaurant"):
        reasons.append(f"{TITLE} knows the cuisine of restaurants only: leave out cuisine or type")
    if params.rank == "prominence":
        reasons.append(f"{TITLE} does not tell how prominent places are: give rank distance")
    return reasons if params.travel_mode is None else reasons + mode_refusals(params.travel_mode)


def _categories(params: NearbySearchParams) -> tuple[int, ...]:
    cuisine = None if params.cuisine is None else cuisine_category(params.cuisine)
    if cuisine is not None:
        return (cuisine,)
    return () if params.type is None else TOMTOM_CATEGORIES[params.type]


def _build_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    center = (params.lat, params.lon)
    if responses:
        places = _near(provider, params, responses) if len(responses) == 1 and params.travel_mode is not None else []
        asked = to_each(center, places, params.travel_mode or "drive")
        return tuple(matrix_call(provider, one) for one in asked)
    query = [
        *_around(center, params.radius_m),
        *category_set(_categories(params)),
        ("limit", str(NUM_NEARBY)),
        ("language", language_tag(params.language)),
    ]
    if params.keyword is None:
        return (get_call(provider, "/search/nearby/json", *query),)
    return (get_call(provider, "/search/poi/json", ("query", params.keyword), *query),)


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


def _refuse_reverse(provider: Provider, params: ReverseGeocodeParams) -> list[str]:
    return [f"{TITLE} names one address for a position: give limit 1"] if params.limit > 1 else []


def _build_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    at = ("query", lat_lon((params.lat, params.lon)))
    return (get_call(provider, "/search/address/reverse/json", at, ("language", language_tag(params.language))),)


def _parse_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> PlaceList:
    payload = responses[0].json()
    need(payload, "addresses", kind=list)
    places = [_read_address(provider, raw) for raw in items(payload, "addresses")]
    return PlaceList(places=tuple(measured(places, (params.lat, params.lon))[: params.limit]))


def _read_address(provider: Provider, raw: dict[str, Any]) -> Place:
    """An address, which has no id: where it is says which it is."""
    position = need(raw, "position", kind=str)
    coordinates = position.split(",")
    lat, lon = on_earth(number(coordinates, 0), number(coordinates, 1))
    return Place(
        pid=provider.pid(f"address:{lat_lon((lat, lon))}"),
        provider=provider.info.key,
        name="",
        lat=lat,
        lon=lon,
        address=get(raw, "address", "freeformAddress", kind=str),
        address_parts=_address_parts(raw),
        kind="address",
    )


TEXT_SEARCH = Operation(_build_text, _parse_text, applied_here=frozenset({"limit"}))
NEARBY_SEARCH = Operation(
    _build_nearby, _parse_nearby, _refuse_nearby, applied_here=frozenset({"limit", "travel_mode"})
)
REVERSE_GEOCODE = Operation(_build_reverse, _parse_reverse, _refuse_reverse)
