"""The canonical tools over HTTP: every tool, every way to ask wrongly, and what an answer says of itself."""

import hashlib
import json
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from annotator.maps.params import PARAMS, ToolName
from annotator.maps.results import PlaceList
from annotator.web.tools import EXAMPLES
from tests.annotator.program import Annotator

LOCAL = ("distance_bearing", "open_at")


@pytest.fixture(scope="module")
def center(annotator_server: Annotator) -> dict[str, float]:
    """The middle of the embedded town."""
    lat, lon = httpx.get(f"{annotator_server.url}/api/maps").json()["maps"][0]["center"]
    return {"lat": lat, "lon": lon}


@pytest.fixture(scope="module")
def places(annotator_server: Annotator, center: dict[str, float]) -> list[dict[str, Any]]:
    """Restaurants of the embedded town, nearest to its middle first."""
    found = annotator_server.tool("nearby_search", {**center, "type": "restaurant", "radius_m": 5000}).json()
    assert len(found["result"]["places"]) >= 5
    return list(found["result"]["places"])


def test_every_tool_answers_from_the_town_with_provenance(
    annotator_server: Annotator, center: dict[str, float], places: list[dict[str, Any]]
) -> None:
    stop, other = ({"place_id": place["pid"]} for place in (places[0], places[-1]))
    asked: dict[str, dict[str, Any]] = {
        "text_search": {"query": "pharmacy"},
        "place_details": stop,
        "reverse_geocode": center,
        "nearby_search": {**center, "type": "cafe"},
        "compute_routes": {"origin": stop, "destination": other, "mode": "walk"},
        "travel_matrix": {"origins": [stop], "destinations": [other, center]},
        "search_along_route": {"origin": stop, "destination": other, "type": "cafe"},
        "distance_bearing": {"origin": center, "destination": {"lat": places[0]["lat"], "lon": places[0]["lon"]}},
        "open_at": {"opening_hours": "Mo-Fr 09:00-18:00", "at": "2026-11-24T10:00", **center},
    }
    assert asked.keys() == PARAMS.keys()
    for tool, params in asked.items():
        response = annotator_server.tool(tool, params)
        assert response.status_code == 200, (tool, response.text)
        answer = response.json()
        assert answer["tool"] == tool
        assert answer["provider"] == ("local" if tool in LOCAL else "town")
        (exchange,) = answer["provenance"]["exchanges"]
        body = httpx.get(f"{annotator_server.url}/x/{exchange['body_sha']}")
        assert hashlib.sha256(body.content).hexdigest() == exchange["body_sha"]
        result = httpx.get(f"{annotator_server.url}/x/{answer['provenance']['result_sha']}")
        assert hashlib.sha256(result.content).hexdigest() == answer["provenance"]["result_sha"]
        assert answer["provenance"]["attribution"]
        assert exchange["data_vintage"]


def test_the_second_asking_is_a_hit_with_the_same_bytes_and_the_order_of_fields_does_not_matter(
    annotator_server: Annotator, center: dict[str, float]
) -> None:
    params = {**center, "type": "bank", "radius_m": 1234}
    first = annotator_server.tool("nearby_search", params).json()
    again = annotator_server.tool("nearby_search", dict(reversed(params.items()))).json()
    assert (first["outcome"], again["outcome"]) == ("miss", "hit")
    assert first["result"] == again["result"]
    assert first["provenance"]["exchanges"][0]["id"] == again["provenance"]["exchanges"][0]["id"]


def test_coordinates_that_differ_below_a_decimetre_are_the_same_request(
    annotator_server: Annotator, center: dict[str, float]
) -> None:
    first = annotator_server.tool("reverse_geocode", center).json()
    moved = {name: value + 2e-8 for name, value in center.items()}
    again = annotator_server.tool("reverse_geocode", moved).json()
    assert again["outcome"] == "hit"
    assert again["provenance"]["exchanges"][0]["request_hash"] == first["provenance"]["exchanges"][0]["request_hash"]


def test_replay_answers_what_was_recorded_and_refuses_what_was_not(
    annotator_server: Annotator, center: dict[str, float]
) -> None:
    params = {**center, "type": "library", "radius_m": 4321}
    missing = annotator_server.tool("nearby_search", params, mode="replay")
    assert missing.status_code == 409
    assert missing.json()["error"]["code"] == "offline_miss"
    recorded = annotator_server.tool("nearby_search", params).json()
    replayed = annotator_server.tool("nearby_search", params, mode="replay").json()
    assert replayed["outcome"] == "replay"
    assert replayed["result"] == recorded["result"]


def test_a_refresh_adds_an_exchange_and_says_that_nothing_changed(
    annotator_server: Annotator, center: dict[str, float]
) -> None:
    params = {**center, "type": "museum", "radius_m": 4000}
    old = annotator_server.tool("nearby_search", params).json()["provenance"]["exchanges"][0]
    new = annotator_server.tool("nearby_search", params, mode="refresh").json()
    assert new["outcome"] == "refresh"
    exchange = new["provenance"]["exchanges"][0]
    assert exchange["id"] != old["id"]
    assert exchange["changes"] == []
    history = httpx.get(f"{annotator_server.url}/api/exchanges/{exchange['id']}").json()["history"]
    assert [item["id"] for item in history] == [exchange["id"], old["id"]]


def test_live_records_nothing(annotator_server: Annotator, center: dict[str, float]) -> None:
    params = {**center, "type": "theatre", "radius_m": 3999}
    live = annotator_server.tool("nearby_search", params, mode="live").json()
    assert live["outcome"] == "live"
    assert "id" not in live["provenance"]["exchanges"][0]
    assert annotator_server.tool("nearby_search", params, mode="replay").status_code == 409


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"lat": 95, "lon": 7}, "lat: must be from -90 to 90 degrees, not 95; did you swap lat and lon?"),
        ({"lat": 43.7, "lon": 200}, "lon: must be from -180 to 180 degrees"),
        ({"lat": "north", "lon": 7}, "lat: must be a number of degrees"),
        ({"lat": True, "lon": 7}, "lat: must be a number of degrees"),
        ({"lon": 7}, "lat: is missing"),
        ({"lat": 43.7, "lon": 7.4, "radius": 5}, "radius: is not a parameter of this tool"),
        ({"lat": 43.7, "lon": 7.4, "radius_m": 0}, "radius_m: input should be greater than 0"),
        ({"lat": 43.7, "lon": 7.4, "type": "caffe"}, "'caffe' is not a place type"),
        ({"lat": 43.7, "lon": 7.4, "keyword": " \t "}, "keyword: must not be empty"),
        ({"lat": 43.7, "lon": 7.4, "keyword": "a\x00b"}, "control characters"),
        ({"lat": 43.7, "lon": 7.4, "keyword": "x" * 257}, "keyword: string should have at most 256 characters"),
        ({"lat": 43.7, "lon": 7.4, "language": "English!"}, "language"),
        ({"lat": 43.7, "lon": 7.4, "min_rating": 4}, "rating"),
        ([], "input should be"),
        ("text", "input should be"),
        (None, "field required"),
    ],
)
def test_bad_parameters_are_a_400_that_says_which_and_what_to_do(
    annotator_server: Annotator, params: object, words: str
) -> None:
    response = httpx.post(f"{annotator_server.url}/api/tools/nearby_search", json=params)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert words in error["message"] or (words == "field required" and "missing" in error["message"]), error
    assert "\n" not in error["message"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(annotator_server: Annotator, number: str) -> None:
    body = f'{{"lat": {number}, "lon": 7.4}}'
    headers = {"content-type": "application/json"}
    response = httpx.post(f"{annotator_server.url}/api/tools/reverse_geocode", content=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "bad_input"


def test_swapped_coordinates_are_told_where_they_would_have_been_right(
    annotator_server: Annotator, center: dict[str, float]
) -> None:
    response = annotator_server.tool("nearby_search", {"lat": center["lon"], "lon": center["lat"]})
    assert response.status_code == 400
    assert "swap" in response.json()["error"]["message"]


def test_a_place_id_of_another_provider_is_refused_with_both_names(annotator_server: Annotator) -> None:
    response = annotator_server.tool("place_details", {"place_id": "google:ChIJabc"})
    assert response.status_code == 400
    message = response.json()["error"]["message"]
    assert "google" in message
    assert "town:" in message


def test_a_place_that_does_not_exist_is_an_answer(annotator_server: Annotator) -> None:
    answer = annotator_server.tool("place_details", {"place_id": "town:n999999999"}).json()
    assert answer["result"] == {"kind": "place"}


@pytest.mark.parametrize("size", [10 * 2**20, 2**20 + 1])
def test_a_huge_body_is_a_413_before_it_is_read(annotator_server: Annotator, size: int) -> None:
    body = json.dumps({"query": "x" * size})
    try:
        response = httpx.post(f"{annotator_server.url}/api/tools/text_search", content=body, timeout=30)
    except httpx.TransportError:
        # The server may hang up while the rest is still being sent; what matters is that it goes on.
        pass
    else:
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "too_large"
    assert httpx.get(f"{annotator_server.url}/health/live").status_code == 200


@pytest.mark.parametrize(
    "query", ["'; DROP TABLE exchange; --", '" OR 1=1', "NEAR(", "a*b^c:d", "%_\\", "🏴‍☠️", "ﷺ" * 50]
)
def test_no_query_breaks_the_search(annotator_server: Annotator, query: str) -> None:
    response = annotator_server.tool("text_search", {"query": query})
    assert response.status_code == 200, response.text
    PlaceList.model_validate(response.json()["result"])


def test_unknown_tools_providers_and_modes_are_told_what_there_is(annotator_server: Annotator) -> None:
    unknown_tool = annotator_server.tool("fly", {})
    assert unknown_tool.status_code == 404
    unknown_provider = annotator_server.tool("text_search", {"query": "x"}, provider="nowhere")
    assert unknown_provider.status_code == 404
    assert "mapqator providers" in unknown_provider.json()["error"]["message"]
    unknown_mode = annotator_server.tool("text_search", {"query": "x"}, mode="guess")
    assert unknown_mode.status_code == 400
    assert "record" in unknown_mode.json()["error"]["message"]


def test_a_provider_that_is_not_enabled_says_what_is_missing(annotator_server: Annotator) -> None:
    response = annotator_server.tool("text_search", {"query": "x"}, provider="google")
    assert response.status_code == 403
    message = response.json()["error"]["message"]
    assert "MAPQATOR_ENABLE" in message
    assert "GOOGLE_MAPS_API_KEY" in message


def test_a_client_can_neither_supply_a_url_nor_name_a_secret(annotator_server: Annotator) -> None:
    for extra in ({"url": "http://169.254.169.254/"}, {"base_url": "http://127.0.0.1"}, {"key": "key:HOME"}):
        response = annotator_server.tool("text_search", {"query": "x", **extra})
        assert response.status_code == 400
        assert "is not a parameter of this tool" in response.json()["error"]["message"]


def test_fifty_callers_at_once_share_one_recording(annotator_server: Annotator, center: dict[str, float]) -> None:
    params = {**center, "type": "hotel", "radius_m": 3210}
    with ThreadPoolExecutor(50) as pool:
        answers = [
            future.json() for future in pool.map(lambda _: annotator_server.tool("nearby_search", params), range(50))
        ]
    assert len({answer["provenance"]["exchanges"][0]["id"] for answer in answers}) == 1
    assert sum(answer["outcome"] == "miss" for answer in answers) == 1


def test_the_description_documents_every_tool_with_an_example_that_has_its_shape(annotator_server: Annotator) -> None:
    spec = httpx.get(f"{annotator_server.url}/openapi.json").json()
    for tool, model in PARAMS.items():
        operation = spec["paths"][f"/api/tools/{tool}"]["post"]
        assert operation["summary"]
        content = operation["requestBody"]["content"]["application/json"]
        assert content["examples"]["example"]["value"] == EXAMPLES[tool]
        model.model_validate(EXAMPLES[tool])
        assert {"200", "400", "404", "502"} <= operation["responses"].keys()


@pytest.mark.parametrize("tool", EXAMPLES)
def test_every_documented_example_finds_something_in_the_embedded_town(
    annotator_server: Annotator, tool: ToolName
) -> None:
    result = annotator_server.tool(tool, EXAMPLES[tool]).json()["result"]
    content = {"places": "places", "place": "place", "routes": "routes", "matrix": "cells", "along_route": "places"}
    assert result.get(content.get(result["kind"], "kind")), result


def test_distances_agree_with_the_tool_that_computes_them(
    annotator_server: Annotator, center: dict[str, float], places: list[dict[str, Any]]
) -> None:
    for place in places[:5]:
        there = {"lat": place["lat"], "lon": place["lon"]}
        straight = annotator_server.tool("distance_bearing", {"origin": center, "destination": there}).json()["result"]
        assert math.isclose(straight["distance_m"], place["distance_m"], abs_tol=0.2)
