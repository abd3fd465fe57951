"""The streaming client against a real HTTP server."""

import json
from dataclasses import replace

import pytest
from fastapi.responses import JSONResponse
from hypothesis import given
from hypothesis import strategies as st

from server.bench.client import (
    ENDPOINTS,
    RequestResult,
    SseParser,
    StreamClient,
    error_message,
    parse_extra_body,
    parse_headers,
    read_choice,
)
from server.bench.datasets import Prompt
from server.errors import ConfigError

PROMPT = Prompt("Once upon", [1, 2, 3], output_len=10)


async def ask(peer, backend="openai", prompt=PROMPT, **options) -> RequestResult:
    return await StreamClient(peer.url, backend, ENDPOINTS[backend], "story", **options).send(prompt)


@given(
    st.lists(st.binary(min_size=1, max_size=20).filter(lambda data: b"\n" not in data and not data.endswith(b"\r"))),
    st.sampled_from([b"\n", b"\r\n"]),
    st.data(),
)
def test_events_are_the_same_however_the_network_cuts_them(payloads, newline, data):
    stream = b"".join(b"data: " + payload + newline * 2 for payload in payloads)
    parser, events = SseParser(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        events += parser.feed(stream[:size])
        stream = stream[size:]
    assert events == payloads


def test_comments_are_skipped_and_data_lines_of_one_event_joined():
    parser = SseParser()
    assert list(parser.feed(b": keep-alive\n\nevent: x\ndata: a\ndata:b\n\n")) == [b"a\nb"]


@pytest.mark.parametrize("backend", ["openai", "openai-chat"])
async def test_a_stream_is_timed_chunk_by_chunk(peer, backend):
    result = await ask(peer, backend)
    assert result.error is None
    assert (result.prompt_len, result.output_len, result.num_chunks) == (7, 10, 10)
    assert result.has_usage
    assert result.text == "Once upon a time" * 2
    assert len(result.itls_s) == 9
    assert 0 < result.ttft_s < result.latency_s
    # Nothing between the first and the last chunk is lost or counted twice; the closing chunk comes after.
    assert result.ttft_s + sum(result.itls_s) <= result.latency_s
    assert result.tpot_s == pytest.approx((result.latency_s - result.ttft_s) / 9)
    # The peer waits 2 ms after every chunk; a late reader finds some of them together, but never all.
    assert sum(result.itls_s) > 0.002


@pytest.mark.parametrize("backend", ["openai", "openai-chat"])
async def test_requests_say_what_was_asked(peer, backend):
    await ask(
        peer,
        backend,
        ignore_eos=True,
        temperature=0.5,
        extra_body={"top_k": 3, "temperature": 0.25},
        headers={"authorization": "Bearer key"},
    )
    body = peer.bodies[0]
    assert body["model"] == "story"
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}
    assert body["ignore_eos"] is True
    assert body["top_k"] == 3
    assert body["temperature"] == 0.25
    if backend == "openai":
        assert (body["prompt"], body["max_tokens"]) == ("Once upon", 10)
    else:
        assert body["messages"] == [{"role": "user", "content": "Once upon"}]
        assert body["max_completion_tokens"] == 10
    assert peer.headers[0]["authorization"] == "Bearer key"


async def test_a_server_may_leave_ignore_eos_and_usage_out(peer):
    peer.has_usage = False
    result = await ask(peer)
    assert "ignore_eos" not in peer.bodies[0]
    assert not result.has_usage
    assert (result.prompt_len, result.output_len) == (3, 10)


async def test_a_refusal_is_a_failed_request_with_the_servers_words(peer):
    peer.refusal = JSONResponse({"error": {"message": "too many\nrequests", "code": 429}}, status_code=429)
    result = await ask(peer)
    assert result.error == "HTTP 429: too many requests"


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([b'data: {"choices": [{"text": "a"}]}\n\n'], "without [DONE]"),
        ([b"data: [DONE]\n\n"], "no output"),
        ([b'data: {"error": {"message": "the engine died"}}\n\n', b"data: [DONE]\n\n"], "the engine died"),
        ([b"data: {]\n\n"], "malformed"),
        ([b"data: 5\n\n"], "no object"),
    ],
)
async def test_a_stream_that_breaks_is_a_failed_request(peer, chunks, message):
    peer.chunks = lambda body: chunks
    result = await ask(peer)
    assert result.error is not None
    assert message in result.error


async def test_a_server_that_is_not_there_is_a_failed_request(peer):
    result = await StreamClient("http://127.0.0.1:1", "openai", ENDPOINTS["openai"], "story").send(PROMPT)
    assert result.error is not None
    assert "ConnectError" in result.error
    assert peer.bodies == []


async def test_several_events_in_one_chunk_are_all_counted(peer):
    whole = peer.events
    peer.chunks = lambda body: [b"".join(whole(body))]
    result = await ask(peer, prompt=replace(PROMPT, output_len=4))
    assert (result.error, result.num_chunks, result.output_len) == (None, 4, 4)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"text": "a", "finish_reason": None}, ("a", True)),
        ({"text": "", "finish_reason": None}, ("", True)),
        ({"text": "", "finish_reason": "length"}, ("", False)),
        ({"text": "z", "finish_reason": "stop"}, ("z", True)),
        ({"delta": {"role": "assistant", "content": ""}}, ("", False)),
        ({"delta": {"role": "assistant", "content": "Hi"}}, ("Hi", True)),
        ({"delta": {"content": ""}}, ("", True)),
        ({"delta": {"tool_calls": [{"index": 0}]}}, ("", True)),
        ({"delta": {"reasoning_content": "hm"}}, ("", True)),
        ({"delta": {}, "finish_reason": "stop"}, ("", False)),
    ],
)
def test_only_chunks_that_stand_for_tokens_count(choice, expected):
    assert read_choice(choice) == expected


def test_error_bodies_of_any_shape_become_one_line():
    assert error_message(json.dumps({"error": {"message": "no"}}).encode()) == "no"
    assert error_message(json.dumps({"message": "plain"}).encode()) == "plain"
    assert error_message(b"<html>\n502\n</html>") == "<html> 502 </html>"
    assert len(error_message(b"x" * 5000)) < 400


def test_headers_and_extra_bodies_are_checked():
    assert parse_headers(["a=b", "x-key = v=w"]) == {"a": "b", "x-key": "v=w"}
    assert parse_extra_body('{"top_k": 5}') == {"top_k": 5}
    assert parse_extra_body(None) == {}
    for text in ("nonsense", "[1]"):
        with pytest.raises(ConfigError, match="--extra-body"):
            parse_extra_body(text)
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        parse_headers(["novalue"])
