"""The map style's ground: land use, green, water, buildings and borders."""

from annotator.web.palette import Palette
from annotator.web.style_parts import CLASS, Layer, by_zoom, layer, match


def areas(colours: Palette) -> list[Layer]:
    landuse = {
        "residential": colours.residential,
        "commercial": colours.commercial,
        "industrial": colours.industrial,
        "railway": colours.industrial,
        "military": colours.industrial,
        "airport": colours.industrial,
        "building_site": colours.industrial,
        "education": colours.civic,
        "medical": colours.civic,
        "leisure": colours.grass,
        "sand": colours.sand,
        "rock": colours.rock,
    }
    green = {
        "wood": colours.wood,
        "park": colours.park,
        "garden": colours.park,
        "cemetery": colours.park,
        "golf": colours.park,
        "pitch": colours.pitch,
        "farmland": colours.farmland,
    }
    on_water = ["pedestrian", "pier", "parking"]
    shores = {"line-color": colours.shore, "line-width": by_zoom((10, 0.6), (16, 2.2))}
    flowing = {"river": 1.4, "canal": 1.2, "stream": 0.7, "ditch": 0.4}
    return [
        layer(
            "landuse",
            "fill",
            "landuse",
            filter=["!", ["in", CLASS, ["literal", on_water]]],
            paint={"fill-color": match(landuse, colours.land)},
        ),
        layer("green", "fill", "green", paint={"fill-color": match(green, colours.grass)}),
        # Below the water, so that no line is left where one water runs into another.
        layer("shore", "line", "water", minzoom=10, paint=shores),
        layer("water", "fill", "water", paint={"fill-color": colours.water}),
        layer(
            "waterways",
            "line",
            "waterways",
            filter=["!", ["has", "tunnel"]],
            layout={"line-cap": "round", "line-join": "round"},
            paint={
                "line-color": colours.water,
                "line-width": by_zoom(
                    (9, match({name: width * 0.6 for name, width in flowing.items()}, 0.4)),
                    (14, match({name: width * 2 for name, width in flowing.items()}, 1)),
                    (18, match({name: width * 7 for name, width in flowing.items()}, 3)),
                    base=1.4,
                ),
            },
        ),
        layer(
            "paved",
            "fill",
            "landuse",
            filter=["in", CLASS, ["literal", on_water]],
            paint={"fill-color": colours.paved, "fill-outline-color": colours.minor_edge},
        ),
    ]


def buildings(colours: Palette) -> list[Layer]:
    return [
        layer(
            "buildings",
            "fill",
            "buildings",
            minzoom=13,
            paint={
                "fill-color": colours.building,
                "fill-outline-color": by_zoom((14, colours.building), (16, colours.building_edge)),
                "fill-opacity": by_zoom((13, 0.0), (14.5, 1.0)),
            },
        )
    ]


def boundaries(colours: Palette) -> list[Layer]:
    return [
        layer(
            "boundaries",
            "line",
            "boundaries",
            filter=["all", ["<=", ["get", "admin_level"], 8], ["!", ["has", "maritime"]]],
            paint={
                "line-color": colours.boundary,
                "line-width": ["case", ["<=", ["get", "admin_level"], 2], 1.6, 0.9],
                "line-dasharray": [5, 2, 1, 2],
                "line-opacity": 0.7,
            },
        )
    ]
