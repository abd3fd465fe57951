"""The character-by-character JSON reader against `json.loads`."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tool_reference import STRICT
from tool_strategies import json_texts, json_values

from server.api.tools.json_scan import WHITESPACE, JsonValue, Step


def is_accepted(text: str) -> bool:
    value = JsonValue()
    for at, char in enumerate(text):
        step = value.step(char)
        if step is Step.BAD:
            return False
        if step is not Step.MORE:
            return not text[at + (step is Step.END) :].strip(WHITESPACE)
    return value.step(" ") is Step.AFTER


def is_json(text: str) -> bool:
    try:
        STRICT.decode(text)
    except ValueError:
        return False
    return True


fragments = st.lists(
    st.sampled_from([*'{}[]:,"\\ -0123456789.eE+ubnx', "true", "false", "null", '"a"', '":', "1.5e-3", "\\u00e9"]),
    max_size=14,
).map("".join)


@given(fragments)
@example("-0")
@example("01")
@example("1.")
@example("[1,]")
@example('{"a":1,}')
@example('{"a":1 "b":2}')
@example('"\\u12G4"')
@example('"\n"')
def test_the_scanner_accepts_exactly_what_json_accepts(text: str) -> None:
    assert is_accepted(text) == is_json(text)


@given(st.data())
def test_every_json_text_is_taken_to_its_last_character_and_ends_there(data: st.DataObject) -> None:
    text = data.draw(json_texts([data.draw(json_values)]))
    value = JsonValue()
    steps = [value.step(char) for char in text]
    assert steps == [Step.MORE] * (len(text) - 1) + [Step.END]


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constants_that_are_not_json_are_refused(constant: str) -> None:
    assert not is_accepted(constant)


def test_nesting_deeper_than_the_stack_is_read() -> None:
    assert is_accepted("[" * 100_000 + "]" * 100_000)
