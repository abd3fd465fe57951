"""Google Routes API: ways and matrices. https://developers.google.com/maps/documentation/routes

Everything is asked without traffic, so that the same question has the same answer tomorrow. Transit is the exception:
Google plans it for the moment of the request, and says so in the route's warnings here.
"""

from typing import Any

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import encode_shape
from annotator.maps.calls import HttpCall
from annotator.maps.params import Avoidable, ComputeRoutesParams, TravelMatrixParams, TravelMode, Waypoint
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.google_http import MOTOR_MODES, TRAVEL_MODES, listed, metres, post, seconds
from annotator.maps.providers.google_places import TITLE
from annotator.maps.providers.positions import decoded
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.routes import RouteParams, stops
from annotator.maps.results import Leg, Matrix, MatrixCell, Route, RouteList, Step

NUM_TRANSIT_PAIRS = 100
"""Most pairs of a matrix by transit; for other modes 625, as many as anybody can ask for here."""

ROUTE_FIELDS = (
    "routes.description",
    "routes.distanceMeters",
    "routes.duration",
    "routes.legs.distanceMeters",
    "routes.legs.duration",
    "routes.legs.steps.distanceMeters",
    "routes.legs.steps.navigationInstruction",
    "routes.legs.steps.staticDuration",
    "routes.polyline.encodedPolyline",
    "routes.warnings",
)
_MATRIX_FIELDS = ("condition", "destinationIndex", "distanceMeters", "duration", "originIndex", "status")

_MODIFIERS: dict[Avoidable, str] = {"tolls": "avoidTolls", "highways": "avoidHighways", "ferries": "avoidFerries"}
_TIMETABLE = "planned with the timetable of the moment when it was asked"
_NOT_FOUND = 5
"""`google.rpc.Code` of a pair whose stop is nowhere that can be reached."""


def modifiers(avoid: tuple[Avoidable, ...]) -> dict[str, Any]:
    """What to avoid, as a part of a request; Google avoids it where that is reasonable."""
    return {"routeModifiers": {_MODIFIERS[kind]: True for kind in avoid}} if avoid else {}


def waypoint(provider: Provider, stop: Waypoint) -> dict[str, Any]:
    """A stop as Google writes it: it knows its places by id too."""
    if stop.place_id is not None:
        return {"placeId": provider.native_id(stop.place_id)}
    return {"location": {"latLng": {"latitude": stop.lat, "longitude": stop.lon}}}


def avoid_refusals(mode: TravelMode, avoid: tuple[Avoidable, ...]) -> list[str]:
    """Why there is nothing to avoid for a mode of travel."""
    if avoid and mode not in MOTOR_MODES:
        return [f"{TITLE} avoids {', '.join(avoid)} only for {' and '.join(MOTOR_MODES)}: leave out avoid"]
    return []


def _refuse_routes(provider: Provider, params: ComputeRoutesParams) -> list[str]:
    reasons = avoid_refusals(params.mode, params.avoid)
    if params.alternatives and params.intermediates:
        reasons.append(f"{TITLE} finds alternatives only between two stops: leave out alternatives or intermediates")
    if params.mode == "transit" and params.intermediates:
        reasons.append(f"{TITLE} plans transit between two stops only: leave out intermediates")
    return reasons


def route_call(provider: Provider, params: RouteParams) -> HttpCall:
    """The request for a way through all stops."""
    origin, *between, destination = (waypoint(provider, stop) for stop in stops(params))
    body: dict[str, Any] = {
        "origin": origin,
        "destination": destination,
        "travelMode": TRAVEL_MODES[params.mode],
        "languageCode": params.language,
        "units": "METRIC",
        **modifiers(params.avoid),
    }
    fields = list(ROUTE_FIELDS)
    if params.mode in MOTOR_MODES:
        body["routingPreference"] = "TRAFFIC_UNAWARE"
    if between:
        body["intermediates"] = between
    if isinstance(params, ComputeRoutesParams) and params.alternatives:
        body["computeAlternativeRoutes"] = True
    if isinstance(params, ComputeRoutesParams) and params.optimize_order and between:
        body["optimizeWaypointOrder"] = True
        fields.append("routes.optimizedIntermediateWaypointIndex")
    return post(provider, "routes", "/directions/v2:computeRoutes", body, fields)


def _build_routes(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> tuple[HttpCall, ...]:
    return () if responses else (route_call(provider, params),)


def read_routes(payload: Any, params: RouteParams) -> tuple[Route, ...]:
    """Routes, the best first.

    Raises:
        UpstreamFormatError: one lacks its length, time or shape.
    """
    return tuple(_route(raw, params) for raw in listed(payload, "routes"))


def _route(raw: dict[str, Any], params: RouteParams) -> Route:
    warnings = [text for text in get(raw, "warnings", kind=list) or [] if isinstance(text, str)]
    if params.mode == "transit":
        warnings.append(_TIMETABLE)
    return Route(
        mode=params.mode,
        distance_m=metres(raw),
        duration_s=seconds(raw),
        legs=tuple(_leg(leg) for leg in items(raw, "legs")),
        geometry=encode_shape(decoded(need(raw, "polyline", "encodedPolyline", kind=str))),
        summary=get(raw, "description", kind=str) or "",
        waypoint_order=_order(raw, params) if isinstance(params, ComputeRoutesParams) else (),
        warnings=tuple(warnings),
    )


def _order(raw: dict[str, Any], params: ComputeRoutesParams) -> tuple[int, ...]:
    if not params.optimize_order or not params.intermediates:
        return ()
    order = need(raw, "optimizedIntermediateWaypointIndex", kind=list)
    if not all(isinstance(index, int) for index in order) or sorted(order) != list(range(len(params.intermediates))):
        raise UpstreamFormatError(f"{TITLE} visits {len(params.intermediates)} stops in the order {order}")
    return tuple(order)


def _leg(raw: dict[str, Any]) -> Leg:
    return Leg(
        distance_m=metres(raw),
        duration_s=seconds(raw),
        steps=tuple(
            Step(
                text=get(step, "navigationInstruction", "instructions", kind=str) or "",
                distance_m=metres(step),
                duration_s=seconds(step, "staticDuration"),
                maneuver=get(step, "navigationInstruction", "maneuver", kind=str),
            )
            for step in items(raw, "steps")
        ),
    )


def no_way(params: RouteParams) -> str:
    """Why there is no route: Google gives no reasons."""
    return f"{TITLE} found no way between the stops for {params.mode}"


def _parse_routes(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> RouteList:
    routes = read_routes(responses[0].json(), params)[: 1 + params.alternatives]
    return RouteList(routes=routes, reason=None if routes else no_way(params))


def _refuse_matrix(provider: Provider, params: TravelMatrixParams) -> list[str]:
    reasons = []
    if params.avoid:
        reasons.append(f"{TITLE}'s route matrix avoids nothing: leave out avoid, or ask compute_routes for each pair")
    num_pairs = len(params.origins) * len(params.destinations)
    if params.mode == "transit" and num_pairs > NUM_TRANSIT_PAIRS:
        reasons.append(f"{TITLE} gives at most {NUM_TRANSIT_PAIRS} pairs by transit, not {num_pairs}")
    return reasons


def _build_matrix(provider: Provider, params: TravelMatrixParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    body: dict[str, Any] = {
        "origins": [{"waypoint": waypoint(provider, stop)} for stop in params.origins],
        "destinations": [{"waypoint": waypoint(provider, stop)} for stop in params.destinations],
        "travelMode": TRAVEL_MODES[params.mode],
    }
    if params.mode in MOTOR_MODES:
        body["routingPreference"] = "TRAFFIC_UNAWARE"
    return (post(provider, "routes", "/distanceMatrix/v2:computeRouteMatrix", body, _MATRIX_FIELDS),)


def _parse_matrix(provider: Provider, params: TravelMatrixParams, responses: Responses) -> Matrix:
    elements = need(responses[0].json(), kind=list)
    found: dict[tuple[int, int], MatrixCell] = {}
    for element in elements:
        pair = (need(element, "originIndex", kind=int), need(element, "destinationIndex", kind=int))
        found[pair] = _cell(element)
    wanted = [[(i, j) for j in range(len(params.destinations))] for i in range(len(params.origins))]
    if sorted(found) != [pair for row in wanted for pair in row]:
        raise UpstreamFormatError(
            f"the answer's matrix is not of {len(params.origins)} by {len(params.destinations)} pairs"
        )
    return Matrix(mode=params.mode, cells=tuple(tuple(found[pair] for pair in row) for row in wanted))


def _cell(element: Any) -> MatrixCell:
    code = get(element, "status", "code", kind=int) or 0
    if code not in (0, _NOT_FOUND):
        words = get(element, "status", "message", kind=str) or f"error {code}"
        raise UpstreamError(f"{TITLE} gave no answer for a pair of the matrix: {words}")
    if code == _NOT_FOUND or need(element, "condition", kind=str) != "ROUTE_EXISTS":
        return MatrixCell(duration_s=None, distance_m=None)
    return MatrixCell(duration_s=seconds(element), distance_m=metres(element))


COMPUTE_ROUTES = Operation(
    _build_routes, _parse_routes, _refuse_routes, applied_here=frozenset({"alternatives", "optimize_order"})
)
TRAVEL_MATRIX = Operation(_build_matrix, _parse_matrix, _refuse_matrix)
