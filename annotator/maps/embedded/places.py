"""The place index as the tools ask it: one object, opened once, for any number of threads."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from annotator.geo import LatLon
from annotator.maps.embedded.beside import Beside, places_along
from annotator.maps.embedded.crossings import crossing_of_node, crossing_place
from annotator.maps.embedded.nearby import nearby_search
from annotator.maps.embedded.opened import OpenIndex
from annotator.maps.embedded.reverse import reverse_geocode
from annotator.maps.embedded.search import text_search
from annotator.maps.params import NearbySearchParams, PlaceDetailsParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.results import Place, PlaceList, PlaceResult


class PlaceIndex:
    """Answers place tools from a file of `build_index`.

    Args:
        path: the index.
        namespace: what place ids begin with: `osm` for real data, another word for fictional towns.
        provider: key that its places carry.

    Raises:
        NotFoundError: there is no such file.
        MapBuildError: it is no index, or one of another version.
    """

    def __init__(self, path: Path, *, namespace: str = "osm", provider: str = "embedded") -> None:
        self._index = OpenIndex(path, namespace=namespace, provider=provider)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Gives the file back."""
        self._index.close()

    def text_search(self, params: TextSearchParams) -> PlaceList:
        """Places by name, kind or address: see `search.py`."""
        return text_search(self._index, params)

    def nearby_search(self, params: NearbySearchParams) -> PlaceList:
        """Places around a position: see `nearby.py`. `travel_mode`, ratings and prices are not looked at here."""
        return nearby_search(self._index, params)

    def reverse_geocode(self, params: ReverseGeocodeParams) -> PlaceList:
        """What is at a position: see `reverse.py`."""
        return reverse_geocode(self._index, params)

    def place_details(self, params: PlaceDetailsParams) -> PlaceResult:
        """Everything known about one place; None for ids that are not in this map."""
        index = self._index
        osm = index.osm(params.place_id)
        with index.connection() as connection:
            place = None if osm is None else index.place_of(connection, osm)
            if place is not None:
                rows = index.rows(connection, [place])
                return PlaceResult(place=index.places(connection, rows, params.language)[0])
            crossing = None if osm is None else crossing_of_node(index, connection, osm)
            if crossing is None:
                return PlaceResult(place=None)
            return PlaceResult(place=crossing_place(index, connection, crossing, params.language))

    def resolve(self, pid: str) -> LatLon | None:
        """Where a place is; None for ids that are not in this map."""
        index = self._index
        osm = index.osm(pid)
        if osm is None:
            return None
        with index.connection() as connection:
            place = index.place_of(connection, osm)
            if place is not None:
                return index.rows(connection, [place])[0].point
            crossing = crossing_of_node(index, connection, osm)
            return None if crossing is None else crossing.point

    def places_along(
        self, points: Sequence[LatLon], buffer_m: float, *, type: str | None = None, keyword: str | None = None
    ) -> list[Beside]:
        """Places of a type or with a keyword within `buffer_m` of a line, in the order of the way: see `beside.py`."""
        return places_along(self._index, points, buffer_m, type=type, keyword=keyword)

    def places(self, pids: Sequence[str], language: str) -> list[Place]:
        """The places with these ids, in their order; ids that are not in this map give none."""
        index = self._index
        with index.connection() as connection:
            ids = [
                place
                for pid in pids
                if (osm := index.osm(pid)) is not None and (place := index.place_of(connection, osm)) is not None
            ]
            rows = {row.id: row for row in index.rows(connection, ids)}
            return list(index.places(connection, [rows[id] for id in ids], language))
