"""Nominatim: names and addresses of OpenStreetMap, by its `jsonv2` API (version 4 and later).

It has no search around a point: its special phrases (`[pub]` within a box) give some of the best known pubs, not the
nearest ones, and its documentation sends those who want all of them to Overpass. So there is no `nearby_search` here,
and a `text_search` within a radius may leave out what Nominatim thinks unimportant.

Nominatim's own `place_id` changes with every import and is never used.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import bounding_box, round_degrees
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import PlaceDetailsParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.provider import Operation, Policy, Provider, ProviderInfo, RateLimit, Responses
from annotator.maps.providers.nearby import measured, within
from annotator.maps.providers.osm_answers import object_id, object_of, place_of, texts
from annotator.maps.providers.reading import get, number
from annotator.maps.results import Place, PlaceList, PlaceResult

MAX_LIMIT = 40
"""Results that the public server gives at most."""

LEAN_M = 20_000.0
"""Half the box in which results are preferred when no radius is given."""

_ADDRESS = {
    "street": ("road", "pedestrian", "footway", "path", "cycleway", "square"),
    "house_number": ("house_number",),
    "postcode": ("postcode",),
    "city": ("city", "town", "village", "municipality", "hamlet"),
    "district": ("suburb", "city_district", "quarter", "neighbourhood"),
    "state": ("state", "region", "province"),
    "country": ("country",),
    "country_code": ("country_code",),
}


def _asking(language: str) -> tuple[tuple[str, str], ...]:
    return (
        ("format", "jsonv2"),
        ("addressdetails", "1"),
        ("extratags", "1"),
        ("namedetails", "1"),
        ("accept-language", language),
    )


def _build_search(provider: "Nominatim", params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    # A box is wider than its circle: what lies in its corners must not crowd out what was asked for.
    limit = params.limit if params.radius_m is None else MAX_LIMIT
    query = [("q", params.query), *_asking(params.language), ("limit", str(limit))]
    if params.near is not None:
        south, west, north, east = bounding_box(params.near, params.radius_m or LEAN_M)
        query.append(("viewbox", ",".join(f"{round_degrees(edge):.6f}" for edge in (west, south, east, north))))
        query.append(("bounded", "0" if params.radius_m is None else "1"))
    return (HttpCall("GET", f"{provider.base_url}/search", query=tuple(query)),)


def _parse_search(provider: "Nominatim", params: TextSearchParams, responses: Responses) -> PlaceList:
    places = _places(provider, _rows(responses[0]), params.language)
    if params.near is not None:
        places = within(places, params.near, params.radius_m)
    return PlaceList(places=tuple(places[: params.limit]))


def _build_details(provider: "Nominatim", params: PlaceDetailsParams, responses: Responses) -> tuple[HttpCall, ...]:
    kind, osm_id = object_of(provider, params.place_id)
    if responses:
        return ()
    query = (("osm_ids", f"{kind[0].upper()}{osm_id}"), *_asking(params.language))
    return (HttpCall("GET", f"{provider.base_url}/lookup", query=query),)


def _parse_details(provider: "Nominatim", params: PlaceDetailsParams, responses: Responses) -> PlaceResult:
    places = _places(provider, _rows(responses[0]), params.language)
    return PlaceResult(place=places[0] if places else None)


def _refuse_reverse(provider: "Nominatim", params: ReverseGeocodeParams) -> list[str]:
    if params.limit == 1:
        return []
    return [f"Nominatim gives one place for a position, not {params.limit}: leave limit at 1"]


def _build_reverse(provider: "Nominatim", params: ReverseGeocodeParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    query = (("lat", f"{params.lat:.6f}"), ("lon", f"{params.lon:.6f}"), ("zoom", "18"), *_asking(params.language))
    return (HttpCall("GET", f"{provider.base_url}/reverse", query=query),)


def _parse_reverse(provider: "Nominatim", params: ReverseGeocodeParams, responses: Responses) -> PlaceList:
    row = responses[0].json()
    error = get(row, "error", kind=str)
    if error == "Unable to geocode":
        return PlaceList(places=())
    if not isinstance(row, dict) or "error" in row:
        raise UpstreamError(f"Nominatim found no address: {error or 'its answer is no place'}")
    return PlaceList(places=tuple(measured(_places(provider, [row], params.language), (params.lat, params.lon))))


def _rows(response: HttpResponse) -> list[dict[str, Any]]:
    payload = response.json()
    if not isinstance(payload, list):
        raise UpstreamError(f"Nominatim found nothing: {_message(payload) or 'its answer is no list'}")
    return [row for row in payload if isinstance(row, dict)]


def _message(payload: Any) -> str:
    return get(payload, "error", "message", kind=str) or get(payload, "error", kind=str) or ""


def _places(provider: "Nominatim", rows: list[dict[str, Any]], language: str) -> list[Place]:
    return [_place(provider, row, language) for row in rows]


def _place(provider: "Nominatim", row: Mapping[str, Any], language: str) -> Place:
    return place_of(
        provider,
        # What it computed, such as the middle of a postcode, is no object.
        object_id(row["osm_type"], row.get("osm_id")) if "osm_type" in row else None,
        (number(row, "lat"), number(row, "lon")),
        # A server may keep no name details; then the one name that it gives has to do.
        {
            **texts({"name": row.get("name")}),
            **texts(row.get("namedetails")),
            **texts(row.get("extratags")),
            **_main_tag(row),
        },
        language,
        parts=_address(texts(row.get("address"))),
        address=get(row, "display_name", kind=str),
        attributes={
            "importance": get(row, "importance", kind=float),
            "place_rank": get(row, "place_rank", kind=int),
            "addresstype": get(row, "addresstype", kind=str),
        },
    )


def _main_tag(row: Mapping[str, Any]) -> dict[str, str]:
    key, value = get(row, "category", kind=str), get(row, "type", kind=str)
    return {key: value} if key and value else {}


def _address(said: Mapping[str, str]) -> dict[str, str]:
    parts = {
        part: value
        for part, names in _ADDRESS.items()
        if (value := next((said[name] for name in names if name in said), None))
    }
    if "country_code" in parts:
        parts["country_code"] = parts["country_code"].upper()
    return parts


class Nominatim(Provider):
    """The geocoder of openstreetmap.org, or one of your own."""

    info = ProviderInfo(
        key="nominatim",
        title="Nominatim",
        family="osm",
        namespace="osm",
        version=1,
        base_url="https://nominatim.openstreetmap.org",
        licence="ODbL-1.0",
        attribution="© OpenStreetMap contributors",
        terms_url="https://operations.osmfoundation.org/policies/nominatim/",
        policy=Policy(autocomplete=False),
        # The policy counts all users of an application together.
        rate_limit=RateLimit(interval_s=1.0),
        is_public_service=True,
        needs_contact=True,
    )
    operations: ClassVar = {
        "text_search": Operation(_build_search, _parse_search, applied_here=frozenset({"limit"})),
        "place_details": Operation(_build_details, _parse_details),
        "reverse_geocode": Operation(_build_reverse, _parse_reverse, _refuse_reverse),
    }

    def error_message(self, response: HttpResponse) -> str:
        """The message of an error; those of the web server in front of it are HTML and say nothing."""
        try:
            return _message(response.json())
        except UpstreamFormatError:
            return ""
