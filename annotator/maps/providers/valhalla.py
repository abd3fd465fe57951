"""Valhalla: routes, matrices and orders of visit on OpenStreetMap, by the HTTP API of Valhalla 3."""

from typing import ClassVar

from annotator.errors import UpstreamError, UpstreamFormatError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import ComputeRoutesParams, ToolName, TravelMatrixParams
from annotator.maps.provider import Operation, Provider, ProviderInfo, RateLimit, Responses
from annotator.maps.providers.reading import get
from annotator.maps.providers.routes import (
    ORDER_APPLIED_HERE,
    coordinates,
    has_order_to_find,
    only_order,
    place_id_refusals,
    stops,
)
from annotator.maps.providers.valhalla_shapes import (
    NO_WAY,
    matrix_request,
    mode_refusals,
    optimized_order,
    parse_matrix,
    parse_route,
    route_request,
)
from annotator.maps.results import Matrix, RouteList


def _error_code(response: HttpResponse) -> int | None:
    try:
        return get(response.json(), "error_code", kind=int)
    except UpstreamFormatError:
        return None


def _refuse_routes(provider: "Valhalla", params: ComputeRoutesParams) -> list[str]:
    reasons = mode_refusals(params.mode, params.avoid) + place_id_refusals("Valhalla", params)
    if params.alternatives and params.intermediates:
        reasons.append("Valhalla finds alternatives only between two stops: leave out alternatives or intermediates")
    return reasons


def _build_routes(provider: "Valhalla", params: ComputeRoutesParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    service = "optimized_route" if has_order_to_find(params) else "route"
    body = route_request(params, coordinates(stops(params)))
    return (HttpCall("POST", f"{provider.base_url}/{service}", json=body),)


def _parse_routes(provider: "Valhalla", params: ComputeRoutesParams, responses: Responses) -> RouteList:
    if responses[0].status == 400:
        code = _error_code(responses[0])
        if code not in NO_WAY:
            raise UpstreamError(provider.error_message(responses[0]) or "Valhalla answered 400", status=400)
        return RouteList(routes=(), reason=NO_WAY[code])
    payload = responses[0].json()
    routes = parse_route(payload, params.mode, avoid=params.avoid, language=params.language)
    order = optimized_order(payload) if has_order_to_find(params) else only_order(params)
    return RouteList(routes=tuple(route.model_copy(update={"waypoint_order": order}) for route in routes))


def _refuse_matrix(provider: "Valhalla", params: TravelMatrixParams) -> list[str]:
    return mode_refusals(params.mode, params.avoid) + place_id_refusals("Valhalla", params)


def _build_matrix(provider: "Valhalla", params: TravelMatrixParams, responses: Responses) -> tuple[HttpCall, ...]:
    if responses:
        return ()
    body = matrix_request(params, coordinates(params.origins), coordinates(params.destinations))
    return (HttpCall("POST", f"{provider.base_url}/sources_to_targets", json=body),)


def _parse_matrix(provider: "Valhalla", params: TravelMatrixParams, responses: Responses) -> Matrix:
    matrix = parse_matrix(responses[0].json(), params.mode)
    if [len(row) for row in matrix.cells] != [len(params.destinations)] * len(params.origins):
        raise UpstreamFormatError(
            f"the answer's matrix is not of {len(params.origins)} by {len(params.destinations)} pairs"
        )
    return matrix


class Valhalla(Provider):
    """Valhalla, on FOSSGIS's public server or one of your own."""

    info = ProviderInfo(
        key="valhalla",
        title="Valhalla",
        family="osm",
        namespace="osm",
        version=1,
        base_url="https://valhalla1.openstreetmap.de",
        licence="ODbL-1.0",
        attribution="© OpenStreetMap contributors, routes by Valhalla",
        terms_url="https://www.fossgis.de/arbeitsgruppen/osm-server/nutzungsbedingungen/",
        rate_limit=RateLimit(interval_s=1.0),
        is_public_service=True,
        needs_contact=True,
    )
    operations: ClassVar = {
        "compute_routes": Operation(_build_routes, _parse_routes, _refuse_routes, applied_here=ORDER_APPLIED_HERE),
        "travel_matrix": Operation(_build_matrix, _parse_matrix, _refuse_matrix),
    }

    def is_answer(self, tool: ToolName, response: HttpResponse) -> bool:
        """Valhalla says with status 400 that there is no way; a matrix of some ways and some not is a 200."""
        if tool == "compute_routes" and response.status == 400:
            return _error_code(response) in NO_WAY
        return super().is_answer(tool, response)

    def error_message(self, response: HttpResponse) -> str:
        """Valhalla's words and number of the error."""
        try:
            message = get(response.json(), "error", kind=str) or ""
        except UpstreamFormatError:
            return ""
        code = _error_code(response)
        return f"{message} (error {code})" if message and code is not None else message
