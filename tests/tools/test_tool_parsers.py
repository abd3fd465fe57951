"""Tool-call parsers: streamed equals whole, arguments arrive exactly, no text is lost."""

import json
import re
import time

import pytest
import tool_reference as reference
from hypothesis import given, settings
from hypothesis import strategies as st
from tool_strategies import NAMES, call_objects, chunkings

from server.api.tools.parser import CallArguments, CallStart, TextDelta, ToolCallParser
from server.api.tools.registry import FAMILIES, auto_select, get_family
from server.errors import ConfigError

NAME_SET = frozenset(NAMES)
family_names = pytest.mark.parametrize("family", sorted(FAMILIES))

plain_texts = st.lists(
    st.sampled_from(["hi", " ", "\n", "<", "<tool_", "</tool_call>", "tool_call>", "{", "}", "é", "😀", '"name"', ";"]),
    max_size=5,
).map("".join)
malformed_calls = st.sampled_from(
    [
        "<tool_call>no object</tool_call>",
        '<tool_call>{"nam": "f", "arguments": {}}</tool_call>',
        '<tool_call>{"name": 3, "arguments": {}}</tool_call>',
        '<tool_call>{"name": "bad name!", "arguments": {}}</tool_call>',
        '<tool_call>{"name": "f", "arguments": "text"}</tool_call>',
        '<tool_call>{"name": "f" "arguments": {}}</tool_call>',
        '<tool_call>{"name": "f", "name": "g", "arguments": {}}</tool_call>',
        "<tool_call>[]</tool_call>",
    ]
)
garbage = st.lists(
    st.sampled_from(
        [
            *["<tool_call>", "</tool_call>", "<|python_tag|>", '{"name": "f"', ', "arguments": {"a": [1', "]}}", "}}"],
            *[
                '"parameters":',
                '{"name": "search", "parameters": {}}',
                ";",
                " ",
                "\n",
                "\\",
                '"',
                "{",
                "}",
                "x",
                "\x00",
            ],
        ]
    )
    | st.text(max_size=3),
    max_size=25,
).map("".join)


def new_parser(family: str) -> ToolCallParser:
    return FAMILIES[family].new_parser(NAME_SET)


@st.composite
def hermes_texts(draw: st.DrawFn) -> str:
    parts = [draw(plain_texts)]
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.integers(0, 3)) == 0:
            parts.append(draw(malformed_calls))
        else:
            call, _, _ = draw(call_objects(draw(st.sampled_from(["arguments", "parameters"])), ("thought", "id")))
            space = draw(st.sampled_from(["", "\n", " \n "]))
            parts.append(f"<tool_call>{space}{call}{space}" + draw(st.sampled_from(["</tool_call>"] * 3 + [""])))
        parts.append(draw(plain_texts))
    return "".join(parts)


@st.composite
def llama3_texts(draw: st.DrawFn) -> str:
    calls = draw(
        st.lists(
            call_objects("parameters", ("id", "type")).map(lambda call: call[0])
            | call_objects("arguments", ()).map(lambda call: call[0]),
            max_size=3,
        )
    )
    separator = draw(st.sampled_from([";", "; ", " ;\n", "\n"]))
    start = draw(st.sampled_from(["", " ", "<|python_tag|>", "<|python_tag|> \n"])) if calls else ""
    return start + separator.join(calls) + draw(plain_texts)


@pytest.mark.parametrize("cut", range(len("\n</tool_call>") + 1))
def test_hermes_output_that_ends_within_the_closing_tag_is_the_call_alone(cut: int) -> None:
    text = '<tool_call>{"name":"get_weather","arguments":{}}' + "\n</tool_call>"[:cut]
    assert reference.parse(new_parser("hermes"), [text]) == reference.hermes(text) == [("call", "get_weather", "{}")]


@given(st.data())
def test_hermes_output_in_any_chunks_parses_like_the_whole_text_read_slowly(data: st.DataObject) -> None:
    text = data.draw(hermes_texts())
    chunks = data.draw(chunkings(text))
    assert reference.parse(new_parser("hermes"), chunks) == reference.hermes(text)


@given(st.data())
def test_llama3_output_in_any_chunks_parses_like_the_whole_text_read_slowly(data: st.DataObject) -> None:
    text = data.draw(llama3_texts())
    chunks = data.draw(chunkings(text))
    assert reference.parse(new_parser("llama3_json"), chunks) == reference.llama3(text, NAME_SET)


@family_names
@given(data=st.data())
@settings(max_examples=40)
def test_a_call_in_the_familys_own_shape_comes_back_with_the_very_same_arguments(
    family: str, data: st.DataObject
) -> None:
    shape = FAMILIES[family].shape
    calls = data.draw(st.lists(call_objects("arguments", ()), min_size=1, max_size=3))
    text = shape.separator.join(
        shape.before_name + name + shape.before_arguments + arguments + shape.after for _, name, arguments in calls
    )
    pieces = reference.parse(new_parser(family), data.draw(chunkings(text)))
    assert pieces == [("call", name, arguments) for _, name, arguments in calls]


@family_names
@given(data=st.data())
def test_garbage_never_raises_and_chunks_never_matter(family: str, data: st.DataObject) -> None:
    text = data.draw(garbage)
    whole = reference.parse(new_parser(family), [text])
    assert reference.parse(new_parser(family), data.draw(chunkings(text))) == whole


@family_names
@given(text=garbage)
def test_garbage_loses_nothing_but_the_wrapper_of_calls(family: str, text: str) -> None:
    pieces = reference.parse(new_parser(family), [text])
    if all(kind == "text" for kind, *_ in pieces):
        assert "".join(piece[1] for piece in pieces) == text
        return
    wrapper = re.compile(r'(\s|</?tool_call>|<\|python_tag\|>|[{}:;,]|"[\w-]+"|</?[a-z_]*)*')
    at = 0
    for piece in pieces:
        content = piece[-1]
        if piece[0] == "call":
            at = text.index(f'"{piece[1]}"', at) if content == "{}" else at
        found = text.find(content, at)
        if piece[0] == "call" and content == "{}" and found < 0:
            continue  # a call without arguments is sent with `{}`, which does not stand in the text
        assert found >= 0
        assert wrapper.fullmatch(text[at:found]), text[at:found]
        at = found + len(content)
    assert wrapper.fullmatch(text[at:]), text[at:]


@family_names
@given(data=st.data())
@settings(max_examples=40)
def test_output_cut_anywhere_sends_a_beginning_of_what_the_whole_output_sends(family: str, data: st.DataObject) -> None:
    text = data.draw(hermes_texts() if family == "hermes" else llama3_texts())
    cut = data.draw(st.integers(0, len(text)))
    partial = reference.parse(new_parser(family), [text[:cut]], is_finished=False)
    whole = reference.parse(new_parser(family), [text])
    if not partial:
        return
    assert whole[: len(partial) - 1] == partial[:-1]
    last, same = partial[-1], whole[len(partial) - 1]
    assert same[:-1] == last[:-1]
    assert same[-1].startswith(last[-1])


@family_names
@given(text=st.text(max_size=40))
def test_plain_text_passes_unchanged(family: str, text: str) -> None:
    assert reference.parse(new_parser(family), list(text)) == ([("text", text)] if text else [])


def test_hermes_text_is_held_back_only_while_it_may_become_a_call() -> None:
    parser = new_parser("hermes")
    assert parser.feed("a < b") == [TextDelta("a < b")]
    assert parser.feed(" and <tool") == [TextDelta(" and")]
    assert parser.feed("box>") == [TextDelta(" <toolbox>")]


def test_llama3_json_that_cannot_be_a_call_is_released_at_its_first_foreign_key() -> None:
    parser = new_parser("llama3_json")
    assert parser.feed('{"temperature') == []
    assert parser.feed('": 3') == [TextDelta('{"temperature": 3')]


def test_llama3_objects_that_name_no_tool_are_text() -> None:
    text = '{"name": "Bob", "parameters": {"age": 3}}'
    assert reference.parse(new_parser("llama3_json"), [text]) == [("text", text)]


@pytest.mark.parametrize(
    ("family", "key", "before"), [("hermes", "arguments", "<tool_call>\n"), ("llama3_json", "parameters", "")]
)
def test_a_call_streams_name_once_then_arguments_as_they_arrive(family: str, key: str, before: str) -> None:
    parser = new_parser(family)
    assert parser.feed(before + '{"name": "sea') == []
    assert parser.feed(f'rch", "{key}": ') == []
    start, arguments = parser.feed('{"q')
    assert isinstance(start, CallStart)
    assert (start.index, start.name) == (0, "search")
    assert re.fullmatch(r"call_[0-9a-f]{24}", start.id)
    assert arguments == CallArguments(0, '{"q')
    assert parser.feed('": "a b') == [CallArguments(0, '": "a b')]
    assert parser.feed('"}}') == [CallArguments(0, '"}')]
    assert parser.finish() == []


def test_a_call_cut_short_keeps_the_arguments_it_has() -> None:
    pieces = reference.parse(new_parser("hermes"), ['<tool_call>{"name": "f", "arguments": {"a": "x'])
    assert pieces == [("call", "f", '{"a": "x')]


def test_a_call_cut_before_its_arguments_comes_out_as_text() -> None:
    text = 'Well.\n<tool_call>{"name": "get_wea'
    assert reference.parse(new_parser("hermes"), list(text)) == [("text", text)]


def test_a_call_that_breaks_in_its_arguments_leaves_the_rest_as_text() -> None:
    pieces = reference.parse(new_parser("hermes"), ['<tool_call>{"name": "f", "arguments": {"a": 1]}</tool_call>'])
    assert pieces == [("call", "f", '{"a": 1'), ("text", "]}</tool_call>")]


def test_a_call_without_arguments_is_sent_with_an_empty_object() -> None:
    pieces = reference.parse(new_parser("hermes"), ['<tool_call>{"name": "f"}</tool_call>'])
    assert pieces == [("call", "f", "{}")]


def test_a_marker_right_after_a_marker_begins_a_new_call() -> None:
    pieces = reference.parse(new_parser("hermes"), ['<tool_call><tool_call>{"name": "f", "arguments": {}}'])
    assert pieces == [("text", "<tool_call>"), ("call", "f", "{}")]


@family_names
def test_fifty_thousand_characters_take_linear_time(family: str) -> None:
    for text in (" " * 50_000, "<tool_call>" * 4_500, '<tool_call>{"name' * 3_000, "{" * 50_000, "<" * 50_000):
        begin_s = time.thread_time()
        assert reference.parse(new_parser(family), list(text)) == [("text", text)]
        assert time.thread_time() - begin_s < 5


@pytest.mark.parametrize(
    ("source", "family"),
    [
        ("{{ '<tool_call>' }}", "hermes"),
        ("{{ '<|python_tag|>' }}", "llama3_json"),
        ("{{ messages }}", "hermes"),
        (None, "hermes"),
    ],
)
def test_the_template_tells_the_family(source: str | None, family: str) -> None:
    assert auto_select(source) == family


def test_an_unknown_family_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ConfigError, match="hermes, llama3_json"):
        get_family("mystery")


@family_names
def test_call_ids_differ(family: str) -> None:
    shape = FAMILIES[family].shape
    call = shape.before_name + "f" + shape.before_arguments + json.dumps({"a": 1}) + shape.after
    events = new_parser(family).feed(call + shape.separator + call)
    ids = [event.id for event in events if isinstance(event, CallStart)]
    assert len(set(ids)) == 2
