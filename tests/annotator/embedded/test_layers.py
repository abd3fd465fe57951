"""What is drawn in which layer, for the tags that real maps have."""

from typing import Any

import pytest

from annotator.maps.embedded.layers import area_sketch, house_number_sketch, line_sketch, place_sketch, poi_sketch


@pytest.mark.parametrize(
    ("tags", "layer", "said"),
    [
        ({"highway": "motorway", "ref": "A 8;E 80"}, "roads", {"class": "motorway", "ref": "A 8", "oneway": 1}),
        ({"highway": "primary_link", "oneway": "-1"}, "roads", {"class": "primary", "link": 1, "oneway": -1}),
        ({"highway": "residential", "name": "Rue", "name:en": "Street"}, "roads", {"name": "Rue", "name_en": "Street"}),
        ({"highway": "footway", "tunnel": "yes", "layer": "-2"}, "roads", {"class": "path", "tunnel": 1, "layer": -2}),
        ({"highway": "tertiary", "bridge": "viaduct", "layer": "--1"}, "roads", {"class": "tertiary", "bridge": 1}),
        ({"railway": "tram"}, "rail", {"class": "tram"}),
        ({"railway": "rail", "service": "yard"}, "rail", {"class": "rail", "service": 1}),
        ({"aerialway": "gondola"}, "rail", {"class": "lift"}),
        ({"waterway": "stream", "tunnel": "culvert"}, "waterways", {"class": "stream", "tunnel": 1}),
        ({"man_made": "pier", "name": "Mole"}, "roads", {"class": "pier", "name": "Mole"}),
        ({"aeroway": "runway"}, "roads", {"class": "runway"}),
    ],
)
def test_lines(tags: dict[str, str], layer: str, said: dict[str, Any]) -> None:
    sketch = line_sketch(tags)
    assert sketch is not None
    assert sketch.layer == layer
    assert sketch.properties.items() >= said.items()
    assert "layer" not in sketch.properties or sketch.properties["layer"] in range(-5, 6)


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "proposed"},
        {"highway": "footway", "indoor": "yes"},
        {"highway": "pedestrian", "area": "yes"},
        {"railway": "abandoned"},
        {"barrier": "wall"},
        {"natural": "coastline"},
        {},
    ],
)
def test_what_is_no_line(tags: dict[str, str]) -> None:
    assert line_sketch(tags) is None


def test_a_way_without_tags_is_a_boundary_if_a_relation_says_so() -> None:
    sketch = line_sketch({}, boundary_level=4)
    assert sketch is not None
    assert (sketch.layer, sketch.properties) == ("boundaries", {"admin_level": 4})
    at_sea = line_sketch({"natural": "coastline"}, boundary_level=2)
    assert at_sea is not None
    assert at_sea.properties == {"admin_level": 2, "maritime": 1}
    road = line_sketch({"highway": "path"}, boundary_level=2)
    assert road is not None
    assert road.layer == "roads"


@pytest.mark.parametrize(
    ("tags", "layer", "said"),
    [
        ({"building": "yes", "amenity": "hospital", "building:levels": "4"}, "buildings", {"height_m": 12}),
        ({"building": "house", "height": "7.6 m"}, "buildings", {"height_m": 8}),
        ({"building": "house", "height": "tall"}, "buildings", {}),
        ({"natural": "water", "water": "river"}, "water", {"class": "river"}),
        ({"natural": "water", "name": "Lac"}, "water", {"class": "lake", "name": "Lac"}),
        ({"leisure": "park", "name": "Parc"}, "green", {"class": "park", "name": "Parc"}),
        ({"landuse": "forest"}, "green", {"class": "wood"}),
        ({"amenity": "school"}, "landuse", {"class": "education"}),
        (
            {"highway": "pedestrian", "area": "yes", "name": "Pl."},
            "landuse",
            {"class": "pedestrian", "name": "Pl."},
        ),
        ({"natural": "beach"}, "landuse", {"class": "sand"}),
    ],
)
def test_areas(tags: dict[str, str], layer: str, said: dict[str, Any]) -> None:
    sketch = area_sketch(tags)
    assert sketch is not None
    assert (sketch.layer, sketch.properties) == (layer, said)


@pytest.mark.parametrize("tags", [{"building": "no"}, {"natural": "water", "tunnel": "yes"}, {"boundary": "x"}, {}])
def test_what_is_no_area(tags: dict[str, str]) -> None:
    assert area_sketch(tags) is None


def test_labels_symbols_and_numbers() -> None:
    city = place_sketch({"place": "city", "name": "Praha", "name:en": "Prague", "capital": "yes"})
    assert city is not None
    assert city.properties == {"kind": "city", "rank": 3, "name": "Praha", "name_en": "Prague", "capital": 1}
    assert city.first_zoom <= 4
    assert place_sketch({"place": "city"}) is None
    cafe = poi_sketch({"amenity": "cafe", "name": "Bar"}, "n7")
    assert cafe is not None
    assert cafe.properties == {"kind": "amenity=cafe", "pid": "n7", "rank": 2, "name": "Bar", "category": "cafe"}
    assert poi_sketch({"amenity": "cafe"}, "n7") is None
    assert poi_sketch({"amenity": "toilets"}, "n7") is not None
    assert poi_sketch({"highway": "residential", "name": "Rue"}, "w7") is None
    number = house_number_sketch({"addr:housenumber": "12 bis"})
    assert number is not None
    assert number.properties == {"number": "12 bis"}
    assert house_number_sketch({"addr:housenumber": "1-99;101;103;105;107"}) is None
