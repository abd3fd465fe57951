"""openrouteservice: what is asked, what is refused, and what its answers mean."""

import json
from typing import Any

import pytest
from cases_openrouteservice import (
    BAD_KEY,
    HERE,
    LEFT_OUT,
    NO_WAY,
    ORDERED,
    PAGE,
    PELIAS_ERROR,
    POIS,
    VISIT,
    collection,
)
from monaco import CASINO, GARDEN, HARBOUR, PAIRS, PALACE, TOUR, WAY, stop

from annotator.errors import UnsupportedError
from annotator.maps.calls import HttpCall, HttpResponse, Secret
from annotator.maps.categories import CATEGORIES
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.openrouteservice import OpenRouteService
from annotator.maps.providers.ors_categories import IDS, ids_of

PUBLIC = "https://api.openrouteservice.org"
KEY = (Secret("OPENROUTESERVICE_API_KEY", "authorization"),)
OSM_ONLY = (("sources", "openstreetmap"),)


def lon_lat(point: tuple[float, float]) -> list[float]:
    return [point[1], point[0]]


def answered(body: Any) -> HttpResponse:
    return HttpResponse(200, json.dumps(body).encode())


def built(tool: ToolName, params: dict[str, Any], *answers: Any, base_url: str | None = None) -> HttpCall:
    (call,) = OpenRouteService(base_url).build(
        tool, PARAMS[tool].model_validate(params), [answered(body) for body in answers]
    )
    return call


def refused(tool: ToolName, params: dict[str, Any]) -> str:
    with pytest.raises(UnsupportedError) as error:
        built(tool, params)
    return error.value.message


def test_places_are_searched_for_in_openstreetmap_alone() -> None:
    assert built("text_search", {"query": "anchor", "limit": 3, "language": "fr"}) == HttpCall(
        "GET",
        f"{PUBLIC}/geocode/search",
        query=(("text", "anchor"), *OSM_ONLY, ("size", "3"), ("lang", "fr")),
        secrets=KEY,
    )
    assert built("text_search", HERE | {"query": "anchor", "radius_m": 750}).query[-5:] == (
        ("focus.point.lat", "43.734700"),
        ("focus.point.lon", "7.420600"),
        ("boundary.circle.lat", "43.734700"),
        ("boundary.circle.lon", "7.420600"),
        ("boundary.circle.radius", "0.75"),
    )


def test_the_places_at_a_position_are_as_many_as_asked_for() -> None:
    assert built("reverse_geocode", HERE | {"limit": 4}) == HttpCall(
        "GET",
        f"{PUBLIC}/geocode/reverse",
        query=(("point.lat", "43.734700"), ("point.lon", "7.420600"), *OSM_ONLY, ("size", "4"), ("lang", "en")),
        secrets=KEY,
    )


def test_what_is_nearby_is_asked_for_by_category_numbers() -> None:
    assert built("nearby_search", HERE | {"type": "newsagent", "radius_m": 250.4, "limit": 5}) == HttpCall(
        "POST",
        f"{PUBLIC}/pois",
        json={
            "request": "pois",
            "geometry": {"geojson": {"type": "Point", "coordinates": [7.4206, 43.7347]}, "buffer": 251},
            "limit": 6,
            "sortby": "distance",
            "filters": {"category_ids": [501, 488]},
        },
        secrets=KEY,
    )
    assert "filters" not in built("nearby_search", HERE).json


def test_what_is_filtered_here_is_filtered_from_all_that_is_around() -> None:
    assert built("nearby_search", HERE | {"type": "cafe", "keyword": "anchor"}).json["limit"] == 2000
    assert built("nearby_search", HERE | {"type": "cafe", "wheelchair": True}).json["limit"] == 2000
    assert built("nearby_search", HERE | {"open_at": "2026-05-05T12:00"}).json["limit"] == 2000


def test_travel_times_are_asked_for_once_the_places_are_known() -> None:
    asked = HERE | {"type": "cafe", "radius_m": 500, "travel_mode": "bicycle", "limit": 2}
    assert built("nearby_search", asked, POIS) == HttpCall(
        "POST",
        f"{PUBLIC}/v2/matrix/cycling-regular",
        json={
            "locations": [lon_lat(HARBOUR), [7.4208, 43.7349], [7.4206, 43.7351]],
            "sources": ["0"],
            "destinations": ["1", "2"],
            "metrics": ["duration", "distance"],
            "units": "m",
        },
        secrets=KEY,
    )
    params = PARAMS["nearby_search"].model_validate(asked)
    assert OpenRouteService().build("nearby_search", params, [answered(collection())]) == ()


def test_a_route_is_asked_for_from_the_public_service_or_ones_own() -> None:
    asked = WAY | {"alternatives": 2, "avoid": ["tolls", "ferries"], "language": "zh-Hans"}
    assert built("compute_routes", asked, base_url="http://127.0.0.1:8080/ors/") == HttpCall(
        "POST",
        "http://127.0.0.1:8080/ors/v2/directions/driving-car/json",
        json={
            "coordinates": [lon_lat(CASINO), lon_lat(HARBOUR)],
            "units": "m",
            "language": "zh-cn",
            "instructions": True,
            "geometry": True,
            "alternative_routes": {"target_count": 3},
            "options": {"avoid_features": ["ferries", "tollways"]},
        },
        secrets=KEY,
    )


def test_the_best_order_is_asked_for_first_and_the_way_in_that_order_then() -> None:
    assert built("compute_routes", ORDERED | {"mode": "walk"}) == HttpCall(
        "POST",
        f"{PUBLIC}/optimization",
        json={
            "jobs": [{"id": 1, "location": lon_lat(GARDEN)}, {"id": 2, "location": lon_lat(HARBOUR)}],
            "vehicles": [{"id": 1, "profile": "foot-walking", "start": lon_lat(CASINO), "end": lon_lat(PALACE)}],
        },
        secrets=KEY,
    )
    assert built("compute_routes", ORDERED, VISIT).json["coordinates"] == [
        lon_lat(point) for point in (CASINO, HARBOUR, GARDEN, PALACE)
    ]
    params = PARAMS["compute_routes"].model_validate(ORDERED)
    assert OpenRouteService().build("compute_routes", params, [answered(LEFT_OUT)]) == ()


def test_one_stop_between_needs_no_order() -> None:
    one = TOUR | {"intermediates": [stop(GARDEN)], "optimize_order": True}
    assert built("compute_routes", one).url == f"{PUBLIC}/v2/directions/driving-car/json"


def test_a_matrix_goes_from_origins_to_destinations() -> None:
    assert built("travel_matrix", PAIRS) == HttpCall(
        "POST",
        f"{PUBLIC}/v2/matrix/driving-car",
        json={
            "locations": [lon_lat(point) for point in (CASINO, PALACE, CASINO, GARDEN)],
            "sources": ["0", "1"],
            "destinations": ["2", "3"],
            "metrics": ["duration", "distance"],
            "units": "m",
        },
        secrets=KEY,
    )


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("nearby_search", HERE | {"radius_m": 2001}, "at most 2000 m"),
        ("nearby_search", HERE | {"type": "office"}, "no category for office"),
        ("nearby_search", HERE | {"rank": "prominence"}, "what is prominent"),
        ("nearby_search", HERE | {"travel_mode": "transit"}, "no transit"),
        ("nearby_search", HERE | {"min_rating": 4}, "no ratings"),
        ("nearby_search", HERE | {"price_levels": [1]}, "no price levels"),
        ("nearby_search", HERE | {"open_at": "1776-07-04T12:00"}, "between the years 1900 and 9900"),
        ("nearby_search", HERE | {"cuisine": "pizza"}, "by cuisine"),
        ("compute_routes", WAY | {"mode": "motorcycle"}, "no motorcycle"),
        ("compute_routes", WAY | {"mode": "walk", "avoid": ["highways"]}, "only for drive"),
        ("compute_routes", WAY | {"alternatives": 3}, "at most 2 alternatives"),
        ("compute_routes", TOUR | {"alternatives": 1}, "only between two stops"),
        ("compute_routes", ORDERED | {"avoid": ["tolls"]}, "order of stops and avoid tolls at once"),
        ("compute_routes", WAY | {"origin": {"place_id": "osm:n1"}}, "coordinates only"),
        ("travel_matrix", PAIRS | {"avoid": ["tolls"]}, "nothing to avoid"),
        ("travel_matrix", PAIRS | {"mode": "transit"}, "no transit"),
    ],
)
def test_what_it_cannot_honour_is_refused_with_the_reason(tool: ToolName, params: dict[str, Any], why: str) -> None:
    assert why in refused(tool, params)


def test_category_numbers_are_of_tags_that_our_types_mean() -> None:
    ours = {tag for category in CATEGORIES.values() for tag in category.osm_tags}
    assert set(IDS) <= ours
    assert len(set(IDS.values())) == len(IDS)
    assert max(len(ids_of(key)) for key in CATEGORIES) <= 5
    without = sorted(key for key in CATEGORIES if not ids_of(key))
    assert " ".join(without) == ("bus_stop car_repair estate_agent industrial market office subway_station theatre")


def test_a_user_reads_openrouteservices_own_words() -> None:
    provider = OpenRouteService()
    assert provider.error_message(answered(NO_WAY)).endswith("2 (7.5 43.8). (2009)")
    assert provider.error_message(answered(BAD_KEY)) == "Access to this API has been disallowed"
    assert provider.error_message(answered(PELIAS_ERROR)) == "invalid param 'point.lat'"
    assert provider.error_message(answered({"message": "no Route matched"})) == "no Route matched"
    assert provider.error_message(HttpResponse(503, PAGE.encode())) == ""
