"""The map style's words and symbols: names, numbers, places of interest."""

from typing import Any

from annotator.web.palette import KINDS, Palette, Theme
from annotator.web.style_parts import (
    CLASS,
    ITALIC,
    MAJOR,
    MEDIUM,
    REGULAR,
    SEMIBOLD,
    STREETS,
    Expression,
    Layer,
    by_zoom,
    layer,
    match,
)
from annotator.web.style_roads import road_ranks


def _text(colours: Palette, colour: Expression, *, halo: float = 1.4) -> dict[str, Any]:
    return {"text-color": colour, "text-halo-color": colours.halo, "text-halo-width": halo}


def labels(colours: Palette) -> list[Layer]:
    along = {"symbol-placement": "line", "text-rotation-alignment": "map", "text-max-angle": 30}
    named_area = {
        "text-field": ["get", "name"],
        "text-font": ITALIC,
        "text-size": 12,
        "text-max-width": 7,
        "text-padding": 32,
    }
    # Parks are places of interest, too; as soon as those have names, theirs would stand twice.
    not_a_poi_yet = ["step", ["zoom"], True, 15.5, ["!", ["in", CLASS, ["literal", ["park", "cemetery", "golf"]]]]]
    one_way = {
        "symbol-placement": "line",
        "symbol-spacing": 120,
        "text-field": ["case", ["==", ["get", "oneway"], -1], "\u2190", "\u2192"],
        "text-font": SEMIBOLD,
        "text-size": 12,
        "text-keep-upright": False,
        "text-rotation-alignment": "map",
        "text-padding": 4,
    }
    return [
        layer("water-names", "symbol", "water", minzoom=12, layout=named_area, paint=_text(colours, colours.water_ink)),
        layer(
            "waterway-names",
            "symbol",
            "waterways",
            minzoom=13,
            layout={**along, "text-field": ["get", "name"], "text-font": ITALIC, "text-size": 12},
            paint=_text(colours, colours.water_ink),
        ),
        layer(
            "green-names",
            "symbol",
            "green",
            minzoom=14,
            filter=not_a_poi_yet,
            layout=named_area,
            paint=_text(colours, colours.green_ink),
        ),
        layer(
            "one-ways",
            "symbol",
            "roads",
            minzoom=16,
            filter=["all", ["has", "oneway"], ["in", CLASS, ["literal", [*STREETS, "cycleway"]]]],
            layout=one_way,
            paint={"text-color": colours.soft, "text-opacity": 0.75},
        ),
        layer(
            "street-names",
            "symbol",
            "roads",
            minzoom=13,
            filter=["in", CLASS, ["literal", [*STREETS, "pier"]]],
            layout={
                **along,
                "symbol-spacing": 320,
                "symbol-sort-key": ["-", 0, match(road_ranks(), 0)],
                "text-field": ["get", "name"],
                "text-font": REGULAR,
                "text-size": by_zoom((13, 10.5), (16, 12.5), (19, 15)),
            },
            paint=_text(colours, colours.ink),
        ),
        layer(
            "road-numbers",
            "symbol",
            "roads",
            minzoom=10,
            filter=["all", ["has", "ref"], ["in", CLASS, ["literal", MAJOR]]],
            layout={
                "symbol-placement": "line",
                "symbol-spacing": 400,
                "text-field": ["get", "ref"],
                "text-font": SEMIBOLD,
                "text-size": 10.5,
                "text-rotation-alignment": "viewport",
            },
            paint=_text(colours, colours.soft, halo=2.2),
        ),
        layer(
            "house-numbers",
            "symbol",
            "housenumbers",
            minzoom=17,
            layout={"text-field": ["get", "number"], "text-font": REGULAR, "text-size": 10.5, "text-padding": 4},
            paint=_text(colours, colours.soft, halo=1.0),
        ),
    ]


def pois(colours: Palette, theme: Theme) -> list[Layer]:
    kind: Expression = ["match", ["get", "category"]]
    for name, categories in KINDS.items():
        kind += [list(categories), name]
    kind.append("other")
    colour: Expression = ["match", kind, *(part for pair in colours.kinds.items() for part in pair), colours.soft]
    shown = ["step", ["zoom"], ["<=", ["get", "rank"], 1], 15.5, ["<=", ["get", "rank"], 2], 17, True]
    return [
        layer(
            "pois",
            "symbol",
            "pois",
            minzoom=14,
            filter=shown,
            layout={
                "symbol-sort-key": ["get", "rank"],
                "icon-image": ["concat", kind, f"-{theme}"],
                "icon-size": by_zoom((14, 0.75), (17, 1.0), (19, 1.25)),
                "icon-padding": 1,
                "text-field": ["step", ["zoom"], "", 15.5, ["get", "name"]],
                "text-font": MEDIUM,
                "text-size": by_zoom((15, 10.5), (18, 12)),
                "text-max-width": 8,
                "text-optional": True,
                "text-variable-anchor": ["left", "right", "top", "bottom"],
                "text-radial-offset": 0.8,
                "text-justify": "auto",
            },
            paint=_text(colours, colour),
        )
    ]


def places(colours: Palette) -> list[Layer]:
    """Names of settlements and quarters, the local one first and the English one below it where it differs."""
    large = ["<=", ["get", "rank"], 6]
    name: Expression = ["format", ["get", "name"], {}]
    both: Expression = [*name, "\n", {}, ["get", "name_en"], {"font-scale": 0.8}]
    return [
        layer(
            "places",
            "symbol",
            "places",
            filter=["any", large, [">=", ["zoom"], 12]],
            maxzoom=17,
            layout={
                "symbol-sort-key": ["get", "rank"],
                "text-field": ["case", ["has", "name_en"], both, name],
                "text-font": ["case", large, ["literal", SEMIBOLD], ["literal", MEDIUM]],
                "text-size": by_zoom((6, ["case", large, 12, 10]), (14, ["case", large, 19, 12.5])),
                "text-letter-spacing": ["case", large, 0.0, 0.08],
                "text-max-width": 8,
                "text-padding": 6,
            },
            paint={
                **_text(colours, colours.ink, halo=1.8),
                "text-color": ["case", large, colours.ink, colours.soft],
            },
        )
    ]
