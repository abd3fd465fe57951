"""The streets of a town can be travelled: from anywhere to anywhere, by our own search and by a real router."""

import json
import subprocess
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import osmium
import pytest

from annotator.demo.stream import Stream

valhalla = pytest.importorskip("valhalla", reason="pyvalhalla is not installed")

CARS = frozenset({
    "motorway", "motorway_link", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential",
    "living_street", "service",
})  # fmt: skip
NO_FEET = frozenset({"motorway", "motorway_link", "trunk"})


def reached(graph: dict[int, set[int]], start: int) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        for node in graph[waiting.pop()] - found:
            found.add(node)
            waiting.append(node)
    return found


def test_no_one_way_street_strands_a_car(small_town: Any) -> None:
    ahead: dict[int, set[int]] = defaultdict(set)
    back: dict[int, set[int]] = defaultdict(set)
    num_oneways = 0
    for tags, refs in small_town.extract.ways.values():
        if tags.get("highway") in CARS:
            is_oneway = tags.get("oneway") == "yes"
            num_oneways += is_oneway and "junction" not in tags
            for a, b in pairwise(refs):
                for start, end in ((a, b),) if is_oneway else ((a, b), (b, a)):
                    ahead[start].add(end)
                    back[end].add(start)
    everywhere = set(ahead) | set(back)
    start = min(everywhere)
    assert reached(ahead, start) == everywhere == reached(back, start)
    assert num_oneways >= 1


def test_every_path_and_pier_can_be_walked_to(small_town: Any) -> None:
    graph: dict[int, set[int]] = defaultdict(set)
    for tags, refs in small_town.extract.ways.values():
        if ("highway" in tags and tags["highway"] not in NO_FEET) or tags.get("route") == "ferry":
            for a, b in pairwise(refs):
                graph[a].add(b)
                graph[b].add(a)
    assert reached(graph, min(graph)) == set(graph)


def test_a_town_has_every_class_of_street(small_town: Any) -> None:
    kinds = {tags["highway"] for tags, _ in small_town.extract.ways.values() if "highway" in tags}
    assert {"primary", "secondary", "residential", "living_street", "pedestrian", "footway", "service"} <= kinds
    named = [tags for tags, _ in small_town.extract.ways.values() if tags.get("highway") == "residential"]
    assert all("name" in tags and "maxspeed" in tags for tags in named)


def build_tiles(extract: Path, folder: Path) -> Any:
    """Routing tiles by Valhalla's own programs, and a router over them."""
    from valhalla.config import get_config

    tiles, config = folder / "tiles", folder / "valhalla.json"
    tiles.mkdir()
    options = get_config(tile_extract="", tile_dir=str(tiles), verbose=False)
    options["mjolnir"] |= {"admin": str(folder / "admins.sqlite"), "timezone": "", "concurrency": 1}
    options["mjolnir"].pop("tile_extract", None)
    config.write_text(json.dumps(options))
    programs = Path(valhalla.__file__).parent / "bin"
    for program in ("valhalla_build_admins", "valhalla_build_tiles"):
        subprocess.run([programs / program, "-c", config, extract], check=True, capture_output=True, timeout=120)
    return valhalla.Actor(str(config))


def test_valhalla_finds_a_way_between_any_two_places_by_car_on_foot_and_by_bicycle(
    small_town: Any, tmp_path: Path
) -> None:
    router = build_tiles(small_town.path, tmp_path)
    stream = Stream(7, "routes")
    spots = positions_of_places(small_town.path)
    for costing in ("auto", "pedestrian", "bicycle"):
        for _ in range(25):
            start, end = stream.sample(spots, 2)
            query = {"locations": [{"lat": lat, "lon": lon} for lat, lon in (start, end)], "costing": costing}
            trip = json.loads(router.route(json.dumps(query)))["trip"]
            assert trip["status"] == 0
            # Nowhere is a town of two kilometres twelve kilometres wide.
            assert trip["summary"]["length"] < 12.0


def positions_of_places(path: Path) -> list[tuple[float, float]]:
    """Latitude and longitude of every named node of a file that is no district."""
    return [
        (node.lat, node.lon)
        for node in osmium.FileProcessor(str(path), osmium.osm.NODE)
        if "name" in node.tags and "place" not in node.tags
    ]
