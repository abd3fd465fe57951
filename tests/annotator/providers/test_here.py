"""HERE: what is asked, what is refused, and what it says when something is wrong."""

from typing import Any

import flexpolyline
import pytest
from cases_here import (
    ALONG,
    BARE,
    BETWEEN,
    CAFES,
    CENTER,
    DETAILS,
    DIRECT,
    END,
    FAR,
    HERE,
    MIDDLE,
    NEAR,
    ORDER,
    OUTSIDE,
    PAIRS,
    THERE,
    TO_CAFES,
    TOUR,
    WAY,
    found,
    item,
    ways,
)
from provider_case import Case

from annotator.errors import UnsupportedError, UpstreamFormatError
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.here import Here
from annotator.maps.providers.here_categories import HERE_CATEGORIES, canonical_types
from annotator.maps.providers.here_shape import flexible, from_flexible

KEY = (Secret("HERE_API_KEY", "apiKey", "query"),)


def calls(tool: ToolName, params: dict[str, Any], *answers: Any, base_url: str | None = None) -> tuple[HttpCall, ...]:
    responses = Case("", tool, params, tuple((200, answer) for answer in answers)).responses()
    return Here(base_url).build(tool, PARAMS[tool].model_validate(params), responses)


def built(tool: ToolName, params: dict[str, Any], *answers: Any, base_url: str | None = None) -> HttpCall:
    (call,) = calls(tool, params, *answers, base_url=base_url)
    return call


def test_a_text_search_is_put_to_the_service_that_can_answer_it() -> None:
    assert built("text_search", HERE | {"query": "coffee", "limit": 2, "language": "fr"}) == HttpCall(
        "GET",
        "https://discover.search.hereapi.com/v1/discover",
        query=(("at", "43.734000,7.421000"), ("q", "coffee"), ("limit", "20"), ("lang", "fr")),
        secrets=KEY,
    )
    within = built("text_search", HERE | {"query": "coffee", "radius_m": 999.5})
    assert within.query[0] == ("in", "circle:43.734000,7.421000;r=1000")
    anywhere = built("text_search", {"query": "coffee"})
    assert anywhere.url == "https://geocode.search.hereapi.com/v1/geocode"
    assert anywhere.query == (("q", "coffee"), ("limit", "20"), ("lang", "en"))


def test_places_of_a_type_are_browsed_within_a_circle() -> None:
    assert built("nearby_search", CAFES | {"type": "pharmacy", "keyword": "night"}) == HttpCall(
        "GET",
        "https://browse.search.hereapi.com/v1/browse",
        query=(
            ("at", "43.734000,7.421000"),
            ("in", "circle:43.734000,7.421000;r=1000"),
            ("categories", "600-6400-0000,600-6400-0070"),
            ("name", "night"),
            ("limit", "50"),
            ("lang", "en"),
        ),
        secrets=KEY,
    )


def test_places_by_words_alone_are_discovered() -> None:
    call = built("nearby_search", HERE | {"keyword": "sushi"})
    assert call.url == "https://discover.search.hereapi.com/v1/discover"
    assert call.query == (
        ("in", "circle:43.734000,7.421000;r=1000"),
        ("q", "sushi"),
        ("limit", "50"),
        ("lang", "en"),
    )


def test_travel_times_to_the_places_found_are_asked_of_the_matrix() -> None:
    params = CAFES | {"travel_mode": "walk"}
    assert built("nearby_search", params, found(OUTSIDE, FAR, NEAR)) == HttpCall(
        "POST",
        "https://matrix.router.hereapi.com/v8/matrix",
        query=(("async", "false"),),
        json={
            "origins": [{"lat": 43.734, "lng": 7.421}],
            "destinations": [{"lat": 43.7345, "lng": 7.421}, {"lat": 43.739, "lng": 7.421}],
            "regionDefinition": {"type": "world"},
            "matrixAttributes": ["distances", "travelTimes"],
            "transportMode": "pedestrian",
            "departureTime": "any",
        },
        secrets=KEY,
    )
    crowd = found(*(item(str(number), 43.734, 7.421 + number / 1e5, "Cafe") for number in range(40)))
    sizes = [len(call.json["destinations"]) for call in calls("nearby_search", params | {"limit": 40}, crowd)]
    assert sizes == [25, 15]


def test_details_and_addresses_are_looked_up() -> None:
    assert built("place_details", {"place_id": "here:here:pds:place:near"}) == HttpCall(
        "GET",
        "https://lookup.search.hereapi.com/v1/lookup",
        query=(("id", "here:pds:place:near"), ("lang", "en")),
        secrets=KEY,
    )
    assert built("reverse_geocode", HERE | {"limit": 3}) == HttpCall(
        "GET",
        "https://revgeocode.search.hereapi.com/v1/revgeocode",
        query=(("at", "43.734000,7.421000"), ("limit", "3"), ("lang", "en")),
        secrets=KEY,
    )


def test_a_way_is_asked_for_at_any_time_of_departure() -> None:
    assert built("compute_routes", WAY | {"avoid": ["highways", "tolls"], "alternatives": 2}) == HttpCall(
        "GET",
        "https://router.hereapi.com/v8/routes",
        query=(
            ("transportMode", "car"),
            ("origin", "43.734000,7.421000"),
            ("destination", "43.744000,7.431000"),
            ("departureTime", "any"),
            ("return", "actions,instructions,polyline,summary"),
            ("lang", "en"),
            ("alternatives", "2"),
            ("avoid[features]", "controlledAccessHighway,tollRoad"),
        ),
        secrets=KEY,
    )
    vias = [value for name, value in built("compute_routes", TOUR).query if name == "via"]
    assert vias == ["43.736000,7.430000", "43.738000,7.424000"]


def test_the_best_order_is_asked_for_first_and_then_the_way_in_it() -> None:
    params = TOUR | {"optimize_order": True, "mode": "walk"}
    assert built("compute_routes", params) == HttpCall(
        "GET",
        "https://wps.hereapi.com/v8/findsequence2",
        query=(
            ("start", "43.734000,7.421000"),
            ("destination1", "43.736000,7.430000"),
            ("destination2", "43.738000,7.424000"),
            ("end", "43.744000,7.431000"),
            ("mode", "fastest;pedestrian;traffic:disabled"),
            ("improveFor", "time"),
        ),
        secrets=KEY,
    )
    vias = [value for name, value in built("compute_routes", params, ORDER).query if name == "via"]
    assert vias == ["43.738000,7.424000", "43.736000,7.430000"]
    assert "/v8/routes" in built("compute_routes", params | {"intermediates": BETWEEN[:1]}).url


def test_a_matrix_is_synchronous() -> None:
    call = built("travel_matrix", PAIRS | {"avoid": ["ferries"]})
    assert call.query == (("async", "false"),)
    assert call.json["avoid"] == {"features": ["ferry"]}
    assert len(call.json["origins"]) == len(call.json["destinations"]) == 2


def test_places_along_a_way_are_browsed_in_its_corridor_and_measured_by_matrix() -> None:
    params = ALONG | {"avoid": ["tolls"]}
    search = built("search_along_route", params, ways(DIRECT))
    assert search.url == "https://browse.search.hereapi.com/v1/browse"
    assert search.query == (
        ("at", "43.734000,7.421000"),
        ("route", flexpolyline.encode([CENTER, MIDDLE, END]) + ";w=1000"),
        ("limit", "20"),
        ("categories", "100-1100"),
        ("lang", "en"),
    )
    words = built("search_along_route", WAY | {"keyword": "tea"}, ways(DIRECT))
    assert words.url == "https://discover.search.hereapi.com/v1/discover"
    assert ("q", "tea") in words.query
    there, onward = calls("search_along_route", params, ways(DIRECT), found(FAR, NEAR))
    assert there.json["origins"] == [{"lat": 43.734, "lng": 7.421}]
    assert onward.json["destinations"] == [{"lat": 43.744, "lng": 7.431}]
    assert there.json["destinations"] == onward.json["origins"]
    assert there.json["avoid"] == onward.json["avoid"] == {"features": ["tollRoad"]}
    crowd = found(*[FAR] * 20)
    assert [len(call.json["origins"]) for call in calls("search_along_route", params, ways(DIRECT), crowd)] == [
        1,
        15,
        5,
    ]
    assert calls("search_along_route", params, ways(DIRECT), found(BARE), TO_CAFES, {}) == ()


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("nearby_search", HERE | {"type": "bench"}, "no category for bench"),
        ("nearby_search", CAFES | {"rank": "prominence"}, "rank distance"),
        ("nearby_search", CAFES | {"min_rating": 4}, "no ratings"),
        ("nearby_search", CAFES | {"price_levels": [1]}, "no price levels"),
        ("nearby_search", CAFES | {"cuisine": "pizza"}, "cuisine"),
        ("nearby_search", CAFES | {"wheelchair": True}, "wheelchair"),
        ("nearby_search", CAFES | {"open_at": "2026-05-01T12:00"}, "open_at"),
        ("nearby_search", CAFES | {"travel_mode": "transit"}, "no transit"),
        ("compute_routes", WAY | {"mode": "motorcycle"}, "no motorcycle"),
        ("compute_routes", WAY | {"origin": {"place_id": "here:x"}}, "coordinates only"),
        ("compute_routes", WAY | {"mode": "walk", "avoid": ["ferries"]}, "only for drive"),
        ("compute_routes", TOUR | {"alternatives": 1}, "only between two stops"),
        ("compute_routes", TOUR | {"optimize_order": True, "avoid": ["tolls"]}, "looks for an order"),
        ("compute_routes", TOUR | {"optimize_order": True, "mode": "bicycle"}, "drive and walk only"),
        ("travel_matrix", {"origins": [HERE] * 16, "destinations": [THERE]}, "at most 15 origins"),
        ("travel_matrix", PAIRS | {"origins": [{"place_id": "here:x"}]}, "coordinates only"),
        ("search_along_route", ALONG | {"min_rating": 4}, "no ratings"),
        ("search_along_route", ALONG | {"rank": "prominence"}, "prominent"),
        ("search_along_route", WAY | {"type": "bench"}, "no category for bench"),
        ("search_along_route", ALONG | {"mode": "transit"}, "no transit"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_reason(tool: ToolName, params: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedError, match=why):
        built(tool, params)


def test_errors_are_told_in_heres_words() -> None:
    here = Here()
    body = b'{"title": "Malformed request", "status": 400, "cause": "at: missing", "action": "Give at."}'
    assert here.error_message(HttpResponse(400, body)) == "Malformed request: at: missing"
    body = b'{"error": "Unauthorized", "error_description": "apiKey invalid."}'
    assert here.error_message(HttpResponse(401, body)) == "Unauthorized: apiKey invalid."
    assert here.error_message(HttpResponse(502, b"<html>")) == ""


def test_every_category_is_read_as_the_type_that_it_is_asked_for_by() -> None:
    for key, ids in HERE_CATEGORIES.items():
        for category in ids:
            assert key in canonical_types([category if len(category) > 8 else f"{category}-0001"])


def test_an_address_of_ones_own_takes_all_services_by_their_paths() -> None:
    own = "http://127.0.0.1:9000"
    assert built("compute_routes", WAY, base_url=own).url == f"{own}/v8/routes"
    assert built("nearby_search", CAFES, base_url=own).url == f"{own}/v1/browse"
    assert built("text_search", {"query": "x"}, base_url="http://{service}.test").url == (
        "http://geocode.search.test/v1/geocode"
    )


def test_its_terms_are_code() -> None:
    policy = Here.info.policy
    assert (policy.storage, policy.ttl_s, policy.export) == ("expire", 30 * 86400, "ids_only")
    assert policy.evaluation == "needs_consent"
    assert Here.info.is_commercial


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (found(NEAR, FAR, NEAR), ("here:pds:place:near", "here:pds:place:far")),
        (DETAILS, ("here:pds:place:near",)),
        (ways(DIRECT), ()),
        ("<html>", ()),
    ],
)
def test_places_have_ids(body: Any, ids: tuple[str, ...]) -> None:
    (response,) = Case("", "text_search", {}, ((200, body),)).responses()
    assert Here().place_ids(response) == ids


def test_a_flexible_polyline_may_have_heights() -> None:
    heights = flexpolyline.encode([(43.734, 7.421, 12.0), (43.735, 7.422, 13.0)], third_dim=flexpolyline.ALTITUDE)
    assert from_flexible(heights) == [(43.734, 7.421), (43.735, 7.422)]
    assert from_flexible(flexible([CENTER, END])) == [CENTER, END]


@pytest.mark.parametrize("encoded", ["", "B", "BF", "_p~iF~ps|U", "é", "B" + "z" * 40])
def test_a_shape_that_is_no_flexible_polyline_is_an_error_of_here(encoded: str) -> None:
    with pytest.raises(UpstreamFormatError):
        from_flexible(encoded)
