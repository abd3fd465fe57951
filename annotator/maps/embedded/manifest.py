"""What a built map says of itself: `manifest.json`, and the hash that stands in every answer's provenance."""

import hashlib
import math
import re
from pathlib import Path
from typing import Annotated, Any, Self

import rfc8785
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from annotator.errors import InputError, MapBuildError
from annotator.geo import EARTH_RADIUS_M, LatLon
from annotator.maps.providers.registry import provider_keys

SCHEMA_VERSION = 1
BUILDER_VERSION = 1
"""Goes up when the same extract gives other base map features or other routing tiles."""

FILE_NAME = "manifest.json"
MAX_NAME_CHARACTERS = 32

TOWN_GENERATOR = "rhumb-town"
"""What the header of a generated town names as its generator, followed by a version."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_RESERVED = ("local",)


# The data has seven decimals of a degree; more would be noise of the arithmetic.
Latitude = Annotated[float, Field(ge=-90, le=90), AfterValidator(lambda value: round(value, 7))]
Longitude = Annotated[float, Field(ge=-180, le=180), AfterValidator(lambda value: round(value, 7))]


class Box(BaseModel):
    """A box of latitudes and longitudes in degrees; it does not cross the antimeridian."""

    model_config = ConfigDict(frozen=True)

    south: Latitude
    west: Longitude
    north: Latitude
    east: Longitude

    @property
    def center(self) -> LatLon:
        """Its middle."""
        return round((self.south + self.north) / 2, 7), round((self.west + self.east) / 2, 7)

    def contains(self, point: LatLon, margin_m: float = 0.0) -> bool:
        """Whether a point lies inside, or not further outside than about `margin_m` metres."""
        lat, lon = point
        d_lat = math.degrees(margin_m / EARTH_RADIUS_M)
        d_lon = d_lat / max(0.01, math.cos(math.radians(lat)))
        return self.south - d_lat <= lat <= self.north + d_lat and self.west - d_lon <= lon <= self.east + d_lon

    def grown(self, share: float) -> "Box":
        """A box that is larger by a share of its sides in every direction."""
        tall, wide = share * (self.north - self.south), share * (self.east - self.west)
        return Box(
            south=max(-90.0, self.south - tall),
            west=max(-180.0, self.west - wide),
            north=min(90.0, self.north + tall),
            east=min(180.0, self.east + wide),
        )

    def intersection(self, other: "Box") -> "Box | None":
        """What both cover; None if that is nothing."""
        south, north = max(self.south, other.south), min(self.north, other.north)
        west, east = max(self.west, other.west), min(self.east, other.east)
        return Box(south=south, west=west, north=north, east=east) if south < north and west < east else None


class Manifest(BaseModel):
    """A built map.

    Args:
        schema_version: of this file.
        name: key of the provider that the map is, and of its folder.
        title: name for people.
        namespace: what its place ids begin with.
        source: where the extract came from: a URL without its secrets, or a file's name.
        osm_timestamp: age of the data as the extract's header tells it, ISO 8601.
        center: latitude and longitude of the middle of `bbox`.
        country_code: the country that most addresses name, if any does.
        index_sha256: of the place index's file.
        basemap_sha256: of the base map's file.
        tiles_sha256: over the names and contents of the routing tiles; of nothing where the extract has no roads.
        file_bytes: of the extract.
        part_bytes: size of every file of the map by name, to notice one that was cut off or replaced.
        counts: how much of what it holds.
        built_at: when, ISO 8601; not part of `build_sha`.
        build_sha: over everything that determines answers.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    title: str
    namespace: str
    licence: str
    attribution: str
    source: str
    file_sha256: str
    file_bytes: int
    osm_timestamp: str | None
    bbox: Box
    center: LatLon
    country_code: str | None
    index_version: int
    index_sha256: str
    basemap_sha256: str
    tiles_sha256: str
    router: str
    router_version: str
    builder_version: int
    counts: dict[str, int]
    part_bytes: dict[str, int]
    built_at: str
    build_sha: str = ""

    def signed(self) -> Self:
        """The same with its `build_sha`."""
        return self.model_copy(update={"build_sha": build_sha(self)})

    @property
    def data_vintage(self) -> str:
        """Age and version of the data behind its answers, for provenance."""
        age = f"data of {self.osm_timestamp}" if self.osm_timestamp else f"extract {self.file_sha256[:12]}"
        return (
            f"{self.name}: {age}; build {self.build_sha[:12]}; "
            f"{self.router} {self.router_version}, tiles {self.tiles_sha256[:12]}"
        )


_DETERMINES_ANSWERS = (
    "schema_version",
    "name",
    "namespace",
    "file_sha256",
    "osm_timestamp",
    "bbox",
    "index_version",
    "index_sha256",
    "tiles_sha256",
    "router",
    "router_version",
    "builder_version",
)


def build_sha(manifest: Manifest) -> str:
    """sha256 over the canonical JSON (RFC 8785) of everything that determines the map's answers."""
    values: dict[str, Any] = manifest.model_dump(mode="json", include=set(_DETERMINES_ANSWERS))
    return hashlib.sha256(rfc8785.dumps(values)).hexdigest()


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a map's folder; None if there is none that this version can read."""
    try:
        manifest = Manifest.model_validate_json((folder / FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
    return manifest if manifest.schema_version == SCHEMA_VERSION else None


def name_of_source(source: str) -> str:
    """A map's name made of an extract's: `Monaco-latest.osm.pbf` gives `monaco-latest`.

    Raises:
        MapBuildError: nothing of it can be a name.
    """
    stem = stem_of_source(source).lower()
    name = re.sub(r"[^a-z0-9_-]+", "-", stem).lstrip("-_0123456789")[:MAX_NAME_CHARACTERS].rstrip("-_")
    if not name:
        raise MapBuildError(f"no name for a map can be made of '{stem[:60]}'; give one with --name")
    return name


def stem_of_source(source: str) -> str:
    """The last part of a path or URL without its endings."""
    last = source.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]
    return re.sub(r"(\.osm)?(\.pbf)?$", "", last)


def check_name(name: str) -> str:
    """The name itself.

    Raises:
        InputError: it is no name, or that of a provider.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"'{name[:60]}' cannot name a map; begin with a letter a-z and use up to 32 of a-z, 0-9, _ and -",
            param="name",
        )
    if name in _RESERVED or name in provider_keys():
        raise InputError(f"'{name}' is the name of a provider already; give the map another with --name", param="name")
    return name


def title_of_source(source: str) -> str:
    """A title for people made of an extract's name: `new-caledonia-latest.osm.pbf` gives `New caledonia`."""
    words = re.sub(r"[-_ ]latest$", "", stem_of_source(source)).replace("_", " ")
    words = " ".join(re.sub(r"(?<![0-9])-|-(?![0-9])", " ", words).split())
    return words[:1].upper() + words[1:]


def check_namespace(namespace: str) -> str:
    """The namespace itself.

    Raises:
        InputError: place ids cannot begin with it.
    """
    if not _NAME.fullmatch(namespace):
        raise InputError(
            f"'{namespace[:60]}' cannot begin place ids; begin with a letter a-z and use up to 32 of a-z, 0-9, _ and -",
            param="namespace",
        )
    return namespace
