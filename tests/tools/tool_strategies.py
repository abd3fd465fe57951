"""Random tool calls, the texts that models put around them, and ways to cut text into pieces."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

NAMES = ("get_weather", "search", "f", "a-b_C9")

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(st.text(max_size=6) | st.just("name"), json_values, max_size=4)


@st.composite
def json_texts(draw: st.DrawFn, value: Any) -> str:
    """The value as JSON, in one of the styles that models write."""
    return json.dumps(
        value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 2])), separators=None
    )


@st.composite
def call_objects(draw: st.DrawFn, argument_key: str, extra_keys: tuple[str, ...]) -> tuple[str, str, str]:
    """(object, name, JSON text of the arguments), with the keys in any order."""
    name = draw(st.sampled_from(NAMES))
    arguments_text = draw(json_texts(draw(arguments)))
    items = [("name", json.dumps(name)), (argument_key, arguments_text)]
    items += [(key, draw(json_texts(draw(json_values)))) for key in extra_keys if draw(st.booleans())]
    space = draw(st.sampled_from(["", " ", "\n "]))
    body = f",{space}".join(f'"{key}":{space}{value}{space}' for key, value in draw(st.permutations(items)))
    return f"{{{space}{body}}}", name, arguments_text


@st.composite
def chunkings(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces, some of them empty."""
    cuts = draw(st.lists(st.integers(0, len(text)), max_size=30))
    if draw(st.booleans()):
        cuts = list(range(len(text) + 1))
    edges = [0, *sorted(cuts), len(text)]
    return [text[start:end] for start, end in pairwise(edges)]
