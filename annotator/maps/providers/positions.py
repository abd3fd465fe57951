"""Positions and shapes as providers write them, in requests and in answers."""

from annotator.errors import UpstreamFormatError
from annotator.geo import POLYLINE_PRECISION, LatLon, decode_shape


def lat_lon(point: LatLon) -> str:
    """`lat,lon` with six decimals."""
    return f"{point[0]:.6f},{point[1]:.6f}"


def lon_lat(point: LatLon) -> str:
    """`lon,lat` with six decimals."""
    return f"{point[1]:.6f},{point[0]:.6f}"


def on_earth(lat: float, lon: float) -> LatLon:
    """A position from an answer.

    Raises:
        UpstreamFormatError: it is nowhere on earth; swapped coordinates often are.
    """
    if abs(lat) > 90 or abs(lon) > 180:
        raise UpstreamFormatError(f"the answer puts something at {lat:g}, {lon:g}, which is nowhere on earth")
    return lat, lon


def decoded(encoded: str, precision: int = POLYLINE_PRECISION) -> list[LatLon]:
    """Points of an encoded polyline from an answer.

    Raises:
        UpstreamFormatError: it is none, or is empty.
    """
    try:
        points = decode_shape(encoded, precision)
    except ValueError:
        raise UpstreamFormatError("the route's geometry is not an encoded polyline") from None
    if not points:
        raise UpstreamFormatError("the route's geometry is empty")
    return [on_earth(lat, lon) for lat, lon in points]


def service_url(base_url: str, service: str, path: str) -> str:
    """Address of one of a provider's services.

    Providers that spread their services over hosts have `{service}` in their address, as in
    `https://{service}.googleapis.com`. An operator's own address may have it too; without it all services are taken to
    be at that one address, told apart by their paths.
    """
    return base_url.replace("{service}", service) + path
