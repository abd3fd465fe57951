"""Places of openrouteservice: its geocoder (Pelias, `/geocode`) and its points of interest (`/pois`).

The geocoder mixes several gazetteers; only OpenStreetMap is asked, whose ids and licence the other providers share. So
towns and regions, which it takes from Who's On First, are not found; streets, addresses and venues are.

Points of interest come nearest first; words, wheelchair access and hours are judged here, among the nearest 2000. They
carry name, address, hours, phone, website and wheelchair access, and no other tags.
"""

import math
from collections.abc import Mapping
from typing import Any

from annotator.errors import InputError, UpstreamFormatError
from annotator.geo import LatLon
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import NearbySearchParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.nearby import measured, nearest_first, no_filter, pairs, position, with_travel, within
from annotator.maps.providers.ors_categories import MAX_CATEGORIES, TAGS, ids_of
from annotator.maps.providers.ors_routes import SECRETS, TITLE, matrix_call, mode_refusals, read_matrix
from annotator.maps.providers.osm_answers import (
    kilometres,
    object_id,
    open_at_refusals,
    place_of,
    surely_open,
    texts,
)
from annotator.maps.providers.osm_words import WORD_KEYS, called, holds_words
from annotator.maps.providers.reading import get, items, need
from annotator.maps.results import Place, PlaceList

MAX_RADIUS_M = 2000.0
MAX_POIS = 2000


def _build_search(provider: Provider, params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    query = [("text", params.query), *_geocoder(params.limit, params.language)]
    if params.near is not None:
        query += _at("focus.point", params.near)
        if params.radius_m is not None:
            query += _at("boundary.circle", params.near)
            query.append(("boundary.circle.radius", kilometres(params.radius_m)))
    return (HttpCall("GET", f"{provider.base_url}/geocode/search", query=tuple(query), secrets=SECRETS),)


def _parse_search(provider: Provider, params: TextSearchParams, responses: Responses) -> PlaceList:
    places = _addresses(provider, responses[0], params.language)
    if params.near is not None:
        places = within(places, params.near, params.radius_m)
    return PlaceList(places=tuple(places[: params.limit]))


def _build_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    query = (*_at("point", (params.lat, params.lon)), *_geocoder(params.limit, params.language))
    return (HttpCall("GET", f"{provider.base_url}/geocode/reverse", query=query, secrets=SECRETS),)


def _parse_reverse(provider: Provider, params: ReverseGeocodeParams, responses: Responses) -> PlaceList:
    places = measured(_addresses(provider, responses[0], params.language), (params.lat, params.lon))
    return PlaceList(places=tuple(places[: params.limit]))


def _geocoder(limit: int, language: str) -> tuple[tuple[str, str], ...]:
    return (("sources", "openstreetmap"), ("size", str(limit)), ("lang", language))


def _at(name: str, point: LatLon) -> tuple[tuple[str, str], ...]:
    return ((f"{name}.lat", f"{point[0]:.6f}"), (f"{name}.lon", f"{point[1]:.6f}"))


def _addresses(provider: Provider, response: HttpResponse, language: str) -> list[Place]:
    payload = response.json()
    need(payload, "features", kind=list)
    return [_address(provider, feature, language) for feature in items(payload, "features")]


def _address(provider: Provider, feature: Mapping[str, Any], language: str) -> Place:
    said = need(feature, "properties", kind=dict)
    return place_of(
        provider,
        _object(need(said, "id", kind=str)),
        _point(feature),
        texts(get(said, "addendum", "osm", kind=dict)) | texts({"name": said.get("name")}),
        language,
        parts={
            "street": get(said, "street", kind=str),
            "house_number": get(said, "housenumber", kind=str),
            "postcode": get(said, "postalcode", kind=str),
            "city": get(said, "locality", kind=str) or get(said, "localadmin", kind=str),
            "district": get(said, "borough", kind=str) or get(said, "neighbourhood", kind=str),
            "state": get(said, "region", kind=str),
            "country": get(said, "country", kind=str),
            "country_code": get(said, "country_code", kind=str),
        },
        address=get(said, "label", kind=str),
        attributes={"layer": get(said, "layer", kind=str), "confidence": get(said, "confidence", kind=float)},
    )


def _object(gazetteer_id: str) -> str | None:
    """The object of `node/123`; a street is a line that was made of several, as `polyline:123`, and is none."""
    kind, _, digits = gazetteer_id.replace(":", "/").partition("/")
    if kind == "polyline":
        return None
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20):
        raise UpstreamFormatError(f"the answer's place '{gazetteer_id[:40]}' is no OpenStreetMap object")
    return object_id(kind, int(digits))


def _point(feature: Mapping[str, Any]) -> LatLon:
    lon, lat = (need(feature, "geometry", "coordinates", index, kind=float) for index in (0, 1))
    return lat, lon


def _filters_here(params: NearbySearchParams) -> bool:
    return params.keyword is not None or bool(params.wheelchair) or params.open_at is not None


def _refuse_nearby(provider: Provider, params: NearbySearchParams) -> list[str]:
    reasons = no_filter(TITLE, params, "cuisine", "min_rating", "price_levels") + open_at_refusals(params.open_at)
    if params.radius_m > MAX_RADIUS_M:
        reasons.append(f"{TITLE} looks at most {MAX_RADIUS_M:.0f} m around a point: give a smaller radius_m")
    if params.type is not None and not ids_of(params.type):
        reasons.append(f"{TITLE} has no category for {params.type}: use overpass or a map of your own")
    if params.rank == "prominence":
        reasons.append(f"{TITLE} does not know what is prominent: leave rank at distance")
    if params.travel_mode is not None:
        reasons += mode_refusals(params.travel_mode)
    return reasons


def _build_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if not responses:
        return (_pois_call(provider, params),)
    if params.travel_mode is None or len(responses) > 1:
        return ()
    spots = [position(place) for place in _nearest(provider, params, responses[0])]
    return (matrix_call(provider, params.travel_mode, [(params.lat, params.lon)], spots),) if spots else ()


def _pois_call(provider: Provider, params: NearbySearchParams) -> HttpCall:
    body: dict[str, Any] = {
        "request": "pois",
        "geometry": {
            "geojson": {"type": "Point", "coordinates": [params.lon, params.lat]},
            "buffer": math.ceil(params.radius_m),
        },
        # It stops one short of its limit.
        "limit": MAX_POIS if _filters_here(params) else params.limit + 1,
        "sortby": "distance",
    }
    if params.type is not None:
        body["filters"] = {"category_ids": ids_of(params.type)[:MAX_CATEGORIES]}
    return HttpCall("POST", f"{provider.base_url}/pois", json=body, secrets=SECRETS)


def _parse_nearby(provider: Provider, params: NearbySearchParams, responses: Responses) -> PlaceList:
    places = _nearest(provider, params, responses[0])
    if params.travel_mode is not None and places:
        center = (params.lat, params.lon)
        asked = pairs([center], [position(place) for place in places], params.travel_mode)
        places = with_travel(places, params.travel_mode, read_matrix(responses[1], asked)[0])
    return PlaceList(places=tuple(places))


def _nearest(provider: Provider, params: NearbySearchParams, response: HttpResponse) -> list[Place]:
    """What was asked for, nearest first.

    Raises:
        InputError: there may be more that match, beyond what openrouteservice gives.
    """
    payload = response.json()
    # Its service wraps a collection for every polygon asked about in a list.
    collection = payload[0] if isinstance(payload, list) and len(payload) == 1 else payload
    need(collection, "features", kind=list)
    features = items(collection, "features")
    center = (params.lat, params.lon)
    found = [(feature, tags) for feature in features if _is_wanted(tags := _tags(feature), params)]
    pois = (_poi(provider, feature, tags, params.language) for feature, tags in found)
    places = surely_open(within(pois, center, params.radius_m), params.open_at)
    if _filters_here(params) and len(places) < params.limit and len(features) >= MAX_POIS - 1:
        raise InputError(f"more than {len(features)} places are around: ask for a smaller radius_m", param="radius_m")
    return nearest_first(places, center)[: params.limit]


def _is_wanted(tags: Mapping[str, str], params: NearbySearchParams) -> bool:
    if params.wheelchair and tags.get("wheelchair") not in ("yes", "designated"):
        return False
    return params.keyword is None or holds_words(params.keyword, called(tags, WORD_KEYS))


def _tags(feature: Mapping[str, Any]) -> dict[str, str]:
    """The tags that it gives, and those that its category numbers mean."""
    tags = texts(get(feature, "properties", "osm_tags", kind=dict))
    for number in get(feature, "properties", "category_ids", kind=dict) or {}:
        key, _, value = TAGS.get(number, "").partition("=")
        if key:
            tags[key] = value
    return tags


def _poi(provider: Provider, feature: Mapping[str, Any], tags: dict[str, str], language: str) -> Place:
    osm_type, osm_id = (need(feature, "properties", name, kind=int) for name in ("osm_type", "osm_id"))
    return place_of(provider, object_id(osm_type, osm_id), _point(feature), tags, language)


TEXT_SEARCH = Operation(_build_search, _parse_search)
REVERSE_GEOCODE = Operation(_build_reverse, _parse_reverse)
NEARBY_SEARCH = Operation(
    _build_nearby,
    _parse_nearby,
    _refuse_nearby,
    applied_here=frozenset({"keyword", "wheelchair", "open_at", "limit", "language"}),
)
