"""What adapters of searches along a route share: detours, their order, and where along the way a place is."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

from shapely import LineString

from annotator.geo import EARTH_RADIUS_M, LatLon, decode_shape, haversine_m
from annotator.maps.params import SearchAlongRouteParams
from annotator.maps.results import Detour, MatrixCell, Place, Route

_FINEST_TOLERANCE_DEG = 1e-5


def detour(route: Route, place: Place, duration_s: float, distance_m: float | None) -> Detour:
    """The detour to a place.

    A way through a place that is quicker than the route, or shorter, costs nothing: it never counts as a gain.

    Args:
        duration_s: time added to the route.
        distance_m: distance added to it, where known.
    """
    return Detour(
        duration_s=max(0.0, duration_s),
        distance_m=None if distance_m is None else max(0.0, distance_m),
        offset_m=offset_m(decode_shape(route.geometry), (place.lat, place.lon)),
    )


def with_detours(
    places: Sequence[Place], route: Route, there: Sequence[MatrixCell], onward: Sequence[MatrixCell]
) -> list[Place]:
    """The places that can be reached, with the detour to each: to it and on, less the route.

    Args:
        there: from the origin to each place.
        onward: from each place to the destination.
    """
    found = []
    for place, to_it, from_it in zip(places, there, onward, strict=True):
        if to_it.duration_s is None or from_it.duration_s is None:
            continue
        known = to_it.distance_m is not None and from_it.distance_m is not None
        added_m = (to_it.distance_m or 0.0) + (from_it.distance_m or 0.0) - route.distance_m
        added_s = to_it.duration_s + from_it.duration_s - route.duration_s
        found.append(place.model_copy(update={"detour": detour(route, place, added_s, added_m if known else None)}))
    return found


def rank_refusals(title: str, params: SearchAlongRouteParams) -> list[str]:
    """The reason against an order that a provider does not know."""
    if params.rank != "prominence":
        return []
    return [f"{title} does not tell how prominent places along a way are: give rank detour or route"]


def chosen(places: Iterable[Place], params: SearchAlongRouteParams) -> tuple[Place, ...]:
    """The places asked for, in the order asked for; of unknown detour last, and not at all where it is limited."""
    most_s, least_rating = params.max_detour_s, params.min_rating
    kept = [
        place
        for place in places
        if (most_s is None or (place.detour is not None and place.detour.duration_s <= most_s))
        and (least_rating is None or (place.rating is not None and place.rating >= least_rating))
    ]
    return tuple(sorted(kept, key=_on_the_journey if params.rank == "route" else _least_added)[: params.limit])


def _on_the_journey(place: Place) -> float:
    return math.inf if place.detour is None else place.detour.offset_m or 0.0


def _least_added(place: Place) -> float:
    return math.inf if place.detour is None else place.detour.duration_s


def offset_m(shape: Sequence[LatLon], point: LatLon) -> float:
    """How far along a line, in metres, its point nearest to `point` is."""
    lat, lon = point
    # Metres on a plane that touches the globe at the point: exact enough for what is near it, and only that counts.
    east = math.cos(math.radians(lat))
    flat = [
        (
            math.radians((other_lon - lon + 180) % 360 - 180) * east * EARTH_RADIUS_M,
            math.radians(other_lat - lat) * EARTH_RADIUS_M,
        )
        for other_lat, other_lon in shape
    ]
    best, best_distance, travelled = 0.0, math.inf, 0.0
    for (a, b), ((x_a, y_a), (x_b, y_b)) in zip(pairwise(shape), pairwise(flat), strict=True):
        d_x, d_y = x_b - x_a, y_b - y_a
        squared = d_x * d_x + d_y * d_y
        share = min(1.0, max(0.0, -(x_a * d_x + y_a * d_y) / squared)) if squared else 0.0
        distance = math.hypot(x_a + share * d_x, y_a + share * d_y)
        length = haversine_m(a, b)
        if distance < best_distance:
            best, best_distance = travelled + share * length, distance
        travelled += length
    return best


def thinned(shape: Sequence[LatLon], num_points: int) -> list[LatLon]:
    """At most `num_points` of a line (two or more), chosen to stay close to it (Douglas and Peucker, 1973)."""
    points = list(shape)
    tolerance = _FINEST_TOLERANCE_DEG
    while len(points) > num_points:
        points = [(x, y) for x, y in LineString(shape).simplify(tolerance, preserve_topology=False).coords]
        tolerance *= 2
    return points
