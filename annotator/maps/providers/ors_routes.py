"""Ways of openrouteservice: `/v2/directions`, `/v2/matrix` and, for the order of visit, `/optimization`."""

from collections.abc import Mapping, Sequence
from typing import Any

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import LatLon, encode_shape
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.params import Avoidable, ComputeRoutesParams, TravelMatrixParams, TravelMode
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.positions import decoded
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.routes import (
    coordinates,
    distant_stop_warnings,
    matrix_cells,
    place_id_refusals,
    road_summary,
    stops,
)
from annotator.maps.results import Leg, Matrix, MatrixCell, Route, RouteList, Step

TITLE = "openrouteservice"

KEY_ENV = "OPENROUTESERVICE_API_KEY"

SECRETS = (Secret(KEY_ENV, "authorization"),)

MAX_ALTERNATIVES = 2
"""It gives three routes at most, the best among them."""

NO_WAY = {
    2009: "there is no way between the stops for this mode of travel",
    2010: "there is no road within 350 m of one of the stops, or the map does not cover it",
}
"""Error codes that are answers; they come with status 404."""

_PROFILES: dict[TravelMode, str] = {"drive": "driving-car", "bicycle": "cycling-regular", "walk": "foot-walking"}
_FEATURES: dict[Avoidable, str] = {"tolls": "tollways", "highways": "highways", "ferries": "ferries"}

_MANEUVERS = (
    "left",
    "right",
    "sharp left",
    "sharp right",
    "slight left",
    "slight right",
    "straight",
    "enter roundabout",
    "exit roundabout",
    "u-turn",
    "arrive",
    "depart",
    "keep left",
    "keep right",
)
"""By the number in a step's `type`."""


def error_code(response: HttpResponse) -> int | None:
    """The number of an error in an answer."""
    try:
        return get(response.json(), "error", "code", kind=int)
    except UpstreamFormatError:
        return None


def mode_refusals(mode: TravelMode) -> list[str]:
    """Why a mode of travel cannot be had; empty when it can."""
    return [] if mode in _PROFILES else [f"{TITLE} has no {mode}: use one of {', '.join(_PROFILES)}"]


def matrix_call(provider: Provider, mode: TravelMode, origins: list[LatLon], destinations: list[LatLon]) -> HttpCall:
    """A request for times and distances from every origin to every destination."""
    count = len(origins)
    body = {
        "locations": [_lon_lat(point) for point in (*origins, *destinations)],
        "sources": [str(index) for index in range(count)],
        "destinations": [str(count + index) for index in range(len(destinations))],
        "metrics": ["duration", "distance"],
        "units": "m",
    }
    return HttpCall("POST", f"{provider.base_url}/v2/matrix/{_PROFILES[mode]}", json=body, secrets=SECRETS)


def read_matrix(response: HttpResponse, params: TravelMatrixParams) -> tuple[tuple[MatrixCell, ...], ...]:
    """The cells of an answer to `matrix_call`.

    Raises:
        UpstreamFormatError: it is not of the size asked for.
    """
    payload = response.json()
    return matrix_cells(params, need(payload, "durations", kind=list), need(payload, "distances", kind=list))


def _needs_order(params: ComputeRoutesParams) -> bool:
    """One stop between has one order."""
    return params.optimize_order and len(params.intermediates) > 1


def _refuse_routes(provider: Provider, params: ComputeRoutesParams) -> list[str]:
    reasons = mode_refusals(params.mode) + place_id_refusals(TITLE, params)
    roads = [kind for kind in params.avoid if kind != "ferries"]
    if params.mode in ("walk", "bicycle") and roads:
        reasons.append(f"{TITLE} avoids {' and '.join(roads)} only for drive: leave it out of avoid")
    if params.alternatives > MAX_ALTERNATIVES:
        reasons.append(f"{TITLE} finds at most {MAX_ALTERNATIVES} alternatives, not {params.alternatives}")
    if params.alternatives and params.intermediates:
        reasons.append(f"{TITLE} finds alternatives only between two stops: leave out alternatives or intermediates")
    if _needs_order(params) and params.avoid:
        reasons.append(f"{TITLE} cannot find the best order of stops and avoid {', '.join(params.avoid)} at once")
    return reasons


def _build_routes(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> tuple[HttpCall, ...]:
    rounds = 2 if _needs_order(params) else 1
    if len(responses) >= rounds:
        return ()
    if len(responses) < rounds - 1:
        return (_order_call(provider, params),)
    asked = coordinates(stops(params))
    if rounds == 2:
        order = _order(responses[0], len(params.intermediates))
        if order is None:
            return ()
        asked = [asked[0], *(asked[1 + index] for index in order), asked[-1]]
    body: dict[str, Any] = {
        "coordinates": [_lon_lat(point) for point in asked],
        "units": "m",
        "language": _language(params.language),
        "instructions": True,
        "geometry": True,
    }
    if params.alternatives:
        body["alternative_routes"] = {"target_count": params.alternatives + 1}
    if params.avoid:
        body["options"] = {"avoid_features": [_FEATURES[kind] for kind in params.avoid]}
    url = f"{provider.base_url}/v2/directions/{_PROFILES[params.mode]}/json"
    return (HttpCall("POST", url, json=body, secrets=SECRETS),)


def _order_call(provider: Provider, params: ComputeRoutesParams) -> HttpCall:
    first, *between, last = [_lon_lat(point) for point in coordinates(stops(params))]
    body = {
        "jobs": [{"id": index + 1, "location": point} for index, point in enumerate(between)],
        "vehicles": [{"id": 1, "profile": _PROFILES[params.mode], "start": first, "end": last}],
    }
    return HttpCall("POST", f"{provider.base_url}/optimization", json=body, secrets=SECRETS)


def _order(response: HttpResponse, num_stops: int) -> tuple[int, ...] | None:
    """Input index of every intermediate in the order of visit; None where there is no way to one of them."""
    payload = response.json()
    if items(payload, "unassigned"):
        return None
    steps = items(need(payload, "routes", 0, kind=dict), "steps")
    order = tuple(
        need(step, "id" if "id" in step else "job", kind=int) - 1
        for step in steps
        if get(step, "type", kind=str) == "job"
    )
    if sorted(order) != list(range(num_stops)):
        raise UpstreamFormatError(f"{TITLE}'s order of {num_stops} stops is {[index + 1 for index in order]}")
    return order


def _parse_routes(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> RouteList:
    order: tuple[int, ...] = tuple(range(len(params.intermediates))) if params.optimize_order else ()
    if _needs_order(params):
        found = _order(responses[0], len(params.intermediates))
        if found is None:
            return RouteList(routes=(), reason="there is no way to one of the stops between")
        order = found
    response = responses[-1]
    code = error_code(response)
    if code in NO_WAY:
        return RouteList(routes=(), reason=NO_WAY[code])
    payload = response.json()
    routes = items(payload, "routes")
    if not routes:
        raise UpstreamError(provider.error_message(response) or f"{TITLE}'s answer has no routes")
    asked = coordinates(stops(params))
    if order:
        asked = [asked[0], *(asked[1 + index] for index in order), asked[-1]]
    return RouteList(
        routes=tuple(_route(route, params.mode, order, asked) for route in routes[: params.alternatives + 1])
    )


def _route(raw: Mapping[str, Any], mode: TravelMode, order: tuple[int, ...], asked: Sequence[LatLon]) -> Route:
    legs = tuple(_leg(segment) for segment in items(raw, "segments"))
    shape = decoded(need(raw, "geometry", kind=str))
    summary = need(raw, "summary", kind=dict)
    said = [text for warning in items(raw, "warnings") if (text := get(warning, "message", kind=str))]
    return Route(
        mode=mode,
        distance_m=_amount(summary, "distance"),
        duration_s=_amount(summary, "duration"),
        legs=legs,
        geometry=encode_shape(shape),
        summary=road_summary(legs),
        waypoint_order=order,
        warnings=(*distant_stop_warnings(asked, _reached(raw, shape)), *said),
    )


def _reached(raw: Mapping[str, Any], shape: Sequence[LatLon]) -> list[LatLon]:
    """Where the way meets each stop; nothing where the answer's indices are not of its shape."""
    indices = get(raw, "way_points", kind=list) or []
    if not all(isinstance(index, int) and 0 <= index < len(shape) for index in indices):
        return []
    return [shape[index] for index in indices]


def _leg(segment: Mapping[str, Any]) -> Leg:
    return Leg(
        distance_m=_amount(segment, "distance"),
        duration_s=_amount(segment, "duration"),
        steps=tuple(
            Step(
                text=need(step, "instruction", kind=str),
                distance_m=_amount(step, "distance"),
                duration_s=_amount(step, "duration"),
                road=None if (name := get(step, "name", kind=str)) in (None, "", "-") else name,
                maneuver=_maneuver(get(step, "type", kind=int)),
            )
            for step in items(segment, "steps")
        ),
    )


def _amount(raw: Mapping[str, Any], name: str) -> float:
    """A distance or duration: openrouteservice leaves out those that are nothing, as between two equal stops."""
    return need(raw, name, kind=float) if name in raw else 0.0


def _maneuver(number: int | None) -> str | None:
    return _MANEUVERS[number] if number is not None and 0 <= number < len(_MANEUVERS) else None


def _lon_lat(point: LatLon) -> list[float]:
    return [point[1], point[0]]


def _language(tag: str) -> str:
    """Its languages have no regions but for Chinese; one that it does not know is an error of its own."""
    primary = tag.partition("-")[0]
    return "zh-cn" if primary == "zh" else primary


def _refuse_matrix(provider: Provider, params: TravelMatrixParams) -> list[str]:
    reasons = mode_refusals(params.mode) + place_id_refusals(TITLE, params)
    if params.avoid:
        reasons.append(f"{TITLE}'s matrix takes nothing to avoid: leave out avoid, or ask compute_routes for each pair")
    return reasons


def _build_matrix(provider: Provider, params: TravelMatrixParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    return (matrix_call(provider, params.mode, coordinates(params.origins), coordinates(params.destinations)),)


def _parse_matrix(provider: Provider, params: TravelMatrixParams, responses: Responses) -> Matrix:
    return Matrix(mode=params.mode, cells=read_matrix(responses[0], params))


COMPUTE_ROUTES = Operation(_build_routes, _parse_routes, _refuse_routes)
TRAVEL_MATRIX = Operation(_build_matrix, _parse_matrix, _refuse_matrix)
