"""A map on this machine as a provider: its calls go to `osm://{build}/{tool}`, its answers are canonical already."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import TypeAdapter, ValidationError

from annotator.errors import UpstreamFormatError
from annotator.geo import LatLon
from annotator.maps.calls import HttpCall
from annotator.maps.embedded.coverage import refuse_swapped
from annotator.maps.embedded.manifest import Manifest
from annotator.maps.embedded.refusals import refusals_of
from annotator.maps.params import (
    ComputeRoutesParams,
    NearbySearchParams,
    PlaceDetailsParams,
    ReverseGeocodeParams,
    SearchAlongRouteParams,
    TextSearchParams,
    ToolName,
    ToolParams,
    TravelMatrixParams,
    Waypoint,
)
from annotator.maps.provider import Operation, Policy, Provider, ProviderInfo, Responses
from annotator.maps.results import Result

VERSION = 1

TOOLS: tuple[ToolName, ...] = (
    "text_search",
    "place_details",
    "reverse_geocode",
    "nearby_search",
    "compute_routes",
    "travel_matrix",
    "search_along_route",
)
"""What every map answers."""

_RESULT: TypeAdapter[Result] = TypeAdapter(Result)


class Embedded(Provider):
    """A built map.

    Args:
        manifest: of the map.
    """

    operations: ClassVar = {
        tool: Operation(
            lambda provider, params, responses: provider.calls(params, responses),
            lambda _provider, params, responses: _parse(params, responses),
            lambda _provider, params: refusals_of(params),
        )
        for tool in TOOLS
    }

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.info = ProviderInfo(
            key=manifest.name,
            title=manifest.title,
            family=manifest.namespace,
            namespace=manifest.namespace,
            version=VERSION,
            base_url=f"osm://{manifest.build_sha}",
            licence=manifest.licence,
            attribution=manifest.attribution,
            policy=Policy(storage="keep", export="full"),
        )
        super().__init__()

    def calls(self, params: ToolParams, responses: Responses) -> tuple[HttpCall, ...]:
        """The one call of a tool.

        Raises:
            InputError: a place id of another family, or a position that makes sense with lat and lon swapped.
        """
        if responses:
            return ()
        points, place_ids = _positions(params)
        for place_id in place_ids:
            self.native_id(place_id)
        refuse_swapped(self.manifest.bbox, self.manifest.title, points)
        return (HttpCall("POST", f"{self.base_url}/{params.tool}", json=params.canonical()),)


def _parse(params: ToolParams, responses: Responses) -> Result:
    try:
        return _RESULT.validate_python(responses[0].json(), strict=False)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise UpstreamFormatError(
            f"the recorded answer to {params.tool} is no result: {where} {first['msg']}"
        ) from None


def _positions(params: ToolParams) -> tuple[list[LatLon], list[str]]:
    """All coordinates and all place ids among parameters."""
    match params:
        case NearbySearchParams() | ReverseGeocodeParams():
            return [(params.lat, params.lon)], []
        case TextSearchParams():
            return ([] if params.near is None else [params.near]), []
        case PlaceDetailsParams():
            return [], [params.place_id]
        case _:
            waypoints = list(_waypoints(params))
            points = [waypoint.point for waypoint in waypoints if waypoint.point is not None]
            return points, [waypoint.place_id for waypoint in waypoints if waypoint.place_id is not None]


def _waypoints(params: ToolParams) -> Iterator[Waypoint]:
    match params:
        case ComputeRoutesParams():
            yield from (params.origin, *params.intermediates, params.destination)
        case SearchAlongRouteParams():
            yield from (params.origin, params.destination)
        case TravelMatrixParams():
            yield from (*params.origins, *params.destinations)
        case _:
            return
