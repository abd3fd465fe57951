"""Overpass: every object of OpenStreetMap by its tags and position, by Overpass QL.

What is nearby is complete and ranked here by true distance, measured to the middle of an object: all that match are
fetched, and a search that more than `MAX_ELEMENTS` match is refused. `text_search` knows names and no addresses, and
needs a circle to look in: those who are called so first, then those whose name begins so, then all that hold the words.
Overpass has no router, hence no routes and nothing along them.
"""

import html
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from annotator.errors import InputError, UnsupportedError, UpstreamError
from annotator.geo import LatLon
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import NearbySearchParams, PlaceDetailsParams, TextSearchParams
from annotator.maps.provider import Operation, Provider, ProviderInfo, RateLimit, Responses
from annotator.maps.providers.nearby import nearest_first, no_filter, within
from annotator.maps.providers.osm_answers import (
    object_id,
    object_of,
    open_at_refusals,
    place_of,
    surely_open,
    texts,
)
from annotator.maps.providers.osm_words import NAME_KEYS, WORD_KEYS, called, has_cuisine, holds_words
from annotator.maps.providers.overpass_ql import MAX_ELEMENTS, name_query, nearby_query, object_query
from annotator.maps.providers.reading import get, items, need
from annotator.maps.results import Place, PlaceList, PlaceResult

TITLE = "Overpass"

_NO_CIRCLE = f"{TITLE} looks for names within a circle only: give lat, lon and radius_m, or ask nominatim or photon"

_HTML_ERROR = re.compile(r"<strong[^>]*>\s*Error\s*</strong>\s*:\s*(.*?)\s*</p>", re.DOTALL | re.IGNORECASE)


def _refuse_search(provider: "Overpass", params: TextSearchParams) -> list[str]:
    return [_NO_CIRCLE] if params.radius_m is None else []


def _build_search(provider: "Overpass", params: TextSearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    return () if responses else (provider.call(name_query(*_circle(params), params.query)),)


def _parse_search(provider: "Overpass", params: TextSearchParams, responses: Responses) -> PlaceList:
    closeness: dict[str, int] = {}
    places = []
    for element in _elements(responses[0]):
        names = called(texts(element.get("tags")), NAME_KEYS)
        if holds_words(params.query, names):
            places.append(_place(provider, element, params.language))
            closeness[places[-1].pid] = _closeness(params.query, names)
    center, radius_m = _circle(params)
    places = nearest_first(within(places, center, radius_m), center)
    places.sort(key=lambda place: closeness[place.pid])
    return PlaceList(places=tuple(places[: params.limit]), total=len(places))


def _circle(params: TextSearchParams) -> tuple[LatLon, float]:
    if params.near is None or params.radius_m is None:
        raise UnsupportedError(_NO_CIRCLE)
    return params.near, params.radius_m


def _closeness(query: str, names: list[str]) -> int:
    wanted, lowered = query.lower(), [name.lower() for name in names]
    if wanted in lowered:
        return 0
    return 1 if any(name.startswith(wanted) for name in lowered) else 2


def _build_details(provider: "Overpass", params: PlaceDetailsParams, responses: Responses) -> tuple[HttpCall, ...]:
    kind, osm_id = object_of(provider, params.place_id)
    return () if responses else (provider.call(object_query(kind, osm_id)),)


def _parse_details(provider: "Overpass", params: PlaceDetailsParams, responses: Responses) -> PlaceResult:
    elements = _elements(responses[0])
    return PlaceResult(place=_place(provider, elements[0], params.language) if elements else None)


def _refuse_nearby(provider: "Overpass", params: NearbySearchParams) -> list[str]:
    reasons = no_filter(TITLE, params, "min_rating", "price_levels") + open_at_refusals(params.open_at)
    if params.rank == "prominence":
        reasons.append(f"{TITLE} does not know what is prominent: leave rank at distance")
    if params.travel_mode is not None:
        reasons.append(f"{TITLE} has no routes: leave out travel_mode")
    return reasons


def _build_nearby(provider: "Overpass", params: NearbySearchParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    query = nearby_query(
        (params.lat, params.lon),
        params.radius_m,
        place_type=params.type,
        keyword=params.keyword,
        cuisine=params.cuisine,
        step_free=bool(params.wheelchair),
        with_hours=params.open_at is not None,
    )
    return (provider.call(query),)


def _parse_nearby(provider: "Overpass", params: NearbySearchParams, responses: Responses) -> PlaceList:
    center = (params.lat, params.lon)
    places = []
    for element in _elements(responses[0]):
        tags = texts(element.get("tags"))
        if params.keyword is not None and not holds_words(params.keyword, called(tags, WORD_KEYS)):
            continue
        if params.cuisine is not None and not has_cuisine(tags, params.cuisine):
            continue
        places.append(_place(provider, element, params.language))
    places = nearest_first(surely_open(within(places, center, params.radius_m), params.open_at), center)
    return PlaceList(places=tuple(places[: params.limit]), total=len(places))


def _elements(response: HttpResponse) -> list[dict[str, Any]]:
    """The objects of an answer that is whole.

    Raises:
        UpstreamError: the query was broken off; what it found until then may lack the nearest.
        InputError: there are too many to have them all.
    """
    payload = response.json()
    need(payload, "elements", kind=list)
    if remark := get(payload, "remark", kind=str):
        raise UpstreamError(f"{TITLE} broke off: {remark[:200]}; ask for a smaller radius_m, or try again later")
    elements = items(payload, "elements")
    if len(elements) > MAX_ELEMENTS:
        raise InputError(f"more than {MAX_ELEMENTS} places match: ask for a smaller radius_m", param="radius_m")
    # A relation without members is nowhere.
    return [element for element in elements if element.get("type") != "relation" or "center" in element]


def _place(provider: "Overpass", element: Mapping[str, Any], language: str) -> Place:
    spot = element if element.get("type") == "node" else need(element, "center", kind=dict)
    return place_of(
        provider,
        object_id(element.get("type"), element.get("id")),
        (need(spot, "lat", kind=float), need(spot, "lon", kind=float)),
        texts(element.get("tags")),
        language,
    )


class Overpass(Provider):
    """The query service of OpenStreetMap, or one of your own."""

    info = ProviderInfo(
        key="overpass",
        title=TITLE,
        family="osm",
        namespace="osm",
        version=1,
        base_url="https://overpass-api.de",
        licence="ODbL-1.0",
        attribution="© OpenStreetMap contributors",
        terms_url="https://dev.overpass-api.de/overpass-doc/en/preface/commons.html",
        # It serves an address two requests at a time, and a query takes about a second.
        rate_limit=RateLimit(interval_s=1.0, burst=2),
        is_public_service=True,
        needs_contact=True,
    )
    operations: ClassVar = {
        "text_search": Operation(
            _build_search, _parse_search, _refuse_search, applied_here=frozenset({"limit", "language"})
        ),
        "place_details": Operation(_build_details, _parse_details, applied_here=frozenset({"language"})),
        "nearby_search": Operation(
            _build_nearby, _parse_nearby, _refuse_nearby, applied_here=frozenset({"open_at", "limit", "language"})
        ),
    }

    def call(self, query: str) -> HttpCall:
        """A query as a request."""
        return HttpCall("POST", f"{self.base_url}/api/interpreter", form=(("data", query),))

    def data_vintage(self, response: HttpResponse) -> str | None:
        """How far the server's copy of OpenStreetMap had come."""
        timestamp = get(response.json(), "osm3s", "timestamp_osm_base", kind=str)
        return f"OpenStreetMap as of {timestamp[:40]}" if timestamp else None

    def error_message(self, response: HttpResponse) -> str:
        """What Overpass says in the HTML page that it answers errors with."""
        found = _HTML_ERROR.search(response.body.decode("utf-8", "replace"))
        return " ".join(html.unescape(re.sub(r"<[^>]*>", "", found[1])).split())[:300] if found else ""
