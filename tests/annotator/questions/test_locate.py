"""A value of a result is found in the provider's own bytes wherever the adapter left it as it was, and nowhere else."""

import json
from typing import Any

import pytest
import rfc8785
from contract_play import KEYS, OWN, cases, made, play
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_case import Case

from annotator import pointers
from annotator.errors import MapqatorError
from annotator.questions.locate import Found, is_same, locate, name_at, parse, place_around

FOUND = [
    pytest.param(key, case, id=f"{key}: {case.name}") for key in KEYS for case in cases(key) if case.kind == "found"
]

names = st.sampled_from(["name", "phone", "a/b", "m~n", "opening hours", "x"])
plain_values = st.one_of(
    st.text(min_size=2, max_size=8),
    st.integers(10, 10**9),
    st.floats(10, 1e6).map(lambda number: round(number, 3)),
)
documents = st.dictionaries(
    names,
    st.recursive(
        plain_values,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
        max_leaves=20,
    ),
    min_size=1,
)


def result_of(key: str, case: Case) -> dict[str, Any]:
    provider = made(key)
    try:
        result = play(provider, case.tool, case.parsed_params(), case.responses())
    except (MapqatorError, AssertionError):
        # Where the address is an operator's own, calls differ from those to the public one.
        result = play(made(key, OWN), case.tool, case.parsed_params(), case.responses())
    return dict(json.loads(rfc8785.dumps(result.model_dump(mode="json", exclude_none=True))))


@settings(max_examples=40, deadline=None)
@given(documents)
def test_every_value_is_found_in_its_own_document_and_is_the_same_there(document: Any) -> None:
    for pointer, value in pointers.walk(document):
        found = locate(document, value, pointer)
        # A whole document has no name to tell it by, and one with little in it may be there by chance.
        if pointer:
            assert found is not None
            assert is_same(value, pointers.look_up(document, found.pointer), name_at(pointer))


@settings(max_examples=40, deadline=None)
@given(documents, st.text("xyz", min_size=3, max_size=9))
def test_a_value_that_is_not_there_is_not_found(document: Any, value: str) -> None:
    is_there = any(is_same(value, raw, "name") for _, raw in pointers.walk(document))
    assert (locate(document, value, "/name") is not None) == is_there


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(5)), st.integers(0, 4), st.sampled_from(["osm:n{}", "google:p{}"]))
def test_of_equal_values_the_one_beside_the_place_s_id_is_taken(order: list[int], wanted: int, namespace: str) -> None:
    is_osm = namespace.startswith("osm")
    rows = [
        {
            "id": 500 + number if is_osm else f"p{number}",
            "tags": {"phone": "+1 506", "name": "Same"},
            "open": True,
            "pos": {"lat": "45.000000"},
        }
        for number in order
    ]
    body = {"meta": {"phone": "+1 506", "open": True}, "rows": rows}
    pid = namespace.format(500 + wanted if is_osm else wanted)
    at = order.index(wanted)
    for name, value, tail in (
        ("phone", "+1 506", "tags/phone"),
        ("name", "Same", "tags/name"),
        ("attributes/open", True, "open"),
        ("lat", 45, "pos/lat"),
    ):
        found = locate(body, value, f"/places/0/{name}", pid)
        assert found is not None
        assert found.pointer == f"/rows/{at}/{tail}"


def test_without_an_id_the_most_similar_path_is_taken() -> None:
    legs = [
        {"distance": 500.04, "steps": [{"distance": 250, "duration": "250s"}, {"distance": 250, "duration": "9s"}]}
    ] * 2
    body = {"code": "Ok", "routes": [{"distance": 1000.1, "legs": legs}, {"distance": 1000.1, "legs": legs}]}
    for pointer, value, expected in (
        ("/routes/1/distance_m", 1000.1, "/routes/1/distance"),
        ("/routes/0/legs/1/distance_m", 500, "/routes/0/legs/1/distance"),
        ("/routes/1/legs/0/steps/1/distance_m", 250, "/routes/1/legs/0/steps/1/distance"),
        ("/routes/0/legs/1/steps/0/duration_s", 250, "/routes/0/legs/1/steps/0/duration"),
    ):
        assert locate(body, value, pointer) is not None
        assert locate(body, value, pointer).pointer == expected


def test_units_of_providers_are_read_and_other_quantities_are_not_taken_for_them() -> None:
    body = {"trip": {"length": 2.345, "time": 2345, "ms": 117_000}}
    assert locate(body, 2345, "/routes/0/distance_m").pointer == "/trip/length"
    assert locate(body, 2345, "/routes/0/duration_s").pointer == "/trip/time"
    assert locate(body, 117, "/routes/0/duration_s").pointer == "/trip/ms"
    assert locate({"travelTimeInSeconds": 60}, 60, "/cells/0/0/distance_m") is None
    assert locate({"limit": 2}, 2, "/place/price_level") is None
    assert locate({"priceLevel": 2}, 2, "/place/price_level").pointer == "/priceLevel"


@pytest.mark.parametrize("body", [b"", b"<html>", b"12", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"a":'])
def test_what_is_no_json_object_or_array_has_no_places(body: bytes) -> None:
    assert parse(body) is pointers.MISSING


def test_a_deeply_nested_body_is_looked_through() -> None:
    depth = 300
    document = json.loads('{"a":' * depth + '"deep value"' + "}" * depth)
    assert locate(document, "deep value", "/name") == Found("/a" * depth, locate(document, "deep value", "/name").fit)


@pytest.mark.parametrize(("key", "case"), FOUND)
def test_what_providers_say_is_found_where_they_say_it(key: str, case: Case) -> None:
    result = result_of(key, case)
    bodies = [
        document for document in map(parse, (one.body for one in case.responses())) if document is not pointers.MISSING
    ]
    others = {value for pointer, value in pointers.walk(result) if pointer.endswith("/pid")}
    looked_for = found = 0
    for pointer, value in pointers.walk(result):
        place = place_around(result, pointer)
        pid = None if place is None else place["pid"]
        for body in bodies:
            at = locate(body, value, pointer, pid)
            if at is None:
                continue
            found += 1
            assert is_same(value, pointers.look_up(body, at.pointer), name_at(pointer))
            if at.fit[0] > 0:
                assert is_beside(body, at.pointer, pid, others)
        looked_for += isinstance(value, str | int | float) and not isinstance(value, bool)
    if bodies and looked_for > 12:
        assert found >= 0.3 * looked_for


def is_beside(body: Any, pointer: str, pid: str, others: set[str]) -> bool:
    """Whether the innermost part around the value that holds any place's id holds this one's."""
    steps = pointers.split(pointer)
    for count in range(len(steps), -1, -1):
        inside = [raw for _, raw in pointers.walk(pointers.look_up(body, pointers.join(*steps[:count])))]
        held = {other for other in others if any(is_same(other, raw, "pid") for raw in inside)}
        if held:
            return pid in held
    return False
