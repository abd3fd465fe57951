"""Routes and travel times on a built map, by Valhalla in this process.

Times and distances of single pairs come from the same search as whole routes: Valhalla's own matrix, which it computes
differently, disagrees with its routes for one pair in a hundred, and two tools of one map must not contradict another.
"""

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue
from typing import Any

import valhalla

from annotator.errors import UpstreamError
from annotator.geo import LatLon
from annotator.maps.embedded.coverage import MARGIN_M, off_map_reason, stop_names
from annotator.maps.embedded.graph import actor_config
from annotator.maps.embedded.manifest import Box
from annotator.maps.embedded.visiting_order import MAX_EXACT, quickest_order
from annotator.maps.params import Avoidable, ComputeRoutesParams, TravelMatrixParams, TravelMode, Waypoint
from annotator.maps.providers.reading import items, need
from annotator.maps.providers.valhalla_shapes import NO_WAY, matrix_request, parse_matrix, parse_route, route_request
from annotator.maps.results import Matrix, MatrixCell, Route, RouteList

NO_ROADS = "the map has no roads to travel on"

_TOO_FAR = 154
_NO_WAY = NO_WAY | {_TOO_FAR: "the stops are farther apart than this mode of travel is computed for"}
_WORTH_THREADS = 8
"""Pairs below which starting threads takes longer than it saves."""


@dataclass(frozen=True, slots=True)
class Leg:
    """How long one way takes.

    Args:
        duration_s: seconds.
        distance_m: metres.
    """

    duration_s: float
    distance_m: float


class NoWayError(Exception):
    """There is no way; the message says why. It never leaves this package."""


class Router:
    """Answers from the routing tiles of one map. Safe to use from several threads.

    Args:
        tiles: tar file of the tiles; None for a map without roads.
        box: what the map covers.
        title: of the map, for messages.
    """

    def __init__(self, tiles: Path | None, box: Box, title: str) -> None:
        self._tiles = tiles
        self._box = box
        self._title = title
        num_actors = len(os.sched_getaffinity(0))
        # An actor serves one thread at a time: two in one of them hang. While it searches, others run Python.
        self._actors: LifoQueue[valhalla.Actor | None] = LifoQueue()
        for _ in range(num_actors):
            self._actors.put(None)
        self._threads = ThreadPoolExecutor(num_actors, thread_name_prefix="router")

    def routes(self, params: ComputeRoutesParams, stops: Sequence[LatLon]) -> RouteList:
        """Ways through all stops, best first.

        Args:
            params: what was asked; the mode is not transit, and there are no alternatives with intermediates.
            stops: origin, intermediates and destination.
        """
        if reason := self._why_not(stops):
            return RouteList(routes=(), reason=reason)
        order: tuple[int, ...] = ()
        if params.optimize_order:
            found = self._order(params.mode, params.avoid, stops)
            if found is None:
                return RouteList(routes=(), reason="no order of the stops has a way between all of them")
            order = found
            stops = [stops[0], *(stops[1 + index] for index in order), stops[-1]]
        try:
            payload = self._ask("route", route_request(params, stops))
        except NoWayError as error:
            return RouteList(routes=(), reason=str(error))
        routes = parse_route(payload, params.mode, avoid=params.avoid, language=params.language)
        if params.optimize_order:
            routes = tuple(_ordered(route, order) for route in routes)
        return RouteList(routes=routes)

    def matrix(
        self, mode: TravelMode, avoid: tuple[Avoidable, ...], origins: Sequence[LatLon], destinations: Sequence[LatLon]
    ) -> Matrix:
        """Times and distances of all pairs, those of the routes between them; cells without a way are empty."""
        pairs = [(origin, destination) for origin in origins for destination in destinations]
        legs = iter(self.legs(mode, avoid, pairs))
        return Matrix(mode=mode, cells=tuple(tuple(_cell(next(legs)) for _ in destinations) for _ in origins))

    def legs(
        self, mode: TravelMode, avoid: tuple[Avoidable, ...], pairs: Sequence[tuple[LatLon, LatLon]]
    ) -> list[Leg | None]:
        """Each of the ways between pairs of positions; None where there is none."""
        vias = self.vias(mode, avoid, pairs)
        return [None if legs is None else legs[0] for legs in vias]

    def vias(
        self, mode: TravelMode, avoid: tuple[Avoidable, ...], tours: Sequence[Sequence[LatLon]]
    ) -> list[tuple[Leg, ...] | None]:
        """The legs of the ways through each list of stops; None where there is none."""
        distinct = list(dict.fromkeys(tuple(tour) for tour in tours))

        def ask(tour: tuple[LatLon, ...]) -> tuple[Leg, ...] | None:
            return self._legs(mode, avoid, tour)

        run: Callable[..., Any] = self._threads.map if len(distinct) >= _WORTH_THREADS else map
        found = dict(zip(distinct, run(ask, distinct), strict=True))
        return [found[tuple(tour)] for tour in tours]

    def covers(self, point: LatLon) -> bool:
        """Whether a position is on the map, or so near that a way may begin or end there."""
        return self._box.contains(point, MARGIN_M)

    def estimates(
        self,
        mode: TravelMode,
        avoid: tuple[Avoidable, ...],
        origins: Sequence[LatLon],
        destinations: Sequence[LatLon],
    ) -> list[list[Leg | None]]:
        """Valhalla's own matrix: many pairs at once, right for most; to choose what to ask `vias` about.

        All positions are on the map, see `covers`.
        """
        if self._tiles is None:
            return [[None] * len(destinations) for _ in origins]
        first = Waypoint(lat=origins[0][0], lon=origins[0][1])
        params = TravelMatrixParams(origins=(first,), destinations=(first,), mode=mode, avoid=avoid)
        try:
            payload = self._ask("matrix", matrix_request(params, origins, destinations))
        except NoWayError:
            # One position that cannot be reached makes Valhalla refuse all: look for it by halves.
            if len(destinations) > 1:
                half = len(destinations) // 2
                parts = [
                    self.estimates(mode, avoid, origins, part) for part in (destinations[:half], destinations[half:])
                ]
                return [[*left, *right] for left, right in zip(*parts, strict=True)]
            if len(origins) > 1:
                half = len(origins) // 2
                above, below = (
                    self.estimates(mode, avoid, part, destinations) for part in (origins[:half], origins[half:])
                )
                return [*above, *below]
            return [[None]]
        return [[_leg_of(cell) for cell in row] for row in parse_matrix(payload, mode).cells]

    def close(self) -> None:
        """Lets go of the tiles."""
        self._threads.shutdown()
        while not self._actors.empty():
            self._actors.get()

    def _why_not(self, stops: Sequence[LatLon]) -> str | None:
        if self._tiles is None:
            return NO_ROADS
        return off_map_reason(self._box, self._title, stops, stop_names(len(stops)))

    def _order(self, mode: TravelMode, avoid: tuple[Avoidable, ...], stops: Sequence[LatLon]) -> tuple[int, ...] | None:
        if len(stops) <= 3:
            return tuple(range(len(stops) - 2))
        last = len(stops) - 1
        pairs = [(i, j) for i in range(last) for j in range(1, last + 1) if i != j]
        times = [[math.inf] * len(stops) for _ in stops]
        for (i, j), leg in zip(pairs, self.legs(mode, avoid, [(stops[i], stops[j]) for i, j in pairs]), strict=True):
            times[i][j] = math.inf if leg is None else leg.duration_s
        return quickest_order(times)

    def _legs(self, mode: TravelMode, avoid: tuple[Avoidable, ...], tour: Sequence[LatLon]) -> tuple[Leg, ...] | None:
        if self._why_not(tour):
            return None
        ends = [Waypoint(lat=point[0], lon=point[1]) for point in (tour[0], tour[-1])]
        params = ComputeRoutesParams.model_validate(
            {"origin": ends[0], "destination": ends[1], "mode": mode, "avoid": avoid}
        )
        try:
            payload = self._ask("route", route_request(params, tour) | {"directions_type": "none"})
        except NoWayError:
            return None
        return tuple(
            Leg(need(leg, "summary", "time", kind=float), need(leg, "summary", "length", kind=float) * 1000)
            for leg in items(payload, "trip", "legs")
        )

    def _ask(self, action: str, request: dict[str, Any]) -> Any:
        """Valhalla's answer.

        Raises:
            NoWayError: there is no way.
            UpstreamError: it fails for any other reason.
        """
        with self._actor() as actor:
            try:
                return json.loads(getattr(actor, action)(json.dumps(request)))
            except valhalla.ValhallaError as error:
                if error.code in _NO_WAY:
                    raise NoWayError(_NO_WAY[error.code]) from None
                raise UpstreamError(f"the router of '{self._title}' failed: {error.message} ({error.code})") from None

    @contextmanager
    def _actor(self) -> Iterator[valhalla.Actor]:
        actor = self._actors.get()
        try:
            if actor is None:
                actor = self._open()
            yield actor
        finally:
            self._actors.put(actor)

    def _open(self) -> valhalla.Actor:
        assert self._tiles is not None
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(actor_config(self._tiles), file)
            file.flush()
            return valhalla.Actor(Path(file.name))


def _ordered(route: Route, order: tuple[int, ...]) -> Route:
    warnings = route.warnings
    if len(order) > MAX_EXACT:
        warnings = (*warnings, f"with more than {MAX_EXACT} stops the order is a good one, not surely the quickest")
    return route.model_copy(update={"waypoint_order": order, "warnings": warnings})


def _cell(leg: Leg | None) -> MatrixCell:
    if leg is None:
        return MatrixCell(duration_s=None, distance_m=None)
    return MatrixCell(duration_s=leg.duration_s, distance_m=leg.distance_m)


def _leg_of(cell: MatrixCell) -> Leg | None:
    if cell.duration_s is None or cell.distance_m is None:
        return None
    return Leg(cell.duration_s, cell.distance_m)
