"""Fictional towns as files: the same bytes for the same seed, and everything in them that the map tools live on."""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import osmium
import pytest
from opening_hours import OpeningHours

from annotator.cli import main
from annotator.demo.sheet import TIMESTAMP
from annotator.demo.town import DEFAULT_SEED, METROPOLIS, SMALL, TownSummary, build_town
from annotator.maps.categories import categories_of_osm
from annotator.paths import TOWN

ONLY_ONE = ("townhall", "courthouse", "hospital", "fire_station", "theatre", "marketplace")


def named_places(extract: Any) -> list[dict[str, str]]:
    """Tags of everything with a name that somebody would look for."""
    everything = [*extract.node_tags.values(), *(tags for tags, _ in extract.ways.values())]
    return [tags for tags in everything if "name" in tags and categories_of_osm(tags)]


@pytest.fixture(scope="module")
def default_town(read_extract: Callable[[Path], Any]) -> Any:
    return read_extract(TOWN)


def test_the_town_that_ships_is_the_one_that_its_seed_gives(tmp_path: Path) -> None:
    summary = build_town(DEFAULT_SEED, tmp_path / "town.osm.pbf")
    assert (tmp_path / "town.osm.pbf").read_bytes() == TOWN.read_bytes()
    assert summary.name == "Saltmere"
    assert 450 <= summary.num_places <= 560
    assert summary.num_bytes < 600_000


def test_a_seed_gives_the_same_bytes_in_another_process(small_town: Any, tmp_path: Path) -> None:
    seed, again = small_town.summary.seed, tmp_path / "again.osm.pbf"
    # Another hash seed gives sets and dictionaries of text another order.
    subprocess.run(
        [
            sys.executable,
            "-m",
            "annotator.cli",
            "demo",
            "town",
            "--seed",
            str(seed),
            "--size",
            "small",
            "--out",
            str(again),
        ],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert again.read_bytes() == small_town.path.read_bytes()


def test_a_file_says_that_it_is_a_fictional_town_and_when_it_was_surveyed(small_town: Any) -> None:
    header = osmium.io.Reader(str(small_town.path)).header()
    assert header.get("generator").startswith("rhumb-town")
    assert header.get("osmosis_replication_timestamp") == TIMESTAMP


def test_objects_are_in_the_order_of_types_and_ids_and_refer_to_what_is_there(small_town: Any) -> None:
    extract, summary = small_town.extract, small_town.summary
    order = [(item.type_str(), item.id) for item in osmium.FileProcessor(str(small_town.path))]
    assert order == sorted(order, key=lambda key: ("nwr".index(key[0]), key[1]))
    assert len(set(order)) == len(order) == summary.num_nodes + summary.num_ways + summary.num_relations
    assert min(number for _, number in order) == 1
    assert all(ref in extract.nodes for _, refs in extract.ways.values() for ref in refs)


def test_every_place_has_an_address_and_lies_where_the_summary_says(small_town: Any) -> None:
    summary = small_town.summary
    south, west, north, east = summary.bbox
    places = named_places(small_town.extract)
    assert 80 <= len(places) <= summary.num_places
    for tags in places:
        assert {"addr:street", "addr:postcode", "addr:city"} <= tags.keys(), tags
        assert tags["addr:city"] == summary.name
    with_units = [tags for tags in places if "shop" in tags]
    assert with_units
    assert all("addr:housenumber" in tags for tags in with_units)
    for node in osmium.FileProcessor(str(small_town.path), osmium.osm.NODE):
        if "name" in node.tags:
            assert south <= node.lat <= north
            assert west <= node.lon <= east


def test_a_house_number_stands_once_in_its_street(small_town: Any) -> None:
    houses = Counter(
        (tags["addr:street"], tags["addr:housenumber"])
        for tags, _ in small_town.extract.ways.values()
        if "building" in tags and "addr:housenumber" in tags
    )
    assert len(houses) > 350
    assert max(houses.values()) == 1


def test_names_are_in_both_languages_and_nobody_else_has_them(small_town: Any) -> None:
    first, second = small_town.summary.languages
    own = Counter()
    for tags in named_places(small_town.extract):
        if "brand" in tags:
            assert tags["name"] == tags["brand"]
            continue
        assert tags["name"] == tags[f"name:{first}"]
        assert tags[f"name:{second}"]
        assert "{" not in tags["name"] + tags[f"name:{second}"]
        if tags.get("highway") != "bus_stop":
            own[tags["name"]] += 1
    assert max(own.values()) == 1


def test_the_default_town_has_what_a_town_has(default_town: Any) -> None:
    places = named_places(default_town)
    kinds = Counter(kind for tags in places for kind in categories_of_osm(tags))
    assert len(kinds) >= 90
    assert kinds["restaurant"] >= 30
    assert kinds["bus_stop"] >= 20
    assert {
        "train_station", "ferry_terminal", "park", "beach", "marina", "museum", "place_of_worship", "charging_station",
        "school", "pharmacy", "bank", "atm", "viewpoint", "playground", "cinema", "campsite", "market", "library",
    } <= kinds.keys()  # fmt: skip
    for amenity in ONLY_ONE:
        assert sum(tags.get("amenity") == amenity for tags in places) <= 2, amenity
    for key, share in (("opening_hours", 0.6), ("phone", 0.4), ("website", 0.3), ("wheelchair", 0.6)):
        assert sum(key in tags for tags in places) > share * len(places), key
    assert {tags["wheelchair"] for tags in places if "wheelchair" in tags} == {"yes", "limited", "no"}
    for key in ("cuisine", "stars", "level", "takeaway", "outdoor_seating", "internet_access", "brand", "description"):
        assert any(key in tags for tags in places), key
    assert all(".example." in tags["website"] for tags in places if "website" in tags)


def test_opening_hours_are_valid_and_of_many_kinds(default_town: Any) -> None:
    hours = {tags["opening_hours"] for tags in named_places(default_town) if "opening_hours" in tags}
    for raw in hours:
        OpeningHours(raw)
    assert len(hours) > 80
    for part in ("PH off", "24/7", "sunrise", "12:30,14:00", "Apr-Oct", "02:00", '"by appointment"'):
        assert any(part in raw for raw in hours), part


def test_a_metropolis_is_a_row_of_towns_joined_by_roads(tmp_path: Path, read_extract: Callable[[Path], Any]) -> None:
    row = replace(SMALL, num_towns=2)
    assert METROPOLIS.num_towns > 10
    summary = build_town(4, tmp_path / "row.osm.pbf", size=row)
    alone = build_town(4, tmp_path / "alone.osm.pbf", size=SMALL)
    assert summary.num_nodes > 1.5 * alone.num_nodes
    extract = read_extract(tmp_path / "row.osm.pbf")
    towns = [tags["name"] for tags in extract.node_tags.values() if tags.get("place") == "town"]
    assert len(towns) == 2
    assert towns[0] == alone.name
    links = [refs for tags, refs in extract.ways.values() if tags.get("highway") == "primary" and len(refs) == 2]
    assert sum(abs(extract.nodes[a][0] - extract.nodes[b][0]) > 300.0 for a, b in links) == 1


def test_a_build_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "town.osm.pbf"
    target.write_bytes(b"old")

    def fail(*_: object) -> TownSummary:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("annotator.demo.sheet.os.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        build_town(3, target, size=SMALL)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=40_000)
    monkeypatch.setattr("annotator.demo.sheet.shutil.disk_usage", lambda _: usage)
    monkeypatch.setattr(
        "sys.argv", ["mapqator", "demo", "town", "--size", "small", "--out", str(tmp_path / "a.osm.pbf")]
    )
    with pytest.raises(SystemExit):
        main()
    assert "No space left" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ([], "give either --out"),
        (["--out", "town.osm"], "ends in .osm.pbf"),
        (["--out", "a.osm.pbf", "--count", "2"], "--out-dir DIR"),
        (["--out", "/nowhere/at/all/a.osm.pbf", "--size", "small"], "cannot write /nowhere/at/all/a.osm.pbf"),
        (["--size", "huge"], "--size"),
        (["--seed", "many"], "--seed"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    arguments: list[str], hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["mapqator", "demo", "town", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert hint in line


def test_many_towns_are_written_at_once_and_each_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--seed", "4", "--count", "2", "--size", "small", "--out-dir", str(tmp_path / "towns")]
    monkeypatch.setattr("sys.argv", ["mapqator", "demo", "town", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    first, second = sorted((tmp_path / "towns").iterdir())
    assert (first.name, second.name) == ("town-4.osm.pbf", "town-5.osm.pbf")
    assert first.read_bytes() != second.read_bytes()
