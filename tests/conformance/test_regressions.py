"""The twenty mistakes that OpenAI-compatible servers were reported for most often, each as a test over real HTTP."""

import json
import time
from collections import defaultdict
from typing import Any

import httpx
import pytest

from tests.api.wire import LiveServer
from tests.conformance.strict import (
    CHATS,
    COMPLETIONS,
    LOWEST_LOGPROB,
    check_stream_headers,
    error_of,
    only_choices,
    open_stream,
    parse_events,
    parse_json,
    send,
    stream,
)
from tests.conformance.world import CERTAIN_ID, IMPOSSIBLE_ID, KEY, MODEL, NAN_ID

HELLO = [{"role": "user", "content": "Hello"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {
                "type": "object",
                "properties": {"city": {"enum": ["Monaco", "Nice"]}, "days": {"enum": [1, 2, 3]}},
                "required": ["city", "days"],
            },
        },
    }
    for name in ("get_weather", "find_hotel")
]
TWO_CALLS = {
    "model": MODEL,
    "messages": HELLO,
    "tools": TOOLS,
    "tool_choice": "required",
    "max_tokens": 120,
    "seed": 4,
    "n": 3,
}
"""The model is random, so only a grammar makes it call."""

CALLS = [
    TWO_CALLS,
    TWO_CALLS | {"parallel_tool_calls": False},
    TWO_CALLS | {"tool_choice": {"type": "function", "function": {"name": "find_hotel"}}},
]
PATHS = [(COMPLETIONS, {"prompt": "The ship left"}), (CHATS, {"messages": HELLO})]

on_each_path = pytest.mark.parametrize(("path", "body"), PATHS, ids=["completions", "chat"])
on_each_call = pytest.mark.parametrize("body", CALLS, ids=["required", "required-once", "named"])


def end_id(client: httpx.Client) -> int:
    """The token that ends the random Llama's texts."""
    tokens = client.post("/tokenize", json={"prompt": "<|endoftext|>", "add_special_tokens": False}).json()["tokens"]
    (token_id,) = tokens
    return int(token_id)


def tool_deltas(chunks: list[dict[str, Any]]) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """(choice, call) -> its deltas."""
    found: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for choice in only_choices(chunks):
        for call in choice["delta"].get("tool_calls", []):
            found[choice["index"], call["index"]].append(call)
    return found


@on_each_call
def test_a_call_has_its_id_and_name_once_and_arguments_in_pieces(client: httpx.Client, body: dict[str, Any]) -> None:
    """1: the name and id of a tool call repeated in every chunk, which clients concatenate."""
    calls = tool_deltas(stream(client, CHATS, **body))
    assert {choice for choice, _ in calls} == {0, 1, 2}
    for deltas in calls.values():
        first, *rest = deltas
        assert first.keys() == {"index", "id", "type", "function"}
        assert first["function"]["name"] in {"get_weather", "find_hotel"}
        assert len(rest) > 1
        assert all(delta.keys() == {"index", "function"} for delta in rest)
        assert all(delta["function"].keys() == {"arguments"} for delta in rest)
    ids = [deltas[0]["id"] for deltas in calls.values()]
    assert len(set(ids)) == len(ids)
    for choice in (0, 1, 2):
        indices = [call for owner, call in calls if owner == choice]
        assert indices == list(range(len(indices)))


@on_each_call
def test_every_call_says_that_it_is_a_function(client: httpx.Client, body: dict[str, Any]) -> None:
    """2: `type: "function"` left out."""
    for choice in send(client, CHATS, **body)["choices"]:
        assert all(call["type"] == "function" for call in choice["message"]["tool_calls"])
    assert all(deltas[0]["type"] == "function" for deltas in tool_deltas(stream(client, CHATS, **body)).values())


@on_each_call
def test_a_finished_answer_with_calls_ends_with_tool_calls(client: httpx.Client, body: dict[str, Any]) -> None:
    """3: a null finish_reason at the end, or `stop` where there are calls."""
    # However many calls the model is allowed, the end token is now as likely as can be where they may end.
    body = body | {"logit_bias": {str(end_id(client)): 100}}
    for choice in send(client, CHATS, **body)["choices"]:
        assert choice["finish_reason"] == "tool_calls"
        assert choice["message"]["content"] is None
        (call,) = choice["message"]["tool_calls"]
        arguments = json.loads(call["function"]["arguments"])
        assert arguments["city"] in {"Monaco", "Nice"}
        assert arguments["days"] in {1, 2, 3}
    reasons = defaultdict(list)
    for choice in only_choices(stream(client, CHATS, **body)):
        reasons[choice["index"]].append(choice["finish_reason"])
    assert reasons.keys() == {0, 1, 2}
    for each in reasons.values():
        assert each[-1] == "tool_calls"
        assert set(each[:-1]) == {None}


@on_each_path
@pytest.mark.parametrize("n", [1, 2])
def test_a_stream_ends_with_done_and_nothing_after_it(
    client: httpx.Client, path: str, body: dict[str, Any], n: int
) -> None:
    """4: no `[DONE]`."""
    with open_stream(client, path, body | {"max_tokens": 4, "n": n}) as response:
        check_stream_headers(response)
        raw = b"".join(response.iter_raw())
    assert raw.count(b"[DONE]") == 1
    assert raw.endswith(b"\n\ndata: [DONE]\n\n")


@on_each_path
def test_the_end_token_is_called_stop(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    """5: an engine's own reason, such as `eos_token`, in finish_reason."""
    token_id = end_id(client)
    body = body | {"model": MODEL, "max_tokens": 4, "logit_bias": {str(token_id): 100}}
    (choice,) = send(client, path, **body)["choices"]
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", token_id)
    last = only_choices(stream(client, path, **body))[-1]
    assert (last["finish_reason"], last["stop_reason"]) == ("stop", token_id)
    body |= {"min_tokens": 2, "stop_token_ids": [token_id], "ignore_eos": True}
    answer = send(client, path, **body)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] == 3


@on_each_path
def test_a_stream_says_how_each_choice_ended_and_what_it_used(
    client: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    """6: a stream without finish_reason or without the usage that was asked for."""
    body = body | {"max_tokens": 5, "n": 3, "ignore_eos": True, "stream_options": {"include_usage": True}}
    chunks = stream(client, path, **body)
    reasons = [choice["finish_reason"] for choice in only_choices(chunks)]
    assert [reason for reason in reasons if reason is not None] == ["length"] * 3
    usage = chunks[-1]["usage"]
    assert usage["completion_tokens"] == 15
    assert usage["prompt_tokens"] > 0


@on_each_path
@pytest.mark.parametrize("options", [{}, {"stream_options": {}}, {"stream_options": {"include_usage": False}}])
def test_usage_comes_only_when_asked_for_and_every_chunk_has_choices(
    client: httpx.Client, path: str, body: dict[str, Any], options: dict[str, Any]
) -> None:
    """7: a usage chunk nobody asked for, where clients read `choices[0]`, or one without `choices`."""
    body = body | {"max_tokens": 3, "ignore_eos": True}
    plain = stream(client, path, **body, **options)
    assert all("usage" not in chunk for chunk in plain)
    assert all(len(chunk["choices"]) == 1 for chunk in plain)
    asked = stream(client, path, **body, stream_options={"include_usage": True})
    assert all(chunk["usage"] is None and len(chunk["choices"]) == 1 for chunk in asked[:-1])
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize("logprobs", [0, 1, 5])
def test_logprobs_of_completions_are_four_parallel_arrays(client: httpx.Client, logprobs: int) -> None:
    """8: logprobs that are null or shaped as in chat."""
    body = {"prompt": "The ship", "max_tokens": 6, "logprobs": logprobs, "ignore_eos": True, "seed": 1}
    (choice,) = send(client, COMPLETIONS, **body)["choices"]
    arrays = choice["logprobs"]
    assert [len(array) for array in arrays.values()] == [6, 6, 6, 6]
    for token, value, top in zip(arrays["tokens"], arrays["token_logprobs"], arrays["top_logprobs"], strict=True):
        assert top[token] == value
        assert max(1, logprobs) <= len(top) <= logprobs + 1
        assert list(top.values()) == sorted(top.values(), reverse=True)
    assert arrays["text_offset"][0] == 0
    assert arrays["text_offset"] == sorted(arrays["text_offset"])
    parts = [choice["logprobs"] for choice in only_choices(stream(client, COMPLETIONS, **body)) if choice["logprobs"]]
    assert [token for part in parts for token in part["tokens"]] == arrays["tokens"]
    (plain,) = send(client, COMPLETIONS, prompt="The ship", max_tokens=2)["choices"]
    assert plain["logprobs"] is None


def test_an_impossible_token_has_a_log_probability_that_json_can_carry(impossible_client: httpx.Client) -> None:
    """9: minus infinity as a log probability ends in a 500 or in a body that is not JSON."""
    forced = {"max_tokens": 2, "temperature": 0, "allowed_token_ids": [IMPOSSIBLE_ID]}
    body = {"prompt": [50, IMPOSSIBLE_ID, CERTAIN_ID, 51], "logprobs": 3, "echo": True, **forced}
    (choice,) = send(impossible_client, COMPLETIONS, **body)["choices"]
    values = choice["logprobs"]["token_logprobs"]
    assert values == [None, LOWEST_LOGPROB, 0.0, LOWEST_LOGPROB, LOWEST_LOGPROB, LOWEST_LOGPROB]
    assert all(max(top.values()) == 0.0 for top in choice["logprobs"]["top_logprobs"][1:])
    stream(impossible_client, COMPLETIONS, **body)
    body = {"messages": HELLO, "logprobs": True, "top_logprobs": 3, **forced}
    (choice,) = send(impossible_client, CHATS, **body)["choices"]
    assert [token["logprob"] for token in choice["logprobs"]["content"]] == [LOWEST_LOGPROB] * 2
    stream(impossible_client, CHATS, **body)


REFUSALS = [
    ("POST", COMPLETIONS, {"json": {}}, 400),
    ("POST", COMPLETIONS, {"json": {"prompt": "a", "tempperature": 1}}, 400),
    ("POST", COMPLETIONS, {"json": {"prompt": "a", "temperature": "hot"}}, 400),
    ("POST", COMPLETIONS, {"json": [1]}, 400),
    ("POST", COMPLETIONS, {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
    ("POST", COMPLETIONS, {"content": b'{"prompt": NaN}', "headers": {"content-type": "application/json"}}, 400),
    ("POST", COMPLETIONS, {"json": {"model": "gpt-none", "prompt": "a"}}, 404),
    ("POST", CHATS, {"json": {"messages": [{"role": "wizard", "content": "a"}]}}, 400),
    ("POST", CHATS, {"json": {"messages": HELLO, "n": 0}}, 400),
    ("POST", "/tokenize", {"json": {"prompt": 1}}, 400),
    ("GET", "/v1/models/no/such:model", {}, 404),
    ("GET", "/v1/nothing", {}, 404),
    ("GET", COMPLETIONS, {}, 405),
    ("POST", COMPLETIONS, {"content": b"prompt=a", "headers": {"content-type": "text/plain"}}, 415),
    ("GET", "/v1/models", {"headers": {"authorization": "Bearer wrong"}}, 401),
    ("GET", "/v1/models", {"headers": {"authorization": ""}}, 401),
]


@pytest.mark.parametrize(("method", "path", "request_args", "status"), REFUSALS)
def test_every_error_is_wrapped_in_error(
    client: httpx.Client, method: str, path: str, request_args: dict[str, Any], status: int
) -> None:
    """10: a flat error object, or a framework's `detail`."""
    error = error_of(client.request(method, path, **request_args), status)
    assert error["type"] == "invalid_request_error"


@on_each_path
def test_a_refusal_has_its_status_even_when_a_stream_was_asked_for(
    client: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    """11: status 200 with an error inside, for what could have been refused."""
    for wrong, status in (({"n": 129}, 400), ({"model": "gpt-none"}, 404), ({"max_tokens": 10**6}, 400)):
        for streams in (False, True):
            response = client.post(path, json=body | {"stream": streams} | wrong)
            error_of(response, status)


@on_each_path
def test_a_failure_after_the_first_token_is_an_event_and_otherwise_a_status(
    impossible_client: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    """11, for what only shows when the answer has begun: an event with `error`, then `[DONE]`."""
    # The first token is this one; after it, the model has no probabilities to offer.
    body = body | {"max_tokens": 5, "temperature": 0, "allowed_token_ids": [NAN_ID]}
    response = impossible_client.post(path, json=body)
    error = error_of(response, 500)
    assert (error["type"], error["code"]) == ("server_error", "engine_error")
    assert response.headers["x-should-retry"] == "false"
    with open_stream(impossible_client, path, body) as streamed:
        check_stream_headers(streamed)
        *chunks, last = parse_events(b"".join(streamed.iter_raw()))
    assert last == {"error": error}
    assert only_choices(chunks)
    assert all(choice["finish_reason"] is None for choice in only_choices(chunks))


def test_an_error_code_is_a_string_or_null(client: httpx.Client) -> None:
    """12: the HTTP status as an integer in `code`."""
    found = {}
    for method, path, request_args, status in REFUSALS:
        code = error_of(client.request(method, path, **request_args), status)["code"]
        assert code is None or (isinstance(code, str) and not code.isdigit())
        found[status] = code
    assert found[404] == "not_found"
    assert found[401] == "invalid_api_key"


@pytest.mark.parametrize("extra", [{}, {"tools": TOOLS, "tool_choice": "required", "max_tokens": 60}])
def test_the_first_chunk_of_each_choice_has_the_role_and_an_empty_string(
    client: httpx.Client, extra: dict[str, Any]
) -> None:
    """13: null for the content of the role chunk, or the role in every chunk."""
    body = {"messages": HELLO, "max_tokens": 4, "n": 2, "seed": 1, **extra}
    seen = set()
    for choice in only_choices(stream(client, CHATS, **body)):
        if choice["index"] not in seen:
            assert choice["delta"] == {"role": "assistant", "content": ""}
        else:
            assert "role" not in choice["delta"]
        seen.add(choice["index"])
    assert seen == {0, 1}


@on_each_path
@pytest.mark.parametrize("n", [2, 5])
def test_n_gives_that_many_choices(client: httpx.Client, path: str, body: dict[str, Any], n: int) -> None:
    """14: `n` ignored."""
    body = body | {"n": n, "max_tokens": 12, "seed": 7, "temperature": 1.5, "ignore_eos": True}
    choices = send(client, path, **body)["choices"]
    assert [choice["index"] for choice in choices] == list(range(n))
    texts = {choice["text"] if path == COMPLETIONS else choice["message"]["content"] for choice in choices}
    assert len(texts) == n
    assert {choice["index"] for choice in only_choices(stream(client, path, **body))} == set(range(n))


@on_each_path
def test_created_is_whole_seconds(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    """15: `created` as a float or in milliseconds."""
    before = int(time.time())
    whole = send(client, path, **body, max_tokens=1)["created"]
    streamed = stream(client, path, **body, max_tokens=1)[0]["created"]
    after = int(time.time())
    assert before <= whole <= streamed <= after
    models = parse_json(client.get("/v1/models").content)["data"]
    assert all(type(model["created"]) is int and model["created"] <= after for model in models)


def test_echo_is_done_and_what_cannot_be_done_is_refused(client: httpx.Client) -> None:
    """16: `echo`, `suffix` and their like silently ignored."""
    prompt = "The ship left the harbour"
    body = {"prompt": prompt, "max_tokens": 3, "temperature": 0}
    (plain,) = send(client, COMPLETIONS, **body)["choices"]
    (echoed,) = send(client, COMPLETIONS, **body, echo=True)["choices"]
    assert echoed["text"] == prompt + plain["text"]
    joined = "".join(choice["text"] for choice in only_choices(stream(client, COMPLETIONS, **body, echo=True)))
    assert joined == echoed["text"]
    for name, value in (("suffix", "."), ("best_of", 3), ("use_beam_search", True), ("guided_regex", "a")):
        error = error_of(client.post(COMPLETIONS, json=body | {name: value}), 400)
        assert (error["param"], error["code"]) == (name, "unsupported_parameter")
        assert name in error["message"]


def test_token_ids_are_one_prompt_and_lists_of_them_are_many(client: httpx.Client) -> None:
    """17: a prompt of token ids taken for a list of texts."""
    text = "The ship left the harbour"
    ids = client.post("/tokenize", json={"prompt": text}).json()["tokens"]
    body = {"max_tokens": 6, "temperature": 0}
    by_text = send(client, COMPLETIONS, prompt=text, **body)
    by_ids = send(client, COMPLETIONS, prompt=ids, **body)
    assert [choice["text"] for choice in by_ids["choices"]] == [by_text["choices"][0]["text"]]
    assert by_ids["usage"]["prompt_tokens"] == len(ids)
    many = send(client, COMPLETIONS, prompt=[ids, ids[:3]], **body)
    assert len(many["choices"]) == 2
    assert many["choices"][0]["text"] == by_text["choices"][0]["text"]
    assert many["usage"]["prompt_tokens"] == len(ids) + 3


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (COMPLETIONS, {"prompt": [9] * 512}),
        (COMPLETIONS, {"prompt": [9] * 500, "max_tokens": 13}),
        (COMPLETIONS, {"prompt": [[9], [9] * 600]}),
        (COMPLETIONS, {"prompt": "word " * 2000}),
        (CHATS, {"messages": [{"role": "user", "content": "word " * 600}]}),
        (CHATS, {"messages": HELLO, "max_completion_tokens": 512}),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused_at_once(
    client: httpx.Client, path: str, body: dict[str, Any], streams: bool
) -> None:
    """18: an overlong prompt that hangs."""
    error = error_of(client.post(path, json=body | {"stream": streams}, timeout=20), 400)
    assert error["code"] == "context_length_exceeded"
    assert "512" in error["message"]


@on_each_path
def test_every_event_ends_with_an_empty_line(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    """19: events framed with a single line break."""
    with open_stream(client, path, body | {"max_tokens": 6, "n": 2}) as response:
        check_stream_headers(response)
        raw = b"".join(response.iter_raw())
    lines = raw.split(b"\n")
    assert all(line == b"" for line in lines[1::2])
    assert all(line.startswith(b"data: ") for line in lines[:-1:2])
    assert len(parse_events(raw)) == raw.count(b"data: ") - 1


@on_each_path
def test_a_stream_is_neither_compressed_nor_held_back(
    client: httpx.Client, server: LiveServer, path: str, body: dict[str, Any]
) -> None:
    """20: streams that proxies or compression hold back until the end."""
    body = body | {"max_tokens": 250, "n": 4, "ignore_eos": True}
    accepts = {"accept-encoding": "gzip, deflate, br, zstd", "authorization": f"Bearer {KEY}"}
    with (
        httpx.Client(base_url=client.base_url, headers=accepts, timeout=60) as other,
        server.held() as hold,
        open_stream(other, path, body) as response,
    ):
        check_stream_headers(response)
        parts = response.iter_raw()
        first = next(parts)
        assert first.startswith(b"data: {")
        # Many tokens are still to come, and the server says so.
        assert client.get("/slots").json()
        hold.end()
        raw = first + b"".join(parts)
    parse_events(raw)
