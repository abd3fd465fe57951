"""Building: the same bytes every time, whole or not at all, and nothing in an extract that stops it."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import osmium
import pytest

from annotator.errors import MapBuildError, NotFoundError
from annotator.maps.embedded.index import build_index
from annotator.maps.embedded.places import PlaceIndex
from annotator.maps.params import NearbySearchParams, PlaceDetailsParams, ReverseGeocodeParams, TextSearchParams
from annotator.maps.results import Place

type Opener = Callable[..., PlaceIndex]


def details(index: PlaceIndex, pid: str) -> Place | None:
    return index.place_details(PlaceDetailsParams(place_id=pid)).place


def test_the_same_extract_gives_the_same_bytes_in_any_process(port_sel: Any, tmp_path: Path) -> None:
    pbf = port_sel.write(tmp_path / "town.osm.pbf")
    program = "import sys; from pathlib import Path; from annotator.maps.embedded.index import build_index; "
    program += "build_index(Path(sys.argv[1]), Path(sys.argv[2]))"
    digests = set()
    for seed in ("1", "2"):
        target = tmp_path / f"places-{seed}"
        env = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", program, pbf, target], check=True, env=env)
        digests.add(sha256(target.read_bytes()).hexdigest())
    assert len(digests) == 1


def test_progress_rises_to_one_and_the_summary_counts(port_sel: Any, tmp_path: Path) -> None:
    pbf = port_sel.write(tmp_path / "town.osm.pbf", {"osmosis_replication_timestamp": "2024-01-02T03:04:05Z"})
    shares: list[float] = []
    summary = build_index(pbf, tmp_path / "places", progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(0.0 <= share <= 1.0 for share in shares)
    assert (summary.num_addresses, summary.num_lines, summary.num_areas) == (4, 3, 4)
    assert summary.data_timestamp == "2024-01-02T03:04:05Z"
    assert summary.size_bytes == (tmp_path / "places").stat().st_size
    assert 45.0 < summary.south < summary.north < 45.02


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<html>not found</html>" * 40, "cannot read"),
        (b"\x00" * 4096, "cannot read"),
        (None, "there is no file"),
    ],
)
def test_what_is_no_extract_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    pbf = tmp_path / "broken.osm.pbf"
    if content is not None:
        pbf.write_bytes(content)
    with pytest.raises(MapBuildError, match=message) as caught:
        build_index(pbf, tmp_path / "places")
    assert "\n" not in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ([pbf.name] if content is not None else [])


def test_a_truncated_extract_is_refused_and_the_old_index_stays(port_sel: Any, tmp_path: Path) -> None:
    pbf = port_sel.write(tmp_path / "town.osm.pbf")
    build_index(pbf, tmp_path / "places")
    before = (tmp_path / "places").read_bytes()
    pbf.write_bytes(pbf.read_bytes()[:-20])
    with pytest.raises(MapBuildError, match="cannot read"):
        build_index(pbf, tmp_path / "places")
    assert (tmp_path / "places").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["places", "town.osm.pbf"]


def test_an_extract_without_places_is_refused(new_world: type, tmp_path: Path) -> None:
    world = new_world()
    world.way([(1.0, 1.0), (1.0, 1.1)], highway="residential")
    with pytest.raises(MapBuildError, match="holds no places"):
        build_index(world.write(tmp_path / "bare.osm.pbf"), tmp_path / "places")


def test_an_interrupted_build_leaves_nothing_behind(port_sel: Any, tmp_path: Path) -> None:
    pbf = port_sel.write(tmp_path / "town.osm.pbf")

    def interrupt(share: float) -> None:
        if share > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_index(pbf, tmp_path / "places", progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["town.osm.pbf"]


def test_files_that_are_no_index_are_refused_when_opened(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="mapqator map build"):
        PlaceIndex(tmp_path / "nothing")
    (tmp_path / "text").write_text("hello" * 1000)
    with pytest.raises(MapBuildError, match="no place index"):
        PlaceIndex(tmp_path / "text")
    connection = sqlite3.connect(tmp_path / "other")
    connection.execute("CREATE TABLE something(x)")
    connection.close()
    with pytest.raises(MapBuildError, match="no place index"):
        PlaceIndex(tmp_path / "other")


def test_an_index_of_another_version_is_refused(port_sel: Any, tmp_path: Path) -> None:
    build_index(port_sel.write(tmp_path / "town.osm.pbf"), tmp_path / "places")
    connection = sqlite3.connect(tmp_path / "places")
    connection.execute("UPDATE meta SET value = '999' WHERE key = 'version'")
    connection.commit()
    connection.close()
    with pytest.raises(MapBuildError, match="another version"):
        PlaceIndex(tmp_path / "places")


def test_odd_paths_can_be_opened(port_sel: Any, tmp_path: Path) -> None:
    folder = tmp_path / "what? 100% #1 & é"
    folder.mkdir()
    build_index(port_sel.write(folder / "a b.osm.pbf"), folder / "x?mode=rw")
    with PlaceIndex(folder / "x?mode=rw") as index:
        assert index.text_search(TextSearchParams(query="casino")).places


def test_multipolygons_count_and_relations_with_missing_members_are_where_the_rest_is(
    new_world: type, index_of: Opener
) -> None:
    world = new_world()
    outer = world.box(10.0, 20.0, 10.02, 20.02)
    inner = world.box(10.008, 20.008, 10.012, 20.012)
    ring = [("w", outer, "outer"), ("w", inner, "inner")]
    whole = world.relation(ring, type="multipolygon", leisure="park", name="Ring Park")
    half = world.relation(
        [("w", outer, "outer"), ("w", 999, "outer")], type="multipolygon", leisure="garden", name="Half"
    )
    nothing = world.relation([("w", 998, "outer")], type="multipolygon", leisure="garden", name="Gone")
    campus = world.relation([("n", 1, "entrance"), ("w", inner, "")], type="site", amenity="university", name="Campus")
    index = index_of(world)
    park = details(index, f"osm:r{whole}")
    assert park is not None
    # The centroid lies in the hole, so another point stands for it.
    assert not (10.008 < park.lat < 10.012 and 20.008 < park.lon < 20.012)
    assert index.resolve(f"osm:r{half}") == (10.01, 20.01)
    assert index.resolve(f"osm:r{nothing}") is None
    assert index.resolve(f"osm:r{campus}") == (10.005, 20.005)


def test_ways_with_broken_outlines_or_missing_nodes_keep_their_place(new_world: type, index_of: Opener) -> None:
    world = new_world()
    a, b, c, d = world.node(10.0, 20.0), world.node(10.01, 20.01), world.node(10.0, 20.01), world.node(10.01, 20.0)
    bow_tie = world.way([a, b, c, d, a], shop="mall", name="Bow Tie")
    gaps = world.way([a, 998, b, 999, a], shop="bakery", name="Gaps")
    lost = world.way([997, 998, 997], shop="bakery", name="Lost")
    index = index_of(world)
    assert index.resolve(f"osm:w{bow_tie}") == (10.005, 20.005)
    assert index.resolve(f"osm:w{gaps}") == (10.005, 20.005)
    assert index.resolve(f"osm:w{lost}") is None


def test_shapes_across_the_antimeridian_are_in_one_piece(new_world: type, index_of: Opener) -> None:
    world = new_world()
    area = world.boundary(-17.0, 179.9, -16.8, -179.9, 8, name="Dateline")
    inner = world.node(-16.9, -179.95, amenity="cafe", name="East Side")
    other = world.node(-16.9, 179.95, amenity="cafe", name="West Side")
    world.node(-16.9, 0.0, amenity="cafe", name="Far Side")
    park = world.box(-16.95, 179.99, -16.93, -179.97, leisure="park", name="Line Park")
    index = index_of(world)
    for number in (inner, other):
        place = details(index, f"osm:n{number}")
        assert place is not None
        assert place.address_parts["city"] == "Dateline"
    lat, lon = index.resolve(f"osm:w{park}") or (0.0, 0.0)
    assert (lat, abs(lon)) == (-16.94, pytest.approx(179.99))
    there = index.reverse_geocode(ReverseGeocodeParams(lat=-16.94, lon=-179.98, limit=5)).places
    assert [place.name for place in there] == ["Line Park", "Dateline"]
    cafes = index.text_search(TextSearchParams(query="cafe in Dateline")).places
    assert sorted(place.name for place in cafes) == ["East Side", "West Side"]
    assert index.resolve(f"osm:r{area}") is not None


def test_tags_that_are_empty_odd_or_no_text_do_no_harm(new_world: type, tmp_path: Path) -> None:
    world = new_world()
    world.node(10.0, 20.0, amenity="cafe", name="")
    world.node(10.0, 20.0, amenity="cafe", name=" \t ")
    world.node(10.0, 20.0, amenity="cafe", name="\u202e\u0301\U0001f355 ½ \\ \" ' % _ *")
    world.node(10.0, 20.0, amenity="", shop=";", name="Semicolon")
    world.node(10.0, 20.0, amenity="cafe", name="x" * 250)
    world.node(10.0, 20.0, amenity="cafe", name="INVALID", description="BROKEN!!")
    path = tmp_path / "plain.osm.pbf"
    file = osmium.io.File(str(path), "pbf,pbf_compression=none")
    with osmium.SimpleWriter(file) as writer:
        for number, lat, lon, tags in world.nodes:
            writer.add_node(osmium.osm.mutable.Node(id=number, location=(lon, lat), tags=dict(tags)))
    path.write_bytes(path.read_bytes().replace(b"BROKEN!!", b"\xff\xfe\xc3(\xa0\xe2\x28!"))
    build_index(path, tmp_path / "places")
    with PlaceIndex(tmp_path / "places") as index:
        found = index.nearby_search(NearbySearchParams(lat=10.0, lon=20.0, type="cafe"))
        assert found.total == 5
        (cafe,) = index.text_search(TextSearchParams(query="invalid")).places
        assert "description" not in cafe.attributes
        assert index.text_search(TextSearchParams(query="x" * 250)).places


def test_streets_of_one_name_are_one_place_if_they_touch_or_nearly_do(new_world: type, index_of: Opener) -> None:
    world = new_world()
    joint = world.node(10.0, 20.001)
    first = world.way([(10.0, 20.0), joint], highway="residential", name="High Street", surface="asphalt", lanes="1")
    second = world.way([joint, (10.0, 20.002)], highway="tertiary", name="high street", surface="asphalt", lanes="2")
    beyond = world.way([(10.0, 20.003), (10.0, 20.004)], highway="residential", name="High Street", surface="asphalt")
    elsewhere = world.way([(10.2, 20.0), (10.2, 20.001)], highway="residential", name="High Street")
    index = index_of(world)
    places = {number: details(index, f"osm:w{number}") for number in (first, second, beyond, elsewhere)}
    street, other = places[first], places[elsewhere]
    assert street is not None
    assert other is not None
    assert places[second] == places[beyond] == street != other
    assert (street.pid, other.pid) == (f"osm:w{first}", f"osm:w{elsewhere}")
    # What is said of some parts only is not said of the street.
    assert street.attributes == {"surface": "asphalt"}
    assert street.kind == "highway=tertiary"
    assert len(index.text_search(TextSearchParams(query="high street")).places) == 2


def test_houses_take_their_street_from_a_relation(new_world: type, index_of: Opener) -> None:
    world = new_world()
    house = world.node(10.0, 20.0, addr__housenumber="5")
    world.relation([("n", house, "house")], type="associatedStreet", name="Mill Lane")
    (found,) = index_of(world).text_search(TextSearchParams(query="5 mill lane")).places
    assert found.address == "5 Mill Lane"


def test_places_have_the_city_and_district_that_hold_them_or_are_nearest(new_world: type, index_of: Opener) -> None:
    world = new_world()
    country = {"name": "Utopia", "ISO3166-1": "ut"}
    world.boundary(9.0, 19.0, 11.0, 22.0, 2, **country)
    # A city at a level that elsewhere means a county, as its own settlement shows.
    world.boundary(9.9, 19.9, 10.1, 20.1, 6, name="Freetown")
    world.node(10.0, 20.0, place="city", name="Freetown")
    world.boundary(9.95, 19.95, 10.0, 20.0, 9, name="Westside")
    world.boundary(10.4, 21.0, 10.8, 21.8, 6, name="Some County")
    world.node(10.5, 21.5, place="village", name="Lonely")
    inside = world.node(9.97, 19.97, amenity="cafe", name="A")
    in_county = world.node(10.51, 21.51, amenity="cafe", name="B")
    far_away = world.node(10.5, 21.1, amenity="cafe", name="C")
    own = world.node(9.97, 19.97, amenity="cafe", name="D", addr__city="Elsewhere")
    index = index_of(world)
    parts = {
        number: (details(index, f"osm:n{number}") or Place).address_parts
        for number in (inside, in_county, far_away, own)
    }
    nation = {"country": "Utopia", "country_code": "UT"}
    assert parts[inside] == {"city": "Freetown", "district": "Westside"} | nation
    assert parts[in_county] == {"city": "Lonely"} | nation
    assert parts[far_away] == nation
    assert parts[own] == {"city": "Elsewhere", "district": "Westside"} | nation
