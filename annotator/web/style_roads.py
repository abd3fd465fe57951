"""The map style's roads, paths and railways."""

from typing import Literal

from annotator.web.palette import Palette
from annotator.web.style_parts import CLASS, STREETS, Expression, Layer, by_zoom, layer, match

_PATHS = ["path", "cycleway", "steps", "track"]
_GROUND = ["all", ["!", ["has", "bridge"]], ["!", ["has", "tunnel"]]]

# Widths of the roads in pixels at zooms 8, 12, 14, 16 and 19; a casing is 1 to 2 pixels more.
_WIDTHS: dict[str, tuple[float, ...]] = {
    "motorway": (1.2, 2.6, 5.0, 10.0, 36.0),
    "trunk": (1.0, 2.2, 4.6, 9.5, 34.0),
    "primary": (0.8, 1.8, 4.2, 9.0, 32.0),
    "secondary": (0.5, 1.3, 3.6, 8.0, 28.0),
    "tertiary": (0.3, 0.9, 3.0, 7.0, 26.0),
    "minor": (0.2, 0.5, 2.0, 5.5, 22.0),
    "pedestrian": (0.2, 0.4, 1.6, 4.5, 18.0),
    "service": (0.1, 0.3, 1.0, 3.0, 12.0),
}
_WIDTH_ZOOMS = (8, 12, 14, 16, 19)


def paths(colours: Palette) -> list[Layer]:
    plain = {"line-color": colours.path, "line-width": by_zoom((14, 0.5), (16, 0.9), (19, 2.4))}
    return [
        layer(
            "paths",
            "line",
            "roads",
            minzoom=14,
            filter=["all", ["in", CLASS, ["literal", _PATHS]], ["!=", CLASS, "steps"], ["!", ["has", "tunnel"]]],
            layout={"line-join": "round"},
            paint={**plain, "line-dasharray": [3, 2], "line-opacity": by_zoom((14, 0.4), (16, 0.75))},
        ),
        layer(
            "steps",
            "line",
            "roads",
            minzoom=15,
            filter=["==", CLASS, "steps"],
            paint={**plain, "line-width": by_zoom((15, 2.0), (19, 7.0)), "line-dasharray": [0.4, 0.3]},
        ),
        layer(
            "piers",
            "line",
            "roads",
            filter=["in", CLASS, ["literal", ["pier", "runway"]]],
            paint={"line-color": colours.paved, "line-width": by_zoom((12, 1), (16, 6), (19, 24), base=1.5)},
        ),
    ]


def _road_width(extra: tuple[float, ...] = (0.0,) * len(_WIDTH_ZOOMS)) -> Expression:
    stops = []
    for index, zoom in enumerate(_WIDTH_ZOOMS):
        widths = {name: width[index] + extra[index] for name, width in _WIDTHS.items()}
        # Slip roads are narrower than the road that they leave.
        full = match(widths, _WIDTHS["service"][index] + extra[index])
        stops.append((zoom, ["*", full, ["case", ["has", "link"], 0.7, 1.0]]))
    return by_zoom(*stops, base=1.5)


def roads(colours: Palette, level: Literal["tunnel", "ground", "bridge"]) -> list[Layer]:
    """Casings below, then fills, so that crossings open into each other; bridges are cased anew above all others."""
    where = _GROUND if level == "ground" else ["has", level]
    chosen = ["all", ["in", CLASS, ["literal", STREETS]], where]
    layout = {
        "line-cap": "round" if level == "ground" else "butt",
        "line-join": "round",
        "line-sort-key": ["+", ["*", 10, ["coalesce", ["get", "layer"], 0]], match(road_ranks(), 0)],
    }
    edge = {"motorway": colours.motorway_edge, "trunk": colours.major_edge, "primary": colours.major_edge}
    fill = {
        "motorway": colours.motorway,
        "trunk": colours.major,
        "primary": colours.major,
        "pedestrian": colours.paved,
        "construction": colours.industrial,
    }
    casing = {
        "line-color": colours.soft if level == "bridge" else match(edge, colours.minor_edge),
        "line-width": _road_width((0.6, 0.9, 1.2, 1.6, 2.4)),
        "line-opacity": 0.6 if level == "tunnel" else by_zoom((11, 0.0), (12, 1.0)),
    }
    if level == "tunnel":
        casing["line-dasharray"] = [2, 1.5]
    return [
        layer(f"road-casings-{level}", "line", "roads", minzoom=11, filter=chosen, layout=layout, paint=casing),
        layer(
            f"roads-{level}",
            "line",
            "roads",
            filter=chosen,
            layout=layout,
            paint={
                "line-color": match(fill, colours.minor),
                "line-width": _road_width(),
                "line-opacity": 0.55 if level == "tunnel" else 1.0,
            },
        ),
    ]


def road_ranks() -> dict[str, int]:
    return {name: len(_WIDTHS) - index for index, name in enumerate(_WIDTHS)}


def rails(colours: Palette) -> list[Layer]:
    trains = ["in", CLASS, ["literal", ["rail", "light_rail"]]]
    return [
        layer(
            "rails",
            "line",
            "rail",
            filter=["!", ["has", "tunnel"]],
            paint={
                "line-color": colours.rail,
                "line-width": by_zoom((9, 0.5), (14, 1.2), (18, 2.4)),
                "line-opacity": ["case", ["has", "service"], 0.5, 1.0],
            },
        ),
        layer(
            "sleepers",
            "line",
            "rail",
            minzoom=13,
            filter=["all", trains, ["!", ["has", "tunnel"]], ["!", ["has", "service"]]],
            paint={
                "line-color": colours.rail,
                "line-width": by_zoom((13, 2.6), (18, 7.0)),
                "line-dasharray": [0.25, 2.4],
            },
        ),
        layer(
            "rails-below",
            "line",
            "rail",
            minzoom=13,
            filter=["has", "tunnel"],
            paint={"line-color": colours.rail, "line-width": 1, "line-dasharray": [3, 3], "line-opacity": 0.5},
        ),
    ]
