"""Distances, bearings, coordinates and shapes on the WGS 84 globe. Everything here is pure arithmetic."""

import math
from collections.abc import Sequence
from itertools import pairwise

import polyline

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the earth (IUGG); great-circle distances on it are within 0.5 % of those on the ellipsoid."""

COORDINATE_DIGITS = 6
"""Decimals of a degree that we send, hash and store: 0.11 m at the equator."""

POLYLINE_PRECISION = 5
"""Decimals of every encoded shape of ours, whatever the provider used."""

type LatLon = tuple[float, float]
"""Latitude and longitude in degrees."""

_COMPASS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def round_degrees(value: float) -> float:
    """A coordinate with the decimals that we keep; minus zero becomes zero, so that equal places are equal text."""
    return round(value, COORDINATE_DIGITS) + 0.0


def haversine_m(a: LatLon, b: LatLon) -> float:
    """Great-circle distance between two points in metres."""
    lat_a, lon_a, lat_b, lon_b = (math.radians(value) for value in (*a, *b))
    half_chord = (
        math.sin((lat_b - lat_a) / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin((lon_b - lon_a) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half_chord)))


def bearing_deg(origin: LatLon, destination: LatLon) -> float:
    """Initial bearing of the great circle, clockwise from north, in [0, 360)."""
    lat_a, lon_a, lat_b, lon_b = (math.radians(value) for value in (*origin, *destination))
    east = math.sin(lon_b - lon_a) * math.cos(lat_b)
    north = math.cos(lat_a) * math.sin(lat_b) - math.sin(lat_a) * math.cos(lat_b) * math.cos(lon_b - lon_a)
    # A tiny negative angle plus 360 rounds to 360 itself, which is 0.
    return math.degrees(math.atan2(east, north)) % 360.0 % 360.0


def compass_point(bearing: float) -> str:
    """The nearest of the sixteen compass points, for instance `NNE`."""
    return _COMPASS[round(bearing / 22.5) % 16]


def bounding_box(center: LatLon, radius_m: float) -> tuple[float, float, float, float]:
    """South, west, north, east of a box that holds every point within `radius_m` of `center`.

    Near a pole, or across the antimeridian, the box spans all longitudes: larger than needed, never too small.
    """
    lat, lon = center
    d_lat = math.degrees(radius_m / EARTH_RADIUS_M)
    south, north = max(-90.0, lat - d_lat), min(90.0, lat + d_lat)
    # Where the circle is widest is not at its centre but nearer to the pole.
    widest = math.cos(math.radians(lat))
    reach = math.sin(radius_m / EARTH_RADIUS_M)
    if north >= 90.0 or south <= -90.0 or reach >= widest:
        return south, -180.0, north, 180.0
    d_lon = math.degrees(math.asin(reach / widest))
    if lon - d_lon < -180.0 or lon + d_lon > 180.0:
        return south, -180.0, north, 180.0
    return south, lon - d_lon, north, lon + d_lon


def encode_shape(points: Sequence[LatLon]) -> str:
    """Google's encoded polyline with precision 5; no points give no text."""
    return str(polyline.encode(list(points), POLYLINE_PRECISION)) if points else ""


def decode_shape(encoded: str, precision: int = POLYLINE_PRECISION) -> list[LatLon]:
    """Points of an encoded polyline; `precision` is 6 for Valhalla and Mapbox's `polyline6`.

    Raises:
        ValueError: the text is no polyline.
    """
    try:
        return [(float(lat), float(lon)) for lat, lon in polyline.decode(encoded, precision)]
    except (IndexError, TypeError) as error:
        raise ValueError("not an encoded polyline") from error


def shape_length_m(points: Sequence[LatLon]) -> float:
    """Length of a line through `points` in metres."""
    return sum(haversine_m(a, b) for a, b in pairwise(points))
