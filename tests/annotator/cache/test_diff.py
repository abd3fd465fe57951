"""What a refresh changed, as JSON Pointers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.cache.diff import MAX_CHANGES, MAX_VALUE_CHARACTERS, diff

names = st.sampled_from(["a", "b", "", "~", "/", "~1", "ü"])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-1, 1) | st.text("ab", max_size=2)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def tuples(old: Any, new: Any) -> list[tuple[str, str, Any, Any]]:
    found = diff(json.dumps(old).encode(), json.dumps(new).encode())
    assert found.num_more == 0
    return [(change.kind, change.pointer, change.old, change.new) for change in found.changes]


def steps(pointer: str) -> list[str]:
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def apply(document: Any, kind: str, pointer: str, new: Any) -> Any:
    """The document with one change made, by RFC 6901 alone."""
    if not pointer:
        return new
    *path, last = steps(pointer)
    parent = document
    for step in path:
        parent = parent[int(step)] if isinstance(parent, list) else parent[step]
    if isinstance(parent, list):
        # Removed entries are cut off the end afterwards; until then their places are held.
        parent[int(last) : int(last) + 1] = [new]
    elif kind == "removed":
        del parent[last]
    else:
        parent[last] = new
    return document


def cut(document: Any, lengths: dict[str, int], pointer: str = "") -> Any:
    if isinstance(document, dict):
        return {
            name: cut(item, lengths, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
            for name, item in document.items()
        }
    if isinstance(document, list):
        kept = document[: lengths.get(pointer, len(document))]
        return [cut(item, lengths, f"{pointer}/{index}") for index, item in enumerate(kept)]
    return document


@given(documents, documents)
def test_making_the_changes_turns_the_old_document_into_the_new_one(old: Any, new: Any) -> None:
    document = json.loads(json.dumps(old))
    lengths: dict[str, int] = {}
    for kind, pointer, _, value in tuples(old, new):
        parent, _, last = pointer.rpartition("/")
        document = apply(document, kind, pointer, value)
        if kind == "removed" and last.isdigit():
            lengths[parent] = min(lengths.get(parent, int(last)), int(last))
    # As text, because for Python 1 equals True.
    assert json.dumps(whole(cut(document, lengths)), sort_keys=True) == json.dumps(whole(new), sort_keys=True)


def whole(value: Any) -> Any:
    """The value with every number as a float: 1 and 1.0 are the same in JSON."""
    if isinstance(value, dict):
        return {name: whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return float(value) + 0.0 if isinstance(value, int | float) and not isinstance(value, bool) else value


@given(documents)
def test_equal_documents_have_no_changes_however_they_are_written(document: Any) -> None:
    loose = json.dumps(document, indent=3, ensure_ascii=False).encode()
    assert diff(json.dumps(document).encode(), loose).changes == ()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 2}, [("changed", "/a", 1, 2)]),
        ({"a": 1}, {}, [("removed", "/a", 1, None)]),
        ({}, {"a": {"b": []}}, [("added", "/a", None, {"b": []})]),
        ([1, 2, 3], [2, 3], [("changed", "/0", 1, 2), ("changed", "/1", 2, 3), ("removed", "/2", 3, None)]),
        ([], [0], [("added", "/0", None, 0)]),
        ({"a/b~": 1}, {"a/b~": None}, [("changed", "/a~1b~0", 1, None)]),
        ([True], [1], [("changed", "/0", True, 1)]),
        ([7], [7.0], []),
        ({"a": []}, {"a": {}}, [("changed", "/a", [], {})]),
        ("x", "y", [("changed", "", "x", "y")]),
    ],
)
def test_changes_are_named_by_pointer(old: Any, new: Any, expected: list[tuple[str, str, Any, Any]]) -> None:
    assert tuples(old, new) == expected


def test_what_is_no_json_changes_as_a_whole() -> None:
    (change,) = diff(b"<html>", b'{"a":1}').changes
    assert (change.kind, change.pointer, change.old, change.new) == ("changed", "", "<html>", '{"a":1}')
    assert diff(b"\xff\xfe", b"\xff\xfe").changes == ()


def test_many_and_long_changes_are_cut_short_and_counted() -> None:
    old = [0] * (MAX_CHANGES + 50)
    found = diff(json.dumps(old).encode(), json.dumps([1] * len(old)).encode())
    assert (len(found.changes), found.num_more) == (MAX_CHANGES, 50)
    (change,) = diff(b'{"a": 1}', json.dumps({"a": ["x" * 10_000]}).encode()).changes
    assert change.new.startswith('["xxx')
    assert len(change.new) == MAX_VALUE_CHARACTERS + 1


@pytest.mark.parametrize("depth", [900, 5_000, 200_000])
def test_answers_nested_beyond_reason_do_no_harm(depth: int) -> None:
    one, two = (b"[" * depth + inner + b"]" * depth for inner in (b"1", b"2"))
    for other in (two, b"[]", b'{"a":' + one + b"}"):
        (change,) = diff(one, other).changes
        assert change.model_dump_json()
    assert diff(one, one).changes == ()
