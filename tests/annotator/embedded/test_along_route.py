"""Places along a route, against the detours to every place of the map."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.errors import UnsupportedError
from annotator.geo import LatLon, decode_shape, haversine_m, shape_length_m
from annotator.maps.embedded import along_route as module
from annotator.maps.embedded.engine import EmbeddedMap
from annotator.maps.params import ComputeRoutesParams, SearchAlongRouteParams
from annotator.maps.results import AlongRoute, Place, RouteList

CASINO, PALACE = (43.7396, 7.4278), (43.7314, 7.42)

island_points = st.tuples(st.floats(50.0, 50.0099), st.floats(10.0, 10.0154))


def stop(point: LatLon) -> dict[str, float]:
    return {"lat": point[0], "lon": point[1]}


def along(opened: EmbeddedMap, origin: LatLon, destination: LatLon, **options: Any) -> AlongRoute:
    asked = {"origin": stop(origin), "destination": stop(destination), "type": "cafe", **options}
    found = opened.answer("search_along_route", SearchAlongRouteParams.model_validate(asked))
    assert isinstance(found, AlongRoute)
    return found


def seconds(opened: EmbeddedMap, stops: list[LatLon], mode: str) -> float | None:
    asked = {
        "origin": stop(stops[0]),
        "destination": stop(stops[-1]),
        "intermediates": [stop(point) for point in stops[1:-1]],
        "mode": mode,
    }
    found = opened.answer("compute_routes", ComputeRoutesParams.model_validate(asked))
    assert isinstance(found, RouteList)
    return found.routes[0].duration_s if found.routes else None


def every_place(opened: EmbeddedMap, kind: str) -> list[LatLon]:
    box = opened.manifest.bbox
    middle = [(box.south + box.north) / 2, (box.west + box.east) / 2]
    return [place.point for place in opened.index.places_along([(middle[0], middle[1])], 50_000, type=kind)]


def best_detours(opened: EmbeddedMap, origin: LatLon, destination: LatLon, kind: str, mode: str) -> list[float]:
    """The detours to all places of a type, least first, by asking for every way."""
    direct = seconds(opened, [origin, destination], mode)
    assert direct is not None
    through = [seconds(opened, [origin, place, destination], mode) for place in every_place(opened, kind)]
    return sorted(max(0.0, found - direct) for found in through if found is not None)


def detours(places: tuple[Place, ...]) -> list[float]:
    return [place.detour.duration_s for place in places if place.detour is not None]


@settings(max_examples=6, deadline=None)
@given(island_points, island_points, st.sampled_from(["drive", "walk"]))
def test_the_least_detours_of_all_places_are_found(
    island: EmbeddedMap, origin: LatLon, destination: LatLon, mode: str
) -> None:
    found = along(island, origin, destination, mode=mode, limit=5)
    assert detours(found.places) == pytest.approx(best_detours(island, origin, destination, "cafe", mode)[:5], abs=0.3)


def test_the_least_detours_are_found_among_more_places_than_are_looked_at_closely(monaco: EmbeddedMap) -> None:
    found = along(monaco, CASINO, PALACE, type="restaurant", limit=6)
    assert len(every_place(monaco, "restaurant")) > 2 * (2 * 6 + 20)
    assert detours(found.places) == pytest.approx(
        best_detours(monaco, CASINO, PALACE, "restaurant", "drive")[:6], abs=0.3
    )


def test_a_place_that_no_way_leads_to_is_left_out_and_does_not_hide_the_others(
    island: EmbeddedMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few that the estimates are asked for.
    monkeypatch.setattr(module, "_SPARE", 2)
    found = along(island, (50.001, 10.001), (50.009, 10.012), limit=5)
    assert len(found.places) == 5
    everything = along(island, (50.001, 10.001), (50.009, 10.012), limit=20)
    assert "Lost Café" not in {place.name for place in everything.places}


def test_places_are_cafes_with_a_detour_and_an_offset_within_the_route(monaco: EmbeddedMap) -> None:
    found = along(monaco, CASINO, PALACE, limit=20)
    assert found.route is not None
    shape = decode_shape(found.route.geometry)
    assert len(found.places) > 5
    for place in found.places:
        assert "cafe" in place.categories
        assert place.provider == "monaco"
        assert place.detour is not None
        assert place.detour.offset_m is not None
        assert 0 <= place.detour.offset_m <= found.route.distance_m
        assert place.detour.distance_m is not None
        assert place.detour.distance_m >= 0
    nearest = min(found.places, key=lambda place: min(haversine_m((place.lat, place.lon), point) for point in shape))
    at = min(range(len(shape)), key=lambda index: haversine_m(shape[index], (nearest.lat, nearest.lon)))
    assert nearest.detour is not None
    travelled = shape_length_m(shape[: at + 1])
    assert nearest.detour.offset_m == pytest.approx(travelled, abs=120)


def test_ranks(monaco: EmbeddedMap) -> None:
    by_detour = along(monaco, CASINO, PALACE, type="restaurant", limit=8).places
    assert detours(by_detour) == sorted(detours(by_detour))
    by_way = along(monaco, CASINO, PALACE, type="restaurant", limit=8, rank="route").places
    offsets = [place.detour.offset_m for place in by_way if place.detour is not None]
    assert offsets == sorted(offsets, key=lambda offset: offset or 0.0)
    assert {place.pid for place in by_way} == {place.pid for place in by_detour}
    known = along(monaco, CASINO, PALACE, type="restaurant", limit=8, rank="prominence", max_detour_s=240).places
    prominences = [place.prominence or 0.0 for place in known]
    assert prominences == sorted(prominences, reverse=True)
    assert all(seconds <= 240 for seconds in detours(known))
    assert prominences[0] >= max(place.prominence or 0.0 for place in by_detour if detours((place,))[0] <= 240)


def test_the_longest_detour_is_kept_to(monaco: EmbeddedMap) -> None:
    everything = along(monaco, CASINO, PALACE, limit=20)
    most = detours(everything.places)[3]
    some = along(monaco, CASINO, PALACE, limit=20, max_detour_s=most)
    assert detours(some.places) == [found for found in detours(everything.places) if found <= most]


def test_keywords_are_looked_for(monaco: EmbeddedMap) -> None:
    found = along(monaco, CASINO, PALACE, type=None, keyword="pizza", limit=3)
    assert found.places
    assert all("pizza" in place.model_dump_json().lower() for place in found.places)


def test_without_a_way_there_is_nothing_along_it(island: EmbeddedMap) -> None:
    found = along(island, (50.001, 10.001), (50.0127, 10.0312))
    assert (found.route, found.places) == (None, ())
    assert found.reason
    off = along(island, (50.001, 10.001), (48.0, 2.0))
    assert "outside the map" in (off.reason or "")


def test_a_type_that_the_map_has_not_gives_the_way_alone(island: EmbeddedMap) -> None:
    found = along(island, (50.001, 10.001), (50.009, 10.012), type="zoo")
    assert found.route is not None
    assert found.places == ()


def test_ratings_are_refused_because_there_are_none(island: EmbeddedMap) -> None:
    with pytest.raises(UnsupportedError, match="no ratings"):
        along(island, (50.001, 10.001), (50.009, 10.012), min_rating=4)


def test_the_same_question_has_the_same_answer_in_bytes(island: EmbeddedMap) -> None:
    asked = SearchAlongRouteParams.model_validate(
        {"origin": stop((50.0, 10.0)), "destination": stop((50.009, 10.012)), "type": "cafe", "mode": "walk"}
    )
    answers = [island.answer_bytes("search_along_route", asked) for _ in range(3)]
    assert all(one == other for one, other in pairwise(answers))
