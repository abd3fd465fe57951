"""TomTom's Routing API 1 and Matrix Routing API 2.

https://developer.tomtom.com/routing-api/documentation. Live traffic is left out of both, so that what is asked again
tomorrow is answered alike; speeds are what they usually are at the time of day.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import LatLon, encode_shape
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import Avoidable, ComputeRoutesParams, TravelMatrixParams, TravelMode
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.positions import lat_lon, on_earth
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.routes import (
    ORDER_APPLIED_HERE,
    RouteParams,
    coordinates,
    distant_stop_warnings,
    has_order_to_find,
    joined,
    only_order,
    place_id_refusals,
    road_summary,
    stops,
    used_nevertheless,
    visit_order,
)
from annotator.maps.providers.tomtom_http import (
    TITLE,
    TRAVEL_MODES,
    error_code,
    error_text,
    get_call,
    json_or_none,
    language_query,
    language_refusals,
    post_call,
)
from annotator.maps.results import Leg, Matrix, MatrixCell, Route, RouteList, Step

_AVOID: dict[Avoidable, str] = {"tolls": "tollRoads", "highways": "motorways", "ferries": "ferries"}
_SECTIONS: dict[Avoidable, str] = {"tolls": "TOLL_ROAD", "highways": "MOTORWAY", "ferries": "FERRY"}

NO_WAY = {
    "NO_ROUTE_FOUND": "there is no way between the stops for this mode of travel",
    "MAP_MATCHING_FAILURE": "there is no road near one of the stops for this mode of travel",
    "OUT_OF_REGION": "the stops lie where no way is looked for",
}

_STOPPED = "STOPPED"
"""TomTom gives a search up after half a minute, and calls that too no route in a matrix."""


def no_way_reason(response: HttpResponse) -> str | None:
    """Why there is no way, if an error response says so."""
    payload = json_or_none(response)
    if _STOPPED in error_text(payload):
        return None
    code = error_code(payload).partition(":")[0]
    words = error_text(payload)
    return NO_WAY.get(code) or next((reason for name, reason in NO_WAY.items() if f": {name}" in words), None)


def mode_refusals(mode: TravelMode) -> list[str]:
    """Why a mode of travel cannot be had."""
    return [] if mode in TRAVEL_MODES else [f"{TITLE} has no {mode}: use one of {', '.join(TRAVEL_MODES)}"]


def _refuse_routes(provider: Provider, params: ComputeRoutesParams) -> list[str]:
    reasons = mode_refusals(params.mode) + place_id_refusals(TITLE, params) + language_refusals(params.language)
    if params.optimize_order and params.alternatives:
        reasons.append(f"{TITLE} finds either an order or alternatives: leave out optimize_order or alternatives")
    return reasons


def route_call(provider: Provider, params: RouteParams) -> HttpCall:
    """The request for a way, with its instructions and shape."""
    path = ":".join(lat_lon(point) for point in coordinates(stops(params)))
    query = [
        ("travelMode", TRAVEL_MODES[params.mode]),
        ("routeType", "fastest"),
        ("traffic", "false"),
        ("routeRepresentation", "polyline"),
        ("instructionsType", "text"),
        language_query(params.language),
        *(("avoid", _AVOID[kind]) for kind in params.avoid),
        *(("sectionType", name) for name in ("tollRoad", "motorway", "ferry")),
    ]
    if isinstance(params, ComputeRoutesParams) and params.alternatives:
        query.append(("maxAlternatives", str(params.alternatives)))
    if has_order_to_find(params):
        query.append(("computeBestOrder", "true"))
    return get_call(provider, f"/routing/1/calculateRoute/{path}/json", *query)


def _build_routes(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> tuple[HttpCall, ...]:
    return () if responses else (route_call(provider, params),)


def _parse_routes(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> RouteList:
    routes, reason = read_routes(responses[0], params)
    return RouteList(routes=routes, reason=reason)


def read_routes(response: HttpResponse, params: RouteParams) -> tuple[tuple[Route, ...], str | None]:
    """The ways, best first, or none and the reason.

    Raises:
        UpstreamError: it is an error of another kind.
        UpstreamFormatError: it is not in the documented shape.
    """
    if response.status >= 400:
        reason = no_way_reason(response)
        if reason is None:
            raise UpstreamError(error_text(json_or_none(response)) or f"{TITLE} failed", status=response.status)
        return (), reason
    payload = response.json()
    raw_routes = items(payload, "routes")
    if not raw_routes:
        raise UpstreamFormatError(f"{TITLE}'s answer has no routes")
    asked = coordinates(stops(params))
    order = only_order(params)
    if has_order_to_find(params):
        order = _order(items(payload, "optimizedWaypoints"), len(asked))
        asked = [asked[0], *(asked[1 + index] for index in order), asked[-1]]
    return tuple(_route(raw, params, asked, order) for raw in raw_routes), None


def _order(optimized: Sequence[dict[str, Any]], num_stops: int) -> tuple[int, ...]:
    pairs = sorted(
        (need(entry, "optimizedIndex", kind=int), need(entry, "providedIndex", kind=int)) for entry in optimized
    )
    return visit_order([0, *(1 + provided for _, provided in pairs), num_stops - 1], num_stops)


def _route(raw: dict[str, Any], params: RouteParams, asked: Sequence[LatLon], order: tuple[int, ...]) -> Route:
    raw_legs = items(raw, "legs")
    shapes = [_shape(leg) for leg in raw_legs]
    if len(shapes) != len(asked) - 1:
        raise UpstreamFormatError(f"{TITLE}'s route has {len(shapes)} legs for {len(asked)} stops")
    legs = _legs(raw_legs, items(raw, "guidance", "instructions"))
    sections = [get(section, "sectionType", kind=str) for section in items(raw, "sections")]
    known = get(raw, "sections", kind=list) is not None
    uses = {kind: (name in sections) if known else None for kind, name in _SECTIONS.items()}
    reached = [shapes[0][0], *(shape[-1] for shape in shapes)]
    return Route(
        mode=params.mode,
        distance_m=need(raw, "summary", "lengthInMeters", kind=float),
        duration_s=need(raw, "summary", "travelTimeInSeconds", kind=float),
        legs=legs,
        geometry=encode_shape(joined(shapes)),
        summary=road_summary(legs),
        waypoint_order=order,
        warnings=(*used_nevertheless(params.avoid, uses), *distant_stop_warnings(asked, reached)),
        has_toll=uses["tolls"],
        has_highway=uses["highways"],
        has_ferry=uses["ferries"],
    )


def _shape(leg: dict[str, Any]) -> list[LatLon]:
    shape = [
        on_earth(need(point, "latitude", kind=float), need(point, "longitude", kind=float))
        for point in items(leg, "points")
    ]
    if not shape:
        raise UpstreamFormatError(f"{TITLE}'s route has a leg without points")
    return shape


def _legs(raw_legs: Sequence[dict[str, Any]], instructions: Sequence[dict[str, Any]]) -> tuple[Leg, ...]:
    """Legs with their steps, which TomTom gives in one list for the whole way."""
    parts = _parts(instructions) if instructions else [()] * len(raw_legs)
    if len(parts) != len(raw_legs):
        raise UpstreamFormatError(f"{TITLE}'s instructions tell of {len(parts)} legs where there are {len(raw_legs)}")
    return tuple(
        Leg(
            distance_m=need(leg, "summary", "lengthInMeters", kind=float),
            duration_s=need(leg, "summary", "travelTimeInSeconds", kind=float),
            steps=steps,
        )
        for leg, steps in zip(raw_legs, parts, strict=True)
    )


def _parts(instructions: Sequence[dict[str, Any]]) -> list[tuple[Step, ...]]:
    """Steps by leg. Each instruction says where on the whole way it is; a step goes from one to the next.

    Where a stop is reached, one leg ends with the instruction and the next begins with the road that leads on.
    """
    parts: list[list[Step]] = [[]]
    for here, there in pairwise([*instructions, instructions[-1]]):
        distance_m = _offset_m(there) - _offset_m(here)
        duration_s = _time_s(there) - _time_s(here)
        road = get(here, "street", kind=str) or _first_number(here)
        text, maneuver = get(here, "message", kind=str) or "", get(here, "maneuver", kind=str)
        if get(here, "instructionType", kind=str) == "LOCATION_WAYPOINT":
            parts[-1].append(Step(text=text, distance_m=0, duration_s=0, maneuver=maneuver))
            parts.append([])
            text, maneuver = road or text, None
        parts[-1].append(Step(text=text, distance_m=distance_m, duration_s=duration_s, road=road, maneuver=maneuver))
    return [tuple(part) for part in parts]


def _offset_m(instruction: dict[str, Any]) -> float:
    return need(instruction, "routeOffsetInMeters", kind=float)


def _time_s(instruction: dict[str, Any]) -> float:
    return need(instruction, "travelTimeInSeconds", kind=float)


def _first_number(instruction: dict[str, Any]) -> str | None:
    return get(instruction, "roadNumbers", 0, kind=str)


def _refuse_matrix(provider: Provider, params: TravelMatrixParams) -> list[str]:
    return mode_refusals(params.mode) + place_id_refusals(TITLE, params)


def matrix_call(provider: Provider, params: TravelMatrixParams) -> HttpCall:
    """The request for a matrix that is answered at once."""
    options: dict[str, Any] = {
        "departAt": "any",
        "traffic": "historical",
        "routeType": "fastest",
        "travelMode": TRAVEL_MODES[params.mode],
    }
    if params.avoid:
        options["avoid"] = [_AVOID[kind] for kind in params.avoid]
    body = {
        "origins": [_point(point) for point in coordinates(params.origins)],
        "destinations": [_point(point) for point in coordinates(params.destinations)],
        "options": options,
    }
    return post_call(provider, "/routing/matrix/2", body)


def _point(point: LatLon) -> dict[str, Any]:
    return {"point": {"latitude": point[0], "longitude": point[1]}}


def _build_matrix(provider: Provider, params: TravelMatrixParams, responses: Responses) -> tuple[HttpCall, ...]:
    return () if responses else (matrix_call(provider, params),)


def _parse_matrix(provider: Provider, params: TravelMatrixParams, responses: Responses) -> Matrix:
    return read_matrix(responses[0], params)


def read_matrix(response: HttpResponse, params: TravelMatrixParams) -> Matrix:
    """The cells of a matrix's answer; a pair that it doesn't tell of has no way.

    Raises:
        UpstreamError: a pair could not be looked at.
        UpstreamFormatError: it is not in the documented shape.
    """
    payload = response.json()
    need(payload, "data", kind=list)
    cells: dict[tuple[int, int], MatrixCell] = {}
    for entry in items(payload, "data"):
        pair = need(entry, "originIndex", kind=int), need(entry, "destinationIndex", kind=int)
        if get(entry, "routeSummary", kind=dict) is not None:
            cells[pair] = MatrixCell(
                duration_s=need(entry, "routeSummary", "travelTimeInSeconds", kind=float),
                distance_m=need(entry, "routeSummary", "lengthInMeters", kind=float),
            )
        elif error_code(entry) not in NO_WAY or _STOPPED in error_text(entry):
            raise UpstreamError(f"{TITLE} could not look at pair {pair}: {error_text(entry) or 'no reason given'}")
    no_way = MatrixCell(duration_s=None, distance_m=None)
    return Matrix(
        mode=params.mode,
        cells=tuple(
            tuple(cells.get((i, j), no_way) for j in range(len(params.destinations)))
            for i in range(len(params.origins))
        ),
    )


COMPUTE_ROUTES = Operation(_build_routes, _parse_routes, _refuse_routes, applied_here=ORDER_APPLIED_HERE)
TRAVEL_MATRIX = Operation(_build_matrix, _parse_matrix, _refuse_matrix)
