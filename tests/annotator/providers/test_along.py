"""Searches along a route and around a point: where places are on the way, what they cost, which are near enough."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import UpstreamFormatError
from annotator.geo import LatLon, encode_shape, haversine_m, shape_length_m
from annotator.maps.params import SearchAlongRouteParams
from annotator.maps.providers.along import chosen, offset_m, thinned, with_detours
from annotator.maps.providers.nearby import nearest_first, with_travel, within
from annotator.maps.providers.positions import decoded, on_earth
from annotator.maps.results import MatrixCell, Place, Route

STREET: list[LatLon] = [(43.730, 7.420), (43.735, 7.420), (43.735, 7.430)]

points = st.tuples(st.floats(43.70, 43.76), st.floats(7.38, 7.46))
lines = st.lists(points, min_size=2, max_size=60)


def place(name: str, lat: float = 43.735, lon: float = 7.420, **more: Any) -> Place:
    return Place(pid=f"test:{name}", provider="test", name=name, lat=lat, lon=lon, **more)


def cell(duration_s: float | None, distance_m: float | None) -> MatrixCell:
    return MatrixCell(duration_s=duration_s, distance_m=distance_m)


ROUTE = Route(mode="drive", distance_m=1000, duration_s=100, legs=(), geometry=encode_shape(STREET))


@given(lines, points)
def test_a_place_is_between_the_ends_of_the_way(line: list[LatLon], point: LatLon) -> None:
    assert 0 <= offset_m(line, point) <= shape_length_m(line) + 1e-6


@given(st.floats(0, 1))
def test_a_place_beside_the_way_is_where_it_is_passed(share: float) -> None:
    first, second, third = STREET
    beside = (43.7352, second[1] + share * (third[1] - second[1]))
    passed = haversine_m(first, second) + share * haversine_m(second, third)
    assert offset_m(STREET, beside) == pytest.approx(passed, abs=1)


def test_a_way_over_the_180th_meridian_is_measured_across_it() -> None:
    assert offset_m([(0, 179.9), (0, -179.9)], (0.01, -179.95)) == pytest.approx(16_679, abs=1)


@given(lines, st.integers(2, 20))
def test_a_thinned_line_has_the_same_ends_and_only_points_of_the_line(line: list[LatLon], num_points: int) -> None:
    thin = thinned(line, num_points)
    assert len(thin) <= max(num_points, 2)
    assert (thin[0], thin[-1]) == (line[0], line[-1])
    assert set(thin) <= set(line)


def test_a_detour_is_the_way_to_a_place_and_on_less_the_route() -> None:
    (found,) = with_detours([place("kiosk")], ROUTE, [cell(80, 700)], [cell(50, 450)])
    assert found.detour is not None
    assert (found.detour.duration_s, found.detour.distance_m) == (30, 150)
    assert found.detour.offset_m == pytest.approx(556, abs=1)


def test_a_quicker_way_is_no_gain_and_an_unreachable_place_is_no_stop() -> None:
    found = with_detours(
        [place("shortcut"), place("island")], ROUTE, [cell(10, None), cell(None, None)], [cell(20, 30), cell(1, 1)]
    )
    assert [(kept.name, kept.detour and kept.detour.duration_s) for kept in found] == [("shortcut", 0)]
    assert found[0].detour is not None
    assert found[0].detour.distance_m is None


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, ["near", "far", "unknown"]),
        ({"rank": "route"}, ["far", "near", "unknown"]),
        ({"limit": 1}, ["near"]),
        ({"max_detour_s": 100}, ["near"]),
        ({"min_rating": 4}, ["far"]),
    ],
)
def test_places_along_a_way_come_as_asked_for(asked: dict[str, Any], names: list[str]) -> None:
    near = place("near", 43.735, 7.429, detour={"duration_s": 60, "offset_m": 1200}, rating=3.9)
    far = place("far", 43.731, 7.425, detour={"duration_s": 300, "offset_m": 100}, rating=4.5)
    params = SearchAlongRouteParams.model_validate(
        {"origin": {"lat": 43.73, "lon": 7.42}, "destination": {"lat": 43.735, "lon": 7.43}, "type": "cafe"} | asked
    )
    assert [kept.name for kept in chosen([place("unknown"), near, far], params)] == names


@given(st.lists(points, max_size=20), points, st.floats(1, 5000))
def test_what_is_near_is_within_the_radius_and_nearest_first(
    positions: list[LatLon], center: LatLon, radius_m: float
) -> None:
    places = [place(str(number), lat, lon) for number, (lat, lon) in enumerate(positions)]
    near = nearest_first(within(places, center, radius_m), center)
    distances = [kept.distance_m for kept in near]
    assert all(distance is not None and distance <= radius_m + 0.1 for distance in distances)
    assert distances == sorted(distances, key=lambda distance: distance or 0)
    assert len(near) == sum(haversine_m(center, (one.lat, one.lon)) <= radius_m for one in places)


def test_a_place_without_a_way_to_it_has_no_travel_time() -> None:
    here, nowhere = with_travel([place("here"), place("nowhere")], "walk", [cell(30, 40), cell(None, None)])
    assert here.travel is not None
    assert (here.travel.mode, here.travel.duration_s) == ("walk", 30)
    assert nowhere.travel is None


@pytest.mark.parametrize("encoded", ["", "?", "not a shape!", "zzzzzzzzzzzzzzzzzz~~~"])
def test_a_shape_that_is_none_is_an_error_of_the_provider(encoded: str) -> None:
    with pytest.raises(UpstreamFormatError):
        decoded(encoded)


def test_a_position_is_on_earth() -> None:
    assert on_earth(-90, 180) == (-90, 180)
    with pytest.raises(UpstreamFormatError, match="nowhere on earth"):
        on_earth(7.4, 743.7)
