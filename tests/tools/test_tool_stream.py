"""Tool events as chat deltas, added up the way clients do, against the message of a request without a stream."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tool_strategies import NAMES, call_objects, chunkings

from server.api.tools import FAMILIES, ToolStream
from server.api.tools.parser import PlainTextParser


def new_stream(family: str = "hermes") -> ToolStream:
    return ToolStream(FAMILIES[family].new_parser(frozenset(NAMES)))


def added_up(deltas: list[Any]) -> dict[str, Any]:
    """Strings are concatenated, lists are merged by `index`, and `index` and `type` overwrite."""
    content: str | None = None
    calls: dict[int, dict[str, Any]] = {}
    for delta in deltas:
        content = (content or "") + delta["content"] if "content" in delta else content
        for part in delta.get("tool_calls", []):
            call = calls.setdefault(part["index"], {"id": "", "function": {"name": "", "arguments": ""}})
            call["id"] += part.get("id", "")
            call["type"] = part.get("type", call.get("type"))
            for key, value in part["function"].items():
                call["function"][key] += value
    message: dict[str, Any] = {"role": "assistant", "content": content if content or calls else ""}
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return message


@given(data=st.data())
@settings(max_examples=40)
def test_deltas_added_up_by_a_client_are_the_message(data: st.DataObject) -> None:
    calls = data.draw(st.lists(call_objects("arguments", ()), max_size=3))
    text = data.draw(st.sampled_from(["", "Let me see.\n"])) + "\n".join(
        f"<tool_call>{call}</tool_call>" for call, _, _ in calls
    )
    stream = new_stream()
    deltas = [stream.feed(chunk) for chunk in data.draw(chunkings(text))] + [stream.finish()]
    assert added_up([delta for delta in deltas if delta is not None]) == stream.message()
    sent = [call["function"] for call in stream.message().get("tool_calls", [])]
    assert sent == [{"name": name, "arguments": arguments} for _, name, arguments in calls]


@given(data=st.data())
@settings(max_examples=40)
def test_id_type_and_name_come_once_per_call_and_index_with_every_delta(data: st.DataObject) -> None:
    calls = data.draw(st.lists(call_objects("arguments", ()), min_size=1, max_size=3))
    stream = new_stream()
    text = "".join(f"<tool_call>{call}</tool_call>" for call, _, _ in calls)
    deltas = [stream.feed(char) for char in text]
    parts = [part for delta in deltas if delta is not None for part in delta["tool_calls"]]
    heads = [part for part in parts if "id" in part]
    assert [part["index"] for part in heads] == list(range(len(calls)))
    for part in parts:
        assert ("id" in part) == ("type" in part) == ("name" in part["function"])
        assert "arguments" in part["function"]


def test_content_is_null_when_there_are_only_calls_and_a_string_otherwise() -> None:
    stream = new_stream()
    stream.feed('\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>\n')
    assert stream.finish() is None
    assert stream.message()["content"] is None
    assert new_stream().message() == {"role": "assistant", "content": ""}


@pytest.mark.parametrize(
    ("text", "engine_reason", "reason"),
    [
        ('<tool_call>{"name": "f", "arguments": {}}</tool_call>', "stop", "tool_calls"),
        ('<tool_call>{"name": "f", "arguments": {"a', "length", "length"),
        ("plain", "stop", "stop"),
        ("plain", "length", "length"),
        ('<tool_call>{"name": "f", "arguments": {}}</tool_call>', "abort", "abort"),
    ],
)
def test_the_finish_reason_tells_of_calls_only_when_the_output_ended_by_itself(
    text: str, engine_reason: Any, reason: str
) -> None:
    stream = new_stream()
    stream.feed(text)
    stream.finish()
    assert stream.finish_reason(engine_reason) == reason


def test_without_tools_text_that_looks_like_a_call_stays_text() -> None:
    text = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    stream = ToolStream(PlainTextParser())
    assert stream.feed(text) == {"content": text}
    assert stream.feed("") is None
    assert stream.finish() is None
    assert stream.message() == {"role": "assistant", "content": text}
