"""Chat completions through real HTTP: chunk order, message checks, log probabilities."""

from typing import Any

import httpx
import pytest

from server.api.protocol.chat import ChatChunk, ChatCompletion
from tests.api.wire import stream_chunks

HELLO = [{"role": "user", "content": "Hello"}]


def chat(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post("/v1/chat/completions", json={"messages": HELLO, "temperature": 0} | body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    ChatCompletion.model_validate(answer)
    return answer


def test_a_chat_completion_has_the_shape_of_openai(client: httpx.Client) -> None:
    answer = chat(client, max_tokens=5, ignore_eos=True)
    assert answer["id"].startswith("chatcmpl-")
    assert answer["object"] == "chat.completion"
    (choice,) = answer["choices"]
    assert choice.keys() == {"index", "message", "logprobs", "finish_reason"}
    assert choice["message"].keys() == {"role", "content", "refusal"}
    assert (choice["message"]["role"], choice["finish_reason"]) == ("assistant", "length")
    assert answer["usage"]["completion_tokens"] == 5


def test_without_a_limit_the_answer_may_fill_the_context(client: httpx.Client) -> None:
    usage = chat(client, ignore_eos=True)["usage"]
    assert usage["total_tokens"] == 512


def test_a_stream_has_its_chunks_in_the_documented_order(client: httpx.Client) -> None:
    body = {
        "messages": HELLO, "max_tokens": 6, "n": 3, "temperature": 1, "seed": 5,
        "ignore_eos": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    chunks = stream_chunks(client, "/v1/chat/completions", body)
    for chunk in chunks:
        ChatChunk.model_validate(chunk)
    for name in ("id", "created", "model", "system_fingerprint", "object"):
        assert len({chunk[name] for chunk in chunks}) == 1
    roles = [chunk["choices"][0] for chunk in chunks[:3]]
    assert [choice["index"] for choice in roles] == [0, 1, 2]
    assert all(choice["delta"] == {"role": "assistant", "content": ""} for choice in roles)
    assert all(choice["finish_reason"] is None and choice["logprobs"] is None for choice in roles)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 18
    finished: set[int] = set()
    for chunk in chunks[3:-1]:
        assert chunk["usage"] is None
        (choice,) = chunk["choices"]
        assert choice["index"] not in finished
        assert "role" not in choice["delta"]
        if choice["finish_reason"] is None:
            assert choice["delta"].keys() == {"content"}
        else:
            assert choice["delta"] == {}
            finished.add(choice["index"])
    assert finished == {0, 1, 2}


@pytest.mark.parametrize("extra", [{}, {"logprobs": True, "top_logprobs": 3}, {"logprobs": True}])
def test_a_stream_joined_is_the_answer_without_one(client: httpx.Client, extra: dict[str, Any]) -> None:
    body = {"messages": HELLO, "n": 2, "max_tokens": 15, "seed": 2, "temperature": 1.0, **extra}
    whole = chat(client, **body)
    text: dict[int, str] = {}
    content: dict[int, list[Any]] = {}
    reasons: dict[int, str] = {}
    for chunk in stream_chunks(client, "/v1/chat/completions", body):
        for choice in chunk["choices"]:
            index = choice["index"]
            text[index] = text.get(index, "") + choice["delta"].get("content", "")
            if choice["logprobs"] is not None:
                content.setdefault(index, []).extend(choice["logprobs"]["content"])
            if choice["finish_reason"] is not None:
                reasons[index] = choice["finish_reason"]
    for choice in whole["choices"]:
        index = choice["index"]
        assert text[index] == choice["message"]["content"]
        assert reasons[index] == choice["finish_reason"]
        assert content.get(index) == (choice["logprobs"] and choice["logprobs"]["content"])


def test_chat_logprobs_cover_the_text_byte_by_byte(client: httpx.Client) -> None:
    body = {"logprobs": True, "top_logprobs": 4, "max_tokens": 20, "ignore_eos": True, "skip_special_tokens": False}
    (choice,) = chat(client, **body)["choices"]
    content = choice["logprobs"]["content"]
    assert len(content) == 20
    joined = bytes(byte for token in content for byte in token["bytes"])
    assert joined.decode("utf-8", "replace").startswith(choice["message"]["content"][:10])
    for token in content:
        assert len(token["top_logprobs"]) == 4
        assert token["top_logprobs"][0]["logprob"] == token["logprob"]
        values = [top["logprob"] for top in token["top_logprobs"]]
        assert values == sorted(values, reverse=True)


def test_text_parts_are_the_same_as_one_string(client: httpx.Client) -> None:
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert chat(client, messages=parts, max_tokens=5)["choices"] == chat(client, max_tokens=5)["choices"]


def test_an_answer_of_ours_can_be_sent_back(client: httpx.Client) -> None:
    reply = chat(client, max_tokens=4)["choices"][0]["message"]
    chat(client, messages=[*HELLO, reply, {"role": "user", "content": "And?"}], max_tokens=2)


def test_the_final_message_can_be_continued(client: httpx.Client) -> None:
    messages = [*HELLO, {"role": "assistant", "content": "The capital of"}]
    fields = {"messages": messages, "continue_final_message": True, "add_generation_prompt": False}
    tokens = client.post("/tokenize", json=fields).json()["tokens"]
    text = client.post("/detokenize", json={"tokens": tokens}).json()["prompt"]
    assert text.endswith("The capital of")
    chat(client, **fields, max_tokens=2)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
         "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
         "messages[0].content[0]"),
        ({"messages": HELLO, "top_logprobs": 2}, "top_logprobs"),
        ({"messages": HELLO, "logprobs": True, "top_logprobs": 21}, "logprobs"),
        ({"messages": HELLO, "max_tokens": 0}, "max_tokens"),
        ({"messages": HELLO, "max_tokens": 3, "max_completion_tokens": 4}, "max_tokens"),
        ({"messages": HELLO, "functions": []}, "functions"),
        ({"messages": HELLO, "modalities": ["text", "audio"]}, "modalities[1]"),
        ({"messages": HELLO, "tool_choice": "required"}, "tool_choice"),
        ({"messages": HELLO, "chat_template_kwargs": {"tokenize": True}}, "chat_template_kwargs"),
        ({"messages": [{"role": "user", "content": "word " * 600}]}, "messages"),
        ({"prompt": "a", "messages": HELLO}, "prompt"),
    ],
)  # fmt: skip
def test_what_cannot_be_served_is_refused(client: httpx.Client, body: dict[str, Any], param: str) -> None:
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["param"] == param, error


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Monaco", "Nice"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def test_tools_without_a_call_give_plain_text(client: httpx.Client) -> None:
    (choice,) = chat(client, tools=[TOOL], max_tokens=5, ignore_eos=True)["choices"]
    assert isinstance(choice["message"]["content"], str)
    assert choice["finish_reason"] == "length"


def test_tools_and_a_response_format_are_refused_together(client: httpx.Client) -> None:
    body = {"messages": HELLO, "tools": [TOOL], "response_format": {"type": "json_object"}}
    response = client.post("/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "tools"
