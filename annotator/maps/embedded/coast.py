"""The sea of an extract, which OpenStreetMap does not draw: only its coast, a line with land to the left.

The coastlines cut the extract's box into faces. A face is sea if every piece of coast on its edge says so; where pieces
disagree nothing is drawn rather than something wrong. Extracts are often cut along a border, so that their coast ends
inside the box: such an end is prolonged straight to the nearest edge, if that is near enough to be a fair guess.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from annotator.maps.embedded.manifest import Box

_ON_EDGE_DEG = 1e-7
"""How near to a line a point is on it: a centimetre."""
_MAX_PROLONGED = 0.35
"""The longest guess, as a share of the box's shorter side."""

type Lines = npt.NDArray[np.object_]


def sea_polygons(coastlines: Sequence[BaseGeometry], box: Box) -> list[BaseGeometry]:
    """Areas of sea within a box, in degrees of longitude and latitude; empty where there is no coast.

    Args:
        coastlines: `natural=coastline`, in the direction that they have in the data.
        box: what the extract covers.
    """
    frame = shapely.box(box.west, box.south, box.east, box.north)
    shores = _lines(shapely.intersection(np.array(coastlines, dtype=object), frame))
    if not len(shores):
        return []
    shores = _lines(shapely.line_merge(shapely.multilinestrings(shores), directed=True))
    edges = shapely.union_all([frame.boundary, *shores, *_prolonged(shores, frame)])
    faces, _, loose, _ = shapely.polygonize_full([edges])
    return [face for face in shapely.get_parts(faces).tolist() if _is_sea(face, shores, _lines(loose))]


def _lines(geometries: Lines | BaseGeometry) -> Lines:
    """The lines among geometries and their parts."""
    parts = shapely.get_parts(geometries)
    found: Lines = parts[shapely.get_type_id(parts) == 1]
    return found


def _prolonged(shores: Lines, frame: BaseGeometry) -> list[BaseGeometry]:
    """Straight lines from the ends of the coast inside the box to the nearest edge of the box."""
    west, south, east, north = frame.bounds
    longest = _MAX_PROLONGED * min(east - west, north - south)
    found = []
    for number, shore in enumerate(shores.tolist()):
        if shore.is_closed:
            continue
        others = np.delete(shores, number)
        for end in (shapely.get_point(shore, 0), shapely.get_point(shore, -1)):
            is_met = shapely.dwithin(others, end, _ON_EDGE_DEG).any()
            guess = shapely.shortest_line(end, frame.boundary)
            if not is_met and _ON_EDGE_DEG < guess.length <= longest:
                found.append(guess)
    return found


def _is_sea(face: BaseGeometry, shores: Lines, loose: Lines) -> bool:
    """Whether all coast on the face's edge has the face to its right, and none ends inside it."""
    if any(face.contains(line.interpolate(0.5, normalized=True)) for line in loose.tolist()):
        return False
    near = shores[shapely.dwithin(shores, face.boundary, _ON_EDGE_DEG)]
    verdicts = [verdict for shore in near.tolist() if (verdict := _is_right_of(face, shore)) is not None]
    return bool(verdicts) and all(verdicts)


def _is_right_of(face: BaseGeometry, shore: BaseGeometry) -> bool | None:
    """Looks a step to the right and to the left of the longest segment; None if the face is on neither side."""
    points = shapely.get_coordinates(shore)
    steps = np.diff(points, axis=0)
    longest = int(np.argmax((steps**2).sum(axis=1)))
    length = float(np.hypot(*steps[longest]))
    if length == 0.0:
        return None
    middle = points[longest] + steps[longest] / 2
    right = np.array([steps[longest][1], -steps[longest][0]]) / length * min(1e-6, length / 10)
    on_right, on_left = (bool(shapely.contains_xy(face, *side)) for side in (middle + right, middle - right))
    return None if on_right == on_left else on_right
