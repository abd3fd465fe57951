"""HERE Routing API v8 and Waypoints Sequence API v8, without traffic. https://docs.here.com/routing

A route comes in sections: one from stop to stop, and more where the way changes its kind, as for a ferry. Sections are
put together to legs by where they arrive.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from annotator.errors import UpstreamFormatError
from annotator.geo import LatLon, encode_shape, haversine_m
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import ComputeRoutesParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.here_http import FEATURES, KEY, MODES, TITLE, travel_refusals
from annotator.maps.providers.here_shape import from_flexible
from annotator.maps.providers.positions import lat_lon, service_url
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.routes import (
    RouteParams,
    coordinates,
    distant_stop_warnings,
    joined,
    place_id_refusals,
    stops,
    used_nevertheless,
)
from annotator.maps.results import Leg, Route, RouteList, Step

_DESTINATION = re.compile(r"^destination(\d{1,3})$", re.ASCII)


def _needs_sequence(params: RouteParams) -> bool:
    """One stop between has one order."""
    return isinstance(params, ComputeRoutesParams) and params.optimize_order and len(params.intermediates) > 1


def route_refusals(params: RouteParams) -> list[str]:
    """Why a way cannot be had."""
    return travel_refusals(params.mode, params.avoid) + place_id_refusals(TITLE, params)


def _refuse(provider: Provider, params: ComputeRoutesParams) -> list[str]:
    reasons = route_refusals(params)
    if params.alternatives and params.intermediates:
        reasons.append(f"{TITLE} finds alternatives only between two stops: leave out alternatives or intermediates")
    if _needs_sequence(params):
        if params.avoid:
            reasons.append(f"{TITLE} avoids nothing while it looks for an order: leave out avoid or optimize_order")
        if params.mode == "bicycle":
            reasons.append(f"{TITLE} looks for an order of stops for drive and walk only")
    return reasons


def _sequence_call(provider: Provider, params: ComputeRoutesParams) -> HttpCall:
    start, *between, end = coordinates(stops(params))
    query = [
        ("start", lat_lon(start)),
        *((f"destination{number}", lat_lon(point)) for number, point in enumerate(between, 1)),
        ("end", lat_lon(end)),
        ("mode", f"fastest;{MODES[params.mode]};traffic:disabled"),
        ("improveFor", "time"),
    ]
    url = service_url(provider.base_url, "wps", "/v8/findsequence2")
    return HttpCall("GET", url, query=tuple(query), secrets=(KEY,))


def _order(params: RouteParams, responses: Responses) -> tuple[int, ...] | None:
    """Input index of each intermediate in the order of visit; None where there is no way through all of them."""
    if not isinstance(params, ComputeRoutesParams):
        return ()
    if not _needs_sequence(params):
        return tuple(range(len(params.intermediates)))
    payload = responses[0].json()
    results = need(payload, "results", kind=list)
    if not results:
        return None
    found = {}
    for waypoint in items(results, 0, "waypoints"):
        if match := _DESTINATION.match(need(waypoint, "id", kind=str)):
            found[need(waypoint, "sequence", kind=int)] = int(match[1]) - 1
    order = tuple(found[position] for position in sorted(found))
    if sorted(order) != list(range(len(params.intermediates))):
        raise UpstreamFormatError(f"{TITLE} visits {len(params.intermediates)} stops in the order {list(order)}")
    return order


def route_call(provider: Provider, params: RouteParams, order: Sequence[int] = ()) -> HttpCall:
    """The request for a way through all stops, the intermediates in the given order."""
    origin, *between, destination = coordinates(stops(params))
    query = [
        ("transportMode", MODES[params.mode]),
        ("origin", lat_lon(origin)),
        ("destination", lat_lon(destination)),
        *(("via", lat_lon(between[index])) for index in order),
        ("departureTime", "any"),
        ("return", "actions,instructions,polyline,summary"),
        ("lang", params.language),
    ]
    if isinstance(params, ComputeRoutesParams) and params.alternatives:
        query.append(("alternatives", str(params.alternatives)))
    if params.avoid:
        query.append(("avoid[features]", ",".join(FEATURES[kind] for kind in params.avoid)))
    url = service_url(provider.base_url, "router", "/v8/routes")
    return HttpCall("GET", url, query=tuple(query), secrets=(KEY,))


def _build(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> tuple[HttpCall, ...]:
    if not responses and _needs_sequence(params):
        return (_sequence_call(provider, params),)
    if len(responses) > int(_needs_sequence(params)):
        return ()
    order = _order(params, responses)
    return () if order is None else (route_call(provider, params, order),)


def _parse(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> RouteList:
    order = _order(params, responses)
    if order is None:
        words = "; ".join(_texts(responses[0].json(), "errors"))
        return RouteList(routes=(), reason=words or f"{TITLE} found no way through all of the stops")
    found = read_routes(params, responses[-1], order)
    return found.model_copy(update={"routes": found.routes[: 1 + params.alternatives]})


def read_routes(params: RouteParams, response: HttpResponse, order: tuple[int, ...] = ()) -> RouteList:
    """Routes, the best first, or why there are none.

    Raises:
        UpstreamFormatError: one lacks its length, time or shape.
    """
    payload = response.json()
    need(payload, "routes", kind=list)
    origin, *between, destination = coordinates(stops(params))
    visited = [origin, *(between[index] for index in order), destination]
    routes = tuple(_route(raw, params, visited, order) for raw in items(payload, "routes"))
    reason = "; ".join(_notices(payload)) or f"{TITLE} found no way"
    return RouteList(routes=routes, reason=None if routes else reason)


def _route(raw: dict[str, Any], params: RouteParams, visited: list[LatLon], order: tuple[int, ...]) -> Route:
    sections = items(raw, "sections")
    if len(sections) < len(visited) - 1:
        raise UpstreamFormatError(f"the answer's route has {len(sections)} sections between {len(visited)} stops")
    shapes = [from_flexible(need(section, "polyline", kind=str)) for section in sections]
    ends = [0, *_boundaries(shapes, visited[1:-1]), len(sections)]
    legs = tuple(_leg(sections[start:end]) for start, end in pairwise(ends))
    notices = [text for part in (raw, *sections) for text in _notices(part)]
    has_ferry = any(get(section, "transport", "mode", kind=str) == "ferry" for section in sections)
    reached = [shapes[0][0], *(shapes[end - 1][-1] for end in ends[1:])]
    warnings = [*notices, *used_nevertheless(params.avoid, {"ferries": has_ferry})]
    return Route(
        mode=params.mode,
        distance_m=sum(leg.distance_m for leg in legs),
        duration_s=sum(leg.duration_s for leg in legs),
        legs=legs,
        geometry=encode_shape(joined(shapes)),
        waypoint_order=order if isinstance(params, ComputeRoutesParams) and params.optimize_order else (),
        warnings=tuple(dict.fromkeys([*warnings, *distant_stop_warnings(visited, reached)])),
        has_ferry=has_ferry,
    )


def _boundaries(shapes: list[list[LatLon]], between: list[LatLon]) -> list[int]:
    """After which section each intermediate is reached: the one that arrives nearest to it, in their order."""
    found: list[int] = []
    for index, stop in enumerate(between):
        first = (found[-1] if found else 0) + 1
        last = len(shapes) - (len(between) - index)
        found.append(min(range(first, last + 1), key=lambda end: haversine_m(shapes[end - 1][-1], stop)))
    return found


def _leg(sections: list[dict[str, Any]]) -> Leg:
    return Leg(
        distance_m=sum(need(section, "summary", "length", kind=float) for section in sections),
        duration_s=sum(need(section, "summary", "duration", kind=float) for section in sections),
        steps=tuple(_step(action) for section in sections for action in items(section, "actions")),
    )


def _step(action: dict[str, Any]) -> Step:
    words = (get(action, name, kind=str) for name in ("severity", "direction", "action"))
    return Step(
        text=get(action, "instruction", kind=str) or "",
        distance_m=get(action, "length", kind=float) or 0.0,
        duration_s=need(action, "duration", kind=float),
        maneuver=" ".join(word for word in words if word) or None,
    )


def _notices(part: Any) -> list[str]:
    return [text for notice in items(part, "notices") if (text := get(notice, "title", kind=str))]


def _texts(payload: Any, name: str) -> list[str]:
    return [text for text in get(payload, name, kind=list) or [] if isinstance(text, str)]


COMPUTE_ROUTES = Operation(_build, _parse, _refuse, applied_here=frozenset({"optimize_order"}))
