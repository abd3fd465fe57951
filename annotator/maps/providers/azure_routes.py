"""Azure Maps Route Directions 1.0. https://learn.microsoft.com/rest/api/maps/route/get-route-directions

Times of routes and legs are without traffic; those of steps, which Azure tells on the way, are its usual ones. Only
legs are documented to have a time without traffic, so a route has the sum of theirs.
"""

from bisect import bisect_left, bisect_right
from itertools import accumulate, pairwise
from typing import Any

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.geo import LatLon, encode_shape, haversine_m
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import Avoidable, ComputeRoutesParams
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.azure_http import TITLE, error_words, get_call, language_tag
from annotator.maps.providers.azure_matrix import duration_s, no_way, travel_query, travel_refusals
from annotator.maps.providers.positions import lat_lon, on_earth
from annotator.maps.providers.reading import get, items, need
from annotator.maps.providers.routes import (
    RouteParams,
    coordinates,
    distant_stop_warnings,
    joined,
    place_id_refusals,
    road_summary,
    stops,
    used_nevertheless,
)
from annotator.maps.results import Leg, Route, RouteList, Step

_SECTIONS: dict[Avoidable, str] = {"tolls": "TOLL_ROAD", "highways": "MOTORWAY", "ferries": "FERRY"}
_AT_THE_END_OF_A_LEG = ("LOCATION_WAYPOINT", "LOCATION_ARRIVAL")


def route_refusals(params: RouteParams) -> list[str]:
    """Why a way cannot be had."""
    return travel_refusals(params.mode, params.avoid) + place_id_refusals(TITLE, params)


def _refuse(provider: Provider, params: ComputeRoutesParams) -> list[str]:
    reasons = route_refusals(params)
    if params.alternatives and params.optimize_order:
        reasons.append(f"{TITLE} finds either alternatives or the best order: leave out alternatives or optimize_order")
    return reasons


def route_call(provider: Provider, params: RouteParams) -> HttpCall:
    """The request for a way through all stops."""
    query = [
        ("query", ":".join(lat_lon(point) for point in coordinates(stops(params)))),
        *travel_query(params.mode, params.avoid),
        ("instructionsType", "text"),
        ("language", language_tag(params.language)),
        ("sectionType", "ferry"),
        ("sectionType", "motorway"),
        ("sectionType", "tollRoad"),
    ]
    if isinstance(params, ComputeRoutesParams) and params.alternatives:
        query.append(("maxAlternatives", str(params.alternatives)))
    if isinstance(params, ComputeRoutesParams) and params.optimize_order and params.intermediates:
        query.append(("computeBestOrder", "true"))
    return get_call(provider, "/route/directions/json", *query)


def _build(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> tuple[HttpCall, ...]:
    return () if responses else (route_call(provider, params),)


def read_routes(params: RouteParams, response: HttpResponse) -> RouteList:
    """Routes, the best first, or why there are none.

    Raises:
        UpstreamFormatError: one lacks its length, time or shape.
        UpstreamError: the answer is an error.
    """
    if response.status == 400:
        reason = no_way(error_words(response))
        if not reason:
            raise UpstreamError(error_words(response) or f"{TITLE} answered 400", status=400)
        return RouteList(routes=(), reason=reason)
    payload = response.json()
    if not need(payload, "routes", kind=list):
        return RouteList(routes=(), reason=f"{TITLE} found no way between the stops")
    return RouteList(routes=tuple(_route(raw, payload, params) for raw in items(payload, "routes")))


def _route(raw: dict[str, Any], payload: Any, params: RouteParams) -> Route:
    summaries = [need(leg, "summary", kind=dict) for leg in items(raw, "legs")]
    shapes = [[_point(point) for point in items(leg, "points")] for leg in items(raw, "legs")]
    if len(shapes) != len(stops(params)) - 1 or not all(shapes):
        raise UpstreamFormatError(f"the answer's route has {len(shapes)} legs between {len(stops(params))} stops")
    lengths = [need(summary, "lengthInMeters", kind=float) for summary in summaries]
    steps = _steps(raw, lengths)
    legs = tuple(
        Leg(distance_m=length, duration_s=duration_s(summary), steps=tuple(mine))
        for length, summary, mine in zip(lengths, summaries, steps, strict=True)
    )
    kinds = [get(section, "sectionType", kind=str) for section in items(raw, "sections")]
    uses = {kind: name in kinds if get(raw, "sections", kind=list) else None for kind, name in _SECTIONS.items()}
    order = _order(payload, params, shapes)
    origin, *between, destination = coordinates(stops(params))
    asked = [origin, *(between[index] for index in order or range(len(between))), destination]
    distant = distant_stop_warnings(asked, [shapes[0][0], *(shape[-1] for shape in shapes)])
    return Route(
        mode=params.mode,
        distance_m=need(raw, "summary", "lengthInMeters", kind=float),
        duration_s=sum(leg.duration_s for leg in legs),
        legs=legs,
        geometry=encode_shape(joined(shapes)),
        summary=road_summary(legs),
        waypoint_order=order,
        warnings=(*used_nevertheless(params.avoid, uses), *distant),
        has_toll=uses["tolls"],
        has_ferry=uses["ferries"],
        has_highway=uses["highways"],
    )


def _point(raw: dict[str, Any]) -> LatLon:
    return on_earth(need(raw, "latitude", kind=float), need(raw, "longitude", kind=float))


def _order(payload: Any, params: RouteParams, shapes: list[list[LatLon]]) -> tuple[int, ...]:
    """Input index of each intermediate in the order of visit.

    The answer has pairs of indices, and what it calls provided and optimized can be read either way round; the legs
    say which reading is meant: the one in which they end where the intermediates are.
    """
    if not isinstance(params, ComputeRoutesParams) or not params.optimize_order or not params.intermediates:
        return ()
    between = coordinates(params.intermediates)
    names = ("providedIndex", "optimizedIndex")
    found = [[need(entry, name, kind=int) for name in names] for entry in items(payload, "optimizedWaypoints")]
    readings = [
        tuple(to for _, to in sorted(found)),
        tuple(provided for provided, _ in sorted(found, key=lambda e: e[1])),
    ]
    if any(sorted(reading) != list(range(len(between))) for reading in readings):
        raise UpstreamFormatError(f"{TITLE} visits {len(between)} stops in the order {list(readings[0])}")
    return min(
        readings,
        key=lambda reading: sum(
            haversine_m(shape[-1], between[index]) for shape, index in zip(shapes[:-1], reading, strict=True)
        ),
    )


def _steps(raw: dict[str, Any], lengths: list[float]) -> list[list[Step]]:
    """The instructions, each with the way to the next one, by leg."""
    ends = list(accumulate(lengths))
    steps: list[list[Step]] = [[] for _ in lengths]
    instructions = items(raw, "guidance", "instructions")
    for instruction, following in pairwise([*instructions, None]):
        offset, time = _progress(instruction or {})
        next_offset, next_time = _progress(following) if following else (offset, time)
        at_end = get(instruction, "instructionType", kind=str) in _AT_THE_END_OF_A_LEG
        leg = bisect_left(ends, offset) if at_end else bisect_right(ends, offset)
        step = Step(
            text=get(instruction, "message", kind=str) or "",
            distance_m=max(0.0, next_offset - offset),
            duration_s=max(0.0, next_time - time),
            road=get(instruction, "street", kind=str) or get(instruction, "roadNumbers", 0, kind=str),
            maneuver=get(instruction, "maneuver", kind=str),
        )
        steps[min(leg, len(steps) - 1)].append(step)
    return steps


def _progress(instruction: dict[str, Any]) -> tuple[float, float]:
    """How far an instruction is from the start, in metres and in seconds."""
    return (
        need(instruction, "routeOffsetInMeters", kind=float),
        need(instruction, "travelTimeInSeconds", kind=float),
    )


def _parse(provider: Provider, params: ComputeRoutesParams, responses: Responses) -> RouteList:
    return read_routes(params, responses[0])


COMPUTE_ROUTES = Operation(_build, _parse, _refuse, applied_here=frozenset({"optimize_order"}))
