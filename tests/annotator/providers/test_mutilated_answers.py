"""Answers with something missing, doubled, reversed or of another type: adapters of routers say so, or read the rest."""

import copy
import json
from typing import Any

import cases_graphhopper
import cases_osrm
import cases_tomtom
import cases_valhalla
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_case import Case

from annotator.errors import UpstreamError
from annotator.maps.calls import HttpResponse
from annotator.maps.provider import Provider
from annotator.maps.providers.graphhopper import GraphHopper
from annotator.maps.providers.osrm import Osrm
from annotator.maps.providers.tomtom import TomTom
from annotator.maps.providers.valhalla import Valhalla

JUNK: list[Any] = [None, True, -1, 0, 1e308, 10**400, "", "x", "_", "🏝", [], {}, [[]], [None], {"a": 1}, 91.0, -181]


def places_in(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths to everything within a JSON value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, entry in entries for below in places_in(entry, (*path, key)))]


def mutilated(body: Any, data: st.DataObject) -> Any:
    """The body with one thing in it that the documentation does not promise."""
    path = data.draw(st.sampled_from(places_in(body)[1:]))
    body = copy.deepcopy(body)
    around = body
    for step in path[:-1]:
        around = around[step]
    match data.draw(st.sampled_from(["junk", "lost", "twice", "reversed"])):
        case "lost":
            del around[path[-1]]
        case "twice" if isinstance(around, list):
            around.append(around[path[-1]])
        case "reversed" if isinstance(around, list):
            around.reverse()
        case _:
            around[path[-1]] = data.draw(st.sampled_from(JUNK))
    return body


@pytest.mark.parametrize(
    ("provider", "cases"),
    [
        (Osrm(), cases_osrm.CASES),
        (Valhalla(), cases_valhalla.CASES),
        (GraphHopper(), cases_graphhopper.CASES),
        (TomTom(), cases_tomtom.CASES),
    ],
    ids=lambda value: value.info.key if isinstance(value, Provider) else "",
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_an_answer_with_something_wrong_in_it_is_read_or_refused(
    provider: Provider, cases: list[Case], data: st.DataObject
) -> None:
    case = data.draw(st.sampled_from([case for case in cases if isinstance(case.answers[0][1], dict)]))
    answers = [
        HttpResponse(status, json.dumps(mutilated(body, data) if isinstance(body, dict) and body else body).encode())
        for status, body in case.answers
    ]
    for answer in answers:
        provider.error_message(answer)
        provider.place_ids(answer)
    if not all(provider.is_answer(case.tool, answer) for answer in answers):
        return
    params = case.parsed_params()
    try:
        asked = provider.build(case.tool, params)
        while len(asked) < len(answers) and (more := provider.build(case.tool, params, answers[: len(asked)])):
            asked = (*asked, *more)
        result = provider.parse(case.tool, params, answers[: len(asked)])
    except UpstreamError:
        return
    assert type(result).model_validate_json(result.model_dump_json()) == result
