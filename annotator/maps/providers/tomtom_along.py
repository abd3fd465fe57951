"""TomTom's search along a route: Routing API for the way, then Along Route Search with its shape and its own detours.

https://developer.tomtom.com/search-api/documentation/search-service/along-route-search. Detours are those of a car.
"""

import math

from annotator.geo import decode_shape
from annotator.maps.calls import HttpCall
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import SearchAlongRouteParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.along import chosen, detour, thinned
from annotator.maps.providers.nearby import no_filter
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.routes import place_id_refusals
from annotator.maps.providers.tomtom_http import TITLE, language_query, language_refusals, post_call, segment
from annotator.maps.providers.tomtom_places import category_query, read_place, type_refusals
from annotator.maps.providers.tomtom_routes import read_routes, route_call
from annotator.maps.results import AlongRoute

MAX_DETOUR_S = 3600
"""Longest detour that TomTom looks for, and the one that it is asked for where none was given."""

NUM_PLACES = 20
"""Most places that TomTom gives; as many are asked for, since what is kept of them is decided here."""

NUM_SHAPE_POINTS = 1000
"""Most points of the way that are sent: those between change nothing that a detour would show."""

_SORT_BY = {"detour": "detourTime", "route": "detourOffset"}


def _refuse(provider: Provider, params: SearchAlongRouteParams) -> list[str]:
    reasons = type_refusals(params.type) + place_id_refusals(TITLE, params) + language_refusals(params.language)
    reasons += no_filter(TITLE, params, "min_rating")
    if params.mode != "drive":
        reasons.append(f"{TITLE} searches along routes for drive only, not {params.mode}")
    if params.avoid:
        reasons.append(f"{TITLE} avoids nothing when it measures detours: leave out avoid")
    if params.rank not in _SORT_BY:
        reasons.append(f"{TITLE} does not tell how prominent places are: give rank detour or route")
    if params.max_detour_s is not None and params.max_detour_s > MAX_DETOUR_S:
        reasons.append(f"{TITLE} looks for detours of at most {MAX_DETOUR_S} s: give max_detour_s of that or less")
    return reasons


def _build(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> tuple[HttpCall, ...]:
    if not responses:
        return (route_call(provider, params),)
    routes, _ = read_routes(responses[0], params)
    if len(responses) > 1 or not routes:
        return ()
    shape = thinned(decode_shape(routes[0].geometry), NUM_SHAPE_POINTS)
    query = params.keyword or (CATEGORIES[params.type].title if params.type else "")
    longest_s = MAX_DETOUR_S if params.max_detour_s is None else max(1, math.ceil(params.max_detour_s))
    return (
        post_call(
            provider,
            f"/search/2/searchAlongRoute/{segment(query)}.json",
            {"route": {"points": [{"lat": lat, "lon": lon} for lat, lon in shape]}},
            ("maxDetourTime", str(longest_s)),
            ("limit", str(NUM_PLACES)),
            ("sortBy", _SORT_BY[params.rank]),
            language_query(params.language),
            *category_query(params.type),
        ),
    )


def _parse(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> AlongRoute:
    routes, reason = read_routes(responses[0], params)
    if not routes:
        return AlongRoute(route=None, places=(), reason=reason)
    route = routes[0]
    payload = responses[1].json()
    need(payload, "results", kind=list)
    places = []
    for result in items(payload, "results"):
        place, added_s = read_place(provider, result), get(result, "detourTime", kind=float)
        if added_s is not None:
            added_m = get(result, "detourDistance", kind=float)
            place = place.model_copy(update={"detour": detour(route, place, added_s, added_m)})
        if params.type is None or params.type in place.categories:
            places.append(place)
    return AlongRoute(route=route, places=chosen(places, params))


SEARCH_ALONG_ROUTE = Operation(_build, _parse, _refuse, applied_here=frozenset({"limit"}))
