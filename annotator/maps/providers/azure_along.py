"""Azure Maps' search along a route: Route Directions for the way, then Search Along Route with its shape.

https://learn.microsoft.com/rest/api/maps/search/post-search-along-route. Azure tells the time of each detour, for
driving, and not its distance.
"""

import math

from annotator.geo import decode_shape
from annotator.maps.calls import HttpCall
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import SearchAlongRouteParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.along import chosen, detour, rank_refusals, thinned
from annotator.maps.providers.azure_http import KEY, TITLE, VERSION
from annotator.maps.providers.azure_routes import read_routes, route_call, route_refusals
from annotator.maps.providers.azure_search import category_set, read_place, type_refusals
from annotator.maps.providers.nearby import no_filter
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.tomtom_categories import TOMTOM_CATEGORIES
from annotator.maps.results import AlongRoute, Place, Route

NUM_PLACES = 20
NUM_SHAPE_POINTS = 500
MAX_DETOUR_S = 3600


def _refuse(provider: Provider, params: SearchAlongRouteParams) -> list[str]:
    reasons = type_refusals(params.type) + route_refusals(params) + no_filter(TITLE, params, "min_rating")
    reasons += rank_refusals(TITLE, params)
    if params.mode != "drive":
        reasons.append(f"{TITLE} searches along routes for drive only, not {params.mode}")
    if params.avoid:
        reasons.append(f"{TITLE} avoids nothing when it measures detours: leave out avoid")
    if params.max_detour_s is not None and params.max_detour_s > MAX_DETOUR_S:
        reasons.append(f"{TITLE} looks no further out than {MAX_DETOUR_S} s: give a max_detour_s of that or less")
    return reasons


def _build(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> tuple[HttpCall, ...]:
    if not responses:
        return (route_call(provider, params),)
    route = _route(params, responses)
    if route is None or len(responses) > 1:
        return ()
    words = params.keyword or (CATEGORIES[params.type].title if params.type else "")
    furthest_s = MAX_DETOUR_S if params.max_detour_s is None else max(1, math.ceil(params.max_detour_s))
    shape = thinned(decode_shape(route.geometry), NUM_SHAPE_POINTS)
    return (
        HttpCall(
            "POST",
            f"{provider.base_url}/search/alongRoute/json",
            query=(
                VERSION,
                ("query", words),
                ("maxDetourTime", str(furthest_s)),
                ("limit", str(NUM_PLACES)),
                *category_set(TOMTOM_CATEGORIES[params.type] if params.type else ()),
            ),
            json={"route": {"type": "LineString", "coordinates": [[lon, lat] for lat, lon in shape]}},
            secrets=(KEY,),
        ),
    )


def _route(params: SearchAlongRouteParams, responses: Responses) -> Route | None:
    routes = read_routes(params, responses[0]).routes
    return routes[0] if routes else None


def _parse(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> AlongRoute:
    route = _route(params, responses)
    if route is None:
        return AlongRoute(route=None, places=(), reason=read_routes(params, responses[0]).reason)
    payload = responses[1].json()
    need(payload, "results", kind=list)
    places: list[Place] = []
    for raw in items(payload, "results"):
        place = read_place(provider, raw)
        added_s = get(raw, "detourTime", kind=float)
        known = {} if added_s is None else {"detour": detour(route, place, added_s, None)}
        places.append(place.model_copy(update=known))
    return AlongRoute(route=route, places=chosen(places, params))


SEARCH_ALONG_ROUTE = Operation(_build, _parse, _refuse, applied_here=frozenset({"limit", "max_detour_s", "rank"}))
