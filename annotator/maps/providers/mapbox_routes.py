"""Mapbox Directions, Optimization and Matrix APIs, without traffic. https://docs.mapbox.com/api/navigation/"""

from collections.abc import Sequence
from typing import Any

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import LatLon, encode_shape
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.params import Avoidable, ComputeRoutesParams, TravelMatrixParams, TravelMode
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.positions import decoded, lon_lat, on_earth
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.routes import (
    RouteParams,
    coordinates,
    distant_stop_warnings,
    matrix_cells,
    place_id_refusals,
    road_summary,
    stops,
    used_nevertheless,
    visit_order,
)
from annotator.maps.results import Leg, Matrix, Route, RouteList, Step

TITLE = "Mapbox"
TOKEN_ENV = "MAPBOX_ACCESS_TOKEN"
TOKEN = Secret(TOKEN_ENV, "access_token", "query")

NUM_OTHER_ROUTES = 2
NUM_OPTIMIZED_STOPS = 12
NUM_MATRIX_STOPS = 25

PROFILES: dict[TravelMode, str] = {"drive": "mapbox/driving", "walk": "mapbox/walking", "bicycle": "mapbox/cycling"}
_CLASSES: dict[Avoidable, str] = {"tolls": "toll", "highways": "motorway", "ferries": "ferry"}

NO_WAY = {
    "NoRoute": "there is no way between the stops for this mode of travel",
    "NoTrips": "there is no way through all of the stops for this mode of travel",
    "NoSegment": "there is no road near one of the stops",
}


def mode_refusals(mode: TravelMode) -> list[str]:
    """Why a mode of travel cannot be had."""
    return [] if mode in PROFILES else [f"{TITLE} has no {mode}: use one of {', '.join(PROFILES)}"]


def _needs_optimization(params: RouteParams) -> bool:
    """One stop between has one order, which the plain service gives too."""
    return isinstance(params, ComputeRoutesParams) and params.optimize_order and len(params.intermediates) > 1


def _refuse_routes(provider: Provider, params: ComputeRoutesParams) -> list[str]:
    reasons = mode_refusals(params.mode) + place_id_refusals(TITLE, params)
    if params.avoid and params.mode != "drive":
        reasons.append(f"{TITLE} avoids {', '.join(params.avoid)} only for drive: leave out avoid")
    if params.alternatives > NUM_OTHER_ROUTES:
        reasons.append(f"{TITLE} looks for at most {NUM_OTHER_ROUTES} other routes")
    if params.alternatives and params.intermediates:
        reasons.append(f"{TITLE} finds alternatives only between two stops: leave out alternatives or intermediates")
    if _needs_optimization(params):
        if params.avoid:
            reasons.append(f"{TITLE} avoids nothing while it looks for an order: leave out avoid or optimize_order")
        if len(params.intermediates) + 2 > NUM_OPTIMIZED_STOPS:
            reasons.append(f"{TITLE} orders at most {NUM_OPTIMIZED_STOPS} stops, both ends included")
    return reasons


def _path(points: Sequence[LatLon]) -> str:
    return ";".join(lon_lat(point) for point in points)


def route_call(provider: Provider, params: RouteParams) -> HttpCall:
    """The request for a way through all stops."""
    query = [
        ("geometries", "polyline"),
        ("language", params.language),
        ("overview", "full"),
        ("steps", "true"),
    ]
    if _needs_optimization(params):
        service = "optimized-trips/v1"
        query += [("destination", "last"), ("roundtrip", "false"), ("source", "first")]
    else:
        service = "directions/v5"
        others = isinstance(params, ComputeRoutesParams) and params.alternatives > 0
        query.append(("alternatives", "true" if others else "false"))
    if params.avoid:
        query.append(("exclude", ",".join(_CLASSES[kind] for kind in params.avoid)))
    url = f"{provider.base_url}/{service}/{PROFILES[params.mode]}/{_path(coordinates(stops(params)))}"
    return HttpCall("GET", url, query=tuple(query), secrets=(TOKEN,))


def _build_routes(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> tuple[HttpCall, ...]:
    return () if responses else (route_call(provider, params),)


def read_routes(provider: Provider, params: RouteParams, response: HttpResponse) -> RouteList:
    """Routes, the best first, or why there are none.

    Raises:
        UpstreamFormatError: the answer is not in the documented shape.
        UpstreamError: it is an error.
    """
    payload = response.json()
    if reason := _no_way(provider, response):
        return RouteList(routes=(), reason=reason)
    visit = _visit(payload, params)
    asked = coordinates(stops(params))
    order = visit_order(visit, len(asked)) if isinstance(params, ComputeRoutesParams) and params.optimize_order else ()
    reached = [_location(items(payload, "waypoints")[index]) for index in visit]
    warnings = distant_stop_warnings([asked[index] for index in visit if index < len(asked)], reached)
    raw_routes = items(payload, "trips" if _needs_optimization(params) else "routes")
    if not raw_routes:
        raise UpstreamFormatError(f"{TITLE}'s answer is Ok but has no routes")
    return RouteList(routes=tuple(_route(raw, params, order, warnings) for raw in raw_routes))


def _no_way(provider: Provider, response: HttpResponse) -> str:
    code = need(response.json(), "code", kind=str)
    if code not in ("Ok", *NO_WAY):
        raise UpstreamError(provider.error_message(response) or f"{TITLE} answered {code}")
    return NO_WAY.get(code, "")


def _visit(payload: Any, params: RouteParams) -> list[int]:
    """Input index of every stop in the order of visit; -1 for a visit that no stop has."""
    waypoints = items(payload, "waypoints")
    if not _needs_optimization(params):
        return list(range(len(waypoints)))
    positions = [need(waypoint, "waypoint_index", kind=int) for waypoint in waypoints]
    return [positions.index(visit) if visit in positions else -1 for visit in range(len(positions))]


def _location(waypoint: dict[str, Any]) -> LatLon:
    return on_earth(need(waypoint, "location", 1, kind=float), need(waypoint, "location", 0, kind=float))


def _route(raw: dict[str, Any], params: RouteParams, order: tuple[int, ...], warnings: list[str]) -> Route:
    crossings = [
        crossing
        for leg in items(raw, "legs")
        for step in items(leg, "steps")
        for crossing in items(step, "intersections")
    ]
    classes = [name for crossing in crossings for name in get(crossing, "classes", kind=list) or []]
    legs = tuple(_leg(leg) for leg in items(raw, "legs"))
    uses = {kind: name in classes if crossings else None for kind, name in _CLASSES.items()}
    return Route(
        mode=params.mode,
        distance_m=need(raw, "distance", kind=float),
        duration_s=need(raw, "duration", kind=float),
        legs=legs,
        geometry=encode_shape(decoded(need(raw, "geometry", kind=str))),
        summary=road_summary(legs),
        waypoint_order=order,
        warnings=(*used_nevertheless(params.avoid, uses), *warnings),
        has_toll=uses["tolls"],
        has_ferry=uses["ferries"],
        has_highway=uses["highways"],
    )


def _leg(raw: dict[str, Any]) -> Leg:
    return Leg(
        distance_m=need(raw, "distance", kind=float),
        duration_s=need(raw, "duration", kind=float),
        steps=tuple(
            Step(
                text=get(step, "maneuver", "instruction", kind=str) or "",
                distance_m=need(step, "distance", kind=float),
                duration_s=need(step, "duration", kind=float),
                road=get(step, "name", kind=str) or get(step, "ref", kind=str) or None,
                maneuver=_maneuver(step),
            )
            for step in items(raw, "steps")
        ),
    )


def _maneuver(step: dict[str, Any]) -> str | None:
    kind, modifier = (get(step, "maneuver", name, kind=str) for name in ("type", "modifier"))
    return " ".join(part for part in (kind, modifier) if part) or None


def _parse_routes(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> RouteList:
    found = read_routes(provider, params, responses[0])
    return found.model_copy(update={"routes": found.routes[: 1 + params.alternatives]})


def matrix_refusals(params: TravelMatrixParams) -> list[str]:
    """Why a matrix cannot be had."""
    reasons = mode_refusals(params.mode) + place_id_refusals(TITLE, params)
    if params.avoid:
        reasons.append(f"{TITLE}'s matrix avoids nothing: leave out avoid, or ask compute_routes for each pair")
    num_stops = len(params.origins) + len(params.destinations)
    if num_stops > NUM_MATRIX_STOPS:
        reasons.append(f"{TITLE}'s matrix takes at most {NUM_MATRIX_STOPS} origins and destinations, not {num_stops}")
    return reasons


def matrix_call(provider: Provider, params: TravelMatrixParams) -> HttpCall:
    """The request for a matrix: origins first, then destinations."""
    num_origins, num_destinations = len(params.origins), len(params.destinations)
    query = (
        ("annotations", "distance,duration"),
        ("destinations", ";".join(str(num_origins + index) for index in range(num_destinations))),
        ("sources", ";".join(str(index) for index in range(num_origins))),
    )
    path = _path(coordinates(params.origins + params.destinations))
    url = f"{provider.base_url}/directions-matrix/v1/{PROFILES[params.mode]}/{path}"
    return HttpCall("GET", url, query=query, secrets=(TOKEN,))


def read_matrix(provider: Provider, params: TravelMatrixParams, response: HttpResponse) -> Matrix:
    """A matrix; where there is no way a cell has no time.

    Raises:
        UpstreamFormatError: it is not of the size asked for.
        UpstreamError: the answer is an error.
    """
    if _no_way(provider, response):
        return Matrix(mode=params.mode, cells=matrix_cells(params, None, None))
    payload = response.json()
    durations, distances = (need(payload, name, kind=list) for name in ("durations", "distances"))
    return Matrix(mode=params.mode, cells=matrix_cells(params, durations, distances))


def _build_matrix(provider: Provider, params: TravelMatrixParams, responses: Responses) -> tuple[HttpCall, ...]:
    return () if responses else (matrix_call(provider, params),)


COMPUTE_ROUTES = Operation(
    _build_routes, _parse_routes, _refuse_routes, applied_here=frozenset({"alternatives", "optimize_order"})
)
TRAVEL_MATRIX = Operation(
    _build_matrix,
    lambda provider, params, responses: read_matrix(provider, params, responses[0]),
    lambda _provider, params: matrix_refusals(params),
)
