"""Valhalla: what is asked, what is refused, and what its answers mean."""

from typing import Any

import pytest
from cases_valhalla import TRIP, error
from monaco import CASINO, GARDEN, HARBOUR, PAIRS, PALACE, TOUR, WAY, stop
from provider_case import Case

from annotator.errors import UnsupportedError, UpstreamError
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.params import PARAMS, ToolName
from annotator.maps.providers.valhalla import Valhalla
from annotator.maps.providers.valhalla_shapes import MANEUVERS, narration_language, parse_route

HERE = "https://valhalla1.openstreetmap.de"


def built(tool: ToolName, params: dict[str, Any]) -> HttpCall:
    (call,) = Valhalla().build(tool, PARAMS[tool].model_validate(params))
    return call


def test_a_route_is_asked_for_in_kilometres_with_what_to_avoid_as_costing_options() -> None:
    params = WAY | {"mode": "motorcycle", "avoid": ["tolls", "highways", "ferries"], "alternatives": 2}
    assert built("compute_routes", params) == HttpCall(
        "POST",
        f"{HERE}/route",
        json={
            "locations": [stop(CASINO), stop(HARBOUR)],
            "costing": "motorcycle",
            "costing_options": {"motorcycle": {"use_ferry": 0, "use_highways": 0, "use_tolls": 0}},
            "units": "kilometers",
            "language": "en",
            "alternates": 2,
        },
    )


def test_an_order_of_visit_is_asked_of_the_optimizer() -> None:
    assert built("compute_routes", TOUR | {"optimize_order": True, "mode": "walk", "language": "fr-FR"}) == HttpCall(
        "POST",
        f"{HERE}/optimized_route",
        json={
            "locations": [stop(CASINO), stop(GARDEN), stop(HARBOUR), stop(PALACE)],
            "costing": "pedestrian",
            "units": "kilometers",
            "language": "fr",
        },
    )


def test_one_stop_between_needs_no_optimizer_but_has_an_order() -> None:
    params = WAY | {"intermediates": [stop(GARDEN)], "optimize_order": True}
    assert built("compute_routes", params).url == f"{HERE}/route"
    case = Case("one", "compute_routes", params, ((200, {"trip": TRIP}),))
    result: Any = Valhalla().parse("compute_routes", case.parsed_params(), case.responses())
    assert result.routes[0].waypoint_order == (0,)


def test_a_matrix_is_asked_for_by_sources_and_targets() -> None:
    assert built("travel_matrix", PAIRS | {"mode": "bicycle", "avoid": ["ferries"]}) == HttpCall(
        "POST",
        f"{HERE}/sources_to_targets",
        json={
            "sources": [stop(CASINO), stop(PALACE)],
            "targets": [stop(CASINO), stop(GARDEN)],
            "costing": "bicycle",
            "costing_options": {"bicycle": {"use_ferry": 0}},
            "units": "kilometers",
        },
    )


@pytest.mark.parametrize(
    ("tool", "params", "why"),
    [
        ("compute_routes", WAY | {"mode": "transit"}, "no timetables"),
        ("compute_routes", WAY | {"mode": "walk", "avoid": ["tolls", "highways"]}, "highways and tolls for walk"),
        ("compute_routes", TOUR | {"alternatives": 1}, "only between two stops"),
        ("compute_routes", WAY | {"destination": {"place_id": "google:x"}}, "coordinates only, not 'google:x'"),
        ("travel_matrix", PAIRS | {"mode": "transit"}, "no timetables"),
        ("travel_matrix", PAIRS | {"destinations": [{"place_id": "osm:n1"}]}, "coordinates only, not 'osm:n1'"),
        ("search_along_route", WAY | {"type": "cafe"}, "Valhalla has no search_along_route; it has compute_routes"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_reason(tool: ToolName, params: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedError) as raised:
        built(tool, params)
    assert why in raised.value.message


def test_errors_are_told_in_valhallas_words_and_number() -> None:
    response = Case("error", "compute_routes", WAY, ((400, error(150, "Exceeded max locations: 20")),)).responses()[0]
    assert Valhalla().error_message(response) == "Exceeded max locations: 20 (error 150)"
    assert Valhalla().error_message(HttpResponse(502, b"<html>bad gateway</html>")) == ""
    with pytest.raises(UpstreamError, match="Exceeded max locations"):
        Valhalla().parse("compute_routes", PARAMS["compute_routes"].model_validate(WAY), [response])


@pytest.mark.parametrize(
    ("asked", "sent"), [("en", "en"), ("de-AT", "de"), ("pt-BR", "pt-BR"), ("pt-PT", "pt"), ("en-GB", "en-GB")]
)
def test_a_language_is_sent_in_the_form_that_valhalla_knows(asked: str, sent: str) -> None:
    assert narration_language(asked) == sent


def test_a_maneuver_of_an_unknown_number_has_no_name() -> None:
    numbers: list[Any] = [0, 1, len(MANEUVERS) - 1, len(MANEUVERS), -1, None]
    leg = TRIP["legs"][0]
    maneuvers = [leg["maneuvers"][0] | {"type": number} for number in numbers]
    (route,) = parse_route({"trip": TRIP | {"legs": [leg | {"maneuvers": maneuvers}]}}, "drive")
    assert [step.maneuver for step in route.legs[0].steps] == [None, "start", "building_exit", None, None, None]


def test_stops_far_from_any_road_are_named() -> None:
    locations = [{"lat": 43.70, "lon": 7.45}, TRIP["locations"][1]]
    (route,) = parse_route({"trip": TRIP | {"locations": locations}}, "drive")
    (warning,) = route.warnings
    assert warning.startswith("the origin is 4")
    assert warning.endswith(" m from the road that the way takes")
