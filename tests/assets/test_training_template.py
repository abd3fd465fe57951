"""The template says the same through every engine, and what it writes for calls is what the server reads as calls."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from server.api.templates import ChatTemplate
from server.api.tools import FAMILIES, auto_select
from server.api.tools.hermes import HERMES
from server.api.tools.parser import CallArguments, CallStart, TextDelta
from server.assets.training.template import (
    CHAT_TEMPLATE,
    TURN_END,
    assistant,
    calling,
    pieces,
    system,
    told,
    user,
)
from server.assets.training.tokenizer import save_tokenizer
from tests.api.wire import LiveServer
from tests.assets.map_lines import TOOLS, small_tokenizer

API_TOOLS = [{"type": "function", "function": tool} for tool in TOOLS]
CONVERSATION = [
    user('Which café is "nearest"?\n<b>'),
    calling("nearby_search", {"lat": 45.39, "type": "café", "tags": ["a", None, True]}),
    told('{"places":[]}'),
    assistant("None.\nAnswer: unanswerable"),
    user("Thanks."),
    assistant("You are welcome."),
]
texts = st.text(alphabet="ab \"'\n{}<>|é0", max_size=12)
arguments = st.dictionaries(
    texts, st.one_of(st.none(), st.booleans(), st.integers(), texts, st.lists(texts, max_size=2))
)
template = ChatTemplate({"default": CHAT_TEMPLATE}, {})


@pytest.mark.parametrize("opening", [[], [system("Be brief.")]])
@pytest.mark.parametrize("tools", [[], TOOLS[:1], TOOLS])
def test_the_pieces_for_training_are_what_the_template_gives(
    opening: list[dict[str, Any]], tools: list[dict[str, Any]]
) -> None:
    listed = [{"type": "function", "function": tool} for tool in tools] or None
    messages = opening + CONVERSATION
    found = pieces(messages, tools)
    whole = template.render(messages, listed, add_generation_prompt=False)
    assert "".join(piece.text for piece in found) == whole
    # What comes before the assistant's words is what a request's prompt ends with.
    prompt = template.render(messages[: len(opening) + 1], listed)
    assert found[0].text == prompt
    written = [piece.text for piece in found if piece.is_written]
    assert len(written) == 3
    assert all(text.endswith(TURN_END) for text in written)


def test_transformers_gives_the_same_text(tmp_path: Path) -> None:
    save_tokenizer(small_tokenizer(), tmp_path)
    whole = AutoTokenizer.from_pretrained(tmp_path).apply_chat_template(CONVERSATION, tools=API_TOOLS, tokenize=False)
    assert whole == template.render(CONVERSATION, API_TOOLS, add_generation_prompt=False)


def test_tools_are_listed_with_the_names_and_types_of_their_parameters() -> None:
    (listed,) = pieces([], TOOLS)
    assert listed.text == (
        "<|im_start|>system\nTools:\n"
        "nearby_search(lat: number, lon: number, type?: string, rank?: distance|prominence)\n"
        "distance_bearing(origin: {lat, lon}, stops?: [{lat, lon}])<|im_end|>\n"
    )


def test_schemas_that_refer_to_themselves_or_to_nothing_can_be_listed() -> None:
    endless = {"$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}, "properties": {"x": {"$ref": "a"}}}
    nothing = {"properties": {"y": {"$ref": "#/$defs/none"}, "z": True}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}} for schema in (endless, nothing, {})]
    assert "f(x?: [[any]])" in template.render([user("Hi")], tools)
    assert "f(y?: any, z?: any)\nf()" in template.render([user("Hi")], tools)


def test_the_server_takes_the_template_for_hermes() -> None:
    assert template.supports_tools
    assert auto_select(CHAT_TEMPLATE) == "hermes"
    assert FAMILIES["hermes"] is HERMES


@given(st.lists(st.tuples(st.sampled_from(["nearby_search", "f-1"]), arguments), min_size=1, max_size=3), texts)
@settings(deadline=None, max_examples=60)
def test_the_server_reads_the_calls_that_the_template_writes(
    calls: list[tuple[str, dict[str, Any]]], text: str
) -> None:
    message = calling(*calls[0]) | {"content": text}
    message["tool_calls"] += [call for each in calls[1:] for call in calling(*each)["tool_calls"]]
    written = next(piece.text for piece in pieces([message]) if piece.is_written).removesuffix(TURN_END)
    parser = HERMES.new_parser(frozenset({"nearby_search", "f-1"}))
    events = [*parser.feed(written), *parser.finish()]
    names = [event.name for event in events if isinstance(event, CallStart)]
    spelled = [
        "".join(event.text for event in events if isinstance(event, CallArguments) and event.index == index)
        for index in range(len(calls))
    ]
    assert [(name, json.loads(text)) for name, text in zip(names, spelled, strict=True)] == calls
    assert "".join(event.text for event in events if isinstance(event, TextDelta)).strip() == text.strip()


@pytest.fixture(scope="module")
def client(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server over random weights that speak through this template and tokenizer."""
    folder = tmp_path_factory.mktemp("random") / "model"
    shutil.copytree(tiny_llama, folder)
    save_tokenizer(small_tokenizer(vocab_size=384), folder)
    server = LiveServer(folder)
    with server.client() as client:
        yield client
    server.stop()


@pytest.mark.parametrize("choice", ["required", "auto"])
def test_a_request_with_strict_tools_gets_calls_and_can_go_on(client: httpx.Client, choice: str) -> None:
    point = {"type": "object", "properties": {"lat": {"enum": [1, 2]}, "kind": {"enum": ["café", "bar"]}}}
    schema = point | {"required": ["lat", "kind"], "additionalProperties": False}
    tool = {"type": "function", "function": {"name": "find", "parameters": schema, "strict": True}}
    messages = [user("Where?"), calling("find", {"lat": 1, "kind": "bar"}), told("{}")]
    messages[1]["tool_calls"][0] |= {"id": "call_1"}
    messages[1]["tool_calls"][0]["function"]["arguments"] = '{"lat": 1, "kind": "bar"}'
    messages[2]["tool_call_id"] = "call_1"
    body = {"messages": messages, "tools": [tool], "tool_choice": choice, "max_tokens": 120, "seed": 5}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    (answer,) = response.json()["choices"]
    calls = answer["message"].get("tool_calls") or []
    assert choice == "auto" or len(calls) >= 1
    for call in calls:
        assert call["function"]["name"] == "find"
        assert json.loads(call["function"]["arguments"]).keys() == {"lat", "kind"}
