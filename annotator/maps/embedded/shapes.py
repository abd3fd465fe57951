"""Shapes of places: one piece across the antimeridian, coarse enough to keep, and flat where they are measured."""

import math
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from annotator.geo import EARTH_RADIUS_M, LatLon, haversine_m

type Points = npt.NDArray[np.float64]
"""Shape [n, 2]; columns are named where it is used."""

_SIMPLIFY_DEG = 1e-5
"""About a metre; outlines and lines are kept no finer."""


def middle(points: Sequence[LatLon]) -> LatLon:
    """The middle of the box around points, the short way round the globe."""
    lats = [lat for lat, _ in points]
    lons = [lon for _, lon in points]
    if max(lons) - min(lons) > 180.0:
        lons = [lon + 360.0 if lon < 0 else lon for lon in lons]
    lon = (min(lons) + max(lons)) / 2
    return (min(lats) + max(lats)) / 2, lon - 360.0 if lon > 180.0 else lon


def unwrapped(geometry: BaseGeometry) -> BaseGeometry:
    """The same shape in one piece if it crosses the antimeridian: its western longitudes are then above 180."""
    west, _, east, _ = geometry.bounds
    if east - west <= 180.0:
        return geometry

    def shift(points: Points) -> Points:
        return np.column_stack([np.where(points[:, 0] < 0, points[:, 0] + 360.0, points[:, 0]), points[:, 1]])

    return shapely.transform(geometry, shift)


def simplified(geometry: BaseGeometry) -> BaseGeometry:
    """To about a metre, never to nothing."""
    return shapely.simplify(geometry, _SIMPLIFY_DEG)


def inner_point(outline: BaseGeometry) -> LatLon:
    """The centroid, or a point inside where the centroid is not."""
    center = outline.centroid
    if not outline.is_valid or not outline.contains(center):
        with suppress(shapely.errors.GEOSException):
            center = shapely.point_on_surface(outline)
    return center.y, center.x


def extent_m(geometry: BaseGeometry) -> float:
    """Diagonal of the box around it."""
    west, south, east, north = geometry.bounds
    return haversine_m((south, west), (north, east))


def flat_m(points: Points, center: LatLon) -> Points:
    """Longitudes and latitudes as metres east and north of `center`, the short way round the globe.

    Good to 0.1 % within some 50 km of the centre, away from the poles.
    """
    lat, lon = center
    east = (points[:, 0] - lon + 180.0) % 360.0 - 180.0
    scale = math.radians(EARTH_RADIUS_M)
    return np.column_stack([east * scale * math.cos(math.radians(lat)), (points[:, 1] - lat) * scale])


def distances_m(wkb: bytes, places: Sequence[LatLon]) -> list[float]:
    """How far each place is from a shape; 0 inside an area."""
    if not places:
        return []
    shape = shapely.from_wkb(wkb)
    # Seen from each place the earth is flat enough; one frame for all would bend what is far from its centre, but what
    # is far away matters only as being far.
    center = places[0]
    local = shapely.transform(shape, lambda points: flat_m(points, center))
    flat = flat_m(np.array([(lon, lat) for lat, lon in places]), center)
    return [float(metres) for metres in np.atleast_1d(shapely.distance(local, shapely.points(flat)))]


def haversines_m(
    center: LatLon, lats: npt.NDArray[np.float64], lons: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Great-circle distances from one point to many, by the formula of `geo.haversine_m`."""
    lat, lon = math.radians(center[0]), math.radians(center[1])
    other = np.radians(lats)
    half_chord = (
        np.sin((other - lat) / 2) ** 2 + math.cos(lat) * np.cos(other) * np.sin((np.radians(lons) - lon) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * np.arcsin(np.sqrt(np.minimum(1.0, half_chord)))
