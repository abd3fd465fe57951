"""Every provider by key, one line each, and those that other installed packages bring."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from annotator.errors import NotFoundError
from annotator.maps.provider import Provider

ENTRY_POINT_GROUP = "mapqator.providers"

_HERE = "annotator.maps.providers"

_OWN = {
    "nominatim": f"{_HERE}.nominatim:Nominatim",
    "overpass": f"{_HERE}.overpass:Overpass",
    "photon": f"{_HERE}.photon:Photon",
    "osrm": f"{_HERE}.osrm:Osrm",
    "valhalla": f"{_HERE}.valhalla:Valhalla",
    "openrouteservice": f"{_HERE}.openrouteservice:OpenRouteService",
    "graphhopper": f"{_HERE}.graphhopper:GraphHopper",
    "google": f"{_HERE}.google:Google",
    "mapbox": f"{_HERE}.mapbox:Mapbox",
    "tomtom": f"{_HERE}.tomtom:TomTom",
    "here": f"{_HERE}.here:Here",
    "azure": f"{_HERE}.azure:Azure",
}


@cache
def _entry_points() -> dict[str, EntryPoint]:
    """Where each provider is. An outside package cannot replace one of ours: the key would change its meaning."""
    outside = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    own = {key: EntryPoint(key, value, ENTRY_POINT_GROUP) for key, value in _OWN.items()}
    return outside | own


def provider_keys() -> tuple[str, ...]:
    """Keys of all providers that are reached over HTTP, ours first."""
    return (*_OWN, *sorted(set(_entry_points()) - set(_OWN)))


@cache
def provider_type(key: str) -> type[Provider]:
    """The class behind a key, imported when first asked for.

    Raises:
        NotFoundError: there is no provider of that name, or the package that brings it is broken.
    """
    if key not in _entry_points():
        raise NotFoundError(f"there is no provider '{key}'; `mapqator providers` lists them")
    try:
        found = _entry_points()[key].load()
    except Exception as error:
        # Code of others may fail in any way when it is imported; ours fails where programmers see it.
        if key in _OWN:
            raise
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise NotFoundError(f"the entry point '{key}' of {ENTRY_POINT_GROUP} cannot be loaded: {why}") from error
    if not (isinstance(found, type) and issubclass(found, Provider)):
        raise NotFoundError(f"the entry point '{key}' of {ENTRY_POINT_GROUP} is no Provider")
    return found
