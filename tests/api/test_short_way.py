"""Plain tokens of a stream are written past most of the server; what arrives must not tell."""

import json
import logging
import re
import socket
from typing import Any

import pytest

from tests.api.wire import LiveServer
from tests.faults.program import until

COMPLETION = {"prompt": "The ship", "max_tokens": 60, "temperature": 0, "ignore_eos": True, "stream": True}
CHAT = COMPLETION | {"messages": [{"role": "user", "content": "The ship"}]}
del CHAT["prompt"]


def body_of(server: LiveServer, path: str, body: dict[str, Any], version: str) -> bytes:
    """The body of an answer, without its framing. HTTP/1.0 has none, and so only the long way."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/{version}\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
        raw = b"".join(iter(lambda: connection.recv(65536), b""))
    head_bytes, _, rest = raw.partition(b"\r\n\r\n")
    assert head_bytes.startswith(f"HTTP/{'1.1'} 200".encode())
    if b"transfer-encoding: chunked" not in head_bytes.lower():
        return rest
    parts = []
    while not rest.startswith(b"0\r\n\r\n"):
        size, _, rest = rest.partition(b"\r\n")
        parts.append(rest[: int(size, 16)])
        assert rest[int(size, 16) :].startswith(b"\r\n")
        rest = rest[int(size, 16) + 2 :]
    return b"".join(parts)


def without_identity(body: bytes) -> bytes:
    return re.sub(rb'"id":"[^"]+","object":"([a-z._]+)","created":\d+', rb'"object":"\1"', body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", COMPLETION),
        ("/v1/completions", COMPLETION | {"echo": True, "stream_options": {"include_usage": True}}),
        ("/v1/completions", COMPLETION | {"stop": ["zzz"], "n": 2}),
        ("/v1/completions", COMPLETION | {"return_token_ids": True}),
        ("/v1/completions", COMPLETION | {"logprobs": 1}),
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT | {"stream_options": {"include_usage": True, "continuous_usage_stats": True}}),
        ("/v1/chat/completions", CHAT | {"timings": False, "stream_options": {"include_usage": True}}),
    ],
)
def test_both_ways_send_the_same_bytes(server: LiveServer, path: str, body: dict[str, Any]) -> None:
    short, long = (without_identity(body_of(server, path, body, version)) for version in ("1.1", "1.0"))
    assert joined(short) == joined(long)
    # How many tokens share a chunk is a matter of time; what chunks look like is not.
    assert {shape_of(event) for event in short.split(b"\n\n")} == {shape_of(event) for event in long.split(b"\n\n")}


def joined(body: bytes) -> list[tuple[int, str]]:
    """The text of each choice."""
    texts: dict[int, str] = {}
    for event in body.split(b"\n\n")[:-2]:
        for choice in json.loads(event[6:])["choices"]:
            shown = choice["delta"].get("content", "") if "delta" in choice else choice["text"]
            texts[choice["index"]] = texts.get(choice["index"], "") + shown
    return sorted(texts.items())


def shape_of(event: bytes) -> bytes:
    """An event with its strings and numbers taken out."""
    return re.sub(rb"\d+(\.\d+)?", b"0", re.sub(rb':"(?:[^"\\]|\\.)*"', b':""', event))


def test_what_goes_the_short_way_counts_in_the_access_log_and_the_metrics(
    server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    name = "vllm:inter_token_latency_seconds_count"
    labels = {"model_name": "tiny"}
    before = server.state.metrics.registry.get_sample_value(name, labels) or 0
    with caplog.at_level(logging.INFO, logger="rhumb.access"):
        body = body_of(server, "/v1/completions", COMPLETION, "1.1")
        until(lambda: any("/v1/completions" in message for message in caplog.messages))
    assert f"200 {len(body)} bytes" in caplog.text
    after = server.state.metrics.registry.get_sample_value(name, labels) or 0
    assert 0 < after - before <= COMPLETION["max_tokens"]
