"""Readers that leave or stall, and servers that start and stop."""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.wire import LiveServer

LONG = {"prompt": "a", "max_tokens": 500, "ignore_eos": True}


def until(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    """Wait for a condition."""
    paused = threading.Event()
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "the condition did not come true in time"
        paused.wait(0.02)


@pytest.fixture(scope="module")
def patient(tiny_llama: Path) -> Iterator[LiveServer]:
    """One row at a time, a long context, quick comments, and readers dropped after half a second."""
    live = LiveServer(tiny_llama, {"max_rows": 1}, sse_keep_alive_s=0.05, write_timeout_s=0.5)
    yield live
    live.stop()


def send_request(server: LiveServer, body: dict[str, object], *, receive_buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(30)
    connection.connect(("127.0.0.1", server.port))
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


def test_a_reader_that_takes_nothing_is_dropped(patient: LiveServer) -> None:
    # Scored echoes are large, so that the buffers on the way soon are full.
    body = {
        "prompt": [[7] * 450] * 60,
        "echo": True,
        "logprobs": 20,
        "max_tokens": 50,
        "ignore_eos": True,
        "stream": True,
    }
    with patient.held():
        connection = send_request(patient, body, receive_buffer=1024)
        until(lambda: is_busy(patient))
    until(lambda: patient.state.num_in_flight == 0, 60)
    until(lambda: not is_busy(patient))
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    connection.close()
    assert received.startswith(b"HTTP/1.1 200")
    assert b"[DONE]" not in received


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
    with socket.create_connection(("127.0.0.1", patient.port), timeout=30) as connection:
        connection.sendall(
            b"POST /v1/completions HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(content), content)
        )
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.endswith(b"data: [DONE]\n\n")


def test_pipelined_requests_are_answered_in_order(patient: LiveServer) -> None:
    one = b"GET /%b HTTP/1.1\r\nhost: a\r\n%b\r\n"
    with socket.create_connection(("127.0.0.1", patient.port), timeout=30) as connection:
        connection.sendall(one % (b"version", b"") + one % (b"health/live", b"connection: close\r\n"))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b'"version"') < answer.index(b'"live"')


class Program:
    """`rhumb serve` in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        environment = os.environ | {"RHUMB_HOST": "127.0.0.1", "RHUMB_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", *arguments],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment,
        )  # fmt: skip
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(iter(self.process.stderr.readline, ""))

    @property
    def log(self) -> str:
        return "".join(self.lines)

    @property
    def url(self) -> str | None:
        found = re.search(r"listening on (http://\S+:\d+)", self.log)
        return found[1] if found else None

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.url is not None and httpx.get(f"{self.url}/health/ready").status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, limit_s: float = 60) -> int:
        code = self.process.wait(limit_s)
        self._reader.join(5)
        return code

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stderr is not None
        self._reader.join(5)
        self.process.stderr.close()


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    programs: list[Program] = []

    def begin(*arguments: str) -> Program:
        programs.append(Program(*arguments))
        return programs[-1]

    yield begin
    for program in programs:
        program.stop()


def test_sigterm_lets_running_requests_finish_and_refuses_new_ones(
    start: Callable[..., Program], tiny_llama: Path
) -> None:
    program = start(str(tiny_llama), "--port", "0", "--served-name", "tiny", "--log-level", "info")
    until(program.is_ready, 120)
    url = program.url
    body = {"prompt": "secret words", "max_tokens": 400, "ignore_eos": True, "stream": True}
    with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=60) as running:
        lines = running.iter_lines()
        next(lines)
        program.process.send_signal(signal.SIGTERM)
        until(lambda: httpx.get(f"{url}/health/ready").status_code == 503, 10)
        refused = httpx.post(f"{url}/v1/completions", json={"prompt": "a"})
        rest = list(lines)
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "engine_unavailable"
    assert rest[-2:] == ["data: [DONE]", ""]
    assert '"finish_reason":"length"' in "".join(rest)
    assert program.wait() == 0
    assert "secret" not in program.log
    assert "POST /v1/completions 200" in program.log
    assert "Traceback" not in program.log


def test_requests_that_outlive_the_drain_end_with_an_error_event(
    start: Callable[..., Program], tiny_llama: Path
) -> None:
    program = start(str(tiny_llama), "--port", "0", "--drain-s", "0", "--max-rows", "1")
    until(program.is_ready, 120)
    body = {"prompt": ["a"] * 50, "max_tokens": 500, "ignore_eos": True, "stream": True}
    with httpx.stream("POST", f"{program.url}/v1/completions", json=body, timeout=60) as running:
        lines = running.iter_lines()
        next(lines)
        program.process.send_signal(signal.SIGTERM)
        rest = [line for line in lines if line.startswith("data: ")]
    assert rest[-1] == "data: [DONE]"
    assert json.loads(rest[-2][6:])["error"]["code"] == "engine_unavailable"
    assert program.wait() == 0


def test_a_taken_port_is_one_line(start: Callable[..., Program], tiny_llama: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = start(str(tiny_llama), "--port", str(port))
        assert program.wait() == 2
    assert program.log == f"rhumb: cannot listen on 127.0.0.1:{port}: it is in use; choose another with --port\n"


def test_a_model_that_is_not_there_is_one_line(start: Callable[..., Program], tmp_path: Path) -> None:
    program = start(str(tmp_path / "absent"), "--port", "0", "--log-level", "error")
    assert program.wait() == 2
    last = program.lines[-1]
    assert last.startswith("rhumb: ")
    assert "absent" in last
    assert "Traceback" not in program.log
