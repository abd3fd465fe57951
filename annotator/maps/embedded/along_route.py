"""Places along a route with the detour that each costs: the way through the place less the way without it.

Candidates are the places nearest to the route's line, `MAX_CANDIDATES` of them, however far those are: a place by a
parallel motorway can be quicker to reach than one around the corner. Where they are many, Valhalla's matrix (one from
the origin, one to the destination) says which are worth a closer look; the detours that are given are always those of
real routes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from annotator.geo import LatLon, decode_shape, shape_length_m
from annotator.maps.embedded.beside import Beside
from annotator.maps.embedded.places import PlaceIndex
from annotator.maps.embedded.router import Router
from annotator.maps.params import ComputeRoutesParams, SearchAlongRouteParams
from annotator.maps.providers.along import thinned
from annotator.maps.results import AlongRoute, Detour, Place, Route

MAX_CANDIDATES = 250
"""Places of which at least an estimate is made."""

USUAL_DETOUR_S = 600.0
"""Longest detour of what is ranked by prominence or in order of the way, where none is given."""

_BUFFERS_M = (1_500.0, 12_000.0, 100_000.0)
_MAX_SHAPE_POINTS = 1_000
_SPARE = 20
"""Places looked at beyond twice those asked for, as estimates are now and then wrong."""


@dataclass(frozen=True, slots=True)
class _Stop:
    place: Beside
    duration_s: float
    distance_m: float


def search_along_route(
    index: PlaceIndex,
    router: Router,
    params: SearchAlongRouteParams,
    origin: LatLon,
    destination: LatLon,
) -> AlongRoute:
    """The route and the places along it.

    `rank` detour gives the least detours first; `route` gives the least detours in the order of the way; `prominence`
    gives the best known places within the longest detour. Places that cannot be reached are left out.
    """
    asked = ComputeRoutesParams.model_validate(
        {field: getattr(params, field) for field in ("origin", "destination", "mode", "avoid", "language")}
    )
    found = router.routes(asked, [origin, destination])
    if not found.routes:
        return AlongRoute(route=None, places=(), reason=found.reason)
    route = found.routes[0]
    shape = thinned(decode_shape(route.geometry), _MAX_SHAPE_POINTS)
    candidates = [place for place in _candidates(index, params, shape) if router.covers(place.point)]
    search = _Search(router, params, route, origin, destination)
    stops = search.best(candidates)
    offset_scale = route.distance_m / max(1e-9, shape_length_m(shape))
    detours = {
        stop.place.pid: Detour(
            duration_s=stop.duration_s,
            distance_m=stop.distance_m,
            offset_m=min(route.distance_m, stop.place.offset_m * offset_scale),
        )
        for stop in stops
    }
    places = index.places(list(detours), params.language)
    return AlongRoute(route=route, places=tuple(_with(place, detours[place.pid]) for place in places))


def _with(place: Place, detour: Detour) -> Place:
    return place.model_copy(update={"detour": detour})


def _candidates(index: PlaceIndex, params: SearchAlongRouteParams, shape: Sequence[LatLon]) -> list[Beside]:
    """The places nearest to a line, nearest first."""
    found: list[Beside] = []
    for buffer_m in _BUFFERS_M:
        found = index.places_along(shape, buffer_m, type=params.type, keyword=params.keyword)
        if len(found) >= MAX_CANDIDATES:
            break
    found.sort(key=lambda place: (place.distance_m, place.pid))
    return found[:MAX_CANDIDATES]


@dataclass(frozen=True, slots=True)
class _Search:
    router: Router
    params: SearchAlongRouteParams
    route: Route
    origin: LatLon
    destination: LatLon

    def best(self, candidates: list[Beside]) -> list[_Stop]:
        """The stops that are given, in their order."""
        limit = self.params.limit
        num_looked_at = 2 * limit + _SPARE
        if len(candidates) > 2 * num_looked_at:
            candidates = self._promising(candidates)[:num_looked_at]
        longest_s = self.params.max_detour_s
        if longest_s is None and self.params.rank != "detour":
            longest_s = USUAL_DETOUR_S
        stops = [stop for stop in self._exact(candidates) if longest_s is None or stop.duration_s <= longest_s]
        if self.params.rank == "prominence":
            stops.sort(key=lambda stop: (-stop.place.prominence, stop.duration_s, stop.place.pid))
            return stops[:limit]
        stops.sort(key=lambda stop: (stop.duration_s, stop.place.offset_m, stop.place.pid))
        stops = stops[:limit]
        if self.params.rank == "route":
            stops.sort(key=lambda stop: (stop.place.offset_m, stop.duration_s, stop.place.pid))
        return stops

    def _promising(self, candidates: list[Beside]) -> list[Beside]:
        """Those with the least detour by estimate, or of those within reach the best known."""
        points = [place.point for place in candidates]
        ask = self.router.estimates
        there = ask(self.params.mode, self.params.avoid, [self.origin], points)[0]
        onward = [row[0] for row in ask(self.params.mode, self.params.avoid, points, [self.destination])]
        estimated = [
            (leg.duration_s + rest.duration_s - self.route.duration_s, place)
            for place, leg, rest in zip(candidates, there, onward, strict=True)
            if leg is not None and rest is not None
        ]
        if self.params.rank == "prominence":
            longest_s = USUAL_DETOUR_S if self.params.max_detour_s is None else self.params.max_detour_s
            estimated = [entry for entry in estimated if entry[0] <= longest_s + 5.0]
            estimated.sort(key=lambda entry: (-entry[1].prominence, entry[0], entry[1].pid))
        else:
            estimated.sort(key=lambda entry: (entry[0], entry[1].offset_m, entry[1].pid))
        return [place for _, place in estimated]

    def _exact(self, candidates: list[Beside]) -> list[_Stop]:
        tours = [(self.origin, place.point, self.destination) for place in candidates]
        return [
            _Stop(
                place,
                duration_s=max(0.0, sum(leg.duration_s for leg in legs) - self.route.duration_s),
                distance_m=max(0.0, sum(leg.distance_m for leg in legs) - self.route.distance_m),
            )
            for place, legs in zip(
                candidates, self.router.vias(self.params.mode, self.params.avoid, tours), strict=True
            )
            if legs is not None
        ]
