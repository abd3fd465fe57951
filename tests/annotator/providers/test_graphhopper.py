"""GraphHopper: what is asked, what is refused, and what its answers mean."""

from typing import Any

import polyline
import pytest
from cases_graphhopper import HERE, HITS, ROUTE, SEARCH
from monaco import CASINO, HARBOUR, PAIRS, TOUR, WAY, stop
from provider_case import Case

from annotator.errors import UnsupportedError
from annotator.geo import decode_shape
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.graphhopper import GraphHopper

KEY = Secret(env="GRAPHHOPPER_API_KEY", name="key", place="query")
ROOT = "https://graphhopper.com/api/1"


def built(tool: ToolName, params: dict[str, Any]) -> HttpCall:
    (call,) = GraphHopper().build(tool, PARAMS[tool].model_validate(params))
    assert call.secrets == (KEY,)
    return call


def test_a_search_leans_to_a_point() -> None:
    call = built("text_search", SEARCH | {"limit": 5, "language": "de-AT"})
    assert call.url == f"{ROOT}/geocode"
    assert call.query == (("q", "café du quai"), ("point", "43.734700,7.420600"), ("limit", "5"), ("locale", "de"))


def test_reverse_geocoding_asks_at_a_point() -> None:
    call = built("reverse_geocode", HERE)
    assert call.query == (("point", "43.734700,7.420600"), ("reverse", "true"), ("limit", "3"), ("locale", "en"))


def test_a_search_without_a_point_tells_no_distances() -> None:
    case = Case("nowhere", "text_search", {"query": "café"}, ((200, HITS),))
    result: Any = GraphHopper().parse("text_search", case.parsed_params(), case.responses())
    assert {place.distance_m for place in result.places} == {None}


def test_a_route_is_asked_for_with_the_details_that_tell_what_it_uses() -> None:
    call = built("compute_routes", WAY | {"language": "pt-BR", "alternatives": 2})
    assert (call.method, call.url) == ("POST", f"{ROOT}/route")
    assert call.json == {
        "points": [[7.4273, 43.7396], [7.4206, 43.7347]],
        "profile": "car",
        "locale": "pt_BR",
        "instructions": True,
        "points_encoded": True,
        "details": ["toll", "road_class", "road_environment"],
        "algorithm": "alternative_route",
        "alternative_route.max_paths": 3,
    }


def test_one_thing_to_avoid_is_a_profile_and_several_are_a_model() -> None:
    assert built("compute_routes", WAY | {"avoid": ["tolls"]}).json["profile"] == "car_avoid_toll"
    several = built("compute_routes", WAY | {"avoid": ["tolls", "ferries"]}).json
    assert several["profile"] == "car"
    assert several["ch.disable"] is True
    assert several["custom_model"] == {
        "priority": [
            {"if": "road_environment == FERRY", "multiply_by": "0.1"},
            {"if": "toll == ALL", "multiply_by": "0.1"},
        ]
    }
    on_foot = built("compute_routes", WAY | {"mode": "walk", "avoid": ["ferries"]}).json
    assert on_foot["profile"] == "foot"
    assert "custom_model" in on_foot


def test_an_order_of_visit_is_asked_for_where_there_is_one_to_find() -> None:
    assert built("compute_routes", TOUR | {"optimize_order": True}).json["optimize"] == "true"
    one = WAY | {"intermediates": [stop(HARBOUR)], "optimize_order": True}
    assert "optimize" not in built("compute_routes", one).json


def test_a_matrix_is_asked_for_with_gaps_where_there_is_no_way() -> None:
    call = built("travel_matrix", PAIRS | {"avoid": ["highways"]})
    assert (call.method, call.url) == ("POST", f"{ROOT}/matrix")
    assert call.json == {
        "from_points": [[7.4273, 43.7396], [7.4197, 43.7315]],
        "to_points": [[7.4273, 43.7396], [7.433, 43.745]],
        "profile": "car_avoid_motorway",
        "out_arrays": ["times", "distances"],
        "fail_fast": False,
    }


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("text_search", SEARCH | {"radius_m": 500}, "no radius"),
        ("text_search", SEARCH | {"language": "ja"}, "speaks en, fr, de, it, not 'ja'"),
        ("reverse_geocode", HERE | {"language": "ja"}, "speaks en, fr, de, it, not 'ja'"),
        ("compute_routes", WAY | {"mode": "motorcycle"}, "no motorcycle"),
        ("compute_routes", WAY | {"mode": "bicycle", "avoid": ["tolls"]}, "no choice about tolls for bicycle"),
        ("compute_routes", WAY | {"language": "tlh"}, "no instructions in 'tlh'"),
        ("compute_routes", TOUR | {"alternatives": 1}, "only between two stops"),
        ("compute_routes", WAY | {"origin": {"place_id": "osm:n1"}}, "coordinates only, not 'osm:n1'"),
        ("travel_matrix", PAIRS | {"mode": "transit"}, "no transit"),
        ("travel_matrix", PAIRS | {"avoid": ["tolls", "ferries"]}, "avoid one of"),
        ("travel_matrix", PAIRS | {"mode": "walk", "avoid": ["ferries"]}, "avoid one of"),
        ("nearby_search", HERE, "GraphHopper has no nearby_search"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_reason(tool: ToolName, params: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        built(tool, params)
    assert why in raised.value.message


def test_errors_are_told_with_the_hints_that_say_more() -> None:
    body = b'{"message":"Bad Request","hints":[{"message":"Cannot find from_points: 1"},{"message":"Bad Request"}]}'
    assert GraphHopper().error_message(HttpResponse(400, body)) == "Bad Request; Cannot find from_points: 1"
    assert GraphHopper().error_message(HttpResponse(502, b"<html>")) == ""


def test_a_finer_polyline_is_told_by_its_multiplier() -> None:
    path = ROUTE["paths"][0] | {
        "points": polyline.encode([CASINO, HARBOUR], 6),
        "snapped_waypoints": polyline.encode([CASINO, HARBOUR], 6),
        "points_encoded_multiplier": 1000000.0,
    }
    case = Case("fine", "compute_routes", WAY, ((200, {"paths": [path]}),))
    result: Any = GraphHopper().parse("compute_routes", case.parsed_params(), case.responses())
    assert decode_shape(result.routes[0].geometry) == [CASINO, HARBOUR]
    assert result.routes[0].warnings == ()


def test_the_ids_that_may_stay_are_those_of_openstreetmap() -> None:
    response = Case("ids", "text_search", SEARCH, ((200, HITS),)).responses()[0]
    assert GraphHopper().place_ids(response) == ("n4200000001", "w77")
    assert GraphHopper().place_ids(HttpResponse(200, b"no json")) == ()
