"""Photon: names, addresses and kinds in OpenStreetMap, by the API of komoot/photon.

`nearby_search` goes over `/reverse`, which takes a radius and main tags. Photon holds what Nominatim indexes: an object
without a name, such as most benches, is missing, and so is one whose type stands in a second tag.

A server knows the languages that it was built with (the public one `en`, `de` and `fr`) and refuses others itself.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from annotator.errors import UpstreamFormatError
from annotator.geo import LatLon, bounding_box
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.categories import CATEGORIES
from annotator.maps.osm_place import KIND_KEYS
from annotator.maps.params import NearbySearchParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.provider import Operation, Provider, ProviderInfo, RateLimit, Responses
from annotator.maps.providers.nearby import measured, nearest_first, no_filter, within
from annotator.maps.providers.osm_answers import kilometres, object_id, place_of, texts
from annotator.maps.providers.reading import get, items, need
from annotator.maps.results import Place, PlaceList

MAX_LIMIT = 50
"""Results that the public server gives at most."""

TITLE = "Photon"


def _build_search(provider: "Photon", params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    # A box is wider than its circle: what lies in its corners must not crowd out what was asked for.
    limit = params.limit if params.radius_m is None else MAX_LIMIT
    query = [("q", params.query), ("limit", str(limit)), ("lang", _language(params.language))]
    if params.near is not None:
        query += _at(params.near)
        if params.radius_m is not None:
            south, west, north, east = bounding_box(params.near, params.radius_m)
            query.append(("bbox", ",".join(f"{edge:.6f}" for edge in (west, south, east, north))))
    return (HttpCall("GET", f"{provider.base_url}/api", query=tuple(query)),)


def _parse_search(provider: "Photon", params: TextSearchParams, responses: Responses) -> PlaceList:
    places = _places(provider, responses[0], params.language)
    if params.near is not None:
        places = within(places, params.near, params.radius_m)
    return PlaceList(places=tuple(places[: params.limit]))


def _build_reverse(provider: "Photon", params: ReverseGeocodeParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    query = (*_at((params.lat, params.lon)), ("limit", str(params.limit)), ("lang", _language(params.language)))
    return (HttpCall("GET", f"{provider.base_url}/reverse", query=query),)


def _parse_reverse(provider: "Photon", params: ReverseGeocodeParams, responses: Responses) -> PlaceList:
    places = measured(_places(provider, responses[0], params.language), (params.lat, params.lon))
    return PlaceList(places=tuple(places[: params.limit]))


def _main_tags(place_type: str | None) -> list[str]:
    """The tags of a type that Photon can filter by, in its syntax: it knows objects by their main tag only."""
    pairs = (tag.partition("=") for tag in CATEGORIES[place_type].osm_tags) if place_type else ()
    return [key if value == "*" else f"{key}:{value}" for key, _, value in pairs if key in KIND_KEYS]


def _refuse_nearby(provider: "Photon", params: NearbySearchParams) -> list[str]:
    reasons = no_filter(TITLE, params, "open_at", "wheelchair", "cuisine", "min_rating", "price_levels")
    if params.type is None:
        reasons.append(f"{TITLE} looks around a point for places of a type only: give a type")
    elif not _main_tags(params.type):
        reasons.append(f"{TITLE} cannot tell {params.type} from others: use overpass or a map of your own")
    if params.keyword is not None:
        reasons.append(
            f"{TITLE} takes no words around a point: leave out keyword, or use text_search with lat, lon and radius_m"
        )
    if params.rank == "prominence":
        reasons.append(f"{TITLE} ranks what is around a point by distance: leave rank at distance")
    if params.travel_mode is not None:
        reasons.append(f"{TITLE} has no routes: leave out travel_mode")
    return reasons


def _build_nearby(provider: "Photon", params: NearbySearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    query = (
        *_at((params.lat, params.lon)),
        ("radius", kilometres(params.radius_m)),
        *(("osm_tag", tag) for tag in _main_tags(params.type)),
        ("limit", str(params.limit)),
        # Two branches of one chain in one postcode look like duplicates to Photon.
        ("dedupe", "0"),
        ("lang", _language(params.language)),
    )
    return (HttpCall("GET", f"{provider.base_url}/reverse", query=query),)


def _parse_nearby(provider: "Photon", params: NearbySearchParams, responses: Responses) -> PlaceList:
    center = (params.lat, params.lon)
    places = within(_places(provider, responses[0], params.language), center, params.radius_m)
    return PlaceList(places=tuple(nearest_first(places, center)[: params.limit]))


def _at(point: LatLon) -> list[tuple[str, str]]:
    return [("lat", f"{point[0]:.6f}"), ("lon", f"{point[1]:.6f}")]


def _language(tag: str) -> str:
    """Photon's languages have no regions."""
    return tag.partition("-")[0]


def _places(provider: "Photon", response: HttpResponse, language: str) -> list[Place]:
    payload = response.json()
    need(payload, "features", kind=list)
    return [_place(provider, feature, language) for feature in items(payload, "features")]


def _place(provider: "Photon", feature: Mapping[str, Any], language: str) -> Place:
    said = need(feature, "properties", kind=dict)
    tags = texts(said.get("extra")) | texts({"name": said.get("name")}) | _main_tag(said)
    street = get(said, "street", kind=str)
    if street is None and get(said, "type", kind=str) == "street":
        street = get(said, "name", kind=str)
    return place_of(
        provider,
        # Entries from other sources than OpenStreetMap are no objects.
        object_id(said.get("osm_type"), said["osm_id"]) if "osm_id" in said else None,
        (
            need(feature, "geometry", "coordinates", 1, kind=float),
            need(feature, "geometry", "coordinates", 0, kind=float),
        ),
        tags,
        language,
        parts={
            "street": street,
            "house_number": get(said, "housenumber", kind=str),
            "postcode": get(said, "postcode", kind=str),
            "city": get(said, "city", kind=str),
            "district": get(said, "district", kind=str) or get(said, "locality", kind=str),
            "state": get(said, "state", kind=str),
            "country": get(said, "country", kind=str),
            "country_code": (get(said, "countrycode", kind=str) or "").upper(),
        },
    )


def _main_tag(said: Mapping[str, Any]) -> dict[str, str]:
    key, value = get(said, "osm_key", kind=str), get(said, "osm_value", kind=str)
    return {key: value} if key and value else {}


class Photon(Provider):
    """The search engine of komoot, or one of your own."""

    info = ProviderInfo(
        key="photon",
        title=TITLE,
        family="osm",
        namespace="osm",
        version=1,
        base_url="https://photon.komoot.io",
        licence="ODbL-1.0",
        attribution="© OpenStreetMap contributors, search by Photon",
        terms_url="https://photon.komoot.io/",
        # "Fair use" has no number there; this is what OpenStreetMap's own geocoder allows.
        rate_limit=RateLimit(interval_s=1.0),
        is_public_service=True,
    )
    operations: ClassVar = {
        "text_search": Operation(_build_search, _parse_search, applied_here=frozenset({"limit"})),
        "reverse_geocode": Operation(_build_reverse, _parse_reverse),
        "nearby_search": Operation(_build_nearby, _parse_nearby, _refuse_nearby),
    }

    def error_message(self, response: HttpResponse) -> str:
        """The message of an error, such as that a language is not among the server's."""
        try:
            return get(response.json(), "message", kind=str) or ""
        except UpstreamFormatError:
            return ""
