"""Azure Maps: what is asked, what is refused, and what it says when something is wrong."""

from typing import Any

import pytest
from cases_azure import (
    ALONG,
    BEST,
    CAFES,
    FAR,
    HERE,
    NEAR,
    OUTSIDE,
    PAIRS,
    ROUTE,
    THERE,
    TOUR,
    WAY,
    error,
    found,
    ways,
)
from provider_case import Case

from annotator.errors import UnsupportedError, UpstreamError
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.azure import Azure
from annotator.maps.providers.azure_cuisines import CUISINES, cuisine_category
from annotator.maps.providers.azure_http import language_tag

KEY = (Secret("AZURE_MAPS_KEY", "subscription-key"),)
HOST = "https://atlas.microsoft.com"
FREELY = (("routeType", "fastest"), ("traffic", "false"), ("computeTravelTimeFor", "all"))


def calls(tool: ToolName, params: dict[str, Any], *answers: Any) -> tuple[HttpCall, ...]:
    responses = Case("", tool, params, tuple((200, answer) for answer in answers)).responses()
    return Azure().build(tool, PARAMS[tool].model_validate(params), responses)


def built(tool: ToolName, params: dict[str, Any], *answers: Any) -> HttpCall:
    (call,) = calls(tool, params, *answers)
    return call


def test_a_text_search_leans_towards_a_centre_or_keeps_to_a_circle() -> None:
    assert built("text_search", HERE | {"query": "coffee", "limit": 2, "radius_m": 999.5}) == HttpCall(
        "GET",
        f"{HOST}/search/fuzzy/json",
        query=(
            ("api-version", "1.0"),
            ("query", "coffee"),
            ("lat", "43.734000"),
            ("lon", "7.421000"),
            ("radius", "1000"),
            ("limit", "20"),
            ("language", "en-US"),
        ),
        secrets=KEY,
    )
    assert "radius" not in dict(built("text_search", HERE | {"query": "coffee"}).query)
    assert "lat" not in dict(built("text_search", {"query": "coffee"}).query)


def test_places_of_a_type_are_asked_for_around_a_point() -> None:
    assert built("nearby_search", CAFES | {"language": "fr"}) == HttpCall(
        "GET",
        f"{HOST}/search/nearby/json",
        query=(
            ("api-version", "1.0"),
            ("lat", "43.734000"),
            ("lon", "7.421000"),
            ("radius", "1000"),
            ("categorySet", "9376002,9376005,9376006"),
            ("limit", "100"),
            ("language", "fr-FR"),
        ),
        secrets=KEY,
    )
    cuisine = dict(built("nearby_search", HERE | {"cuisine": "Middle_Eastern", "type": "restaurant"}).query)
    assert cuisine["categorySet"] == "7315034"


def test_places_by_words_are_asked_of_the_search_for_places() -> None:
    call = built("nearby_search", CAFES | {"keyword": "kettle"})
    assert call.url == f"{HOST}/search/poi/json"
    assert {("query", "kettle"), ("categorySet", "9376002,9376005,9376006")} <= set(call.query)


def test_travel_times_to_the_places_found_are_asked_of_the_matrix() -> None:
    assert built("nearby_search", CAFES | {"travel_mode": "walk"}, found(OUTSIDE, FAR, NEAR)) == HttpCall(
        "POST",
        f"{HOST}/route/matrix/sync/json",
        query=(("api-version", "1.0"), ("travelMode", "pedestrian"), *FREELY),
        json={
            "origins": {"type": "MultiPoint", "coordinates": [[7.421, 43.734]]},
            "destinations": {"type": "MultiPoint", "coordinates": [[7.421, 43.7345], [7.421, 43.739]]},
        },
        secrets=KEY,
    )


def test_an_address_is_asked_by_position() -> None:
    assert built("reverse_geocode", HERE | {"language": "pt-BR"}) == HttpCall(
        "GET",
        f"{HOST}/search/address/reverse/json",
        query=(("api-version", "1.0"), ("query", "43.734000,7.421000"), ("language", "pt-BR")),
        secrets=KEY,
    )


def test_a_way_is_asked_for_with_its_time_without_traffic() -> None:
    assert built("compute_routes", WAY | {"avoid": ["ferries", "tolls"], "alternatives": 2}) == HttpCall(
        "GET",
        f"{HOST}/route/directions/json",
        query=(
            ("api-version", "1.0"),
            ("query", "43.734000,7.421000:43.744000,7.431000"),
            ("travelMode", "car"),
            *FREELY,
            ("avoid", "ferries"),
            ("avoid", "tollRoads"),
            ("instructionsType", "text"),
            ("language", "en-US"),
            ("sectionType", "ferry"),
            ("sectionType", "motorway"),
            ("sectionType", "tollRoad"),
            ("maxAlternatives", "2"),
        ),
        secrets=KEY,
    )
    assert ("computeBestOrder", "true") in built("compute_routes", BEST).query


def test_a_matrix_avoids_what_it_is_told_to() -> None:
    call = built("travel_matrix", PAIRS | {"mode": "motorcycle", "avoid": ["highways"]})
    assert call.query == (("api-version", "1.0"), ("travelMode", "motorcycle"), *FREELY, ("avoid", "motorways"))


def test_places_along_a_way_are_asked_for_with_its_shape() -> None:
    assert built("search_along_route", ALONG | {"max_detour_s": 90.5}, ways(ROUTE)) == HttpCall(
        "POST",
        f"{HOST}/search/alongRoute/json",
        query=(
            ("api-version", "1.0"),
            ("query", "cafe"),
            ("maxDetourTime", "91"),
            ("limit", "20"),
            ("categorySet", "9376002,9376005,9376006"),
        ),
        json={
            "route": {
                "type": "LineString",
                "coordinates": [[7.421, 43.734], [7.424, 43.738], [7.431, 43.744]],
            }
        },
        secrets=KEY,
    )
    words = dict(built("search_along_route", WAY | {"keyword": "tea"}, ways(ROUTE)).query)
    assert (words["query"], words["maxDetourTime"], "categorySet" in words) == ("tea", "3600", False)


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("place_details", {"place_id": "azure:MC/POI/p0/near"}, "has no place_details"),
        ("reverse_geocode", HERE | {"limit": 2}, "one address"),
        ("nearby_search", HERE | {"type": "bench"}, "no category for bench"),
        ("nearby_search", CAFES | {"rank": "prominence"}, "rank distance"),
        ("nearby_search", CAFES | {"min_rating": 4}, "no ratings"),
        ("nearby_search", CAFES | {"price_levels": [1]}, "no price levels"),
        ("nearby_search", HERE | {"cuisine": "lunar"}, "no cuisine 'lunar'"),
        ("nearby_search", CAFES | {"cuisine": "pizza"}, "restaurants only"),
        ("nearby_search", CAFES | {"wheelchair": True}, "wheelchair"),
        ("nearby_search", CAFES | {"open_at": "2026-05-01T12:00"}, "open_at"),
        ("nearby_search", CAFES | {"travel_mode": "transit"}, "no transit"),
        ("compute_routes", WAY | {"mode": "transit"}, "no transit"),
        ("compute_routes", WAY | {"origin": {"place_id": "azure:x"}}, "coordinates only"),
        ("compute_routes", WAY | {"mode": "walk", "avoid": ["ferries"]}, "leave out avoid"),
        ("compute_routes", BEST | {"alternatives": 1}, "either alternatives or the best order"),
        ("travel_matrix", {"origins": [HERE] * 11, "destinations": [THERE] * 10}, "not 110"),
        ("travel_matrix", PAIRS | {"origins": [{"place_id": "azure:x"}]}, "coordinates only"),
        ("search_along_route", ALONG | {"min_rating": 4}, "no ratings"),
        ("search_along_route", ALONG | {"rank": "prominence"}, "prominent"),
        ("search_along_route", WAY | {"type": "bench"}, "no category for bench"),
        ("search_along_route", ALONG | {"mode": "walk"}, "drive only"),
        ("search_along_route", ALONG | {"avoid": ["tolls"]}, "leave out avoid"),
        ("search_along_route", ALONG | {"max_detour_s": 3601}, "3600 s"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_reason(tool: ToolName, params: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        built(tool, params)


def test_only_a_way_that_is_not_there_is_an_answer_among_errors() -> None:
    azure = Azure()
    status, body = error(400, "Engine error while executing route request: NO_ROUTE_FOUND")
    (missing,) = Case("", "compute_routes", TOUR, ((status, body),)).responses()
    assert azure.is_answer("compute_routes", missing)
    assert not azure.is_answer("travel_matrix", missing)
    (refused,) = Case("", "compute_routes", WAY, (error(400, "Invalid travelMode"),)).responses()
    assert not azure.is_answer("compute_routes", refused)
    with pytest.raises(UpstreamError, match="Invalid travelMode"):
        azure.parse("compute_routes", PARAMS["compute_routes"].model_validate(WAY), [refused])


def test_errors_are_told_in_azures_words() -> None:
    body = b'{"error": {"code": "401 Unauthorized", "message": "The provided credentials were incorrect."}}'
    assert Azure().error_message(HttpResponse(401, body)) == "The provided credentials were incorrect."
    assert Azure().error_message(HttpResponse(502, b"<html>")) == ""


@pytest.mark.parametrize(("language", "tag"), [("en", "en-US"), ("en-GB", "en-GB"), ("ar", "ar"), ("zh", "zh-Hans-CN")])
def test_a_language_gets_the_region_that_azure_wants(language: str, tag: str) -> None:
    assert language_tag(language) == tag


def test_a_cuisine_is_known_in_any_spelling() -> None:
    assert cuisine_category("Middle-Eastern") == cuisine_category("middle_eastern") == CUISINES["middle eastern"]
    assert cuisine_category("lunar") is None


def test_its_terms_are_code() -> None:
    policy = Azure.info.policy
    assert (policy.storage, policy.ttl_s, policy.export) == ("expire", 181 * 86400, "ids_only")
    assert (policy.display, policy.evaluation) == ("own_map_only", "needs_consent")
    assert Azure.info.is_commercial


def test_places_have_ids() -> None:
    (response,) = Case("", "text_search", {}, ((200, found(NEAR, FAR, NEAR)),)).responses()
    assert Azure().place_ids(response) == ("MC/POI/p0/near", "MC/POI/p0/far")
    assert Azure().place_ids(HttpResponse(200, b"<html>")) == ()
