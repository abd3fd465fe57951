"""The layers of the base map: which OpenStreetMap object is drawn in which, from which zoom on, and what is said of it.

The vector tiles (`tiles.py`) hold these layers under the same names; `LAYERS` is their documentation and part of the
TileJSON. The ideas of classes and first zooms follow common practice for OpenStreetMap base maps (OpenMapTiles,
Shortbread); the tables are our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from annotator.maps.categories import categories_of_osm
from annotator.maps.embedded.layer_tables import (
    AERIALWAYS,
    AREAS,
    BOUNDARY_ZOOMS,
    FLOWING,
    NO_POIS,
    PLACES,
    RAILS,
    ROADS,
    SIGHTS,
    SMALL,
    WATERWAYS,
    WORTH_SHOWING_WITHOUT_A_NAME,
)
from annotator.maps.osm_place import kind_of

MAX_ZOOM = 16
"""Tiles of deeper zooms are not made; clients enlarge those of this one."""

type Properties = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """A layer of the vector tiles.

    Args:
        name: in the tiles.
        geometry: what its features are.
        fields: what each property says; a feature has only those that it knows.
    """

    name: str
    geometry: Literal["area", "line", "point"]
    fields: dict[str, str]


_NAMES = {"name": "local name", "name_en": "English name, where it is another"}
_SPANS = {"bridge": "1 on a bridge", "tunnel": "1 in a tunnel", "layer": "above (1, 2) or below (-1) others"}

LAYERS: tuple[LayerSpec, ...] = (
    LayerSpec("water", "area", {"class": "sea, lake, river, pool or glacier", **_NAMES}),
    LayerSpec(
        "green", "area", {"class": "park, wood, grass, farmland, garden, cemetery, pitch, golf or wetland", **_NAMES}
    ),
    LayerSpec(
        "landuse",
        "area",
        {
            "class": "residential, commercial, industrial, education, medical, leisure, sand, rock, parking, "
            "pedestrian, pier, railway, airport, military or building_site",
            **_NAMES,
        },
    ),
    LayerSpec("buildings", "area", {"height_m": "height in whole metres, where it or the number of storeys is known"}),
    LayerSpec("waterways", "line", {"class": "river, canal, stream or ditch", "tunnel": "1 in a tunnel", **_NAMES}),
    LayerSpec(
        "boundaries", "line", {"admin_level": "2 for countries, larger for smaller areas", "maritime": "1 at sea"}
    ),
    LayerSpec(
        "roads",
        "line",
        {
            "class": "motorway, trunk, primary, secondary, tertiary, minor, service, track, pedestrian, cycleway, "
            "path, steps, pier, runway or construction",
            "link": "1 for a slip road",
            "ref": "number, such as A 8",
            "oneway": "1 in the direction of the line, -1 against it",
            **_SPANS,
            **_NAMES,
        },
    ),
    LayerSpec("rail", "line", {"class": "rail, tram, subway, light_rail or lift", "service": "1 in yards", **_SPANS}),
    LayerSpec(
        "places",
        "point",
        {"kind": "OpenStreetMap's place", "rank": "1 for countries to 12 for squares", "capital": "1", **_NAMES},
    ),
    LayerSpec(
        "pois",
        "point",
        {
            "category": "canonical place type, where it has one",
            "kind": "OpenStreetMap's main tag",
            "pid": "place id for the map tools",
            "rank": "1 for sights and stations to 3 for small things",
            **_NAMES,
        },
    ),
    LayerSpec("housenumbers", "point", {"number": "house number"}),
)

_LEVELS = frozenset({"-5", "-4", "-3", "-2", "-1", "1", "2", "3", "4", "5"})

LAYER_INDEX: dict[str, int] = {layer.name: index for index, layer in enumerate(LAYERS)}


@dataclass(frozen=True, slots=True)
class Sketch:
    """How an object is drawn.

    Args:
        layer: by name.
        first_zoom: below it the object is not drawn.
        properties: what the tiles say of it.
    """

    layer: str
    first_zoom: int
    properties: Properties = field(default_factory=dict)


def line_sketch(tags: Mapping[str, str], *, boundary_level: int | None = None) -> Sketch | None:
    """How a way is drawn as a line; None if it isn't.

    Args:
        tags: its own.
        boundary_level: smallest admin_level of the boundaries that it is part of.
    """
    if tags.get("area") == "yes":
        return None
    if sketch := _road(tags) or _rail(tags) or _waterway(tags):
        return sketch
    if boundary_level is not None and (first_zoom := BOUNDARY_ZOOMS.get(boundary_level)) is not None:
        is_maritime = tags.get("maritime") == "yes" or tags.get("natural") == "coastline"
        properties: Properties = {"admin_level": boundary_level}
        if is_maritime:
            properties["maritime"] = 1
        return Sketch("boundaries", first_zoom, properties)
    return None


def area_sketch(tags: Mapping[str, str]) -> Sketch | None:
    """How an area is drawn; None if it isn't. Buildings come first: a hospital's own outline may be one."""
    if tags.get("building", "no") != "no":
        height_m = _height_m(tags)
        return Sketch("buildings", 13, {"height_m": height_m} if height_m else {})
    if tags.get("location") == "underground" or tags.get("tunnel") == "yes":
        return None
    if tags.get("highway") in ("pedestrian", "footway", "living_street", "service") and tags.get("area") == "yes":
        return Sketch("landuse", 13, _class("pedestrian", tags))
    for key, values in AREAS.items():
        if (found := values.get(tags.get(key, ""))) is not None:
            layer, kind, first_zoom = found
            if kind == "lake" and tags.get("water") in FLOWING:
                kind = "river"
            return Sketch(layer, first_zoom, _class(kind, tags))
    return None


def place_sketch(tags: Mapping[str, str]) -> Sketch | None:
    """The label of a settlement, island or square; None if it is none or has no name."""
    found = PLACES.get(tags.get("place", ""))
    if found is None or not tags.get("name"):
        return None
    rank, first_zoom = found
    properties: Properties = {"kind": tags["place"], "rank": rank, **_names(tags)}
    if tags.get("capital") == "yes":
        properties["capital"] = 1
        first_zoom = min(first_zoom, 4)
    return Sketch("places", first_zoom, properties)


def poi_sketch(tags: Mapping[str, str], native_id: str) -> Sketch | None:
    """The symbol of a place of interest; None if it is none.

    Args:
        native_id: OpenStreetMap's type and number, such as n123; the tiles put the map's namespace before it.
    """
    # Most objects are buildings without a name: this is what they cost.
    if "name" not in tags and not ("amenity" in tags or "tourism" in tags or "leisure" in tags):
        return None
    kind = kind_of(tags)
    if kind is None:
        return None
    category = next(iter(categories_of_osm(dict(tags))), None)
    if category is None and kind.partition("=")[0] in NO_POIS:
        return None
    if not tags.get("name") and category not in WORTH_SHOWING_WITHOUT_A_NAME:
        return None
    rank = 1 if category in SIGHTS else 3 if category is None or category in SMALL else 2
    properties: Properties = {"kind": kind, "pid": native_id, "rank": rank, **_names(tags)}
    if category is not None:
        properties["category"] = category
    return Sketch("pois", {1: 13, 2: 15, 3: 16}[rank], properties)


def house_number_sketch(tags: Mapping[str, str]) -> Sketch | None:
    """A house number; None if there is none."""
    number = tags.get("addr:housenumber", "").strip()
    return Sketch("housenumbers", MAX_ZOOM, {"number": number}) if 0 < len(number) <= 16 else None


def _road(tags: Mapping[str, str]) -> Sketch | None:
    if tags.get("aeroway") in ("runway", "taxiway"):
        return Sketch("roads", 11 if tags["aeroway"] == "runway" else 13, {"class": "runway"})
    if tags.get("man_made") in ("pier", "breakwater"):
        return Sketch("roads", 13, _class("pier", tags))
    highway = tags.get("highway", "")
    found = ROADS.get(highway.removesuffix("_link"))
    if found is None or tags.get("indoor") == "yes":
        return None
    kind, first_zoom = found
    properties: Properties = _class(kind, tags) | _spans(tags)
    if highway.endswith("_link"):
        properties["link"] = 1
        first_zoom += 2
    if tags.get("ref"):
        properties["ref"] = tags["ref"].partition(";")[0].strip()[:20]
    oneway = tags.get("oneway", "yes" if highway == "motorway" or tags.get("junction") == "roundabout" else "")
    if oneway in ("yes", "1", "true", "-1", "reverse"):
        properties["oneway"] = -1 if oneway in ("-1", "reverse") else 1
    if kind == "service" and tags.get("service") in ("driveway", "parking_aisle"):
        first_zoom = 15
    if kind == "path" and tags.get("footway") in ("sidewalk", "crossing"):
        first_zoom = 15
    return Sketch("roads", first_zoom, properties)


def _rail(tags: Mapping[str, str]) -> Sketch | None:
    if tags.get("aerialway") in AERIALWAYS:
        return Sketch("rail", 12, {"class": "lift"})
    found = RAILS.get(tags.get("railway", ""))
    if found is None:
        return None
    kind, first_zoom = found
    properties: Properties = {"class": kind, **_spans(tags)}
    if tags.get("service"):
        properties["service"] = 1
        first_zoom = max(first_zoom, 14)
    return Sketch("rail", first_zoom, properties)


def _waterway(tags: Mapping[str, str]) -> Sketch | None:
    found = WATERWAYS.get(tags.get("waterway", ""))
    if found is None:
        return None
    kind, first_zoom = found
    is_below = tags.get("tunnel", "no") != "no"
    properties = _class(kind, tags)
    if is_below:
        properties["tunnel"] = 1
        first_zoom = max(first_zoom, 14)
    return Sketch("waterways", first_zoom, properties)


def _class(kind: str, tags: Mapping[str, str]) -> Properties:
    return {"class": kind, **_names(tags)}


def _names(tags: Mapping[str, str]) -> Properties:
    name, english = tags.get("name", "").strip(), tags.get("name:en", "").strip()
    found: Properties = {}
    if name or english:
        found["name"] = name or english
    if name and english and english != name:
        found["name_en"] = english
    return found


def _spans(tags: Mapping[str, str]) -> Properties:
    found: Properties = {}
    if tags.get("bridge", "no") != "no":
        found["bridge"] = 1
    if tags.get("tunnel", "no") != "no" or tags.get("covered") == "yes":
        found["tunnel"] = 1
    if (layer := tags.get("layer", "")) in _LEVELS:
        found["layer"] = int(layer)
    return found


def _height_m(tags: Mapping[str, str]) -> int | None:
    for key, metres in (("height", 1.0), ("building:levels", 3.0)):
        text = tags.get(key, "").removesuffix("m").strip()
        try:
            height_m = float(text) * metres
        except ValueError:
            continue
        if 1 <= height_m < 1000:
            return round(height_m)
    return None
