"""Mapbox: what is asked, what is refused, and what it says when something is wrong."""

from typing import Any

import pytest
from cases_mapbox import (
    ALONG,
    BETWEEN,
    CAFES,
    FAR,
    HERE,
    NEAR,
    OUTSIDE,
    PAIRS,
    ROUTE,
    THERE,
    THERE_TO_CAFES,
    TOUR,
    WAY,
    collection,
    ways,
)
from provider_case import Case

from annotator.errors import InputError, UnsupportedError
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.mapbox import Mapbox
from annotator.maps.providers.mapbox_categories import MAPBOX_CATEGORIES, canonical_types

TOKEN = (Secret("MAPBOX_ACCESS_TOKEN", "access_token", "query"),)
SEARCH = "https://api.mapbox.com/search/searchbox/v1"


def calls(tool: ToolName, params: dict[str, Any], *answers: Any) -> tuple[HttpCall, ...]:
    responses = Case("", tool, params, tuple((200, answer) for answer in answers)).responses()
    return Mapbox().build(tool, PARAMS[tool].model_validate(params), responses)


def built(tool: ToolName, params: dict[str, Any], *answers: Any) -> HttpCall:
    (call,) = calls(tool, params, *answers)
    return call


def test_a_text_search_leans_towards_a_centre_or_keeps_to_a_box() -> None:
    assert built("text_search", HERE | {"query": "coffee", "language": "fr", "limit": 2}) == HttpCall(
        "GET",
        f"{SEARCH}/forward",
        query=(("q", "coffee"), ("language", "fr"), ("limit", "10"), ("proximity", "7.421000,43.734000")),
        secrets=TOKEN,
    )
    boxed = dict(built("text_search", HERE | {"query": "coffee", "radius_m": 1000}).query)
    assert boxed["bbox"] == "7.408554,43.725007,7.433446,43.742993"


def test_places_of_a_type_are_asked_for_by_category() -> None:
    assert built("nearby_search", CAFES | {"radius_m": 1000}) == HttpCall(
        "GET",
        f"{SEARCH}/category/cafe",
        query=(
            ("language", "en"),
            ("proximity", "7.421000,43.734000"),
            ("bbox", "7.408554,43.725007,7.433446,43.742993"),
            ("limit", "25"),
        ),
        secrets=TOKEN,
    )


def test_places_by_words_are_asked_for_within_their_category() -> None:
    call = built("nearby_search", CAFES | {"keyword": "kettle", "limit": 10})
    assert call.url == f"{SEARCH}/forward"
    assert {("q", "kettle"), ("types", "poi"), ("limit", "10"), ("poi_category", "cafe")} <= set(call.query)


def test_travel_times_to_the_places_found_are_asked_of_the_matrix() -> None:
    params = CAFES | {"travel_mode": "bicycle", "limit": 2}
    assert built("nearby_search", params, collection(OUTSIDE, FAR, NEAR)) == HttpCall(
        "GET",
        "https://api.mapbox.com/directions-matrix/v1/mapbox/cycling/"
        "7.421000,43.734000;7.421000,43.734500;7.421000,43.739000",
        query=(("annotations", "distance,duration"), ("destinations", "1;2"), ("sources", "0")),
        secrets=TOKEN,
    )
    assert calls("nearby_search", params, collection(OUTSIDE)) == ()


def test_details_are_asked_with_a_session_of_their_own_that_is_no_part_of_the_question() -> None:
    call = built("place_details", {"place_id": "mapbox:bmVhcg=="})
    assert call.url == f"{SEARCH}/retrieve/bmVhcg=="
    assert dict(call.query)["language"] == "en"
    assert len(dict(call.query)["session_token"]) == 36
    assert call.volatile == {"session_token"}


@pytest.mark.parametrize("place_id", ["mapbox:../v2", "mapbox:a/b", "mapbox:a?x=1", "google:ChIJ"])
def test_an_id_that_is_none_of_mapboxs_asks_nothing(place_id: str) -> None:
    with pytest.raises(InputError):
        built("place_details", {"place_id": place_id})


def test_an_address_is_asked_by_position() -> None:
    assert built("reverse_geocode", HERE | {"limit": 3, "language": "de"}) == HttpCall(
        "GET",
        f"{SEARCH}/reverse",
        query=(("longitude", "7.421000"), ("latitude", "43.734000"), ("language", "de"), ("limit", "3")),
        secrets=TOKEN,
    )


def test_a_way_is_asked_for_without_traffic_and_with_steps() -> None:
    assert built("compute_routes", WAY | {"avoid": ["ferries", "tolls"], "alternatives": 1}) == HttpCall(
        "GET",
        "https://api.mapbox.com/directions/v5/mapbox/driving/7.421000,43.734000;7.431000,43.744000",
        query=(
            ("geometries", "polyline"),
            ("language", "en"),
            ("overview", "full"),
            ("steps", "true"),
            ("alternatives", "true"),
            ("exclude", "ferry,toll"),
        ),
        secrets=TOKEN,
    )


def test_an_order_of_visit_is_asked_of_the_optimization_service_with_both_ends_fixed() -> None:
    call = built("compute_routes", TOUR | {"mode": "walk"})
    assert call.url == (
        "https://api.mapbox.com/optimized-trips/v1/mapbox/walking/"
        "7.421000,43.734000;7.430000,43.736000;7.422000,43.737000;7.431000,43.744000"
    )
    assert {("source", "first"), ("destination", "last"), ("roundtrip", "false")} <= set(call.query)
    assert "/directions/v5/" in built("compute_routes", TOUR | {"intermediates": BETWEEN[:1]}).url


def test_a_matrix_is_one_request_of_origins_then_destinations() -> None:
    call = built("travel_matrix", PAIRS)
    assert call.url.startswith("https://api.mapbox.com/directions-matrix/v1/mapbox/driving/7.421000,43.734000;")
    assert call.query == (("annotations", "distance,duration"), ("destinations", "2;3"), ("sources", "0;1"))


def test_places_along_a_way_are_searched_with_its_shape_and_measured_by_matrix() -> None:
    params = ALONG | {"max_detour_s": 61}
    assert built("search_along_route", params).url.startswith("https://api.mapbox.com/directions/v5/")
    search = built("search_along_route", params, ways(ROUTE))
    assert search == HttpCall(
        "GET",
        f"{SEARCH}/category/cafe",
        query=(
            ("language", "en"),
            ("limit", "24"),
            ("route", ROUTE["geometry"]),
            ("route_geometry", "polyline"),
            ("sar_type", "isochrone"),
            ("time_deviation", "2"),
        ),
        secrets=TOKEN,
    )
    there, onward = calls("search_along_route", params, ways(ROUTE), collection(FAR, NEAR))
    assert there.url.endswith("/mapbox/driving/7.421000,43.734000;7.421000,43.739000;7.421000,43.734500")
    assert (dict(there.query)["sources"], dict(there.query)["destinations"]) == ("0", "1;2")
    assert onward.url.endswith("/mapbox/driving/7.421000,43.739000;7.421000,43.734500;7.431000,43.744000")
    assert (dict(onward.query)["sources"], dict(onward.query)["destinations"]) == ("0;1", "2")
    assert calls("search_along_route", params, ways(ROUTE), collection(FAR), THERE_TO_CAFES, {}) == ()


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("text_search", {"query": "x", "limit": 11}, "at most 10"),
        ("nearby_search", HERE, "a type or a keyword"),
        ("nearby_search", HERE | {"type": "bench"}, "no category for bench"),
        ("nearby_search", CAFES | {"limit": 26}, "at most 25"),
        ("nearby_search", CAFES | {"limit": 25, "travel_mode": "walk"}, "at most 24"),
        ("nearby_search", CAFES | {"limit": 20, "keyword": "kettle"}, "at most 10"),
        ("nearby_search", CAFES | {"rank": "prominence"}, "rank distance"),
        ("nearby_search", CAFES | {"min_rating": 0}, "no ratings"),
        ("nearby_search", CAFES | {"price_levels": [1]}, "no price levels"),
        ("nearby_search", CAFES | {"cuisine": "pizza"}, "cuisine"),
        ("nearby_search", CAFES | {"wheelchair": True}, "wheelchair"),
        ("nearby_search", CAFES | {"open_at": "2026-05-01T12:00"}, "open_at"),
        ("nearby_search", CAFES | {"travel_mode": "transit"}, "no transit"),
        ("compute_routes", WAY | {"mode": "motorcycle"}, "no motorcycle"),
        ("compute_routes", WAY | {"origin": {"place_id": "mapbox:x"}}, "coordinates only"),
        ("compute_routes", WAY | {"mode": "bicycle", "avoid": ["ferries"]}, "only for drive"),
        ("compute_routes", WAY | {"alternatives": 3}, "at most 2 other routes"),
        ("compute_routes", WAY | {"alternatives": 1, "intermediates": BETWEEN}, "only between two stops"),
        ("compute_routes", TOUR | {"avoid": ["tolls"]}, "looks for an order"),
        ("compute_routes", TOUR | {"intermediates": BETWEEN * 6}, "at most 12 stops"),
        ("travel_matrix", PAIRS | {"avoid": ["tolls"]}, "avoids nothing"),
        ("travel_matrix", {"origins": [HERE] * 13, "destinations": [THERE] * 13}, "at most 25"),
        ("travel_matrix", PAIRS | {"origins": [{"place_id": "mapbox:x"}]}, "coordinates only"),
        ("search_along_route", ALONG | {"rank": "prominence"}, "prominent"),
        ("search_along_route", WAY | {"keyword": "kettle"}, "by category only"),
        ("search_along_route", ALONG | {"min_rating": 4}, "no ratings"),
        ("search_along_route", ALONG | {"avoid": ["tolls"]}, "leave out avoid"),
        ("search_along_route", ALONG | {"mode": "transit"}, "no transit"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_reason(tool: ToolName, params: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        built(tool, params)


def test_errors_are_told_in_mapboxs_words() -> None:
    assert Mapbox().error_message(HttpResponse(401, b'{"message":"Not Authorized"}')) == "Not Authorized"
    assert Mapbox().error_message(HttpResponse(502, b"<html>")) == ""


def test_every_category_is_read_as_the_type_that_it_is_asked_for_by() -> None:
    assert [canonical_types([category]) for category in MAPBOX_CATEGORIES.values()] == [
        (key,) for key in MAPBOX_CATEGORIES
    ]
    assert canonical_types(["thai_restaurant", "food", "restaurant"]) == ("restaurant",)


def test_nothing_of_it_may_be_kept() -> None:
    policy = Mapbox.info.policy
    assert (policy.storage, policy.export, policy.evaluation) == ("none", "forbidden", "needs_consent")
    assert Mapbox.info.is_commercial


def test_places_have_ids() -> None:
    (response,) = Case("", "text_search", {}, ((200, collection(NEAR, FAR, NEAR)),)).responses()
    assert Mapbox().place_ids(response) == ("bmVhcg", "ZmFy")
    assert Mapbox().place_ids(HttpResponse(200, b"<html>")) == ()
