"""Google's search along a route: Routes API for the way, then Text Search with its shape and routing summaries.

https://developers.google.com/maps/documentation/places/web-service/search-along-route. A routing summary has the legs
to a place and on to the destination; the detour is their sum less the route. Google does this for driving only.
"""

from typing import Any

from annotator.maps.calls import HttpCall
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import SearchAlongRouteParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.along import chosen, detour, rank_refusals
from annotator.maps.providers.google_http import listed, metres, post, seconds
from annotator.maps.providers.google_place import read_place
from annotator.maps.providers.google_places import (
    NUM_PLACES,
    SEARCH_FIELDS,
    TITLE,
    rating_filter,
    type_filter,
    type_refusals,
)
from annotator.maps.providers.google_routes import modifiers, no_way, read_routes, route_call
from annotator.maps.providers.google_types import GOOGLE_TYPES
from annotator.maps.providers.reading import items
from annotator.maps.results import AlongRoute, Place, Route


def _refuse(provider: Provider, params: SearchAlongRouteParams) -> list[str]:
    reasons = type_refusals(params.type) + rank_refusals(TITLE, params)
    if params.mode != "drive":
        reasons.append(f"{TITLE} searches along routes for drive only, not {params.mode}")
    return reasons


def _build(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> tuple[HttpCall, ...]:
    if not responses:
        return (route_call(provider, params),)
    routes = read_routes(responses[0].json(), params)
    if len(responses) > 1 or not routes:
        return ()
    types = GOOGLE_TYPES[params.type] if params.type else ()
    body: dict[str, Any] = {
        "textQuery": params.keyword or (CATEGORIES[params.type].title if params.type else ""),
        "languageCode": params.language,
        "pageSize": NUM_PLACES,
        "searchAlongRouteParameters": {"polyline": {"encodedPolyline": routes[0].geometry}},
        "routingParameters": {
            "travelMode": "DRIVE",
            "routingPreference": "TRAFFIC_UNAWARE",
            **modifiers(params.avoid),
        },
        **type_filter(types),
        **rating_filter(params.min_rating),
    }
    return (post(provider, "places", "/v1/places:searchText", body, (*SEARCH_FIELDS, "routingSummaries")),)


def _parse(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> AlongRoute:
    routes = read_routes(responses[0].json(), params)
    if not routes:
        return AlongRoute(route=None, places=(), reason=no_way(params))
    payload = responses[1].json()
    summaries = listed(payload, "routingSummaries")
    places = [
        _with_detour(read_place(provider, raw), routes[0], items(summaries, index, "legs"))
        for index, raw in enumerate(listed(payload, "places"))
    ]
    found = [place for place in places if params.type is None or params.type in place.categories]
    return AlongRoute(route=routes[0], places=chosen(found, params))


def _with_detour(place: Place, route: Route, legs: list[dict[str, Any]]) -> Place:
    if len(legs) != 2:
        return place
    added_s = sum(seconds(leg) for leg in legs) - route.duration_s
    added_m = sum(metres(leg) for leg in legs) - route.distance_m
    return place.model_copy(update={"detour": detour(route, place, added_s, added_m)})


SEARCH_ALONG_ROUTE = Operation(
    _build, _parse, _refuse, applied_here=frozenset({"limit", "max_detour_s", "min_rating", "rank"})
)
