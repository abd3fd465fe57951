"""The map style against what the tiles hold and against what eyes need; the browser's tests draw it."""

import json

import pytest

from annotator.maps.categories import CATEGORIES
from annotator.maps.embedded.layers import LAYERS
from annotator.web.palette import KINDS, PALETTES
from annotator.web.style import map_style

THEMES = ("light", "dark")
FIELDS = {spec.name: set(spec.fields) for spec in LAYERS}


def style_of(theme):
    return map_style("http://127.0.0.1/tiles/town.json", theme=theme, attribution="Nobody")


def fields_in(expression):
    """Every property that an expression reads."""
    if not isinstance(expression, list | dict):
        return set()
    if isinstance(expression, dict):
        return set().union(*(fields_in(value) for value in expression.values()))
    own = {expression[1]} if len(expression) == 2 and expression[0] in ("get", "has") else set()
    return own.union(*(fields_in(part) for part in expression))


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_every_layer_draws_something_that_the_tiles_hold(theme):
    for layer in style_of(theme)["layers"]:
        if layer["type"] != "background":
            assert layer["source-layer"] in FIELDS
            unknown = fields_in([layer.get(part) for part in ("filter", "layout", "paint")])
            assert unknown <= FIELDS[layer["source-layer"]], layer["id"]


def test_every_layer_of_the_tiles_is_drawn():
    assert {layer.get("source-layer") for layer in style_of("light")["layers"]} - {None} == set(FIELDS)


def test_the_themes_differ_in_colours_alone():
    light, dark = (style_of(theme) for theme in THEMES)
    assert [(layer["id"], layer.get("filter")) for layer in light["layers"]] == [
        (layer["id"], layer.get("filter")) for layer in dark["layers"]
    ]


@pytest.mark.parametrize("theme", THEMES)
def test_the_style_asks_no_server_but_the_tiles(theme):
    style = style_of(theme)
    assert {"glyphs", "sprite"}.isdisjoint(style)
    assert json.dumps(style).count("http") == 1


@pytest.mark.parametrize("theme", THEMES)
def test_words_on_the_map_have_the_contrast_of_aa(theme):
    colours = PALETTES[theme]
    inks = [colours.ink, colours.soft, colours.water_ink, colours.green_ink, *colours.kinds.values()]
    assert min(contrast(ink, colours.halo) for ink in inks) >= 4.5


def test_every_shape_stands_for_known_types_and_no_type_has_two():
    types = [key for keys in KINDS.values() for key in keys]
    assert set(types) <= set(CATEGORIES)
    assert len(types) == len(set(types))
    assert set(PALETTES["light"].kinds) == set(PALETTES["dark"].kinds) == {*KINDS, "other"}
