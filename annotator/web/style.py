"""The MapLibre style of our own vector tiles: a quiet paper map on which results stand out.

It needs no network but the tiles': labels are drawn with fonts of the reader's machine (a style without `glyphs`), and
the shapes of places, images named `{kind}-{theme}`, by `static/annotator/shapes.js`.
`annotator/maps/embedded/layers.py` says what the tiles hold.
"""

from typing import Any

from annotator.web.palette import PALETTES, Theme
from annotator.web.style_ground import areas, boundaries, buildings
from annotator.web.style_labels import labels, places, pois
from annotator.web.style_parts import SOURCE
from annotator.web.style_roads import paths, rails, roads


def map_style(tilejson_url: str, *, theme: Theme, attribution: str) -> dict[str, Any]:
    """A style document (version 8).

    Args:
        tilejson_url: where the map's TileJSON is.
        theme: light or dark.
        attribution: the line that MapLibre shows in the corner.
    """
    colours = PALETTES[theme]
    return {
        "version": 8,
        "name": f"MapQaTor {theme}",
        "metadata": {"mapqator:shapes": {"theme": theme, "halo": colours.halo, "kinds": colours.kinds}},
        "sources": {
            SOURCE: {"type": "vector", "url": tilejson_url, "attribution": attribution, "promoteId": {"pois": "pid"}}
        },
        "layers": [
            {"id": "land", "type": "background", "paint": {"background-color": colours.land}},
            *areas(colours),
            *roads(colours, "tunnel"),
            *buildings(colours),
            *paths(colours),
            *roads(colours, "ground"),
            *rails(colours),
            *roads(colours, "bridge"),
            *boundaries(colours),
            *labels(colours),
            *pois(colours, theme),
            *places(colours),
        ],
    }
