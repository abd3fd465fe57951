"""Fictional towns: the same file for the same seed, and what a town's map must have for the tools to work on it."""

from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import osmium
import pytest
from opening_hours import OpeningHours

from annotator.demo.__main__ import main
from annotator.demo.town import DEFAULT_SEED, SMALL, build_town
from annotator.maps.categories import categories_of_osm
from annotator.paths import TOWN

SEEDS = (2, 3, 5)
CAR_ROADS = {
    "motorway", "motorway_link", "trunk", "primary", "secondary", "tertiary", "residential", "unclassified",
    "living_street", "service",
}  # fmt: skip


@pytest.fixture(scope="module", params=SEEDS)
def town(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small town of each seed."""
    path = tmp_path_factory.mktemp("town") / f"{request.param}.osm.pbf"
    build_town(request.param, path, size=SMALL)
    return path


def objects(path: Path) -> list[tuple[str, int, dict[str, str], Any]]:
    """Kind, id, tags, and location or node ids of every object of a file."""
    found = []
    for item in osmium.FileProcessor(str(path)):
        tags = dict(item.tags)
        if item.is_node():
            found.append(("n", item.id, tags, (item.lat, item.lon)))
        elif item.is_way():
            found.append(("w", item.id, tags, [node.ref for node in item.nodes]))
        else:
            found.append(("r", item.id, tags, [member.ref for member in item.members]))
    return found


def named_places(path: Path) -> list[dict[str, str]]:
    """Tags of everything with a name that somebody would look for."""
    return [tags for _, _, tags, _ in objects(path) if "name" in tags and categories_of_osm(tags)]


def test_the_town_that_ships_is_the_one_that_its_seed_gives(tmp_path: Path) -> None:
    summary = build_town(DEFAULT_SEED, tmp_path / "town.osm.pbf")
    assert (tmp_path / "town.osm.pbf").read_bytes() == TOWN.read_bytes()
    assert summary.name == "Saltmere"
    assert 450 <= summary.num_places <= 560


def test_a_seed_gives_the_same_bytes_again_and_another_seed_another_town(town: Path, tmp_path: Path) -> None:
    seed = int(town.name.split(".")[0])
    build_town(seed, tmp_path / "again.osm.pbf", size=SMALL)
    build_town(seed + 100, tmp_path / "other.osm.pbf", size=SMALL)
    assert (tmp_path / "again.osm.pbf").read_bytes() == town.read_bytes()
    assert (tmp_path / "other.osm.pbf").read_bytes() != town.read_bytes()


def test_a_file_says_that_it_is_a_fictional_town(town: Path) -> None:
    header = osmium.io.Reader(str(town)).header()
    assert header.get("generator").startswith("rhumb-town")


def test_the_default_town_has_what_a_town_has() -> None:
    places = named_places(TOWN)
    kinds = {kind for tags in places for kind in categories_of_osm(tags)}
    assert {
        "restaurant", "cafe", "pharmacy", "supermarket", "bakery", "bank", "school", "hotel", "museum", "library",
        "park", "place_of_worship", "train_station", "fuel_station", "post_office", "police", "town_hall", "hospital",
    } <= kinds  # fmt: skip
    in_two_languages = [tags for tags in places if "name:en" in tags and "name:fr" in tags]
    # Chains have one name everywhere.
    assert len(in_two_languages) > 0.8 * len(places)
    for key, share in (("opening_hours", 0.4), ("addr:street", 0.6), ("wheelchair", 0.3), ("phone", 0.2)):
        assert sum(key in tags for tags in places) > share * len(places), key
    assert all("example" in tags["website"] for tags in places if "website" in tags)
    tags_of_ways = [tags for kind, _, tags, _ in objects(TOWN) if kind == "w"]
    assert any("bridge" in tags and "highway" in tags for tags in tags_of_ways)
    assert any(tags.get("waterway") == "river" for tags in tags_of_ways)
    assert any(tags.get("oneway") == "yes" for tags in tags_of_ways)


@pytest.mark.parametrize("path", [TOWN], ids=["default"])
def test_all_opening_hours_can_be_read_and_are_varied(path: Path) -> None:
    hours = {tags["opening_hours"] for tags in named_places(path) if "opening_hours" in tags}
    for raw in hours:
        OpeningHours(raw)
    assert len(hours) > 60
    assert any("PH" in raw for raw in hours)
    assert any("24/7" in raw for raw in hours)


def test_every_way_and_relation_refers_to_what_the_file_has_and_ids_are_in_order(town: Path) -> None:
    known: dict[str, list[int]] = defaultdict(list)
    for kind, number, _, refers in objects(town):
        if kind == "w":
            assert set(refers) <= set(known["n"])
        known[kind].append(number)
    for ids in known.values():
        assert ids == sorted(set(ids))
        assert ids[0] > 0


def test_one_can_drive_from_every_street_to_every_other(town: Path) -> None:
    forward, backward = defaultdict(set), defaultdict(set)
    for kind, _, tags, nodes in objects(town):
        if kind != "w" or tags.get("highway") not in CAR_ROADS:
            continue
        is_oneway = tags.get("oneway") == "yes" or tags.get("junction") == "roundabout" or "motorway" in tags["highway"]
        for a, b in pairwise(nodes):
            for start, end in [(a, b)] if is_oneway else [(a, b), (b, a)]:
                forward[start].add(end)
                backward[end].add(start)
    everywhere = set(forward) | set(backward)
    # Where the map ends, so do its motorways: their carriageways are the only ones that lead out of it.
    start = max(sorted(everywhere), key=lambda node: len(forward[node]))
    both = reached(forward, start) & reached(backward, start)
    assert len(both) > 0.98 * len(everywhere)


def reached(graph: dict[int, set[int]], start: int) -> set[int]:
    found, queue = {start}, [start]
    while queue:
        for node in graph[queue.pop()] - found:
            found.add(node)
            queue.append(node)
    return found


def test_many_towns_are_written_at_once_and_mistakes_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "sys.argv", ["demo", "--seed", "4", "--count", "2", "--size", "small", "--out-dir", str(tmp_path)]
    )
    main()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["town-4.osm.pbf", "town-5.osm.pbf"]
    monkeypatch.setattr("sys.argv", ["demo"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
