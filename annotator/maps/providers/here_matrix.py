"""HERE Matrix Routing API v8, synchronous and without traffic. https://docs.here.com/matrix-routing"""

from typing import Any

from annotator.errors import UpstreamFormatError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import TravelMatrixParams, TravelMode
from annotator.maps.provider import Operation, Provider, Responses
from annotator.maps.providers.here_http import FEATURES, KEY, MODES, TITLE, travel_refusals
from annotator.maps.providers.positions import service_url
from annotator.maps.providers.reading import need
from annotator.maps.providers.routes import coordinates, place_id_refusals
from annotator.maps.results import Matrix, MatrixCell

NUM_ORIGINS = 15
"""Most origins of a matrix that may be anywhere in the world."""


def mode_refusals(mode: TravelMode) -> list[str]:
    """Why a mode of travel cannot be had."""
    return travel_refusals(mode, ())


def _refuse(provider: Provider, params: TravelMatrixParams) -> list[str]:
    reasons = travel_refusals(params.mode, params.avoid) + place_id_refusals(TITLE, params)
    if len(params.origins) > NUM_ORIGINS:
        reasons.append(f"{TITLE} takes at most {NUM_ORIGINS} origins, not {len(params.origins)}")
    return reasons


def matrix_call(provider: Provider, params: TravelMatrixParams) -> HttpCall:
    """The request for a matrix."""
    origins, destinations = (
        [{"lat": lat, "lng": lon} for lat, lon in coordinates(stops)] for stops in (params.origins, params.destinations)
    )
    body: dict[str, Any] = {
        "origins": origins,
        "destinations": destinations,
        "regionDefinition": {"type": "world"},
        "matrixAttributes": ["distances", "travelTimes"],
        "transportMode": MODES[params.mode],
        "departureTime": "any",
    }
    if params.avoid:
        body["avoid"] = {"features": [FEATURES[kind] for kind in params.avoid]}
    url = service_url(provider.base_url, "matrix.router", "/v8/matrix")
    return HttpCall("POST", url, query=(("async", "false"),), json=body, secrets=(KEY,))


def read_matrix(params: TravelMatrixParams, response: HttpResponse) -> Matrix:
    """A matrix; where HERE has an error code for a pair there is no way, or none that keeps to what was asked.

    Raises:
        UpstreamFormatError: it is not of the size asked for.
    """
    raw = need(response.json(), "matrix", kind=dict)
    num_rows, num_columns = len(params.origins), len(params.destinations)
    times, distances = (need(raw, name, kind=list) for name in ("travelTimes", "distances"))
    codes = need(raw, "errorCodes", kind=list) if raw.get("errorCodes") is not None else [0] * len(times)
    if not len(times) == len(distances) == len(codes) == num_rows * num_columns:
        raise UpstreamFormatError(f"the answer's matrix is not of {num_rows} by {num_columns} pairs")
    cells = [
        MatrixCell(duration_s=need(times, index, kind=float), distance_m=need(distances, index, kind=float))
        if codes[index] == 0
        else MatrixCell(duration_s=None, distance_m=None)
        for index in range(len(times))
    ]
    rows = [tuple(cells[start : start + num_columns]) for start in range(0, len(cells), num_columns)]
    return Matrix(mode=params.mode, cells=tuple(rows))


def _build(provider: Provider, params: TravelMatrixParams, responses: Responses) -> tuple[HttpCall, ...]:
    return () if responses else (matrix_call(provider, params),)


def _parse(provider: Provider, params: TravelMatrixParams, responses: Responses) -> Matrix:
    return read_matrix(params, responses[0])


TRAVEL_MATRIX = Operation(_build, _parse, _refuse)
