"""Mapbox's search along a route: Directions for the way, a category search with its shape, the Matrix API for detours.

https://docs.mapbox.com/api/search/search-box/. Its own estimate of a detour is in minutes; ours is the way to a place
and on, less the route, all by the same engine.
"""

import math

from annotator.geo import decode_shape, encode_shape
from annotator.maps.calls import HttpCall
from annotator.maps.params import SearchAlongRouteParams, TravelMatrixParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.along import chosen, rank_refusals, thinned, with_detours
from annotator.maps.providers.mapbox_categories import MAPBOX_CATEGORIES
from annotator.maps.providers.mapbox_routes import (
    TITLE,
    matrix_call,
    mode_refusals,
    read_matrix,
    read_routes,
    route_call,
)
from annotator.maps.providers.mapbox_search import NUM_WITH_TRAVEL, read_places, search_call, type_refusals
from annotator.maps.providers.nearby import flat, from_each, no_filter, to_each
from annotator.maps.providers.routes import coordinates, place_id_refusals
from annotator.maps.results import AlongRoute, Place, Route

NUM_SHAPE_POINTS = 200
"""Most points of the way that are sent: it travels in an address."""


def _refuse(provider: Provider, params: SearchAlongRouteParams) -> list[str]:
    reasons = type_refusals(params.type) + mode_refusals(params.mode) + place_id_refusals(TITLE, params)
    reasons += no_filter(TITLE, params, "min_rating") + rank_refusals(TITLE, params)
    if params.keyword is not None:
        reasons.append(f"{TITLE} searches along a route by category only: give a type and leave out keyword")
    if params.avoid:
        reasons.append(f"{TITLE} avoids nothing when it measures detours: leave out avoid")
    return reasons


def _build(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> tuple[HttpCall, ...]:
    if not responses:
        return (route_call(provider, params),)
    route = _route(provider, params, responses)
    if route is None or len(responses) > 2:
        return ()
    if len(responses) == 1:
        query = [
            ("language", params.language),
            ("limit", str(NUM_WITH_TRAVEL)),
            ("route", encode_shape(thinned(decode_shape(route.geometry), NUM_SHAPE_POINTS))),
            ("route_geometry", "polyline"),
            ("sar_type", "isochrone"),
        ]
        if params.max_detour_s is not None:
            # In minutes; the answer is held to the seconds.
            query.append(("time_deviation", str(max(1, math.ceil(params.max_detour_s / 60)))))
        return (search_call(provider, f"category/{_category(params)}", tuple(query)),)
    places = _places(provider, responses)
    return tuple(matrix_call(provider, asked) for asked in _detours(params, places)) if places else ()


def _category(params: SearchAlongRouteParams) -> str:
    return MAPBOX_CATEGORIES[params.type or ""]


def _route(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> Route | None:
    routes = read_routes(provider, params, responses[0]).routes
    return routes[0] if routes else None


def _places(provider: Provider, responses: Responses) -> list[Place]:
    return read_places(provider, responses[1].json())[:NUM_WITH_TRAVEL]


def _detours(params: SearchAlongRouteParams, places: list[Place]) -> tuple[TravelMatrixParams, ...]:
    """What to measure: from the origin to every place, and from every place to the destination."""
    origin, destination = coordinates((params.origin, params.destination))
    return to_each(origin, places, params.mode) + from_each(places, destination, params.mode)


def _parse(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> AlongRoute:
    route = _route(provider, params, responses)
    if route is None:
        return AlongRoute(route=None, places=(), reason=read_routes(provider, params, responses[0]).reason)
    places = _places(provider, responses)
    if places:
        there, onward = (
            read_matrix(provider, asked, response)
            for asked, response in zip(_detours(params, places), responses[2:], strict=True)
        )
        places = with_detours(places, route, flat([there]), flat([onward]))
    return AlongRoute(route=route, places=chosen(places, params))


SEARCH_ALONG_ROUTE = Operation(_build, _parse, _refuse, applied_here=frozenset({"limit", "max_detour_s", "rank"}))
