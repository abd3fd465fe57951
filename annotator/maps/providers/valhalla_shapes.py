"""Valhalla's JSON, without HTTP: requests for its routes and matrices, and what its answers say.

The service and the library take and give the same JSON, so the HTTP adapter and the embedded map's router share this.
Source: the API reference of Valhalla 3 (turn-by-turn, matrix, optimized route), and answers of version 3.9.
"""

from collections.abc import Sequence
from typing import Any

from annotator.errors import UpstreamFormatError
from annotator.geo import LatLon, encode_shape
from annotator.maps.params import Avoidable, ComputeRoutesParams, TravelMatrixParams, TravelMode
from annotator.maps.providers.positions import decoded
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.routes import distant_stop_warnings, joined, road_summary, used_nevertheless, visit_order
from annotator.maps.results import Leg, Matrix, MatrixCell, Route, Step

COSTINGS: dict[TravelMode, str] = {
    "drive": "auto",
    "walk": "pedestrian",
    "bicycle": "bicycle",
    "motorcycle": "motorcycle",
}
"""Valhalla's costing for each mode that it has without timetables."""

_AVOIDABLE: dict[str, tuple[Avoidable, ...]] = {
    "auto": ("tolls", "highways", "ferries"),
    "motorcycle": ("tolls", "highways", "ferries"),
    "pedestrian": ("ferries",),
    "bicycle": ("ferries",),
}
_USE_OPTIONS: dict[Avoidable, str] = {"tolls": "use_tolls", "highways": "use_highways", "ferries": "use_ferry"}
_SUMMARY_FLAGS: dict[Avoidable, str] = {"tolls": "has_toll", "highways": "has_highway", "ferries": "has_ferry"}

# Tags with a region that have words of their own; of all other languages Valhalla knows the bare one.
_REGIONAL_LANGUAGES = frozenset({"en-GB", "en-AU", "pt-BR"})

NO_WAY: dict[int, str] = {
    170: "the stops lie in parts of the map that no road connects",
    171: "there is no road near one of the stops for this mode of travel, or the map does not cover it",
    441: "one of the stops cannot be reached",
    442: "there is no way between the stops for this mode of travel",
}
"""Error codes that answer the question: there is no way, and this is why. All others are failures to answer."""

_SHAPE_DIGITS = 6

MANEUVERS = (
    "none",
    "start",
    "start_right",
    "start_left",
    "destination",
    "destination_right",
    "destination_left",
    "becomes",
    "continue",
    "slight_right",
    "right",
    "sharp_right",
    "uturn_right",
    "uturn_left",
    "sharp_left",
    "left",
    "slight_left",
    "ramp_straight",
    "ramp_right",
    "ramp_left",
    "exit_right",
    "exit_left",
    "stay_straight",
    "stay_right",
    "stay_left",
    "merge",
    "roundabout_enter",
    "roundabout_exit",
    "ferry_enter",
    "ferry_exit",
    "transit",
    "transit_transfer",
    "transit_remain_on",
    "transit_connection_start",
    "transit_connection_transfer",
    "transit_connection_destination",
    "post_transit_connection_destination",
    "merge_right",
    "merge_left",
    "elevator_enter",
    "steps_enter",
    "escalator_enter",
    "building_enter",
    "building_exit",
)
"""Names of the maneuver types by number."""


def mode_refusals(mode: TravelMode, avoid: Sequence[Avoidable]) -> list[str]:
    """Reasons why Valhalla cannot honour a mode, or cannot avoid something in it; empty when it can."""
    if mode not in COSTINGS:
        return [f"Valhalla has no timetables here, so no {mode}: use one of {', '.join(COSTINGS)}"]
    impossible = [kind for kind in avoid if kind not in _AVOIDABLE[COSTINGS[mode]]]
    if impossible:
        return [f"Valhalla has no choice about {' and '.join(impossible)} for {mode}: leave them out of avoid"]
    return []


def route_request(params: ComputeRoutesParams, points: Sequence[LatLon]) -> dict[str, Any]:
    """Body of `/route`, and of `/optimized_route` when the order is to be found.

    Args:
        params: what was asked; `mode_refusals` has no objection.
        points: all stops in order, origin and destination included.
    """
    request = {
        "locations": [_location(point) for point in points],
        **_costing(params.mode, params.avoid),
        "units": "kilometers",
        "language": narration_language(params.language),
    }
    if params.alternatives:
        request["alternates"] = params.alternatives
    return request


def matrix_request(
    params: TravelMatrixParams, origins: Sequence[LatLon], destinations: Sequence[LatLon]
) -> dict[str, Any]:
    """Body of `/sources_to_targets`; `mode_refusals` has no objection."""
    return {
        "sources": [_location(point) for point in origins],
        "targets": [_location(point) for point in destinations],
        **_costing(params.mode, params.avoid),
        "units": "kilometers",
    }


def narration_language(language: str) -> str:
    """The tag to send for a language: Valhalla answers `de-AT` in English but `de` in German."""
    return language if language in _REGIONAL_LANGUAGES else language.partition("-")[0]


def parse_route(
    payload: Any, mode: TravelMode, *, avoid: Sequence[Avoidable] = (), language: str | None = None
) -> tuple[Route, ...]:
    """The route and its alternatives, best first.

    Args:
        payload: parsed JSON of `/route` or `/optimized_route`.
        mode: what was asked for.
        avoid: what was to be avoided: a way that uses it nevertheless, for want of another, carries a warning.
        language: what was asked for: instructions in another one carry a warning.

    Raises:
        UpstreamFormatError: it is not in the documented shape.
    """
    trips = [need(payload, "trip", kind=dict)]
    trips += [need(alternate, "trip", kind=dict) for alternate in items(payload, "alternates")]
    return tuple(_route(trip, mode, avoid, language) for trip in trips)


def optimized_order(payload: Any) -> tuple[int, ...]:
    """Input index of each intermediate in the order of visit, of an answer of `/optimized_route`.

    Raises:
        UpstreamFormatError: the answer doesn't say where each stop stood in the request.
    """
    locations = need(payload, "trip", "locations", kind=list)
    return visit_order([need(location, "original_index", kind=int) for location in locations], len(locations))


def parse_matrix(payload: Any, mode: TravelMode) -> Matrix:
    """Times and distances of `/sources_to_targets`, in its verbose shape or the concise one.

    Raises:
        UpstreamFormatError: it is not in the documented shape.
    """
    if get(payload, "sources_to_targets", kind=dict) is not None:
        durations = need(payload, "sources_to_targets", "durations", kind=list)
        distances = need(payload, "sources_to_targets", "distances", kind=list)
        rows = [
            tuple(_cell(get(durations, i, j, kind=float), get(distances, i, j, kind=float)) for j in range(len(row)))
            for i, row in enumerate(durations)
            if isinstance(row, list)
        ]
    else:
        rows = [
            tuple(_cell(get(pair, "time", kind=float), get(pair, "distance", kind=float)) for pair in row)
            for row in need(payload, "sources_to_targets", kind=list)
            if isinstance(row, list)
        ]
    return Matrix(mode=mode, cells=tuple(rows))


def _location(point: LatLon) -> dict[str, float]:
    return {"lat": point[0], "lon": point[1]}


def _costing(mode: TravelMode, avoid: Sequence[Avoidable]) -> dict[str, Any]:
    costing = COSTINGS[mode]
    options = {_USE_OPTIONS[kind]: 0 for kind in avoid if kind in _AVOIDABLE[costing]}
    return {"costing": costing, "costing_options": {costing: options}} if options else {"costing": costing}


def _cell(duration_s: float | None, distance_km: float | None) -> MatrixCell:
    if duration_s is None or distance_km is None:
        return MatrixCell(duration_s=None, distance_m=None)
    return MatrixCell(duration_s=duration_s, distance_m=distance_km * 1000)


def _route(trip: dict[str, Any], mode: TravelMode, avoid: Sequence[Avoidable], language: str | None) -> Route:
    raw_legs = items(trip, "legs")
    if not raw_legs:
        raise UpstreamFormatError("the answer has a trip without legs")
    legs = tuple(_leg(leg) for leg in raw_legs)
    shapes = [_shape(leg) for leg in raw_legs]
    uses = {kind: get(trip, "summary", flag, kind=bool) for kind, flag in _SUMMARY_FLAGS.items()}
    warnings = [text for warning in items(trip, "warnings") if (text := get(warning, "text", kind=str))]
    warnings += used_nevertheless(avoid, uses)
    warnings += distant_stop_warnings(_stops(trip), [shapes[0][0], *(shape[-1] for shape in shapes)])
    spoken = get(trip, "language", kind=str)
    if language and spoken and spoken.partition("-")[0] != language.partition("-")[0]:
        warnings.append(f"the instructions are in {spoken}, because this Valhalla has none in {language}")
    return Route(
        mode=mode,
        distance_m=need(trip, "summary", "length", kind=float) * 1000,
        duration_s=need(trip, "summary", "time", kind=float),
        legs=legs,
        geometry=encode_shape(joined(shapes)),
        summary=road_summary(legs),
        warnings=tuple(warnings),
        has_toll=uses["tolls"],
        has_highway=uses["highways"],
        has_ferry=uses["ferries"],
    )


def _stops(trip: dict[str, Any]) -> list[LatLon]:
    return [(need(stop, "lat", kind=float), need(stop, "lon", kind=float)) for stop in items(trip, "locations")]


def _shape(leg: dict[str, Any]) -> list[LatLon]:
    shape = decoded(need(leg, "shape", kind=str), _SHAPE_DIGITS)
    if not shape:
        raise UpstreamFormatError("a leg has a shape without points")
    return shape


def _leg(leg: dict[str, Any]) -> Leg:
    return Leg(
        distance_m=need(leg, "summary", "length", kind=float) * 1000,
        duration_s=need(leg, "summary", "time", kind=float),
        steps=tuple(_step(maneuver) for maneuver in items(leg, "maneuvers")),
    )


def _step(maneuver: dict[str, Any]) -> Step:
    names = [name for name in get(maneuver, "street_names", kind=list) or [] if isinstance(name, str)]
    kind = get(maneuver, "type", kind=int)
    return Step(
        text=get(maneuver, "instruction", kind=str) or "",
        distance_m=need(maneuver, "length", kind=float) * 1000,
        duration_s=need(maneuver, "time", kind=float),
        road="/".join(names) or None,
        maneuver=MANEUVERS[kind] if kind is not None and 0 < kind < len(MANEUVERS) else None,
    )
