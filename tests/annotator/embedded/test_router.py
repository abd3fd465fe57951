"""Routes and travel times on the island town and on Monaco: sane, consistent with one another, always the same."""

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.errors import InputError, UnsupportedError
from annotator.geo import LatLon, decode_shape, haversine_m, shape_length_m
from annotator.maps.embedded.build import build_map
from annotator.maps.embedded.engine import EmbeddedMap
from annotator.maps.params import ComputeRoutesParams, TextSearchParams, TravelMatrixParams
from annotator.maps.results import Matrix, PlaceList, Route, RouteList

ROW_DEG, COLUMN_DEG = 0.0009, 0.0014
MODES = ("drive", "walk", "bicycle", "motorcycle")


def corner(row: float, column: float) -> dict[str, float]:
    """A crossing of the island town, or a position between some."""
    return {"lat": round(50.0 + row * ROW_DEG, 6), "lon": round(10.0 + column * COLUMN_DEG, 6)}


FAR_ISLAND = {"lat": 50.0127, "lon": 10.0312}
FERRY_ISLAND = {"lat": 50.0027, "lon": 10.0302}

corners = st.builds(corner, st.floats(0, 11), st.floats(0, 11))


def routes(opened: EmbeddedMap, origin: Any, destination: Any, **options: Any) -> RouteList:
    params = ComputeRoutesParams.model_validate({"origin": origin, "destination": destination, **options})
    found = opened.answer("compute_routes", params)
    assert isinstance(found, RouteList)
    return found


def route(opened: EmbeddedMap, origin: Any, destination: Any, **options: Any) -> Route:
    found = routes(opened, origin, destination, **options)
    assert found.routes, found.reason
    return found.routes[0]


def matrix(opened: EmbeddedMap, origins: list[Any], destinations: list[Any], **options: Any) -> Matrix:
    params = TravelMatrixParams.model_validate({"origins": origins, "destinations": destinations, **options})
    found = opened.answer("travel_matrix", params)
    assert isinstance(found, Matrix)
    return found


def point(place: dict[str, float]) -> LatLon:
    return place["lat"], place["lon"]


def check_sums(found: Route, stops: list[dict[str, float]], reach_m: float) -> None:
    """What holds for every route."""
    assert len(found.legs) == len(stops) - 1
    assert found.distance_m == pytest.approx(sum(leg.distance_m for leg in found.legs), abs=1.0 * len(stops))
    assert found.duration_s == pytest.approx(sum(leg.duration_s for leg in found.legs), abs=0.2 * len(stops))
    for leg in found.legs:
        assert leg.distance_m == pytest.approx(sum(step.distance_m for step in leg.steps), abs=0.6 * len(leg.steps) + 1)
        assert leg.duration_s == pytest.approx(sum(step.duration_s for step in leg.steps), abs=0.1 * len(leg.steps) + 1)
        assert all(step.text for step in leg.steps)
    shape = decode_shape(found.geometry)
    assert haversine_m(shape[0], point(stops[0])) < reach_m
    assert haversine_m(shape[-1], point(stops[-1])) < reach_m
    assert shape_length_m(shape) == pytest.approx(found.distance_m, rel=0.02, abs=15)
    crow_m = sum(haversine_m(point(a), point(b)) for a, b in pairwise(stops))
    assert found.distance_m >= crow_m - 2 * reach_m * len(stops)


@settings(max_examples=40, deadline=None)
@given(corners, corners, st.sampled_from(MODES))
def test_the_parts_of_a_route_sum_up_and_its_shape_joins_the_stops(
    island: EmbeddedMap, origin: dict[str, float], destination: dict[str, float], mode: str
) -> None:
    found = route(island, origin, destination, mode=mode)
    check_sums(found, [origin, destination], 90)
    assert found.mode == mode


@settings(max_examples=25, deadline=None)
@given(corners, corners)
def test_the_way_back_on_foot_is_as_long(
    island: EmbeddedMap, origin: dict[str, float], destination: dict[str, float]
) -> None:
    there, back = route(island, origin, destination, mode="walk"), route(island, destination, origin, mode="walk")
    assert there.distance_m == pytest.approx(back.distance_m, rel=0.01, abs=5)
    assert there.duration_s == pytest.approx(back.duration_s, rel=0.02, abs=10)


@settings(max_examples=12, deadline=None)
@given(st.lists(corners, min_size=1, max_size=4), st.lists(corners, min_size=1, max_size=4), st.sampled_from(MODES))
def test_a_matrix_says_what_the_routes_say(
    island: EmbeddedMap, origins: list[dict[str, float]], destinations: list[dict[str, float]], mode: str
) -> None:
    found = matrix(island, origins, destinations, mode=mode)
    assert [len(row) for row in found.cells] == [len(destinations)] * len(origins)
    for i, origin in enumerate(origins):
        for j, destination in enumerate(destinations):
            alone = route(island, origin, destination, mode=mode)
            assert (found.cells[i][j].duration_s, found.cells[i][j].distance_m) == (alone.duration_s, alone.distance_m)


def test_a_matrix_has_empty_cells_where_there_is_no_way(island: EmbeddedMap) -> None:
    here, outside = corner(1, 1), {"lat": 51.0, "lon": 10.0}
    cells = matrix(island, [here, FAR_ISLAND], [here, FAR_ISLAND, outside]).cells
    known = [[cell.duration_s is not None for cell in row] for row in cells]
    assert known == [[True, False, False], [False, True, False]]
    assert cells[0][0].distance_m == 0


@settings(max_examples=8, deadline=None)
@given(st.lists(corners, min_size=2, max_size=4), corners, corners)
def test_the_optimised_order_is_the_quickest_of_all(
    island: EmbeddedMap, between: list[dict[str, float]], origin: dict[str, float], destination: dict[str, float]
) -> None:
    def seconds(a: dict[str, float], b: dict[str, float]) -> float:
        return route(island, a, b).duration_s

    found = route(island, origin, destination, intermediates=between, optimize_order=True)
    assert sorted(found.waypoint_order) == list(range(len(between)))
    least = min(
        sum(seconds(a, b) for a, b in pairwise([origin, *(between[stop] for stop in order), destination]))
        for order in permutations(range(len(between)))
    )
    stops = [origin, *(between[stop] for stop in found.waypoint_order), destination]
    assert sum(seconds(a, b) for a, b in pairwise(stops)) == pytest.approx(least, abs=0.5)
    check_sums(found, stops, 90)


def test_stops_between_are_visited_in_the_order_given_unless_asked_otherwise(island: EmbeddedMap) -> None:
    between = [corner(9, 9), corner(1, 1), corner(5, 5)]
    found = route(island, corner(0, 0), corner(10, 10), intermediates=between)
    assert found.waypoint_order == ()
    check_sums(found, [corner(0, 0), *between, corner(10, 10)], 20)
    assert found.distance_m > route(island, corner(0, 0), corner(10, 10)).distance_m


def test_many_stops_are_ordered_with_a_word_that_it_may_not_be_the_best(island: EmbeddedMap) -> None:
    between = [corner(number * 5 % 11, number * 3 % 11) for number in range(12)]
    found = route(island, corner(0, 0), corner(11, 11), intermediates=between, optimize_order=True)
    assert sorted(found.waypoint_order) == list(range(12))
    assert any("not surely the quickest" in warning for warning in found.warnings)
    given = route(island, corner(0, 0), corner(11, 11), intermediates=between)
    assert found.duration_s < given.duration_s


def test_what_is_to_be_avoided_is_avoided_and_the_route_says_what_it_uses(island: EmbeddedMap) -> None:
    ends = corner(0, 12.9), corner(11, 12.9)
    fast = route(island, *ends)
    assert fast.has_toll
    assert fast.has_highway
    assert "M 1" in fast.summary
    free = route(island, *ends, avoid=["tolls"])
    assert not free.has_toll
    assert free.duration_s > fast.duration_s
    slow = route(island, *ends, avoid=["highways"])
    assert not slow.has_highway


def test_an_island_is_reached_by_ferry_and_with_a_warning_when_ferries_are_to_be_avoided(island: EmbeddedMap) -> None:
    crossing = route(island, corner(3, 3), FERRY_ISLAND)
    assert crossing.has_ferry
    assert crossing.duration_s > 20 * 60
    reluctant = route(island, corner(3, 3), FERRY_ISLAND, avoid=["ferries"])
    assert any("ferries" in warning for warning in reluctant.warnings)


def test_where_no_way_leads_the_list_is_empty_and_says_why(island: EmbeddedMap) -> None:
    found = routes(island, corner(3, 3), FAR_ISLAND)
    assert found.routes == ()
    assert "no way between the stops" in (found.reason or "")
    ordered = routes(island, corner(3, 3), corner(5, 5), intermediates=[FAR_ISLAND, corner(1, 1)], optimize_order=True)
    assert ordered.routes == ()
    assert "no order" in (ordered.reason or "")


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("the origin", lambda away: (away, corner(1, 1), [])),
        ("the destination", lambda away: (corner(1, 1), away, [])),
        ("stop 2", lambda away: (corner(1, 1), corner(2, 2), [corner(3, 3), away])),
    ],
)
def test_off_the_map_the_reason_names_the_stop_and_what_the_map_covers(
    island: EmbeddedMap, name: str, build: Callable[[Any], tuple[Any, Any, list[Any]]]
) -> None:
    origin, destination, between = build({"lat": 48.0, "lon": 2.0})
    found = routes(island, origin, destination, intermediates=between)
    assert found.routes == ()
    assert name in (found.reason or "")
    assert "49.998" in (found.reason or "")
    assert "swap" not in (found.reason or "")


def test_a_swapped_position_gets_a_hint(island: EmbeddedMap) -> None:
    swapped = {"lat": 10.005, "lon": 50.005}
    assert "did you swap lat and lon?" in (routes(island, swapped, corner(1, 1)).reason or "")


def test_a_stop_far_from_every_road_is_moved_with_a_warning(island: EmbeddedMap) -> None:
    at_sea = {"lat": 50.005, "lon": 9.991}
    found = route(island, at_sea, corner(5, 5))
    assert any("the origin is" in warning and "from the road" in warning for warning in found.warnings)


def test_a_stop_too_far_from_every_road_has_no_way(sketchbook: Any, tmp_path: Path) -> None:
    book = sketchbook()
    book.grid(50.0, 10.0, 8, ("residential", "residential"), "Main")
    book.node(50.1, 10.0, {"tourism": "viewpoint", "name": "Lonely Peak"})
    build_map(str(book.write(tmp_path / "valley.osm.pbf")), data_dir=tmp_path)
    opened = EmbeddedMap(tmp_path / "maps" / "valley")
    found = routes(opened, corner(1, 1), {"lat": 50.099, "lon": 10.001})
    opened.close()
    assert found.routes == ()
    assert "no road near one of the stops" in (found.reason or "")


def test_alternatives_are_other_ways_between_the_same_stops(monaco: EmbeddedMap) -> None:
    casino, palace = {"lat": 43.7396, "lon": 7.4278}, {"lat": 43.7314, "lon": 7.42}
    found = routes(monaco, casino, palace, alternatives=2).routes
    assert 2 <= len(found) <= 3
    assert len({other.geometry for other in found}) == len(found)
    for other in found:
        check_sums(other, [casino, palace], 60)
    assert found[0] == route(monaco, casino, palace)


def test_stops_may_be_places_of_the_map(island: EmbeddedMap) -> None:
    places = island.answer("text_search", TextSearchParams.model_validate({"query": "Löwen-Apotheke"}))
    assert isinstance(places, PlaceList)
    place = places.places[0]
    by_id = route(island, {"place_id": place.pid}, corner(9, 9))
    assert by_id == route(island, {"lat": place.lat, "lon": place.lon}, corner(9, 9))
    with pytest.raises(InputError, match="has no place 'osm:n999999'") as refused:
        routes(island, corner(1, 1), {"place_id": "osm:n999999"})
    assert refused.value.param == "destination.place_id"


def test_the_same_stop_twice_is_a_way_of_no_length(island: EmbeddedMap) -> None:
    found = route(island, corner(2, 2), corner(2, 2))
    assert (found.distance_m, found.duration_s) == (0, 0)


def test_instructions_are_in_the_language_asked_for(island: EmbeddedMap) -> None:
    ends = corner(0, 0), corner(9, 9)
    texts = {
        language: " ".join(step.text for leg in route(island, *ends, language=language).legs for step in leg.steps)
        for language in ("en", "de-AT", "fr")
    }
    assert "Turn" in texts["en"]
    assert "abbiegen" in texts["de-AT"]
    assert "Tournez" in texts["fr"]


def test_transit_and_impossible_combinations_are_refused_with_reasons(island: EmbeddedMap) -> None:
    with pytest.raises(UnsupportedError, match="timetables"):
        routes(island, corner(0, 0), corner(1, 1), mode="transit")
    with pytest.raises(UnsupportedError, match="timetables"):
        matrix(island, [corner(0, 0)], [corner(1, 1)], mode="transit")
    with pytest.raises(UnsupportedError, match="tolls"):
        routes(island, corner(0, 0), corner(1, 1), mode="walk", avoid=["tolls"])
    with pytest.raises(UnsupportedError, match="alternatives"):
        routes(island, corner(0, 0), corner(1, 1), alternatives=1, intermediates=[corner(2, 2)])


def test_many_threads_get_what_one_thread_gets(island_data: Path) -> None:
    asked = [
        ComputeRoutesParams.model_validate(
            {"origin": corner(n % 11, n % 7), "destination": corner(n % 5, n % 9), "mode": MODES[n % 4]}
        )
        for n in range(60)
    ]
    folder = island_data / "maps" / "probstadt"
    alone = EmbeddedMap(folder)
    expected = [alone.answer_bytes("compute_routes", params) for params in asked]
    alone.close()
    crowded = EmbeddedMap(folder)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda params: crowded.answer_bytes("compute_routes", params), asked * 2))
    crowded.close()
    assert found == expected * 2
    assert all(json.loads(body)["routes"] for body in expected)


def test_monaco_is_as_long_as_it_is(monaco: EmbeddedMap) -> None:
    casino, palace = {"lat": 43.7396, "lon": 7.4278}, {"lat": 43.7314, "lon": 7.42}
    drive, walk = route(monaco, casino, palace), route(monaco, casino, palace, mode="walk")
    assert 1_500 < drive.distance_m < 4_000
    assert 1_200 < walk.distance_m < 2_500
    assert 120 < drive.duration_s < 600 < walk.duration_s < 2_400
    assert walk.distance_m / walk.duration_s == pytest.approx(1.4, abs=0.3)
    assert math.isclose(drive.distance_m, matrix(monaco, [casino], [palace]).cells[0][0].distance_m or 0)
