"""Words that every part of the map style uses."""

from typing import Any

type Expression = Any
"""A MapLibre expression, as JSON."""

type Layer = dict[str, Any]
"""A style layer, as JSON."""

SOURCE = "map"

# The first name only says weight and slant: MapLibre reads them off it, and no such font exists.
REGULAR = ["Map Regular", "system-ui", "sans-serif"]
MEDIUM = ["Map Medium", "system-ui", "sans-serif"]
SEMIBOLD = ["Map Semibold", "system-ui", "sans-serif"]
ITALIC = ["Map Italic", "system-ui", "sans-serif"]

CLASS: Expression = ["get", "class"]
MAJOR = ["motorway", "trunk", "primary", "secondary"]
STREETS = [*MAJOR, "tertiary", "minor", "service", "pedestrian", "construction"]


def layer(name: str, kind: str, source_layer: str, **rest: Any) -> Layer:
    """A layer of the tiles' `source_layer`."""
    return {"id": name, "type": kind, "source": SOURCE, "source-layer": source_layer, **rest}


def match(values: dict[str, Any], otherwise: Any, key: Expression = CLASS) -> Expression:
    """A table by `key`, the class by default."""
    return ["match", key, *(part for pair in values.items() for part in pair), otherwise]


def by_zoom(*stops: tuple[float, Any], base: float = 1.0) -> Expression:
    """A value between the given ones; `base` above 1 grows like the map itself."""
    curve = ["exponential", base] if base != 1.0 else ["linear"]
    return ["interpolate", curve, ["zoom"], *(part for stop in stops for part in stop)]
