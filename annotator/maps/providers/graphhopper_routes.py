"""GraphHopper's Routing and Matrix APIs.

Source: the documentation of the GraphHopper Directions API 1.0.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import LatLon, encode_shape
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import Avoidable, ComputeRoutesParams, TravelMatrixParams, TravelMode
from annotator.maps.provider import Operation, Responses
from annotator.maps.providers.positions import decoded
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.routes import (
    ORDER_APPLIED_HERE,
    coordinates,
    distant_stop_warnings,
    has_order_to_find,
    matrix_cells,
    only_order,
    place_id_refusals,
    road_summary,
    stops,
    used_nevertheless,
    visit_order,
)
from annotator.maps.results import Leg, Matrix, Route, RouteList, Step

if TYPE_CHECKING:
    from annotator.maps.providers.graphhopper import GraphHopper

_PROFILES: dict[TravelMode, str] = {"drive": "car", "walk": "foot", "bicycle": "bike"}
_AVOIDING_PROFILES: dict[Avoidable, str] = {
    "tolls": "car_avoid_toll",
    "highways": "car_avoid_motorway",
    "ferries": "car_avoid_ferry",
}
_ROADS: dict[Avoidable, str] = {
    "tolls": "toll == ALL",
    "highways": "road_class == MOTORWAY",
    "ferries": "road_environment == FERRY",
}

# GraphHopper falls back to English without a word for languages that it has no instructions in.
_LANGUAGES = frozenset(
    [
        "ar",
        "ast",
        "az",
        "bg",
        "bn",
        "ca",
        "cs",
        "da",
        "de",
        "el",
        "en",
        "eo",
        "es",
        "fa",
        "fi",
        "fil",
        "fr",
        "gl",
        "he",
        "hr",
        "hsb",
        "hu",
        "it",
        "ja",
        "ko",
        "lt",
        "mn",
        "nb",
        "ne",
        "nl",
        "pl",
        "pt",
        "ro",
        "ru",
        "sk",
        "sl",
        "sr",
        "sv",
        "tr",
        "uk",
        "uz",
        "vi",
        "zh",
    ]
)
_REGIONAL_LOCALES = {"pt-BR": "pt_BR", "fr-CH": "fr_CH", "zh-TW": "zh_TW", "zh-HK": "zh_HK"}

_NO_WAY = (
    ("ConnectionNotFoundException", "Connection between locations not found", "there is no way between the stops"),
    ("PointNotFoundException", "Cannot find point", "there is no road near one of the stops"),
    ("PointOutOfBoundsException", "Point out of bounds", "the map does not cover one of the stops"),
)

SIGNS = {
    -98: "uturn",
    -8: "uturn_left",
    -7: "keep_left",
    -6: "leave_roundabout",
    -3: "sharp_left",
    -2: "left",
    -1: "slight_left",
    0: "continue",
    1: "slight_right",
    2: "right",
    3: "sharp_right",
    4: "finish",
    5: "reached_via",
    6: "roundabout",
    7: "keep_right",
    8: "uturn_right",
}
"""Names of the numbers by which GraphHopper tells what to do."""

_REACHED_VIA = 5


def no_way_reason(response: HttpResponse) -> str | None:
    """Why there is no way, if an error response says so; it names an exception, or begins with its message."""
    try:
        payload = response.json()
    except UpstreamFormatError:
        return None
    message = get(payload, "message", kind=str) or ""
    exceptions = [get(hint, "details", kind=str) or "" for hint in items(payload, "hints")]
    for exception, beginning, reason in _NO_WAY:
        if message.startswith(beginning) or any(name.endswith(f".{exception}") for name in exceptions):
            return reason
    return None


def _mode_refusals(mode: TravelMode) -> list[str]:
    return [] if mode in _PROFILES else [f"GraphHopper has no {mode}: use one of {', '.join(_PROFILES)}"]


def _pointless(mode: TravelMode, avoid: Sequence[Avoidable]) -> list[str]:
    impossible = [kind for kind in avoid if kind != "ferries" and mode != "drive"]
    return (
        [f"GraphHopper has no choice about {' and '.join(impossible)} for {mode}: leave them out of avoid"]
        if impossible
        else []
    )


def _refuse_routes(provider: "GraphHopper", params: ComputeRoutesParams) -> list[str]:
    reasons = _mode_refusals(params.mode) + place_id_refusals("GraphHopper", params)
    reasons += _pointless(params.mode, params.avoid)
    if params.language.partition("-")[0] not in _LANGUAGES:
        reasons.append(f"GraphHopper has no instructions in '{params.language}': ask in another language, such as en")
    if params.alternatives and params.intermediates:
        reasons.append("GraphHopper finds alternatives only between two stops: leave out alternatives or intermediates")
    return reasons


def _build_routes(provider: "GraphHopper", params: ComputeRoutesParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    locale = _REGIONAL_LOCALES.get(params.language, params.language.partition("-")[0])
    body: dict[str, Any] = {
        "points": [[lon, lat] for lat, lon in coordinates(stops(params))],
        "profile": _PROFILES[params.mode],
        "locale": locale,
        "instructions": True,
        "points_encoded": True,
        "details": ["toll", "road_class", "road_environment"],
    }
    if params.mode == "drive" and len(params.avoid) == 1:
        body["profile"] = _AVOIDING_PROFILES[params.avoid[0]]
    elif params.avoid:
        body["ch.disable"] = True
        body["custom_model"] = {"priority": [{"if": _ROADS[kind], "multiply_by": "0.1"} for kind in params.avoid]}
    if params.alternatives:
        body["algorithm"] = "alternative_route"
        body["alternative_route.max_paths"] = 1 + params.alternatives
    if has_order_to_find(params):
        body["optimize"] = "true"
    return (provider.post("route", body),)


def _parse_routes(provider: "GraphHopper", params: ComputeRoutesParams, responses: Responses) -> RouteList:
    if responses[0].status == 400:
        reason = no_way_reason(responses[0])
        if reason is None:
            raise UpstreamError(provider.error_message(responses[0]) or "GraphHopper answered 400", status=400)
        return RouteList(routes=(), reason=reason)
    paths = items(responses[0].json(), "paths")
    if not paths:
        raise UpstreamFormatError("GraphHopper's answer has no paths")
    return RouteList(routes=tuple(_route(path, params) for path in paths))


def _route(path: dict[str, Any], params: ComputeRoutesParams) -> Route:
    asked = coordinates(stops(params))
    order = only_order(params)
    if has_order_to_find(params):
        visit = [entry for entry in need(path, "points_order", kind=list) if isinstance(entry, int)]
        order = visit_order(visit, len(asked))
        asked = [asked[index] for index in visit]
    distance_m, duration_s = need(path, "distance", kind=float), need(path, "time", kind=float) / 1000
    legs = _legs(items(path, "instructions"), len(asked) - 1, distance_m, duration_s)
    uses: dict[Avoidable, bool | None] = {
        "tolls": _has(path, "toll", "all"),
        "highways": _has(path, "road_class", "motorway"),
        "ferries": _has(path, "road_environment", "ferry"),
    }
    reached = _points(path, "snapped_waypoints") if get(path, "snapped_waypoints", kind=str) else []
    return Route(
        mode=params.mode,
        distance_m=distance_m,
        duration_s=duration_s,
        legs=legs,
        geometry=encode_shape(_points(path, "points")),
        summary=road_summary(legs),
        waypoint_order=order,
        warnings=(*used_nevertheless(params.avoid, uses), *distant_stop_warnings(asked, reached)),
        has_toll=uses["tolls"],
        has_highway=uses["highways"],
        has_ferry=uses["ferries"],
    )


def _points(path: dict[str, Any], name: str) -> list[LatLon]:
    scale = get(path, "points_encoded_multiplier", kind=float) or 1e5
    return decoded(need(path, name, kind=str), round(math.log10(max(scale, 1.0))))


def _has(path: dict[str, Any], detail: str, value: str) -> bool | None:
    """Whether any part of a path, given as `[from, to, value]`, has a value of a detail; None without the detail."""
    parts = get(path, "details", detail, kind=list)
    return None if parts is None else any((get(part, 2, kind=str) or "").lower() == value for part in parts)


def _legs(
    instructions: Sequence[dict[str, Any]], num_legs: int, distance_m: float, duration_s: float
) -> tuple[Leg, ...]:
    """Legs from the one list of instructions: each ends where a stop is reached."""
    if not instructions and num_legs == 1:
        return (Leg(distance_m=distance_m, duration_s=duration_s),)
    parts: list[list[Step]] = [[]]
    for instruction in instructions:
        parts[-1].append(_step(instruction))
        if get(instruction, "sign", kind=int) == _REACHED_VIA:
            parts.append([])
    if len(parts) != num_legs:
        raise UpstreamFormatError(f"GraphHopper's instructions tell of {len(parts)} legs where {num_legs} were asked")
    return tuple(
        Leg(
            distance_m=sum(step.distance_m for step in part),
            duration_s=sum(step.duration_s for step in part),
            steps=tuple(part),
        )
        for part in parts
    )


def _step(instruction: dict[str, Any]) -> Step:
    sign = get(instruction, "sign", kind=int)
    return Step(
        text=get(instruction, "text", kind=str) or "",
        distance_m=need(instruction, "distance", kind=float),
        duration_s=need(instruction, "time", kind=float) / 1000,
        road=get(instruction, "street_name", kind=str) or None,
        maneuver=None if sign is None else SIGNS.get(sign),
    )


def _refuse_matrix(provider: "GraphHopper", params: TravelMatrixParams) -> list[str]:
    reasons = _mode_refusals(params.mode) + place_id_refusals("GraphHopper", params)
    reasons += _pointless(params.mode, params.avoid)
    if len(params.avoid) > 1 or (params.avoid == ("ferries",) and params.mode in ("walk", "bicycle")):
        reasons.append(
            "GraphHopper's matrix can avoid one of tolls, highways and ferries, for drive: ask compute_routes for more"
        )
    return reasons


def _build_matrix(provider: "GraphHopper", params: TravelMatrixParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    body = {
        "from_points": [[lon, lat] for lat, lon in coordinates(params.origins)],
        "to_points": [[lon, lat] for lat, lon in coordinates(params.destinations)],
        "profile": _AVOIDING_PROFILES[params.avoid[0]] if params.avoid else _PROFILES[params.mode],
        "out_arrays": ["times", "distances"],
        # One stop without a road leaves the other pairs as they are.
        "fail_fast": False,
    }
    return (provider.post("matrix", body),)


def _parse_matrix(provider: "GraphHopper", params: TravelMatrixParams, responses: Responses) -> Matrix:
    payload = responses[0].json()
    cells = matrix_cells(params, need(payload, "times", kind=list), need(payload, "distances", kind=list))
    return Matrix(mode=params.mode, cells=cells)


COMPUTE_ROUTES = Operation(_build_routes, _parse_routes, _refuse_routes, applied_here=ORDER_APPLIED_HERE)
TRAVEL_MATRIX = Operation(_build_matrix, _parse_matrix, _refuse_matrix)
