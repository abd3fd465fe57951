"""`mapqator providers check NAME`: one cheap live call per tool, and what came back."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from annotator.errors import MapqatorError
from annotator.geo import LatLon, round_degrees
from annotator.maps.modes import Mode
from annotator.maps.params import ToolName, ToolParams
from annotator.maps.results import AlongRoute, Matrix, PlaceList, PlaceResult, Result, RouteList
from annotator.maps.service import MapService
from annotator.maps.validate import parse_params

NORTH_EAST_DEG = 0.004
"""How far the second point of a route lies from the first: some 500 m, a cheap request."""


@dataclass(frozen=True, slots=True)
class ToolCheck:
    """What one tool of a provider did.

    Args:
        found: what came back, or what went wrong, in a line.
    """

    tool: ToolName
    is_ok: bool
    found: str
    latency_ms: float


async def check_provider(service: MapService, key: str, at: LatLon, query: str) -> AsyncIterator[ToolCheck]:
    """Asks every tool of a provider once, without recording anything; one failure does not stop the next tool.

    Args:
        at: where to look.
        query: what the text search looks for; its first hit is the place whose details are asked.

    Raises:
        NotFoundError: there is no such provider.
        ProviderDisabledError: it is not enabled; says what is missing.
    """
    provider = service.catalogue.get(key)
    service.catalogue.require_enabled(provider)
    place_id: str | None = None
    for tool in provider.tools:
        started = time.perf_counter()
        try:
            params = _params(tool, at, query, place_id)
            if params is None:
                yield ToolCheck(tool, False, "not asked: no earlier answer named a place", 0.0)
                continue
            answer = await service.call(tool, params, provider=key, mode=Mode.LIVE)
            if isinstance(answer.result, PlaceList) and answer.result.places:
                # Addresses have ids of their own making, which name no place that a provider could tell more of.
                place_id = place_id or next(
                    (place.pid for place in answer.result.places if ":address:" not in place.pid), None
                )
            is_ok, found = True, describe(answer.result)
        except MapqatorError as error:
            is_ok, found = False, error.message
        yield ToolCheck(tool, is_ok, found, (time.perf_counter() - started) * 1000)


def _params(tool: ToolName, at: LatLon, query: str, place_id: str | None) -> ToolParams | None:
    lat, lon = at
    here = {"lat": lat, "lon": lon}
    there = {"lat": round_degrees(lat + NORTH_EAST_DEG), "lon": round_degrees(lon + NORTH_EAST_DEG)}
    if tool == "place_details":
        return None if place_id is None else parse_params(tool, {"place_id": place_id})
    asked: dict[ToolName, dict[str, Any]] = {
        "text_search": {"query": query, "limit": 1, "radius_m": 2000, **here},
        "reverse_geocode": here,
        "nearby_search": {**here, "type": "restaurant", "radius_m": 500, "limit": 1},
        "compute_routes": {"origin": here, "destination": there},
        "travel_matrix": {"origins": [here], "destinations": [there]},
        "search_along_route": {"origin": here, "destination": there, "type": "restaurant", "limit": 1},
        "distance_bearing": {"origin": here, "destination": there},
        "open_at": {"opening_hours": "24/7", "at": "2026-01-01T12:00", **here},
    }
    return parse_params(tool, asked[tool])


def describe(result: Result) -> str:
    """A result in a few words."""
    match result:
        case PlaceList(places=places) | AlongRoute(places=places):
            return f"{len(places)} places" + (f", first '{places[0].name}'" if places else "")
        case PlaceResult(place=place):
            return f"'{place.name}'" if place else "no such place"
        case RouteList(routes=routes):
            return f"{routes[0].distance_m:g} m, {routes[0].duration_s:g} s" if routes else f"no route: {result.reason}"
        case Matrix(cells=cells):
            return f"{len(cells)} x {len(cells[0]) if cells else 0} cells"
        case _:
            return result.model_dump_json(exclude_none=True)
