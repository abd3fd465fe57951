"""TomTom: what is asked, what is refused, and what its answers mean."""

from typing import Any

import pytest
from answers_tomtom import ALONG, CAFE, FORBIDDEN, ONE_LEG, OPEN_CAFE, PIZZERIA, REVERSE, answer
from cases_tomtom import AT, CAFES, DETAILS, SEARCH
from monaco import CASINO, HARBOUR, PAIRS, TOUR, WAY, stop
from provider_case import Case

from annotator.errors import InputError, UnsupportedError
from annotator.geo import shape_length_m
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.tomtom import TomTom
from annotator.maps.providers.tomtom_along import NUM_SHAPE_POINTS
from annotator.maps.providers.tomtom_categories import TOMTOM_CATEGORIES, categories_of_tomtom

KEY = Secret(env="TOMTOM_API_KEY", name="key", place="query")
ROOT = "https://api.tomtom.com"


def built(tool: ToolName, params: dict[str, Any], *answers: Any) -> tuple[HttpCall, ...]:
    case = Case("built", tool, params, tuple((200, body) for body in answers))
    calls = TomTom().build(tool, case.parsed_params(), case.responses())
    assert all(call.secrets == (KEY,) for call in calls)
    return calls


def test_a_search_leans_to_a_point_or_keeps_to_a_circle() -> None:
    (leaning,) = built("text_search", SEARCH | {"limit": 5, "language": "fr"})
    assert (leaning.method, leaning.url) == ("GET", f"{ROOT}/search/2/search/caf%C3%A9%20du%20quai.json")
    assert leaning.query == (("limit", "5"), ("language", "fr-FR"), ("lat", "43.734700"), ("lon", "7.420600"))
    (within,) = built("text_search", SEARCH | {"radius_m": 250.5})
    assert ("radius", "251") in within.query
    (anywhere,) = built("text_search", {"query": "x"})
    assert anywhere.query == (("limit", "10"), ("language", "en-GB"))


@pytest.mark.parametrize("query", ["../../routing/1", "a/b?key=x#y", "100% café", "..", "%2e%2e"])
def test_no_query_leaves_its_segment_of_the_path(query: str) -> None:
    (call,) = built("text_search", {"query": query})
    prefix, _, rest = call.url.partition("/search/2/search/")
    assert prefix == ROOT
    assert not set("/?#") & set(rest)
    assert rest.endswith(".json")


def test_results_outside_the_circle_are_left_out() -> None:
    case = Case("circle", "text_search", SEARCH | {"radius_m": 30}, ((200, answer(CAFE, PIZZERIA)),))
    result: Any = TomTom().parse("text_search", case.parsed_params(), case.responses())
    assert [place.name for place in result.places] == ["Da Nessuno"]


def test_details_are_asked_for_by_entity_with_the_hours_of_the_week() -> None:
    (call,) = built("place_details", DETAILS)
    assert call.url == f"{ROOT}/search/2/place.json"
    assert call.query == (
        ("entityId", "pUsTa4Rq7L0"),
        ("language", "en-GB"),
        ("openingHours", "nextSevenDays"),
        ("timeZone", "iana"),
    )
    with pytest.raises(InputError, match="begin with 'tomtom:'"):
        built("place_details", {"place_id": "osm:n1"})


def test_an_address_without_an_id_is_named_by_where_it_is_and_has_no_details() -> None:
    body = REVERSE | {"addresses": [{"address": {}, "position": "43.734740,7.420610"}]}
    case = Case("no id", "reverse_geocode", AT, ((200, body),))
    result: Any = TomTom().parse("reverse_geocode", case.parsed_params(), case.responses())
    assert result.places[0].pid == "tomtom:address:43.734740,7.420610"
    with pytest.raises(InputError, match="reverse_geocode"):
        built("place_details", {"place_id": result.places[0].pid})


def test_reverse_geocoding_asks_at_a_point() -> None:
    (call,) = built("reverse_geocode", AT | {"language": "zh-TW"})
    assert call.url == f"{ROOT}/search/2/reverseGeocode/43.734700,7.420600.json"
    assert call.query == (("language", "zh-TW"),)


def test_a_nearby_search_is_by_category_and_one_by_words_casts_its_net_wider() -> None:
    (by_type,) = built("nearby_search", AT | {"type": "parking", "limit": 7})
    assert by_type.url == f"{ROOT}/search/2/nearbySearch/.json"
    assert by_type.query == (
        ("limit", "7"),
        ("lat", "43.734700"),
        ("lon", "7.420600"),
        ("radius", "1000"),
        ("language", "en-GB"),
        ("categorySet", "7313,7369"),
    )
    (by_words,) = built("nearby_search", AT | {"keyword": "quai", "limit": 7})
    assert by_words.url == f"{ROOT}/search/2/poiSearch/quai.json"
    assert by_words.query[0] == ("limit", "100")


def test_the_ways_to_places_nearby_are_one_more_matrix() -> None:
    params = AT | {"travel_mode": "walk"}
    (matrix,) = built("nearby_search", params, answer(CAFE, PIZZERIA))
    assert (matrix.method, matrix.url) == ("POST", f"{ROOT}/routing/matrix/2")
    assert matrix.json["origins"] == [{"point": {"latitude": 43.7347, "longitude": 7.4206}}]
    assert [entry["point"]["latitude"] for entry in matrix.json["destinations"]] == [43.7348, 43.7351]
    assert built("nearby_search", params, answer()) == ()


def test_a_route_is_asked_for_without_live_traffic_and_with_all_it_may_use() -> None:
    (call,) = built(
        "compute_routes", WAY | {"mode": "motorcycle", "avoid": ["tolls", "highways", "ferries"], "alternatives": 3}
    )
    assert call.url == f"{ROOT}/routing/1/calculateRoute/43.739600,7.427300:43.734700,7.420600/json"
    assert call.query == (
        ("travelMode", "motorcycle"),
        ("routeType", "fastest"),
        ("traffic", "false"),
        ("routeRepresentation", "polyline"),
        ("instructionsType", "text"),
        ("language", "en-GB"),
        ("avoid", "ferries"),
        ("avoid", "motorways"),
        ("avoid", "tollRoads"),
        ("sectionType", "tollRoad"),
        ("sectionType", "motorway"),
        ("sectionType", "ferry"),
        ("maxAlternatives", "3"),
    )


def test_an_order_of_visit_is_asked_for_where_there_is_one_to_find() -> None:
    (tour,) = built("compute_routes", TOUR | {"optimize_order": True})
    assert ("computeBestOrder", "true") in tour.query
    assert tour.url.count(":") == 4
    (one,) = built("compute_routes", WAY | {"intermediates": [stop(HARBOUR)], "optimize_order": True})
    assert "computeBestOrder" not in dict(one.query)


def test_a_matrix_is_asked_for_at_no_time_in_particular() -> None:
    (call,) = built("travel_matrix", PAIRS | {"mode": "bicycle", "avoid": ["ferries"]})
    assert call == HttpCall(
        "POST",
        f"{ROOT}/routing/matrix/2",
        json={
            "origins": [
                {"point": {"latitude": 43.7396, "longitude": 7.4273}},
                {"point": {"latitude": 43.7315, "longitude": 7.4197}},
            ],
            "destinations": [
                {"point": {"latitude": 43.7396, "longitude": 7.4273}},
                {"point": {"latitude": 43.745, "longitude": 7.433}},
            ],
            "options": {
                "departAt": "any",
                "traffic": "historical",
                "routeType": "fastest",
                "travelMode": "bicycle",
                "avoid": ["ferries"],
            },
        },
        secrets=(KEY,),
    )


def test_a_search_along_a_route_asks_for_the_way_and_then_along_it() -> None:
    (way,) = built("search_along_route", CAFES)
    assert "/routing/1/calculateRoute/" in way.url
    (along,) = built("search_along_route", CAFES | {"rank": "route", "max_detour_s": 90.5}, ONE_LEG)
    assert (along.method, along.url) == ("POST", f"{ROOT}/search/2/searchAlongRoute/cafe.json")
    assert along.query == (
        ("maxDetourTime", "91"),
        ("limit", "20"),
        ("sortBy", "detourOffset"),
        ("language", "en-GB"),
        ("categorySet", "9376002,9376005,9376006"),
    )
    assert along.json == {"route": {"points": [stop(CASINO), {"lat": 43.737, "lon": 7.425}, stop(HARBOUR)]}}
    assert built("search_along_route", CAFES, ONE_LEG, ALONG) == ()


def test_a_long_way_is_sent_in_few_points_that_are_as_long() -> None:
    points = [(43.7 + 0.00002 * index, 7.4 + 0.0001 * (index % 7)) for index in range(5000)]
    way = ONE_LEG["routes"][0] | {
        "legs": [
            ONE_LEG["routes"][0]["legs"][0] | {"points": [{"latitude": lat, "longitude": lon} for lat, lon in points]}
        ]
    }
    ends = {"origin": stop(points[0]), "destination": stop(points[-1]), "keyword": "café"}
    (call,) = built("search_along_route", ends, {"routes": [way]})
    sent = [(point["lat"], point["lon"]) for point in call.json["route"]["points"]]
    assert 2 <= len(sent) <= NUM_SHAPE_POINTS
    assert shape_length_m([sent[0], sent[-1]]) == pytest.approx(shape_length_m([points[0], points[-1]]), rel=0.01)


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("text_search", SEARCH | {"language": "ja"}, "no texts in 'ja'"),
        ("place_details", DETAILS | {"language": "ja"}, "no texts in 'ja'"),
        ("reverse_geocode", AT | {"language": "ja"}, "no texts in 'ja'"),
        ("nearby_search", AT | {"type": "bench"}, "no category for bench"),
        ("nearby_search", AT | {"rank": "prominence"}, "how prominent"),
        ("nearby_search", AT | {"open_at": "2026-03-04T10:00:00"}, "open_at"),
        ("nearby_search", AT | {"wheelchair": True}, "wheelchair"),
        ("nearby_search", AT | {"cuisine": "thai"}, "cuisine"),
        ("nearby_search", AT | {"min_rating": 4}, "no ratings"),
        ("nearby_search", AT | {"price_levels": [1]}, "no price levels"),
        ("nearby_search", AT | {"travel_mode": "transit"}, "no transit"),
        ("compute_routes", WAY | {"mode": "transit"}, "no transit"),
        ("compute_routes", WAY | {"language": "ja"}, "no texts in 'ja'"),
        ("compute_routes", TOUR | {"optimize_order": True, "alternatives": 1}, "either an order or alternatives"),
        ("compute_routes", WAY | {"origin": {"place_id": "tomtom:x"}}, "coordinates only, not 'tomtom:x'"),
        ("travel_matrix", PAIRS | {"mode": "transit"}, "no transit"),
        ("travel_matrix", PAIRS | {"origins": [{"place_id": "tomtom:x"}]}, "coordinates only, not 'tomtom:x'"),
        ("search_along_route", CAFES | {"mode": "walk"}, "drive only"),
        ("search_along_route", CAFES | {"avoid": ["tolls"]}, "leave out avoid"),
        ("search_along_route", CAFES | {"rank": "prominence"}, "how prominent"),
        ("search_along_route", CAFES | {"max_detour_s": 3601}, "at most 3600 s"),
        ("search_along_route", CAFES | {"min_rating": 3}, "no ratings"),
        ("search_along_route", CAFES | {"destination": {"place_id": "tomtom:x"}}, "coordinates only"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_reason(tool: ToolName, params: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        TomTom().build(tool, PARAMS[tool].model_validate(params))
    assert why in raised.value.message


def test_errors_are_told_in_tomtoms_words() -> None:
    response = Case("forbidden", "text_search", SEARCH, ((403, FORBIDDEN),)).responses()[0]
    assert TomTom().error_message(response) == "Forbidden: You are not allowed to access this endpoint"
    assert TomTom().error_message(HttpResponse(400, b'{"errorText":"Bad radius","httpStatusCode":400}')) == "Bad radius"
    assert TomTom().error_message(HttpResponse(403, b"<h1>Developer Over Qps</h1>")) == ""


def test_the_ids_that_may_stay_are_those_of_places_and_addresses() -> None:
    bodies = (answer(OPEN_CAFE, PIZZERIA), REVERSE)
    responses = Case("ids", "text_search", SEARCH, tuple((200, body) for body in bodies)).responses()
    assert [TomTom().place_ids(response) for response in responses] == [("pUsTa4Rq7L0", "pUsTa4Rq7L1"), ("addr1",)]
    assert TomTom().place_ids(HttpResponse(200, b"no json")) == ()


def test_every_number_of_a_type_leads_back_to_it() -> None:
    assert set(TOMTOM_CATEGORIES) <= set(CATEGORIES)
    for place_type, numbers in TOMTOM_CATEGORIES.items():
        for number in numbers:
            assert place_type in categories_of_tomtom([number])
    assert categories_of_tomtom([7377003]) == ("college", "university")
    assert categories_of_tomtom([1234567]) == ()
