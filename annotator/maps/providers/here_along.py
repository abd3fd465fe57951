"""HERE's search along a route: Routing for the way, browse or discover in a corridor around it, Matrix for detours.

HERE tells no detours; ours is the way to a place and on, less the route, all by the same engine.
"""

from annotator.geo import decode_shape
from annotator.maps.calls import HttpCall
from annotator.maps.params import SearchAlongRouteParams, TravelMatrixParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.along import chosen, rank_refusals, thinned, with_detours
from annotator.maps.providers.here_http import TITLE
from annotator.maps.providers.here_matrix import NUM_ORIGINS, matrix_call, read_matrix
from annotator.maps.providers.here_routes import read_routes, route_call, route_refusals
from annotator.maps.providers.here_search import browse_filter, read_places, search_call, type_refusals
from annotator.maps.providers.here_shape import flexible
from annotator.maps.providers.nearby import flat, from_each, no_filter, to_each
from annotator.maps.providers.positions import lat_lon
from annotator.maps.providers.routes import coordinates
from annotator.maps.results import AlongRoute, Place, Route

CORRIDOR_M = 1000
"""How far beside the way places may be."""

NUM_SHAPE_POINTS = 200
"""Most points of the way that are sent: it travels in an address."""

NUM_PLACES = 20


def _refuse(provider: Provider, params: SearchAlongRouteParams) -> list[str]:
    reasons = type_refusals(params.type) + route_refusals(params) + no_filter(TITLE, params, "min_rating")
    return reasons + rank_refusals(TITLE, params)


def _build(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> tuple[HttpCall, ...]:
    if not responses:
        return (route_call(provider, params),)
    route = _route(params, responses)
    if route is None or len(responses) > 2:
        return ()
    if len(responses) == 2:
        return tuple(matrix_call(provider, asked) for asked in _detours(params, _places(provider, responses)))
    shape = flexible(thinned(decode_shape(route.geometry), NUM_SHAPE_POINTS))
    origin, _ = coordinates((params.origin, params.destination))
    query = [("at", lat_lon(origin)), ("route", f"{shape};w={CORRIDOR_M}"), ("limit", str(NUM_PLACES))]
    if params.type is None and params.keyword is not None:
        return (search_call(provider, "discover", params.language, *query, ("q", params.keyword)),)
    return (search_call(provider, "browse", params.language, *query, *browse_filter(params.type, params.keyword)),)


def _route(params: SearchAlongRouteParams, responses: Responses) -> Route | None:
    routes = read_routes(params, responses[0]).routes
    return routes[0] if routes else None


def _places(provider: Provider, responses: Responses) -> list[Place]:
    return read_places(provider, responses[1].json())[:NUM_PLACES]


def _detours(params: SearchAlongRouteParams, places: list[Place]) -> tuple[TravelMatrixParams, ...]:
    """What to measure: first from the origin to every place, then from every place to the destination."""
    origin, destination = coordinates((params.origin, params.destination))
    return to_each(origin, places, params.mode, params.avoid) + from_each(
        places, destination, params.mode, params.avoid, NUM_ORIGINS
    )


def _parse(provider: Provider, params: SearchAlongRouteParams, responses: Responses) -> AlongRoute:
    route = _route(params, responses)
    if route is None:
        return AlongRoute(route=None, places=(), reason=read_routes(params, responses[0]).reason)
    places = _places(provider, responses)
    asked = _detours(params, places)
    cells = flat(read_matrix(one, response) for one, response in zip(asked, responses[2:], strict=True))
    found = with_detours(places, route, cells[: len(places)], cells[len(places) :])
    return AlongRoute(route=route, places=chosen(found, params))


SEARCH_ALONG_ROUTE = Operation(_build, _parse, _refuse, applied_here=frozenset({"limit", "max_detour_s", "rank"}))
