"""What routing adapters share: stops as coordinates, shapes that join, and the roads that name a way."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from annotator.geo import LatLon
from annotator.maps.params import ComputeRoutesParams, SearchAlongRouteParams, TravelMatrixParams, Waypoint
from annotator.maps.results import Leg

NUM_ROADS_IN_SUMMARY = 3

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
