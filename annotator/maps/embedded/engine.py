"""Answers canonical tools from a built map: same parameters and same build, same bytes."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import rfc8785

from annotator.errors import InputError, NotFoundError, StorageError, UnsupportedError
from annotator.geo import LatLon
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.embedded.along_route import search_along_route
from annotator.maps.embedded.graph import TILES_FILE
from annotator.maps.embedded.manifest import read_manifest
from annotator.maps.embedded.places import PlaceIndex
from annotator.maps.embedded.refusals import refusals_of
from annotator.maps.embedded.router import Router
from annotator.maps.embedded.tiles import Tiles
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
from annotator.maps.results import AlongRoute, Matrix, Place, PlaceList, Result, RouteList, Travel
from annotator.maps.validate import parse_params, tool_name

if TYPE_CHECKING:
    from annotator.maps.embedded.library import MapLibrary

INDEX_FILE = "index.sqlite"
BASEMAP_FILE = "basemap.sqlite"

SCHEME = "osm"


class EmbeddedMap:
    """One built map, opened. Safe to use from several threads.

    Args:
        folder: of the map.

    Raises:
        NotFoundError: there is no map in it.
        StorageError: a file of it is missing or cut off.
    """

    def __init__(self, folder: Path) -> None:
        manifest = read_manifest(folder)
        if manifest is None:
            raise NotFoundError(f"there is no map in {folder}; build it with `mapqator map build`")
        for name, num_bytes in manifest.part_bytes.items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != num_bytes:
                raise StorageError(
                    f"the map '{manifest.name}' lacks {name}, or part of it; build it again with --force"
                )
        self.manifest = manifest
        self.index = PlaceIndex(folder / INDEX_FILE, namespace=manifest.namespace, provider=manifest.name)
        has_roads = TILES_FILE in manifest.part_bytes
        self.router = Router(folder / TILES_FILE if has_roads else None, manifest.bbox, manifest.title)
        self.tiles = Tiles(folder / BASEMAP_FILE, manifest)
        self._answers: dict[ToolName, Callable[[Any], Result]] = {
            "text_search": self._text_search,
            "place_details": self._place_details,
            "reverse_geocode": self._reverse_geocode,
            "nearby_search": self._nearby_search,
            "compute_routes": self._compute_routes,
            "travel_matrix": self._travel_matrix,
            "search_along_route": self._search_along_route,
        }

    @property
    def data_vintage(self) -> str:
        """Age and version of the data, the build and the router."""
        return self.manifest.data_vintage

    def answer(self, tool: ToolName, params: ToolParams) -> Result:
        """The canonical result.

        Raises:
            UnsupportedError: parameters that no map of OpenStreetMap data can honour; each reason is given.
            InputError: a place id that is not of this map.
            NotFoundError: the tool is not one that maps answer.
        """
        if tool not in self._answers:
            raise NotFoundError(f"maps do not answer {tool}; they answer {', '.join(self._answers)}")
        if reasons := refusals_of(params):
            raise UnsupportedError("; ".join(reasons))
        return self._answers[tool](params)

    def answer_bytes(self, tool: ToolName, params: ToolParams) -> bytes:
        """The canonical result as canonical JSON (RFC 8785), without what is None."""
        return rfc8785.dumps(self.answer(tool, params).model_dump(mode="json", exclude_none=True))

    def close(self) -> None:
        """Closes the map's files."""
        self.index.close()
        self.router.close()
        self.tiles.close()

    def _text_search(self, params: TextSearchParams) -> PlaceList:
        return self.index.text_search(params)

    def _place_details(self, params: PlaceDetailsParams) -> Result:
        return self.index.place_details(params)

    def _reverse_geocode(self, params: ReverseGeocodeParams) -> PlaceList:
        return self.index.reverse_geocode(params)

    def _nearby_search(self, params: NearbySearchParams) -> PlaceList:
        found = self.index.nearby_search(params)
        if params.travel_mode is None or not found.places:
            return found
        center = (params.lat, params.lon)
        legs = self.router.legs(params.travel_mode, (), [(center, (place.lat, place.lon)) for place in found.places])

        def with_travel(place: Place, travel: Travel | None) -> Place:
            return place.model_copy(update={"travel": travel})

        travels = [
            None
            if leg is None
            else Travel(mode=params.travel_mode, duration_s=leg.duration_s, distance_m=leg.distance_m)
            for leg in legs
        ]
        places = tuple(with_travel(place, travel) for place, travel in zip(found.places, travels, strict=True))
        return found.model_copy(update={"places": places})

    def _compute_routes(self, params: ComputeRoutesParams) -> RouteList:
        names = ["origin", *(f"intermediates[{number}]" for number in range(len(params.intermediates))), "destination"]
        stops = self._points((params.origin, *params.intermediates, params.destination), names)
        return self.router.routes(params, stops)

    def _travel_matrix(self, params: TravelMatrixParams) -> Matrix:
        origins = self._points(params.origins, [f"origins[{number}]" for number in range(len(params.origins))])
        names = [f"destinations[{number}]" for number in range(len(params.destinations))]
        destinations = self._points(params.destinations, names)
        return self.router.matrix(params.mode, params.avoid, origins, destinations)

    def _search_along_route(self, params: SearchAlongRouteParams) -> AlongRoute:
        origin, destination = self._points((params.origin, params.destination), ["origin", "destination"])
        return search_along_route(self.index, self.router, params, origin, destination)

    def _points(self, waypoints: Sequence[Waypoint], names: Sequence[str]) -> list[LatLon]:
        return [self._point(waypoint, name) for waypoint, name in zip(waypoints, names, strict=True)]

    def _point(self, waypoint: Waypoint, name: str) -> LatLon:
        if waypoint.point is not None:
            return waypoint.point
        point = self.index.resolve(waypoint.place_id or "")
        if point is None:
            raise InputError(
                f"the map '{self.manifest.title}' has no place '{waypoint.place_id}'; text_search finds ids",
                param=f"{name}.place_id",
            )
        return point


class EmbeddedTransport:
    """Answers `osm://{build_sha}/{tool}` from the maps on this machine, in a worker thread.

    Args:
        library: the maps.
    """

    def __init__(self, library: "MapLibrary") -> None:
        self._library = library

    async def send(self, call: HttpCall) -> HttpResponse:
        """The canonical result as canonical JSON.

        Raises:
            NotFoundError: that build of the map is not on this machine.
            InputError: parameters that the map cannot answer.
        """
        return await asyncio.to_thread(self._answer, call)

    def _answer(self, call: HttpCall) -> HttpResponse:
        build_sha, _, tool = call.url.removeprefix(f"{SCHEME}://").partition("/")
        name = tool_name(tool)
        params = parse_params(name, cast(dict[str, Any], call.json or {}))
        opened = self._library.open_build(build_sha)
        body = opened.answer_bytes(name, params)
        # A map that was replaced meanwhile may have answered with files of both builds.
        self._library.require_build(build_sha)
        return HttpResponse(200, body, {"content-type": "application/json"}, data_vintage=opened.data_vintage)
