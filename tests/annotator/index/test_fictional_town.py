"""Searches on a generated town: whatever it is called there, it is found."""

from collections.abc import Iterator

import osmium
import pytest
from osmium.filter import KeyFilter

from annotator.demo.town import SMALL, build_town
from annotator.maps.embedded.index import build_index
from annotator.maps.embedded.places import PlaceIndex
from annotator.maps.params import TextSearchParams


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PlaceIndex, list[dict[str, str]]]]:
    """A small town's index and the tags of everything in it that has a kind and a name or an address."""
    folder = tmp_path_factory.mktemp("town")
    build_town(11, folder / "town.osm.pbf", size=SMALL)
    build_index(folder / "town.osm.pbf", folder / "places")
    filtered = osmium.FileProcessor(folder / "town.osm.pbf").with_filter(KeyFilter("amenity", "shop", "tourism"))
    things = [{tag.k: tag.v for tag in thing.tags} for thing in filtered]
    with PlaceIndex(folder / "places", namespace="town") as index:
        yield index, things


def test_every_place_is_found_by_each_of_its_names(town: tuple[PlaceIndex, list[dict[str, str]]]) -> None:
    index, things = town
    named = [(name, tags) for tags in things for key, name in tags.items() if key.partition(":")[0] == "name"]
    assert len(named) > 100
    for name, tags in named:
        found = index.text_search(TextSearchParams(query=name, language="mul", limit=20)).places
        assert tags["name"] in [place.name for place in found], name


def test_every_address_is_found_as_it_is_written(town: tuple[PlaceIndex, list[dict[str, str]]]) -> None:
    index, things = town
    addressed = [tags for tags in things if "addr:housenumber" in tags and "addr:street" in tags]
    assert len(addressed) > 50
    for tags in addressed:
        query = f"{tags['addr:housenumber']} {tags['addr:street']}"
        first = index.text_search(TextSearchParams(query=query)).places[0].address_parts
        assert (first["house_number"], first["street"]) == (tags["addr:housenumber"], tags["addr:street"])
