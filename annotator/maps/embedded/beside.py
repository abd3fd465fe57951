"""Places beside a line, with how far from it they are and how far along it: candidates of an along-route search."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from annotator.geo import LatLon, bounding_box, haversine_m
from annotator.maps.embedded.opened import OpenIndex
from annotator.maps.embedded.selection import Box, Selection, Spotted
from annotator.maps.embedded.shapes import flat_m

_CHUNK_SEGMENTS = 32
_MIN_CHUNK_M = 1_000.0


@dataclass(frozen=True, slots=True)
class Beside:
    """A place beside a line.

    Args:
        pid: canonical id.
        point: where it is.
        prominence: of `prominence.py`.
        distance_m: from the nearest point of the line.
        offset_m: from the line's beginning to that point, along the line.
    """

    pid: str
    point: LatLon
    prominence: float
    distance_m: float
    offset_m: float


def places_along(
    index: OpenIndex, points: Sequence[LatLon], buffer_m: float, *, type: str | None, keyword: str | None
) -> list[Beside]:
    """Places within `buffer_m` of a line, in the order of the way along it.

    Args:
        index: the open index.
        points: of the line, at least one.
        buffer_m: how far from the line a place may be.
        type: canonical place type.
        keyword: as in `Selection`.
    """
    best: dict[int, tuple[float, float]] = {}
    with index.connection() as connection:
        selection = Selection(index, connection, type, keyword)
        for piece, start_m in _chunks(points, max(_MIN_CHUNK_M, 4 * buffer_m)):
            spots = selection.within(_box(piece, buffer_m))
            if not spots:
                continue
            away_m, along_m = _measure(piece, spots)
            for spot, distance_m, offset_m in zip(spots, away_m, along_m, strict=True):
                found = (round(float(distance_m), 3), round(start_m + float(offset_m), 3))
                if distance_m <= buffer_m and (spot[0] not in best or found < best[spot[0]]):
                    best[spot[0]] = found
        rows = index.rows(connection, best)
    found_rows = [Beside(index.pid(row.osm), row.point, row.prominence, *best[row.id]) for row in rows]
    return sorted(found_rows, key=lambda place: (place.offset_m, place.distance_m, place.pid))


def _chunks(points: Sequence[LatLon], max_length_m: float) -> Iterator[tuple[Sequence[LatLon], float]]:
    """The line in pieces that share their end points, each with the length of all before it."""
    start, start_m, length_m = 0, 0.0, 0.0
    for end in range(1, len(points)):
        length_m += haversine_m(points[end - 1], points[end])
        if end == len(points) - 1 or end - start >= _CHUNK_SEGMENTS or length_m >= max_length_m:
            yield points[start : end + 1], start_m
            start, start_m, length_m = end, start_m + length_m, 0.0
    if len(points) == 1:
        yield points, 0.0


def _box(piece: Sequence[LatLon], buffer_m: float) -> Box:
    boxes = [bounding_box(point, buffer_m) for point in piece]
    west, east = min(box[1] for box in boxes), max(box[3] for box in boxes)
    lons = [lon for _, lon in piece]
    if max(lons) - min(lons) > 180.0:
        west, east = -180.0, 180.0
    return min(box[0] for box in boxes), west, max(box[2] for box in boxes), east


def _measure(
    piece: Sequence[LatLon], spots: Sequence[Spotted]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Distance from the piece and offset along it of every spot, in metres, on a plane that touches its middle."""
    center = piece[len(piece) // 2]
    line = flat_m(np.array([(lon, lat) for lat, lon in piece]), center)
    where = flat_m(np.array([(lon, lat) for _, lat, lon in spots]), center)
    if len(piece) == 1:
        return np.hypot(*(where - line[0]).T), np.zeros(len(spots))
    starts, steps = line[:-1], np.diff(line, axis=0)
    squares = np.maximum(np.einsum("ij,ij->i", steps, steps), 1e-12)
    share = np.clip(np.einsum("nij,ij->ni", where[:, None, :] - starts[None, :, :], steps) / squares, 0.0, 1.0)
    nearest = starts[None, :, :] + share[:, :, None] * steps[None, :, :]
    away_m = np.linalg.norm(where[:, None, :] - nearest, axis=2)
    # True lengths rather than flat ones, so that offsets add up to the length of the route.
    lengths = np.array([haversine_m(a, b) for a, b in pairwise(piece)])
    before = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    which = np.argmin(np.round(away_m, 6), axis=1)
    each = np.arange(len(spots))
    return away_m[each, which], before[which] + share[each, which] * lengths[which]
