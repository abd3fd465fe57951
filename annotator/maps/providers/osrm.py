"""OSRM: routes, matrices and orders of visit on OpenStreetMap, by the HTTP API version 1 of osrm-backend.

One OSRM server holds one mode of travel and ignores the profile in the URL, so a wrong address would answer a walk with
a drive. FOSSGIS runs three servers side by side; an address of your own may hold `{profile}`, which becomes `car`,
`bike` or `foot`, and without it answers `drive` alone.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import LatLon, encode_shape
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import Avoidable, ComputeRoutesParams, ToolName, TravelMatrixParams, TravelMode
from annotator.maps.provider import Operation, Provider, ProviderInfo, RateLimit, Responses
from annotator.maps.providers.osrm_text import instruction, road_name
from annotator.maps.providers.positions import decoded, lon_lat, on_earth
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
    visit_order,
)
from annotator.maps.results import Leg, Matrix, Route, RouteList, Step

FOSSGIS = "https://routing.openstreetmap.de"

_PROFILES: dict[TravelMode, str] = {"drive": "car", "bicycle": "bike", "walk": "foot"}
_CLASSES: dict[Avoidable, str] = {"tolls": "toll", "highways": "motorway", "ferries": "ferry"}

_NO_WAY = {
    "NoRoute": "there is no way between the stops for this mode of travel",
    "NoTrips": "there is no way through all of the stops for this mode of travel",
    "NoSegment": "there is no road near one of the stops, or the map does not cover it",
}


def _text(response: HttpResponse, name: str) -> str:
    try:
        return get(response.json(), name, kind=str) or ""
    except UpstreamFormatError:
        return ""


def _code(response: HttpResponse) -> str:
    return _text(response, "code")


def _path(points: Sequence[LatLon]) -> str:
    return ";".join(lon_lat(point) for point in points)


def _exclude(avoid: Sequence[Avoidable]) -> tuple[tuple[str, str], ...]:
    return (("exclude", ",".join(_CLASSES[kind] for kind in avoid)),) if avoid else ()


def _refuse_routes(provider: "Osrm", params: ComputeRoutesParams) -> list[str]:
    reasons = provider.mode_refusals(params.mode) + place_id_refusals("OSRM", params)
    if params.language.partition("-")[0] != "en":
        reasons.append(f"OSRM has no words of its own, and ours for it are English: not '{params.language}' but 'en'")
    if params.alternatives and params.intermediates:
        reasons.append("OSRM finds alternatives only between two stops: leave out alternatives or intermediates")
    return reasons


def _build_routes(provider: "Osrm", params: ComputeRoutesParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    # Hints are for follow-up requests, and hold a checksum that would make equal answers differ.
    query = [("steps", "true"), ("geometries", "polyline"), ("overview", "full"), ("generate_hints", "false")]
    if has_order_to_find(params):
        service = "trip"
        query += [("roundtrip", "false"), ("source", "first"), ("destination", "last")]
    else:
        service = "route"
        query.append(("alternatives", str(params.alternatives) if params.alternatives else "false"))
    path = _path(coordinates(stops(params)))
    url = f"{provider.root(params.mode)}/{service}/v1/{_PROFILES[params.mode]}/{path}"
    return (HttpCall("GET", url, query=(*query, *_exclude(params.avoid))),)


def _parse_routes(provider: "Osrm", params: ComputeRoutesParams, responses: Responses) -> RouteList:
    payload = responses[0].json()
    code = need(payload, "code", kind=str)
    if code in _NO_WAY:
        return RouteList(routes=(), reason=_NO_WAY[code])
    if code != "Ok":
        raise UpstreamError(provider.error_message(responses[0]) or f"OSRM answered {code}")
    asked = coordinates(stops(params))
    waypoints = items(payload, "waypoints")
    order = only_order(params)
    if has_order_to_find(params):
        if len(items(payload, "trips")) > 1:
            return RouteList(routes=(), reason="no single way joins all of the stops")
        positions = [need(waypoint, "waypoint_index", kind=int) for waypoint in waypoints]
        # Stops at their positions are an order just when positions at their stops are one.
        visit_order(positions, len(asked))
        visit = sorted(range(len(asked)), key=positions.__getitem__)
        order = tuple(index - 1 for index in visit[1:-1])
        asked = [asked[index] for index in visit]
        waypoints = [waypoints[index] for index in visit]
    warnings = tuple(distant_stop_warnings(asked, [_location(waypoint) for waypoint in waypoints]))
    raw_routes = items(payload, "trips" if has_order_to_find(params) else "routes")
    if not raw_routes:
        raise UpstreamFormatError("OSRM's answer is Ok but has no routes")
    return RouteList(routes=tuple(_route(raw, params.mode, order, warnings) for raw in raw_routes))


def _location(waypoint: dict[str, Any]) -> LatLon:
    return on_earth(need(waypoint, "location", 1, kind=float), need(waypoint, "location", 0, kind=float))


def _route(raw: dict[str, Any], mode: TravelMode, order: tuple[int, ...], warnings: tuple[str, ...]) -> Route:
    raw_legs = items(raw, "legs")
    raw_steps = [step for leg in raw_legs for step in items(leg, "steps")]
    classes = {
        name
        for step in raw_steps
        for crossing in items(step, "intersections")
        for name in get(crossing, "classes", kind=list) or []
        if isinstance(name, str)
    }
    legs = tuple(_leg(leg) for leg in raw_legs)
    return Route(
        mode=mode,
        distance_m=need(raw, "distance", kind=float),
        duration_s=need(raw, "duration", kind=float),
        legs=legs,
        geometry=encode_shape(decoded(need(raw, "geometry", kind=str))),
        summary=road_summary(legs),
        waypoint_order=order,
        warnings=warnings,
        # Road classes are optional in a profile: where there are none, nothing is known.
        has_toll=True if "toll" in classes else None,
        has_highway=True if "motorway" in classes else None,
        has_ferry=any(get(step, "mode", kind=str) == "ferry" for step in raw_steps) if raw_steps else None,
    )


def _leg(raw: dict[str, Any]) -> Leg:
    return Leg(
        distance_m=need(raw, "distance", kind=float),
        duration_s=need(raw, "duration", kind=float),
        steps=tuple(
            Step(
                text=instruction(step),
                distance_m=need(step, "distance", kind=float),
                duration_s=need(step, "duration", kind=float),
                road=road_name(step),
                maneuver=_maneuver(step),
            )
            for step in items(raw, "steps")
        ),
    )


def _maneuver(step: dict[str, Any]) -> str | None:
    kind, modifier = (get(step, "maneuver", name, kind=str) for name in ("type", "modifier"))
    return " ".join(part for part in (kind, modifier) if part) or None


def _refuse_matrix(provider: "Osrm", params: TravelMatrixParams) -> list[str]:
    return provider.mode_refusals(params.mode) + place_id_refusals("OSRM", params)


def _build_matrix(provider: "Osrm", params: TravelMatrixParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    num_origins, num_destinations = len(params.origins), len(params.destinations)
    path = _path(coordinates(params.origins + params.destinations))
    query = (
        ("sources", ";".join(str(index) for index in range(num_origins))),
        ("destinations", ";".join(str(num_origins + index) for index in range(num_destinations))),
        ("annotations", "duration,distance"),
        ("generate_hints", "false"),
        *_exclude(params.avoid),
    )
    return (HttpCall("GET", f"{provider.root(params.mode)}/table/v1/{_PROFILES[params.mode]}/{path}", query=query),)


def _parse_matrix(provider: "Osrm", params: TravelMatrixParams, responses: Responses) -> Matrix:
    payload = responses[0].json()
    code = need(payload, "code", kind=str)
    if code not in ("Ok", "NoTable"):
        raise UpstreamError(provider.error_message(responses[0]) or f"OSRM answered {code}")
    if code == "NoTable":
        return Matrix(mode=params.mode, cells=matrix_cells(params, None, None))
    return Matrix(
        mode=params.mode,
        cells=matrix_cells(params, need(payload, "durations", kind=list), need(payload, "distances", kind=list)),
    )


class Osrm(Provider):
    """Open Source Routing Machine."""

    info = ProviderInfo(
        key="osrm",
        title="OSRM",
        family="osm",
        namespace="osm",
        version=1,
        base_url=FOSSGIS,
        licence="ODbL-1.0",
        attribution="© OpenStreetMap contributors, routes by OSRM",
        terms_url="https://www.fossgis.de/arbeitsgruppen/osm-server/nutzungsbedingungen/",
        rate_limit=RateLimit(interval_s=1.0),
        is_public_service=True,
        needs_contact=True,
    )
    operations: ClassVar = {
        "compute_routes": Operation(_build_routes, _parse_routes, _refuse_routes, applied_here=ORDER_APPLIED_HERE),
        "travel_matrix": Operation(_build_matrix, _parse_matrix, _refuse_matrix),
    }

    def root(self, mode: TravelMode) -> str:
        """Address of the server for a mode of travel."""
        profile = _PROFILES[mode]
        if self.base_url == FOSSGIS:
            return f"{FOSSGIS}/routed-{profile}"
        return self.base_url.replace("{profile}", profile)

    def mode_refusals(self, mode: TravelMode) -> list[str]:
        """Why a mode of travel cannot be had; empty when it can."""
        if mode not in _PROFILES:
            return [f"OSRM has no {mode}: use one of {', '.join(_PROFILES)}"]
        if mode != "drive" and self.base_url != FOSSGIS and "{profile}" not in self.base_url:
            return [
                f"an OSRM server holds one mode of travel, and {self.base_url} is taken to hold drive: for {mode} set "
                "an address with {profile} in it, such as MAPQATOR_URLS__OSRM=http://127.0.0.1:5000/{profile}"
            ]
        return []

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """OSRM says with status 400 that there is no way."""
        if response.status != 400:
            return super().is_answer(tool, response)
        code = _code(response)
        return code == "NoTable" if tool == "travel_matrix" else code in _NO_WAY

    def error_message(self, response: HttpResponse) -> str:
        """Code and message of an error, with what to do about the two that an operator can do something about."""
        code = _code(response)
        message = ": ".join(part for part in (code, _text(response, "message")) if part)
        if code == "InvalidValue" and "xclude" in message:
            return f"{message} This server's profile cannot avoid that; leave it out of avoid"
        if code == "TooBig":
            return f"{message} Ask for fewer stops"
        return message
