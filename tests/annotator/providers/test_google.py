"""Google: what is asked, what is refused, what it says when something is wrong, and what may stay of its answers."""

from typing import Any

import pytest
from answers_google import ALONG, DETAILS, GEOCODED, HERE, NEAR, PAIRS, ROUTE, TOUR, WAY
from provider_case import Case

from annotator.errors import InputError, UnsupportedError
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.google import Google

KEY = (Secret("GOOGLE_MAPS_API_KEY", "x-goog-api-key"),)
PLACE_FIELDS = (
    "places.businessStatus,places.displayName,places.formattedAddress,places.id,places.location,places.priceLevel,"
    "places.primaryType,places.rating,places.types,places.userRatingCount"
)
ROUTE_FIELDS = (
    "routes.description,routes.distanceMeters,routes.duration,routes.legs.distanceMeters,routes.legs.duration,"
    "routes.legs.steps.distanceMeters,routes.legs.steps.navigationInstruction,routes.legs.steps.staticDuration,"
)
CENTER = {"latitude": 43.734, "longitude": 7.421}
HERE_STOP = {"location": {"latLng": CENTER}}
THERE_STOP = {"location": {"latLng": {"latitude": 43.744, "longitude": 7.431}}}


def built(tool: ToolName, params: dict[str, Any], *answers: Any, base_url: str | None = None) -> HttpCall:
    responses = Case("", tool, params, tuple((200, answer) for answer in answers)).responses()
    (call,) = Google(base_url).build(tool, PARAMS[tool].model_validate(params), responses)
    return call


def refused(tool: ToolName, params: dict[str, Any]) -> str:
    with pytest.raises(UnsupportedError) as error:
        built(tool, params)
    return error.value.message


def test_a_text_search_leans_towards_a_centre() -> None:
    assert built("text_search", HERE | {"query": "coffee", "limit": 3, "language": "fr"}) == HttpCall(
        "POST",
        "https://places.googleapis.com/v1/places:searchText",
        headers={"x-goog-fieldmask": PLACE_FIELDS},
        json={
            "textQuery": "coffee",
            "languageCode": "fr",
            "pageSize": 20,
            "locationBias": {"circle": {"center": CENTER, "radius": 5000.0}},
        },
        secrets=KEY,
    )


def test_a_text_search_with_a_radius_is_restricted_to_a_box_around_the_circle() -> None:
    body = built("text_search", HERE | {"query": "coffee", "radius_m": 1000}).json
    box = body["locationRestriction"]["rectangle"]
    assert box["low"] == {"latitude": 43.725007, "longitude": pytest.approx(7.408555, abs=2e-6)}
    assert "locationBias" not in body


def test_the_nearest_of_a_type_are_asked_of_nearby_search() -> None:
    assert built("nearby_search", HERE | {"type": "place_of_worship", "radius_m": 800}) == HttpCall(
        "POST",
        "https://places.googleapis.com/v1/places:searchNearby",
        headers={"x-goog-fieldmask": PLACE_FIELDS},
        json={
            "languageCode": "en",
            "locationRestriction": {"circle": {"center": CENTER, "radius": 800.0}},
            "maxResultCount": 20,
            "rankPreference": "DISTANCE",
            "includedTypes": ["church", "hindu_temple", "mosque", "synagogue"],
        },
        secrets=KEY,
    )


def test_travel_times_are_asked_for_from_the_centre_without_traffic() -> None:
    call = built("nearby_search", HERE | {"travel_mode": "drive", "rank": "prominence"})
    assert call.headers["x-goog-fieldmask"] == PLACE_FIELDS + ",routingSummaries"
    assert call.json["routingParameters"] == {
        "travelMode": "DRIVE",
        "routingPreference": "TRAFFIC_UNAWARE",
        "origin": CENTER,
    }
    assert call.json["rankPreference"] == "POPULARITY"
    on_foot = built("nearby_search", HERE | {"travel_mode": "walk"}).json["routingParameters"]
    assert on_foot == {"travelMode": "WALK", "origin": CENTER}


def test_words_ratings_and_prices_are_asked_of_text_search() -> None:
    params = HERE | {"type": "restaurant", "keyword": "terrace", "min_rating": 4.2, "price_levels": [2, 1]}
    call = built("nearby_search", params)
    assert call.url.endswith("/v1/places:searchText")
    assert call.json == {
        "languageCode": "en",
        "textQuery": "terrace",
        "pageSize": 20,
        "includedType": "restaurant",
        "strictTypeFiltering": True,
        "minRating": 4.0,
        "priceLevels": ["PRICE_LEVEL_INEXPENSIVE", "PRICE_LEVEL_MODERATE"],
        "locationBias": {"circle": {"center": CENTER, "radius": 1000.0}},
        "rankPreference": "DISTANCE",
    }


def test_prominent_places_by_words_are_restricted_to_a_box() -> None:
    body = built("nearby_search", HERE | {"keyword": "terrace", "rank": "prominence"}).json
    assert set(body["locationRestriction"]) == {"rectangle"}
    assert body["rankPreference"] == "RELEVANCE"


def test_a_type_that_is_several_at_google_is_picked_from_the_answer() -> None:
    body = built("nearby_search", HERE | {"type": "cafe", "min_rating": 4}).json
    assert body["textQuery"] == "cafe"
    assert "includedType" not in body


def test_a_cuisine_is_a_type_of_restaurant() -> None:
    assert built("nearby_search", HERE | {"cuisine": "Middle_Eastern"}).json["includedTypes"] == [
        "middle_eastern_restaurant"
    ]
    body = built("nearby_search", HERE | {"cuisine": "pizza", "type": "restaurant", "min_rating": 4}).json
    assert (body["textQuery"], body["includedType"]) == ("pizza restaurant", "pizza_restaurant")


def test_details_are_asked_by_id() -> None:
    call = built("place_details", {"place_id": "google:ChIJ_a-1", "language": "de"})
    assert (call.method, call.url) == ("GET", "https://places.googleapis.com/v1/places/ChIJ_a-1")
    assert call.query == (("languageCode", "de"),)
    assert call.secrets == KEY
    fields = call.headers["x-goog-fieldmask"].split(",")
    assert fields == sorted(fields)
    assert {"id", "location", "regularOpeningHours.weekdayDescriptions"} <= set(fields)


@pytest.mark.parametrize("place_id", ["google:../../x", "google:ChIJ/photos", "osm:n1", "google:ChIJ?key=1"])
def test_an_id_that_is_none_of_googles_asks_nothing(place_id: str) -> None:
    with pytest.raises(InputError):
        built("place_details", {"place_id": place_id})


def test_an_address_is_asked_of_the_geocoding_api_with_the_key_in_the_query() -> None:
    assert built("reverse_geocode", HERE) == HttpCall(
        "GET",
        "https://maps.googleapis.com/maps/api/geocode/json",
        query=(("latlng", "43.734000,7.421000"), ("language", "en")),
        secrets=(Secret("GOOGLE_MAPS_API_KEY", "key", "query"),),
    )


def test_a_way_is_asked_for_without_traffic() -> None:
    assert built("compute_routes", WAY | {"avoid": ["tolls", "ferries"], "alternatives": 1}) == HttpCall(
        "POST",
        "https://routes.googleapis.com/directions/v2:computeRoutes",
        headers={"x-goog-fieldmask": ROUTE_FIELDS + "routes.polyline.encodedPolyline,routes.warnings"},
        json={
            "origin": HERE_STOP,
            "destination": THERE_STOP,
            "travelMode": "DRIVE",
            "languageCode": "en",
            "units": "METRIC",
            "routeModifiers": {"avoidFerries": True, "avoidTolls": True},
            "routingPreference": "TRAFFIC_UNAWARE",
            "computeAlternativeRoutes": True,
        },
        secrets=KEY,
    )
    assert "routingPreference" not in built("compute_routes", WAY | {"mode": "bicycle"}).json


def test_a_tour_takes_places_by_id_and_asks_for_the_best_order() -> None:
    call = built("compute_routes", TOUR | {"optimize_order": True})
    assert call.json["intermediates"] == [
        {"location": {"latLng": {"latitude": 43.736, "longitude": 7.43}}},
        {"placeId": "ChIJfountain"},
    ]
    assert call.json["optimizeWaypointOrder"] is True
    assert "routes.optimizedIntermediateWaypointIndex" in call.headers["x-goog-fieldmask"]


def test_a_matrix_is_asked_for_in_one_request() -> None:
    assert built("travel_matrix", PAIRS | {"mode": "motorcycle"}) == HttpCall(
        "POST",
        "https://routes.googleapis.com/distanceMatrix/v2:computeRouteMatrix",
        headers={"x-goog-fieldmask": "condition,destinationIndex,distanceMeters,duration,originIndex,status"},
        json={
            "origins": [{"waypoint": HERE_STOP}, {"waypoint": THERE_STOP}],
            "destinations": [{"waypoint": THERE_STOP}, {"waypoint": {"placeId": "ChIJharbour"}}],
            "travelMode": "TWO_WHEELER",
            "routingPreference": "TRAFFIC_UNAWARE",
        },
        secrets=KEY,
    )


def test_places_along_a_route_are_asked_for_with_the_shape_of_the_way() -> None:
    params = WAY | {"type": "pharmacy", "avoid": ["highways"], "min_rating": 4.9, "language": "it"}
    assert built("search_along_route", params).url.endswith(":computeRoutes")
    call = built("search_along_route", params, {"routes": [ROUTE]})
    assert call.url == "https://places.googleapis.com/v1/places:searchText"
    assert call.headers["x-goog-fieldmask"] == PLACE_FIELDS + ",routingSummaries"
    assert call.json == {
        "textQuery": "pharmacy",
        "languageCode": "it",
        "pageSize": 20,
        "searchAlongRouteParameters": {"polyline": ROUTE["polyline"]},
        "routingParameters": {
            "travelMode": "DRIVE",
            "routingPreference": "TRAFFIC_UNAWARE",
            "routeModifiers": {"avoidHighways": True},
        },
        "includedType": "pharmacy",
        "strictTypeFiltering": True,
        "minRating": 4.5,
    }


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("nearby_search", HERE | {"type": "bench"}, "no type for bench"),
        ("nearby_search", HERE | {"limit": 21}, "at most 20"),
        ("nearby_search", HERE | {"open_at": "2026-05-01T12:00"}, "open_at"),
        ("nearby_search", HERE | {"wheelchair": True}, "wheelchair"),
        ("nearby_search", HERE | {"cuisine": "lunar"}, "no cuisine 'lunar'"),
        ("nearby_search", HERE | {"cuisine": "pizza", "type": "cafe"}, "restaurants only"),
        ("nearby_search", HERE | {"type": "bar", "price_levels": [0]}, "free"),
        ("nearby_search", HERE | {"min_rating": 4}, "a type or a keyword"),
        ("nearby_search", HERE | {"travel_mode": "transit"}, "no transit times"),
        ("nearby_search", {"lat": 89.9, "lon": 0, "keyword": "igloo", "rank": "prominence", "radius_m": 50000}, "pole"),
        ("text_search", {"lat": 0, "lon": 180, "query": "reef", "radius_m": 1000}, "180th meridian"),
        ("compute_routes", TOUR | {"alternatives": 1}, "only between two stops"),
        ("compute_routes", TOUR | {"mode": "transit"}, "leave out intermediates"),
        ("compute_routes", WAY | {"mode": "walk", "avoid": ["ferries"]}, "leave out avoid"),
        ("travel_matrix", PAIRS | {"avoid": ["tolls"]}, "avoids nothing"),
        ("travel_matrix", {"origins": [HERE] * 11, "destinations": [HERE] * 10, "mode": "transit"}, "not 110"),
        ("search_along_route", WAY | {"type": "cafe", "rank": "prominence"}, "prominent"),
        ("search_along_route", WAY | {"type": "bench"}, "no type for bench"),
        ("search_along_route", WAY | {"type": "cafe", "mode": "walk"}, "drive only"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_reason(tool: ToolName, params: dict[str, Any], why: str) -> None:
    assert why in refused(tool, params)


def test_errors_are_told_in_googles_words() -> None:
    google = Google()
    body = b'[{"error": {"code": 400, "message": "Too many elements.", "status": "INVALID_ARGUMENT"}}]'
    assert google.error_message(HttpResponse(400, body)) == "INVALID_ARGUMENT: Too many elements."
    body = b'{"status": "REQUEST_DENIED", "error_message": "The provided API key is invalid."}'
    assert google.error_message(HttpResponse(200, body)) == "REQUEST_DENIED: The provided API key is invalid."
    assert google.error_message(HttpResponse(502, b"<html>")) == ""
    assert google.error_message(HttpResponse(500, b"[]")) == ""


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (ALONG, ("ChIJfar", "ChIJnear", "ChIJbare")),
        ({"places": [NEAR, NEAR]}, ("ChIJnear",)),
        (DETAILS, ("ChIJnear",)),
        (GEOCODED, ("ChIJstreet7", "ChIJtown")),
        ({"routes": [ROUTE]}, ()),
        ([], ()),
        ("<html>", ()),
    ],
)
def test_what_may_stay_of_an_expired_answer_is_its_place_ids(body: Any, ids: tuple[str, ...]) -> None:
    (response,) = Case("", "text_search", {}, ((200, body),)).responses()
    assert Google().place_ids(response) == ids


def test_its_terms_are_code() -> None:
    policy = Google.info.policy
    assert (policy.storage, policy.ttl_s, policy.after_expiry) == ("expire", 30 * 86400, "place_ids")
    assert (policy.display, policy.export, policy.evaluation) == ("own_map_only", "ids_only", "needs_consent")
    assert Google.info.is_commercial


def test_an_address_of_ones_own_takes_all_services_by_their_paths() -> None:
    own = "http://127.0.0.1:9000/google"
    assert built("compute_routes", WAY, base_url=own).url == f"{own}/directions/v2:computeRoutes"
    assert built("reverse_geocode", HERE, base_url=f"{own}/").url == f"{own}/maps/api/geocode/json"
    apart = "http://{service}.proxy.test"
    assert built("text_search", {"query": "x"}, base_url=apart).url == "http://places.proxy.test/v1/places:searchText"
