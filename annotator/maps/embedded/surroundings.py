"""What is around a place: the city, district, state, country and postcode area that hold it, or are nearest.

An area holds a place if its outline does. Where no outline says so (an extract often cuts them, and many settlements
are only a point), the nearest settlement within the reach of its sort is the city, and the nearest quarter the
district.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import shapely
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from annotator.geo import LatLon, haversine_m
from annotator.maps.embedded.folding import fold

_CITY_REACH_M = {
    "city": 15_000.0,
    "town": 8_000.0,
    "municipality": 5_000.0,
    "village": 4_000.0,
    "hamlet": 1_500.0,
}
_DISTRICT_REACH_M = {"borough": 4_000.0, "suburb": 2_000.0, "quarter": 1_200.0, "neighbourhood": 700.0}
NEAR_SETTLEMENTS = frozenset({*_CITY_REACH_M, *_DISTRICT_REACH_M})
"""Values of `place` whose point tells where one is."""

_COUNTRY_LEVELS, _STATE_LEVELS, _CITY_LEVELS, _DISTRICT_LEVELS = (2,), (3, 4), range(4, 9), range(9, 13)


@dataclass(frozen=True, slots=True)
class Area:
    """A boundary or settlement that gives places around it parts of their address.

    Args:
        osm: key of `reader.osm_key`.
        outline: degrees; None for a settlement that is a point.
        point: its representative point.
    """

    osm: int
    tags: Mapping[str, str]
    point: LatLon
    outline: BaseGeometry | None = None

    @property
    def name(self) -> str:
        """The local one; of postal areas the code."""
        if self.tags.get("boundary") == "postal_code":
            return self.tags.get("postal_code") or self.tags.get("name", "")
        return self.tags.get("name", "")

    @property
    def level(self) -> int:
        """`admin_level`, or 0."""
        level = self.tags.get("admin_level", "")
        return int(level) if level.isascii() and level.isdigit() and len(level) < 3 else 0


@dataclass(frozen=True, slots=True)
class Context:
    """Parts of an address, in the local language, and the areas they come from, smallest first."""

    parts: tuple[tuple[str, str], ...] = ()
    areas: tuple[int, ...] = ()

    def outside(self, osm: int, tags: Mapping[str, str]) -> "Context":
        """The context of an area itself: it is in no district of its own, and a town is in no town."""
        place, level = tags.get("place", ""), tags.get("admin_level", "")
        own = {"district"}
        if place not in _DISTRICT_REACH_M and level not in {str(number) for number in _DISTRICT_LEVELS}:
            own |= {"city", "postcode"}
        if place == "country" or level == "2":
            own |= {"state", "country"}
        parts = tuple((part, value) for part, value in self.parts if part not in own)
        return Context(parts, tuple(area for area in self.areas if area != osm))

    @property
    def parts_json(self) -> str:
        """As the index keeps them."""
        return json.dumps(dict(self.parts), ensure_ascii=False, separators=(",", ":"))


@dataclass
class Surroundings:
    """Tells the context of any point.

    Args:
        areas: with outlines and without, in a stable order.
    """

    areas: Sequence[Area]
    _pieces: list[BaseGeometry] = field(default_factory=list)
    _piece_area: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for index, area in enumerate(self.areas):
            for piece in shapely.get_parts(area.outline) if area.outline is not None else ():
                copies = [piece, translate(piece, -360.0)] if piece.bounds[2] > 180.0 else [piece]
                self._pieces += copies
                self._piece_area += [index] * len(copies)
        self._tree = shapely.STRtree(self._pieces)
        self._size = [area.outline.area if area.outline is not None else 0.0 for area in self.areas]
        self._cities = _Nearest([area for area in self.areas if area.tags.get("place") in _CITY_REACH_M], _CITY_REACH_M)
        self._quarters = _Nearest(
            [area for area in self.areas if area.tags.get("place") in _DISTRICT_REACH_M], _DISTRICT_REACH_M
        )
        self._labelled = self._areas_with_a_settlement_of_their_name()

    def of(self, points: Sequence[LatLon]) -> list[Context]:
        """The context of each point."""
        if not points:
            return []
        held = self._holding(points)
        cities, quarters = self._cities.of(points), self._quarters.of(points)
        return [
            self._context([self.areas[index] for index in sorted(held[i], key=self._order)], cities[i], quarters[i])
            for i in range(len(points))
        ]

    def _order(self, index: int) -> tuple[float, int]:
        return self._size[index], self.areas[index].osm

    def _holding(self, points: Sequence[LatLon]) -> list[set[int]]:
        held: list[set[int]] = [set() for _ in points]
        if self._pieces and points:
            lonlat = shapely.points([(lon, lat) for lat, lon in points])
            for point, piece in zip(*self._tree.query(lonlat, predicate="intersects"), strict=True):
                held[int(point)].add(self._piece_area[int(piece)])
        return held

    def _areas_with_a_settlement_of_their_name(self) -> frozenset[int]:
        """Boundaries that are a town: one level means a town here and a region elsewhere, but the town's own is named
        like the settlement inside."""
        settlements = [area for area in self.areas if area.tags.get("place") in _CITY_REACH_M]
        found = set()
        for settlement, held in zip(settlements, self._holding([area.point for area in settlements]), strict=True):
            name = fold(settlement.name)
            found |= {self.areas[index].osm for index in held if fold(self.areas[index].name) == name}
        return frozenset(found)

    def _context(self, holding: Sequence[Area], near_city: Area | None, near_quarter: Area | None) -> Context:
        parts: dict[str, str] = {}
        bounds = [area for area in holding if area.tags.get("boundary") in ("administrative", "land_area")]
        districts = [
            area
            for area in holding
            if area.tags.get("place") in _DISTRICT_REACH_M or (area in bounds and area.level in _DISTRICT_LEVELS)
        ]
        towns = [
            area
            for area in holding
            if area.tags.get("place") in _CITY_REACH_M or (area.level in _CITY_LEVELS and area.osm in self._labelled)
        ]
        municipalities = [area for area in bounds if area.level in (7, 8)]
        city = next(iter(towns), None) or near_city or next(iter(municipalities), None)
        quarter = next(iter(districts), near_quarter)
        state = next((area for area in bounds if area.level in _STATE_LEVELS and area.osm not in self._labelled), None)
        country = next((area for area in bounds if area.level in _COUNTRY_LEVELS), None)
        postal = next((area for area in holding if "postal_code" in area.tags), None)
        if postal:
            parts["postcode"] = postal.tags["postal_code"]
        if city:
            parts["city"] = city.name
        if quarter and quarter is not city and quarter.name != (city.name if city else ""):
            parts["district"] = quarter.name
        if state:
            parts["state"] = state.name
        if country:
            parts["country"] = country.name
            code = country.tags.get("ISO3166-1:alpha2") or country.tags.get("ISO3166-1", "")
            if len(code) == 2:
                parts["country_code"] = code.upper()
        nearest = [area.osm for area in (quarter, city) if area is not None]
        return Context(tuple(parts.items()), tuple(dict.fromkeys([*(area.osm for area in holding), *nearest])))


class _Nearest:
    """The settlement whose reach a point is deepest in: distance divided by the reach of its sort."""

    def __init__(self, areas: Sequence[Area], reach_m: Mapping[str, float]) -> None:
        self._groups = [
            (reach, group, shapely.STRtree(_mercator([area.point for area in group])))
            for place, reach in reach_m.items()
            if (group := [area for area in areas if area.tags["place"] == place])
        ]

    def of(self, points: Sequence[LatLon]) -> list[Area | None]:
        best: list[tuple[float, Area | None]] = [(1.0, None)] * len(points)
        where = _mercator(points)
        for reach, group, tree in self._groups:
            for index, nearest in enumerate(tree.nearest(where)):
                area = group[int(nearest)]
                share = haversine_m(area.point, points[index]) / reach
                if share < best[index][0]:
                    best[index] = (share, area)
        return [area for _, area in best]


def _mercator(points: Sequence[LatLon]) -> npt.NDArray[np.object_]:
    lat = np.radians(np.clip([lat for lat, _ in points], -85.0, 85.0))
    flat = np.column_stack([[lon for _, lon in points], np.degrees(np.arcsinh(np.tan(lat)))])
    return np.array([shapely.Point(x, y) for x, y in flat], dtype=object)
