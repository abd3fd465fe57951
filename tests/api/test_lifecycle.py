"""Readers that leave or wait."""

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.wire import LiveServer
from tests.faults.program import until

LONG = {"prompt": "a", "max_tokens": 500, "ignore_eos": True}


@pytest.fixture(scope="module")
def patient(tiny_llama: Path) -> Iterator[LiveServer]:
    """One row at a time, a long context and quick comments."""
    live = LiveServer(tiny_llama, {"max_rows": 1}, sse_keep_alive_s=0.05)
    yield live
    live.stop()


def send_request(server: LiveServer, body: dict[str, object]) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    content = json.dumps(body).encode()
    connection.sendall(
        b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
        % (len(content), content)
    )
    return connection


def is_busy(server: LiveServer) -> bool:
    """Whether the engine has a request, running or waiting."""
    return bool(httpx.get(f"{server.url}/slots").json())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("n", [1, 4])
def test_a_client_that_leaves_frees_its_rows(patient: LiveServer, stream: bool, how: str, n: int) -> None:
    with patient.held():
        connection = send_request(patient, LONG | {"stream": stream, "n": n})
        until(lambda: is_busy(patient))
        if stream:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        until(lambda: patient.state.num_in_flight == 0)
        until(lambda: not is_busy(patient))
        until(lambda: patient.engine.stats.pages_used == 0)
    metrics = httpx.get(f"{patient.url}/metrics").text
    assert 'vllm:request_success_total{finished_reason="abort",model_name="tiny"}' in metrics


def test_a_stream_that_waits_says_so_in_comments(patient: LiveServer) -> None:
    body = LONG | {"stream": True, "max_tokens": 1}
    with patient.held():
        first = send_request(patient, LONG | {"stream": True})
        until(lambda: is_busy(patient))
        with httpx.stream("POST", f"{patient.url}/v1/completions", json=body, timeout=60) as waiting:
            assert waiting.status_code == 200
            lines = waiting.iter_lines()
            assert next(lines) == ": keep-alive"
            first.close()
            rest = list(lines)
    assert rest[-2:] == ["data: [DONE]", ""]
    assert sum(line.startswith("data: {") for line in rest) == 1


def test_http_1_0_gets_a_stream_too(patient: LiveServer) -> None:
    content = json.dumps(LONG | {"stream": True, "max_tokens": 3}).encode()
    with socket.create_connection(("127.0.0.1", patient.port), timeout=60) as connection:
        connection.sendall(
            b"POST /v1/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(content), content)
        )
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.endswith(b"data: [DONE]\n\n")


def test_pipelined_requests_are_answered_in_order(patient: LiveServer) -> None:
    one = b"GET /%b HTTP/1.1\r\nhost: a\r\n%b\r\n"
    with socket.create_connection(("127.0.0.1", patient.port), timeout=60) as connection:
        connection.sendall(one % (b"version", b"") + one % (b"health/live", b"connection: close\r\n"))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b'"version"') < answer.index(b'"live"')
