"""What adapters of nearby searches share: true distances, travel times, and reasons for what has no filter."""

from collections.abc import Iterable, Sequence

from annotator.geo import LatLon, haversine_m
from annotator.maps.params import (
    Avoidable,
    NearbySearchParams,
    SearchAlongRouteParams,
    TravelMatrixParams,
    TravelMode,
    Waypoint,
)
from annotator.maps.results import Matrix, MatrixCell, Place, Travel

_NO_FILTER = {
    "open_at": "{title} cannot be asked what is open at a given time: leave out open_at",
    "wheelchair": "{title} cannot search by wheelchair access: leave out wheelchair",
    "cuisine": "{title} cannot search by cuisine: leave it out, or give it as keyword",
    "min_rating": "{title} has no ratings: leave out min_rating",
    "price_levels": "{title} has no price levels: leave out price_levels",
}


def no_filter(title: str, params: NearbySearchParams | SearchAlongRouteParams, *names: str) -> list[str]:
    """Reasons against those of the named parameters that were given and that a provider has nothing for."""
    given = {name: getattr(params, name) for name in names}
    return [
        _NO_FILTER[name].format(title=title)
        for name, value in given.items()
        if not (value is None or value is False or value == ())
    ]


def over_limit(title: str, limit: int, most: int) -> list[str]:
    """The reason against a limit that a provider cannot reach."""
    return [f"{title} gives at most {most} places here: give a limit of {most} or less"] if limit > most else []


def measured(places: Iterable[Place], center: LatLon) -> list[Place]:
    """The places with their great-circle distance from a centre, whatever the provider says of it."""
    return [
        place.model_copy(update={"distance_m": round(haversine_m(center, (place.lat, place.lon)), 1)})
        for place in places
    ]


def within(places: Iterable[Place], center: LatLon, radius_m: float | None) -> list[Place]:
    """The places at most `radius_m` from a centre, with their distances, in their order."""
    return [
        place
        for place in measured(places, center)
        if radius_m is None or haversine_m(center, (place.lat, place.lon)) <= radius_m
    ]


def nearest_first(places: Iterable[Place], center: LatLon) -> list[Place]:
    """By distance from a centre; equally near ones keep their order."""
    return sorted(places, key=lambda place: haversine_m(center, (place.lat, place.lon)))


def with_travel(places: Sequence[Place], mode: TravelMode, cells: Sequence[MatrixCell]) -> list[Place]:
    """The places with the time and distance to each, where there is a way; `cells` has one entry a place."""
    return [
        place
        if cell.duration_s is None
        else place.model_copy(
            update={"travel": Travel(mode=mode, duration_s=cell.duration_s, distance_m=cell.distance_m)}
        )
        for place, cell in zip(places, cells, strict=True)
    ]


def pairs(
    origins: Iterable[LatLon], destinations: Iterable[LatLon], mode: TravelMode, avoid: tuple[Avoidable, ...] = ()
) -> TravelMatrixParams:
    """A matrix to ask for within another tool's answer."""
    return TravelMatrixParams(
        origins=tuple(Waypoint(lat=lat, lon=lon) for lat, lon in origins),
        destinations=tuple(Waypoint(lat=lat, lon=lon) for lat, lon in destinations),
        mode=mode,
        avoid=avoid,
    )


def position(place: Place) -> LatLon:
    """Where a place is."""
    return place.lat, place.lon


def to_each(
    origin: LatLon, places: Sequence[Place], mode: TravelMode, avoid: tuple[Avoidable, ...] = (), most: int = 25
) -> tuple[TravelMatrixParams, ...]:
    """Matrices of one row: from an origin to every place, at most `most` places in each."""
    return tuple(
        pairs([origin], map(position, places[start : start + most]), mode, avoid)
        for start in range(0, len(places), most)
    )


def from_each(
    places: Sequence[Place], destination: LatLon, mode: TravelMode, avoid: tuple[Avoidable, ...] = (), most: int = 25
) -> tuple[TravelMatrixParams, ...]:
    """Matrices of one column: from every place to a destination, at most `most` places in each."""
    return tuple(
        pairs(map(position, places[start : start + most]), [destination], mode, avoid)
        for start in range(0, len(places), most)
    )


def flat(matrices: Iterable[Matrix]) -> list[MatrixCell]:
    """The cells of matrices in their order, row by row."""
    return [cell for matrix in matrices for row in matrix.cells for cell in row]
