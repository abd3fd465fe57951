"""OSRM: what is asked, what is refused, and what its answers mean."""

from typing import Any

import pytest
from cases_osrm import CASES, step
from monaco import CASINO, GARDEN, HARBOUR, PAIRS, TOUR, WAY
from provider_case import Case

from annotator.errors import UnsupportedError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.osrm import Osrm
from annotator.maps.providers.osrm_text import instruction, ordinal

OWN = "http://127.0.0.1:5000"


def built(tool: ToolName, params: dict[str, Any], base_url: str | None = None) -> HttpCall:
    (call,) = Osrm(base_url).build(tool, PARAMS[tool].model_validate(params))
    return call


def refused(tool: ToolName, params: dict[str, Any], base_url: str | None = None) -> str:
    with pytest.raises(UnsupportedError) as error:
        built(tool, params, base_url)
    return error.value.message


def test_a_route_is_asked_for_with_steps_and_its_whole_shape() -> None:
    assert built("compute_routes", WAY | {"alternatives": 2, "avoid": ["tolls", "ferries"]}) == HttpCall(
        "GET",
        "https://routing.openstreetmap.de/routed-car/route/v1/car/7.427300,43.739600;7.420600,43.734700",
        query=(
            ("steps", "true"),
            ("geometries", "polyline"),
            ("overview", "full"),
            ("generate_hints", "false"),
            ("alternatives", "2"),
            ("exclude", "ferry,toll"),
        ),
    )


def test_an_order_of_visit_is_asked_of_the_trip_service_with_both_ends_fixed() -> None:
    call = built("compute_routes", TOUR | {"optimize_order": True, "mode": "walk"})
    assert call.url.startswith("https://routing.openstreetmap.de/routed-foot/trip/v1/foot/7.427300,43.739600;")
    assert {("roundtrip", "false"), ("source", "first"), ("destination", "last")} <= set(call.query)


def test_one_stop_between_needs_no_order_but_gets_one() -> None:
    params = WAY | {"intermediates": [TOUR["intermediates"][0]], "optimize_order": True}
    assert "/route/v1/" in built("compute_routes", params).url


def test_a_matrix_is_one_table_of_origins_then_destinations() -> None:
    assert built("travel_matrix", PAIRS | {"mode": "bicycle"}) == HttpCall(
        "GET",
        "https://routing.openstreetmap.de/routed-bike/table/v1/bike/"
        "7.427300,43.739600;7.419700,43.731500;7.427300,43.739600;7.433000,43.745000",
        query=(
            ("sources", "0;1"),
            ("destinations", "2;3"),
            ("annotations", "duration,distance"),
            ("generate_hints", "false"),
        ),
    )


def test_a_server_of_ones_own_answers_the_mode_that_it_holds() -> None:
    assert built("compute_routes", WAY, OWN).url.startswith(f"{OWN}/route/v1/car/")
    assert "{profile}" in refused("compute_routes", WAY | {"mode": "walk"}, OWN)
    assert built("compute_routes", WAY | {"mode": "walk"}, OWN + "/{profile}").url.startswith(f"{OWN}/foot/route/")


@pytest.mark.parametrize(
    ("params", "why"),
    [
        (WAY | {"mode": "transit"}, "OSRM has no transit"),
        (WAY | {"mode": "motorcycle"}, "OSRM has no motorcycle"),
        (WAY | {"language": "fr"}, "English"),
        (TOUR | {"alternatives": 1}, "only between two stops"),
        (WAY | {"origin": {"place_id": "osm:n1"}}, "coordinates only, not 'osm:n1'"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_reason(params: dict[str, Any], why: str) -> None:
    assert why in refused("compute_routes", params)


def test_a_matrix_of_places_by_id_is_refused() -> None:
    assert "place_details" in refused("travel_matrix", PAIRS | {"origins": [{"place_id": "osm:n1"}]})


def test_errors_are_told_in_the_servers_words_and_what_to_do() -> None:
    body = b'{"code":"InvalidValue","message":"Exclude flag combination is not supported."}'
    message = Osrm().error_message(HttpResponse(400, body))
    assert message == (
        "InvalidValue: Exclude flag combination is not supported. "
        "This server's profile cannot avoid that; leave it out of avoid"
    )
    assert Osrm().error_message(HttpResponse(502, b"<html>bad gateway</html>")) == ""


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (step("turn", "slight right", "Quai Antoine Ier", 1, 1), "Bear right onto Quai Antoine Ier."),
        (step("turn", "uturn", "", 1, 1), "Make a U-turn."),
        (step("new name", "straight", "Rue Grimaldi", 1, 1), "Continue onto Rue Grimaldi."),
        (step("continue", "left", "Rue Grimaldi", 1, 1), "Turn left to stay on Rue Grimaldi."),
        (step("continue", "straight", "Rue Grimaldi", 1, 1), "Continue straight on Rue Grimaldi."),
        (step("merge", "slight left", "", 1, 1, ref="A 8"), "Merge left onto A 8."),
        (
            step("off ramp", "slight right", "", 1, 1, exits="56", destinations="A500: Monaco"),
            "Take exit 56 on the right towards A500: Monaco.",
        ),
        (step("on ramp", "right", "A 500", 1, 1), "Take the ramp on the right onto A 500."),
        (step("fork", "slight left", "Tunnel Albert II", 1, 1), "Keep left at the fork onto Tunnel Albert II."),
        (step("end of road", "right", "Rue Caroline", 1, 1), "At the end of the road turn right onto Rue Caroline."),
        (
            step("rotary", "right", "Avenue du Port", 1, 1, rotary_name="Place d'Armes", maneuver={"exit": 3}),
            "Enter Place d'Armes and take the 3rd exit onto Avenue du Port.",
        ),
        (step("roundabout", "right", "", 1, 1), "Enter the roundabout."),
        (step("exit roundabout", "right", "Avenue du Port", 1, 1), "Leave the roundabout onto Avenue du Port."),
        (step("roundabout turn", "left", "", 1, 1), "At the roundabout turn left."),
        (step("a new kind", "left", "Rue Caroline", 1, 1), "Turn left onto Rue Caroline."),
        (step("arrive", None, "", 0, 0), "Arrive at your destination."),
        ({}, "Continue."),
    ],
)
def test_a_maneuver_reads_as_a_sentence(raw: dict[str, Any], text: str) -> None:
    assert instruction(raw) == text


def test_ordinals_are_english() -> None:
    assert [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th",
    ]  # fmt: skip


def test_stops_far_from_any_road_are_named() -> None:
    asked = {"origin": {"lat": 43.70, "lon": 7.45}, "destination": {"lat": GARDEN[0], "lon": GARDEN[1]}}
    body: dict[str, Any] = {
        "code": "Ok",
        "routes": CASES[0].answers[0][1]["routes"],
        "waypoints": [
            {"location": [CASINO[1], CASINO[0]]},
            {"location": [HARBOUR[1], HARBOUR[0]]},
        ],
    }
    case = Case("far", "compute_routes", asked, ((200, body),))
    result: Any = Osrm().parse("compute_routes", case.parsed_params(), case.responses())
    assert [warning.split(" is ")[0] for warning in result.routes[0].warnings] == ["the origin", "the destination"]
