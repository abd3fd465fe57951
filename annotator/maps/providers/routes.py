"""What routing adapters share: stops as coordinates, shapes that join, and the roads that name a way."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from annotator.errors import UpstreamFormatError
from annotator.geo import LatLon, haversine_m
from annotator.maps.params import Avoidable, ComputeRoutesParams, SearchAlongRouteParams, TravelMatrixParams, Waypoint
from annotator.maps.providers.reading import get
from annotator.maps.results import Leg, MatrixCell

NUM_ROADS_IN_SUMMARY = 3

FAR_FROM_ROAD_M = 200.0
"""A router moves every stop to a road; one that moves it further than this answers another question than was asked."""

ORDER_APPLIED_HERE = frozenset({"optimize_order"})
"""Up to one stop between has one order: it is told without being asked for."""

type RouteParams = ComputeRoutesParams | SearchAlongRouteParams


def stops(params: RouteParams) -> tuple[Waypoint, ...]:
    """Origin, intermediates and destination in the order given."""
    between = params.intermediates if isinstance(params, ComputeRoutesParams) else ()
    return (params.origin, *between, params.destination)


def coordinates(waypoints: Iterable[Waypoint]) -> list[LatLon]:
    """Latitude and longitude of stops given by coordinates; others were refused before, see `place_id_refusals`."""
    return [waypoint.point for waypoint in waypoints if waypoint.point is not None]


def place_id_refusals(title: str, params: RouteParams | TravelMatrixParams) -> list[str]:
    """Why stops given by place id cannot be honoured by a provider that takes only coordinates."""
    waypoints = params.origins + params.destinations if isinstance(params, TravelMatrixParams) else stops(params)
    by_id = [waypoint.place_id for waypoint in waypoints if waypoint.place_id is not None]
    if not by_id:
        return []
    return [
        f"{title} takes stops as coordinates only, not '{by_id[0]}': ask place_details of the provider that knows the "
        "place for its lat and lon, and give those"
    ]


def has_order_to_find(params: RouteParams) -> bool:
    """Whether a router has to be asked for an order of visit: up to one stop between has only one."""
    return isinstance(params, ComputeRoutesParams) and params.optimize_order and len(params.intermediates) > 1


def only_order(params: RouteParams) -> tuple[int, ...]:
    """The order of visit where there is none to find: as given, if an order was asked for."""
    if not isinstance(params, ComputeRoutesParams) or not params.optimize_order:
        return ()
    return tuple(range(len(params.intermediates)))


def joined(shapes: Iterable[Sequence[LatLon]]) -> list[LatLon]:
    """One line through the shapes of consecutive legs, without the points that two of them share."""
    line: list[LatLon] = []
    for shape in shapes:
        line.extend(shape[1:] if line and shape and shape[0] == line[-1] else shape)
    return line


def road_summary(legs: Iterable[Leg]) -> str:
    """The roads by which one would name a way: those that carry the most of it, longest first."""
    length_m: dict[str, float] = defaultdict(float)
    for leg in legs:
        for step in leg.steps:
            if step.road:
                length_m[step.road] += step.distance_m
    longest = sorted((road for road in length_m if length_m[road] > 0), key=lambda road: -length_m[road])
    return ", ".join(longest[:NUM_ROADS_IN_SUMMARY])


def distant_stop_warnings(asked: Sequence[LatLon], reached: Sequence[LatLon]) -> list[str]:
    """What to say when a way begins, stops or ends far from where it was asked to.

    Args:
        asked: the stops, in order of visit.
        reached: where on the roads the router put each of them, as many.
    """
    last = len(asked) - 1
    names = ["the origin", *(f"stop {number}" for number in range(1, last)), "the destination"]
    return [
        f"{name} is {distance_m:.0f} m from the road that the way takes"
        for name, stop, road in zip(names, asked, reached, strict=False)
        if (distance_m := haversine_m(stop, road)) > FAR_FROM_ROAD_M
    ]


def visit_order(visit: Sequence[Any], num_stops: int) -> tuple[int, ...]:
    """Input index of each intermediate in the order of visit.

    Args:
        visit: from an answer: input index of every stop, both ends included, in the order of visit.

    Raises:
        UpstreamFormatError: it is no order of the stops, or moves an end.
    """
    is_permutation = len(visit) == num_stops >= 2 and set(visit) == set(range(num_stops))
    if not is_permutation or visit[0] != 0 or visit[-1] != num_stops - 1:
        raise UpstreamFormatError(f"the answer visits {num_stops} stops in the order {list(visit)}, which is none")
    return tuple(int(index) - 1 for index in visit[1:-1])


def used_nevertheless(avoid: Iterable[Avoidable], uses: Mapping[Avoidable, bool | None]) -> list[str]:
    """What to say when a way uses what was to be avoided, for want of another.

    Args:
        uses: what the way is known to use.
    """
    return [f"no way was found without {kind}" for kind in avoid if uses.get(kind)]


def matrix_cells(
    params: TravelMatrixParams, durations_s: list[Any] | None, distances_m: list[Any] | None
) -> tuple[tuple[MatrixCell, ...], ...]:
    """Cells from two tables of numbers, row by row; where either has none there is no way.

    Args:
        params: what was asked, which says how large the tables must be.
        durations_s: seconds by origin and destination; None where there is no way at all.
        distances_m: metres, in the same shape.

    Raises:
        UpstreamFormatError: a table is not of the size asked for.
    """
    shape = [len(params.destinations)] * len(params.origins)
    for table in (durations_s, distances_m):
        if table is not None and [len(row) if isinstance(row, list) else -1 for row in table] != shape:
            raise UpstreamFormatError(f"the answer's matrix is not of {len(shape)} by {shape[0]} numbers")
    cells = []
    for i in range(len(params.origins)):
        row = []
        for j in range(len(params.destinations)):
            duration_s, distance_m = (get(table, i, j, kind=float) for table in (durations_s, distances_m))
            known = duration_s is not None and distance_m is not None
            row.append(MatrixCell(duration_s=duration_s if known else None, distance_m=distance_m if known else None))
        cells.append(tuple(row))
    return tuple(cells)
