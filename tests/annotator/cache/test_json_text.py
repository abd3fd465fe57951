"""Canonical JSON is RFC 8785's, whichever encoder writes it."""

import math

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from annotator.cache.json_text import canonical
from annotator.errors import InputError

integers = st.integers(-(2**53) + 1, 2**53 - 1)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60).map(float)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(values)
@example({"\ufb33": 1, "\U0001f600": 2, "é": 3, "a": 4})
@example([1.0, -0.0, 1e-4, 9.999e-5, 1e15, 1e16, 2.0**53, 1e21, 5e-324, 0.1, 123456.789])
@example(['\x00\x1f\x7f\u2028\\"/\b\f\n\r\t', True, 1, (), {}])
def test_the_bytes_are_those_of_the_standard(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 2**53, -(2**53), "\ud800", {"\ud800": 1}, {1: 2}, {None: 1}, object()]
)
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InputError, match="cannot be written as JSON"):
        canonical({"inside": [value]})
