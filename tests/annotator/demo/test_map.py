"""A town is believable on a map: nothing stands in water or on a road, outlines are sound, the river has bridges."""

from typing import Any

import pytest
import shapely
from shapely import STRtree

from annotator.demo.land.blocks import STREETS
from annotator.demo.make import draw_plane
from annotator.demo.sizes import LARGE
from annotator.maps.categories import categories_of_osm

ROADS = (
    "motorway", "motorway_link", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential",
    "living_street", "pedestrian", "service",
)  # fmt: skip
OUTDOORS = ("ferry_terminal", "fountain", "marketplace")


def test_no_outline_crosses_itself(small_town: Any) -> None:
    extract = small_town.extract
    for key in ("building", "landuse", "natural", "leisure", "amenity", "boundary"):
        for way, outline in extract.areas(key=key).items():
            assert outline.is_valid, (extract.ways[way][0], shapely.is_valid_reason(outline))


def test_houses_keep_off_each_other_off_roads_and_out_of_the_water(small_town: Any) -> None:
    extract = small_town.extract
    houses = list(extract.areas(key="building").values())
    tree = STRtree(houses)
    assert len(houses) > 400
    for first, second in zip(*tree.query(houses, predicate="intersects"), strict=True):
        if first < second:
            # Neighbours of a row share a wall; what is more than a wall would be seen.
            assert houses[first].intersection(houses[second]).area < 2.0
    roads = [extract.line(way).buffer(2.5) for way in extract.roads(*ROADS)]
    assert len(tree.query(roads, predicate="intersects")[0]) == 0
    waters = list(extract.areas(key="natural", values=("water",)).values())
    assert len(tree.query(waters, predicate="intersects")[0]) == 0


def test_roads_cross_the_river_on_bridges_and_only_there(small_town: Any) -> None:
    extract = small_town.extract
    (river,) = extract.areas(key="water", values=("river",)).values()
    wet, bridges = [], 0
    for way in extract.roads(*ROADS):
        tags = extract.ways[way][0]
        metres = extract.line(way).intersection(river).length
        if tags.get("bridge") == "yes":
            assert tags["layer"] == "1"
            bridges += metres > 0.8 * (river.area / river.length)
        elif metres > 1.0:
            wet.append(tags)
    assert wet == []
    assert bridges >= 3


def test_places_lie_on_dry_land_and_near_a_street(small_town: Any) -> None:
    extract = small_town.extract
    water = shapely.union_all(list(extract.areas(key="natural", values=("water",)).values()))
    streets = STRtree([extract.line(way) for way in extract.roads(*ROADS)])
    lines = streets.geometries
    for node, tags in extract.node_tags.items():
        if "name" not in tags or not categories_of_osm(tags) or "lighthouse" in tags.values():
            continue
        point = shapely.Point(extract.nodes[node])
        assert not water.contains(point), tags
        away = point.distance(lines[streets.nearest(point)])
        is_outdoors = tags.keys() & {"tourism", "leisure", "historic", "railway"} or tags.get("amenity") in OUTDOORS
        assert away < (90.0 if is_outdoors else 45.0), (tags, away)


def test_the_town_and_its_districts_have_boundaries_and_a_country(small_town: Any) -> None:
    extract = small_town.extract
    by_level: dict[str, list[dict[str, str]]] = {}
    for tags, members in extract.relations.values():
        if tags.get("boundary") == "administrative":
            by_level.setdefault(tags["admin_level"], []).append(tags)
            assert any(role == "outer" for _, _, role in members)
            for kind, ref, _ in members:
                assert ref in (extract.ways if kind == "w" else extract.nodes)
    assert [tags["ISO3166-1"] for tags in by_level["2"]] == [small_town.summary.country_code]
    assert [tags["name"] for tags in by_level["8"]] == [small_town.summary.name]
    assert len(by_level["10"]) >= 4
    places = [tags for tags in extract.node_tags.values() if "place" in tags]
    assert [tags["population"] for tags in places if tags["place"] == "town"]
    assert {tags["name"] for tags in places if tags["place"] == "suburb"} == {tags["name"] for tags in by_level["10"]}


@pytest.mark.parametrize("seed", [10, 14, 1116])
def test_no_road_of_a_large_town_runs_out_to_sea_and_no_two_cross_without_a_junction(seed: int) -> None:
    terrain, _, plane = draw_plane(seed, LARGE)
    land = shapely.Polygon(terrain.land)
    roads = []
    for edge, kind in enumerate(plane.kind):
        if kind in STREETS:
            roads.append(shapely.LineString([plane.points[plane.origin[2 * edge + side]] for side in (0, 1)]))
            assert land.distance(roads[-1].interpolate(0.5, normalized=True)) == 0.0
    for first, second in zip(*STRtree(roads).query(roads, predicate="crosses"), strict=True):
        raise AssertionError(f"{roads[first]} crosses {roads[second]}")
