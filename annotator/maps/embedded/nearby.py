"""Places around a position, by true distance or by prominence.

What is measured is the great circle to the place's own coordinates, for areas too (a park's is inside it, near its
middle): the distance that is shown is the one between the positions that are shown. A place is in when that is at most
the radius. Ranked by prominence (`prominence.py`), the nearer of equals comes first; and of equally far the lower id.
"""

import sqlite3
from collections.abc import Mapping

import numpy as np

from annotator.geo import LatLon, bounding_box
from annotator.maps.embedded.folding import fold
from annotator.maps.embedded.opened import OpenIndex
from annotator.maps.embedded.schema import FACETS
from annotator.maps.embedded.selection import Selection
from annotator.maps.embedded.shapes import haversines_m
from annotator.maps.hours import is_open
from annotator.maps.osm_place import split_values
from annotator.maps.params import NearbySearchParams
from annotator.maps.results import PlaceList

_WHEELCHAIR = ("yes", "designated")


def nearby_search(index: OpenIndex, params: NearbySearchParams) -> PlaceList:
    """Places of interest around a position; `total` counts all of them, `distance_m` is exact.

    `wheelchair` true asks for places that are tagged as accessible without limits; false asks for nothing. `open_at`
    leaves out what has no hours, or hours that don't surely say open. `cuisine` is one of the place's list. Ratings and
    price levels are not in OpenStreetMap: whoever asks for them must be refused before.
    """
    center = (params.lat, params.lon)
    with index.connection() as connection:
        selection = Selection(index, connection, params.type, params.keyword, _facets(params))
        spots = selection.within(bounding_box(center, params.radius_m))
        if not spots:
            return PlaceList(places=(), total=0)
        _, lats, lons = np.array(spots).T
        away_m = haversines_m(center, lats, lons)
        within = np.flatnonzero(away_m <= params.radius_m).tolist()
        distances_m = {spots[position][0]: float(away_m[position]) for position in within}
        points = {spots[position][0]: spots[position][1:] for position in within}
        kept = _filtered(connection, index, params, points)
        if params.rank == "distance" and len(kept) > params.limit:
            # Only the nearest need to be read, and those that are as far as the last of them.
            limit_m = sorted(distances_m[id] for id in kept)[params.limit - 1]
            nearest = [id for id in kept if distances_m[id] <= limit_m]
        else:
            nearest = kept
        ranks = index.ranks(connection, nearest)
        by_prominence = params.rank == "prominence"
        nearest.sort(key=lambda id: (-ranks[id][0] if by_prominence else 0.0, distances_m[id], ranks[id][1]))
        rows = {row.id: row for row in index.rows(connection, nearest[: params.limit])}
        shown = [rows[id] for id in nearest[: params.limit]]
        places = index.places(connection, shown, params.language, distances_m)
        return PlaceList(places=places, total=len(kept))


def _filtered(
    connection: sqlite3.Connection, index: OpenIndex, params: NearbySearchParams, points: Mapping[int, LatLon]
) -> list[int]:
    if not _facets(params):
        return list(points)
    wanted = None if params.cuisine is None else fold(params.cuisine)
    return [
        id
        for id, tags in index.tags(connection, points).items()
        if (not params.wheelchair or tags.get("wheelchair") in _WHEELCHAIR)
        and (wanted is None or wanted in _cuisines(tags))
        and (params.open_at is None or is_open(tags.get("opening_hours", ""), params.open_at, *points[id]) is True)
    ]


def _facets(params: NearbySearchParams) -> list[str]:
    """Tags that every result must have."""
    asked = {
        "wheelchair": bool(params.wheelchair),
        "cuisine": params.cuisine is not None,
        "opening_hours": params.open_at is not None,
    }
    return [key for key in FACETS if asked[key]]


def _cuisines(tags: Mapping[str, str]) -> set[tuple[str, ...]]:
    return {fold(cuisine.replace("_", " ")) for cuisine in split_values(tags.get("cuisine", ""))}
