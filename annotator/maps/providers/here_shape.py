"""HERE's flexible polylines, in which its routes come and its corridors go: https://github.com/heremaps/flexible-polyline"""

from collections.abc import Sequence

import flexpolyline

from annotator.errors import UpstreamFormatError
from annotator.geo import LatLon
from annotator.maps.providers.positions import on_earth


def flexible(points: Sequence[LatLon]) -> str:
    """A line as a flexible polyline with five decimals."""
    return str(flexpolyline.encode(list(points)))


def from_flexible(encoded: str) -> list[LatLon]:
    """Points of a flexible polyline; a third dimension is passed over.

    Raises:
        UpstreamFormatError: it is none, or is empty.
    """
    try:
        points = [(float(point[0]), float(point[1])) for point in flexpolyline.decode(encoded)]
    except (ValueError, RuntimeError, OverflowError):
        # The decoder answers an empty text with a RuntimeError.
        raise UpstreamFormatError("the route's geometry is not a flexible polyline") from None
    if not points:
        raise UpstreamFormatError("the route's geometry is empty")
    return [on_earth(lat, lon) for lat, lon in points]
