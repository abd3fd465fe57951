"""JSON Pointers name each value of a document, and only that."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.errors import InputError
from annotator.pointers import MISSING, join, look_up, split, walk

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(documents)
def test_every_value_is_found_where_the_walk_says(document: object) -> None:
    for pointer, value in walk(document):
        assert look_up(document, pointer) is value


@given(st.lists(st.text()))
def test_steps_survive_being_written_as_a_pointer(steps: list[str]) -> None:
    assert list(split(join(*steps))) == steps


@pytest.mark.parametrize("pointer", ["/b", "/a/3", "/a/-", "/a/01", "/a/0/c", "/a/1x", "/a/+1", "/a/ 1", "/a/٣"])
def test_what_is_not_there_is_missing(pointer: str) -> None:
    assert look_up({"a": [1, 2, None]}, pointer) is MISSING


def test_null_is_not_missing() -> None:
    assert look_up({"a": [None]}, "/a/0") is None


def test_the_examples_of_the_standard() -> None:
    document = json.loads('{"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8}')
    assert look_up(document, "") == document
    assert look_up(document, "/foo/0") == "bar"
    assert look_up(document, "/") == 0
    assert look_up(document, "/a~1b") == 1
    assert look_up(document, "/m~0n") == 8


def test_a_pointer_that_does_not_begin_with_a_slash_is_refused() -> None:
    with pytest.raises(InputError, match="must begin with /"):
        look_up({}, "a")
