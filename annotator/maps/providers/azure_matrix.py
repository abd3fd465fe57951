"""Azure Maps Route Matrix 1.0, synchronous. https://learn.microsoft.com/rest/api/maps/route/post-route-matrix-sync"""

from typing import Any

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import Avoidable, TravelMatrixParams, TravelMode
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.azure_http import KEY, TITLE, VERSION
from annotator.maps.providers.reading import get, need
from annotator.maps.providers.routes import coordinates, place_id_refusals
from annotator.maps.results import Matrix, MatrixCell

NUM_PAIRS = 100

MODES: dict[TravelMode, str] = {
    "drive": "car",
    "walk": "pedestrian",
    "bicycle": "bicycle",
    "motorcycle": "motorcycle",
}
_AVOID: dict[Avoidable, str] = {"tolls": "tollRoads", "highways": "motorways", "ferries": "ferries"}

NO_WAY = {
    "NO_ROUTE_FOUND": "there is no way between the stops for this mode of travel",
    "MAP_MATCHING_FAILURE": "there is no road near one of the stops",
}
"""What Azure Maps says, with status 400, where there is no way."""


def mode_refusals(mode: TravelMode) -> list[str]:
    """Why a mode of travel cannot be had."""
    return [] if mode in MODES else [f"{TITLE} has no {mode} here: use one of {', '.join(MODES)}"]


def travel_refusals(mode: TravelMode, avoid: tuple[Avoidable, ...]) -> list[str]:
    """Why a mode of travel, or what it shall avoid, cannot be had."""
    if avoid and mode in ("walk", "bicycle"):
        return [f"{TITLE} avoids {', '.join(avoid)} only for drive and motorcycle: leave out avoid"]
    return mode_refusals(mode)


def travel_query(mode: TravelMode, avoid: tuple[Avoidable, ...]) -> list[tuple[str, str]]:
    """How to travel: the quickest way, without the traffic of the moment."""
    return [
        ("travelMode", MODES[mode]),
        ("routeType", "fastest"),
        ("traffic", "false"),
        ("computeTravelTimeFor", "all"),
        *(("avoid", _AVOID[kind]) for kind in avoid),
    ]


def duration_s(summary: Any) -> float:
    """Travel time without traffic: the usual one counts traffic even where it was told not to.

    Raises:
        UpstreamFormatError: there is neither.
    """
    free = get(summary, "noTrafficTravelTimeInSeconds", kind=float)
    return need(summary, "travelTimeInSeconds", kind=float) if free is None else free


def no_way(words: str) -> str:
    """Why there is no way, in an error's words; empty for any other error."""
    return next((reason for code, reason in NO_WAY.items() if code in words), "")


def _refuse(provider: Provider, params: TravelMatrixParams) -> list[str]:
    reasons = travel_refusals(params.mode, params.avoid) + place_id_refusals(TITLE, params)
    num_pairs = len(params.origins) * len(params.destinations)
    if num_pairs > NUM_PAIRS:
        reasons.append(f"{TITLE} gives at most {NUM_PAIRS} pairs at once, not {num_pairs}")
    return reasons


def matrix_call(provider: Provider, params: TravelMatrixParams) -> HttpCall:
    """The request for a matrix."""
    origins, destinations = (
        {"type": "MultiPoint", "coordinates": [[lon, lat] for lat, lon in coordinates(stops)]}
        for stops in (params.origins, params.destinations)
    )
    return HttpCall(
        "POST",
        f"{provider.base_url}/route/matrix/sync/json",
        query=(VERSION, *travel_query(params.mode, params.avoid)),
        json={"origins": origins, "destinations": destinations},
        secrets=(KEY,),
    )


def read_matrix(params: TravelMatrixParams, response: HttpResponse) -> Matrix:
    """A matrix; where there is no way a cell has no time.

    Raises:
        UpstreamFormatError: it is not of the size asked for.
        UpstreamError: a pair failed in another way.
    """
    rows = need(response.json(), "matrix", kind=list)
    shape = [len(params.destinations)] * len(params.origins)
    if [len(row) if isinstance(row, list) else -1 for row in rows] != shape:
        raise UpstreamFormatError(f"the answer's matrix is not of {len(shape)} by {shape[0]} pairs")
    return Matrix(mode=params.mode, cells=tuple(tuple(_cell(raw) for raw in row) for row in rows))


def _cell(raw: Any) -> MatrixCell:
    if need(raw, "statusCode", kind=int) != 200:
        words = get(raw, "response", "error", "message", kind=str) or "no reason"
        if not no_way(words):
            raise UpstreamError(f"{TITLE} gave no answer for a pair of the matrix: {words}")
        return MatrixCell(duration_s=None, distance_m=None)
    summary = need(raw, "response", "routeSummary", kind=dict)
    return MatrixCell(duration_s=duration_s(summary), distance_m=need(summary, "lengthInMeters", kind=float))


def _build(provider: Provider, params: TravelMatrixParams, responses: Responses) -> tuple[HttpCall, ...]:
    return () if responses else (matrix_call(provider, params),)


def _parse(provider: Provider, params: TravelMatrixParams, responses: Responses) -> Matrix:
    return read_matrix(params, responses[0])


TRAVEL_MATRIX = Operation(_build, _parse, _refuse)
