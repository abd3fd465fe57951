"""Constrained outputs and tool calls of a random model, which would never write them by itself."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.api.wire import stream_chunks

SCHEMA = {
    "type": "object",
    "properties": {"kind": {"enum": ["café", "bar"]}, "open": {"type": "boolean"}},
    "required": ["kind", "open"],
    "additionalProperties": False,
}
HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": SCHEMA, "description": "Finds a place."}}
    for name in ("find_place", "rate_place")
]


def text_of(client: httpx.Client, **body: Any) -> str:
    fields = {"messages": HELLO, "max_tokens": 100, "temperature": 1.0, "seed": 4} | body
    response = client.post("/v1/chat/completions", json=fields)
    assert response.status_code == 200, response.text
    (choice,) = response.json()["choices"]
    assert choice["finish_reason"] == "stop"
    text: str = choice["message"]["content"]
    return text


@pytest.mark.parametrize(
    "constraint",
    [
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "place", "schema": SCHEMA, "strict": True},
            }
        },
        {"structured_outputs": {"json": SCHEMA}},
    ],
)
def test_a_schema_is_kept_to(client: httpx.Client, constraint: dict[str, Any]) -> None:
    place = json.loads(text_of(client, **constraint))
    assert place.keys() == {"kind", "open"}
    assert place["kind"] in {"café", "bar"}
    assert isinstance(place["open"], bool)


def test_a_regex_a_choice_and_a_grammar_are_kept_to(client: httpx.Client) -> None:
    assert re.fullmatch("[0-9]{3}-[ab]+", text_of(client, structured_outputs={"regex": "[0-9]{3}-[ab]{1,5}"}))
    choices = ["north", "south ::= 1", "été"]
    assert text_of(client, structured_outputs={"choice": choices}) in choices
    assert text_of(client, structured_outputs={"grammar": 'start: "x" start "y" | "z"\n'}).strip("xy") == "z"
    assert text_of(client, structured_outputs={"ebnf": 'root ::= "yes" | "no"'}) in {"yes", "no"}


@pytest.mark.parametrize(
    "constraint",
    [
        {"structured_outputs": {"regex": "("}},
        {"structured_outputs": {"grammar": "start: nothing"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "wizard"}}}},
    ],
)
def test_a_constraint_that_does_not_compile_is_a_400(client: httpx.Client, constraint: dict[str, Any]) -> None:
    response = client.post("/v1/chat/completions", json={"messages": HELLO, "max_tokens": 5} | constraint)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == next(iter(constraint))
    assert error["code"] == "invalid_grammar"
    assert len(error["message"]) < 500


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "rate_place"}}])
def test_a_demanded_call_is_made_and_streamed_the_same(client: httpx.Client, choice: Any) -> None:
    body = {
        "messages": HELLO, "tools": TOOLS, "tool_choice": choice, "parallel_tool_calls": False,
        "max_tokens": 200, "temperature": 1.0, "seed": 8,
    }  # fmt: skip
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 200, response.text
    (whole,) = response.json()["choices"]
    (call,) = whole["message"]["tool_calls"]
    assert whole["finish_reason"] == "tool_calls"
    assert whole["message"]["content"] is None
    assert call["function"]["name"] in {"find_place", "rate_place"}
    assert choice == "required" or call["function"]["name"] == "rate_place"
    assert json.loads(call["function"]["arguments"]).keys() == {"kind", "open"}

    chunks = stream_chunks(client, "/v1/chat/completions", body)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    pieces = [piece for delta in deltas for piece in delta.get("tool_calls", [])]
    assert [piece["function"].get("name") for piece in pieces if "name" in piece["function"]] == [
        call["function"]["name"]
    ]
    assert sum("id" in piece for piece in pieces) == sum("type" in piece for piece in pieces) == 1
    assert "".join(piece["function"].get("arguments", "") for piece in pieces) == call["function"]["arguments"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
