"""Clients that leave, stall, dawdle or come in thousands cost nothing that they do not give back."""

import contextlib
import json
import re
import resource
import selectors
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.program import (
    LONG,
    Answer,
    Program,
    begin,
    connect,
    exchange,
    post_bytes,
    read_all,
    reset,
    until,
)

STREAM = LONG | {"stream": True}
MAX_ROWS = 8
"""Of the shared server; see conftest.py."""


@pytest.fixture
def idle(program: Program) -> Iterator[Program]:
    """The shared server, holding nothing before the test and again after it."""
    until(lambda: is_idle(program))
    yield program
    until(lambda: is_idle(program))
    program.serves()


def is_idle(program: Program) -> bool:
    held = program.holds()
    return held.num_rows == 0 and held.num_pages == 0


def events(raw: bytes) -> list[bytes]:
    return [part for part in Answer.parse(raw).body.split(b"\n\n") if part.startswith(b"data: ")]


def is_running(program: Program, num_rows: int = 1) -> Callable[[], bool]:
    return lambda: sum(row["state"] == "running" for row in program.rows()) >= num_rows


@contextlib.contextmanager
def full_house(program: Program) -> Iterator[None]:
    """Every row taken by a stream, so that what comes next must queue."""
    with program.held():
        streams = [begin(program.port, STREAM | {"n": 4, "prompt": [5 + number]}) for number in range(MAX_ROWS // 4)]
        until(is_running(program, MAX_ROWS))
        yield
        for stream in streams:
            stream.close()


def test_a_client_that_has_closed_its_sending_side_gets_its_answer(idle: Program) -> None:
    whole, stream = begin(idle.port, LONG), begin(idle.port, STREAM)
    for connection in (whole, stream):
        connection.shutdown(socket.SHUT_WR)
    answer = Answer.parse(read_all(whole))
    assert answer.status == 200
    assert json.loads(answer.body)["usage"]["completion_tokens"] == LONG["max_tokens"]
    parts = events(read_all(stream))
    assert parts[-1] == b"data: [DONE]"
    assert b'"finish_reason":"length"' in parts[-2]


def test_it_gets_all_answers_of_a_pipeline_and_then_the_end(idle: Program) -> None:
    one = post_bytes("/v1/completions", json.dumps(LONG | {"max_tokens": 20}).encode())
    connection = connect(idle.port)
    connection.sendall(one * 3)
    connection.shutdown(socket.SHUT_WR)
    assert read_all(connection).count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize("begun", [b"", b"GET /vers", b"POST /v1/completions HTTP/1.1\r\nhost: a\r\n"])
def test_half_a_request_that_will_never_be_whole_is_closed_at_once(idle: Program, begun: bytes) -> None:
    with connect(idle.port, 10) as connection:
        connection.sendall(begun)
        connection.shutdown(socket.SHUT_WR)
        started_s = time.monotonic()
        assert connection.recv(100) == b""
        assert time.monotonic() - started_s < 4  # Less than any deadline of this server.


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("n", [1, 4])
def test_a_client_that_leaves_a_running_request_frees_its_rows(
    idle: Program, stream: bool, n: int, leave: Callable[[socket.socket], None]
) -> None:
    before = idle.num_aborted()
    with idle.held():
        connection = begin(idle.port, LONG | {"stream": stream, "n": n})
        until(is_running(idle, n))
        leave(connection)
        until(lambda: is_idle(idle))
        until(lambda: idle.num_aborted() == before + n)


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_the_queue_frees_its_place(
    idle: Program, stream: bool, leave: Callable[[socket.socket], None]
) -> None:
    before = idle.num_aborted()
    with full_house(idle):
        connection = begin(idle.port, LONG | {"stream": stream, "n": 3})
        until(lambda: any(row["state"] == "waiting" for row in idle.rows()))
        leave(connection)
        until(lambda: not any(row["state"] == "waiting" for row in idle.rows()))
        until(lambda: idle.num_aborted() == before + 3)


@pytest.mark.parametrize("leave", [socket.socket.close, reset])
def test_a_client_that_leaves_before_anything_has_run_frees_everything(
    idle: Program, leave: Callable[[socket.socket], None]
) -> None:
    # Hundreds of prompts are still being submitted or prefilled when their client is gone.
    with idle.held():
        connections = [begin(idle.port, {"prompt": [[token] * 400 for token in range(200)], "max_tokens": 100})]
        connections += [begin(idle.port, LONG | {"stream": True}) for _ in range(20)]
        for connection in connections:
            leave(connection)
        # Whoever is answered was accepted after all of them.
        assert idle.get("/version").status == 200
        until(lambda: is_idle(idle))


def test_a_reset_after_the_first_chunk_or_the_headers_frees_the_row(idle: Program) -> None:
    before = idle.num_aborted()
    with idle.held():
        connections = [begin(idle.port, STREAM) for _ in range(6)]
        for connection in connections[:3]:
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
        for connection in connections[3:]:
            got = b""
            while b"data: " not in got:
                got += connection.recv(4096)
        for connection in connections:
            reset(connection)
        until(lambda: is_idle(idle))
        until(lambda: idle.num_aborted() == before + 6)
    half = connect(idle.port)
    half.sendall(b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n")
    reset(half)


def test_a_reader_that_takes_nothing_is_dropped_in_time(idle: Program) -> None:
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    connection.connect(("127.0.0.1", idle.port))
    # More than the buffers on the way hold: 64 rows of 100 tokens with 20 alternatives each.
    body = {"prompt": [[5]] * 64, "max_tokens": 100, "ignore_eos": True, "stream": True, "logprobs": 20}
    before = idle.num_aborted()
    connection.sendall(post_bytes("/v1/completions", json.dumps(body).encode()))
    # A fast machine has generated everything before the reader's time is up, so idleness alone shows nothing.
    until(lambda: idle.num_aborted() > before)
    until(lambda: is_idle(idle))
    connection.settimeout(60)
    # What the server's kernel still holds would take minutes to come by the kilobyte.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    with contextlib.suppress(ConnectionResetError):
        got = b"".join(iter(lambda: connection.recv(65536), b""))
        assert not got.endswith(b"0\r\n\r\n")
    connection.close()


def test_dawdlers_are_cut_off_at_their_deadlines_all_at_once(idle: Program) -> None:
    head = b"POST /v1/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
    stuck_in = {
        "nothing at all": b"",
        "the first line": b"POST /v1/comp",
        "the headers": head + b"x-slow: ",
        "the body": head + b'content-length: 100\r\n\r\n{"prompt"',
        "a chunk": head + b'transfer-encoding: chunked\r\n\r\n10\r\n{"prompt"',
        "the last chunk": head + b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
    }
    connections = {name: connect(idle.port, 20) for name in stuck_in}
    for name, begun in stuck_in.items():
        connections[name].sendall(begun)
    drops = {name: _drop_by_drop(connections[name]) for name in ("the headers", "the body")}
    answers = {}
    for name, connection in connections.items():
        answers[name] = drops.get(name) or read_all(connection)
        connection.close()
    for name in ("nothing at all", "the first line", "the headers"):
        assert answers[name] == b"", name
    for name in ("the body", "a chunk", "the last chunk"):
        answer = Answer.parse(answers[name])
        assert (answer.status, answer.error["code"]) == (408, "body_timeout"), name


def _drop_by_drop(connection: socket.socket) -> bytes:
    """What comes back while a byte is sent now and then, which must not put the deadline off."""
    got = b""
    connection.settimeout(0.2)
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        with contextlib.suppress(TimeoutError):
            try:
                part = connection.recv(4096)
            except ConnectionResetError:
                part = b""
            if not part:
                return got
            got += part
        with contextlib.suppress(OSError):
            connection.sendall(b"x")
    raise AssertionError("a dawdler was never cut off")


def test_two_thousand_connections_at_once_are_all_answered(idle: Program) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    num = 2000
    if hard < num + 200:
        pytest.skip(f"needs {num + 200} file descriptors, and this user may have only {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, num + 200), hard))
    body = json.dumps({"prompt": [5], "max_tokens": 1}).encode()
    selector = selectors.DefaultSelector()
    connections = [connect(idle.port) for _ in range(num)]
    try:
        # One in two is active, and all are open before the first is answered.
        for connection in connections[::2]:
            connection.sendall(post_bytes("/v1/completions", body, b"connection: close"))
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ, bytearray())
        idle.serves()
        answers: list[Answer] = []
        end_s = time.monotonic() + 60
        while selector.get_map():
            assert time.monotonic() < end_s, f"only {len(answers)} were answered"
            for key, _ in selector.select(1):
                part = key.fileobj.recv(65536)  # type: ignore[union-attr]
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fileobj)
                    answers.append(Answer.parse(bytes(key.data)))
        statuses = {answer.status for answer in answers}
        assert len(answers) == num // 2
        assert statuses <= {200, 429}, statuses
        assert 200 in statuses
        for answer in answers:
            if answer.status == 429:
                assert answer.error["code"] == "server_overloaded"
                assert int(answer.headers["retry-after"]) >= 1
    finally:
        selector.close()
        for connection in connections:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_pipelined_requests_are_answered_in_order_also_after_a_refusal(idle: Program) -> None:
    bad = post_bytes("/v1/completions", b"{}")
    last = b"GET /version HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    connection = connect(idle.port)
    connection.sendall(post_bytes("/tokenize", b'{"prompt": "a"}') + bad + last)
    assert re.findall(rb"HTTP/1\.1 (\d+)", read_all(connection)) == [b"200", b"400", b"200"]


def test_what_follows_a_long_answer_on_its_connection_does_not_hide_that_the_client_left(idle: Program) -> None:
    before = idle.num_aborted()
    with idle.held():
        connection = begin(idle.port, LONG)
        connection.sendall(b"GET /version HTTP/1.1\r\nhost: a\r\n\r\n" * 50)
        until(is_running(idle))
        connection.close()
        until(lambda: idle.num_aborted() == before + 1)


def test_expect_100_continue_is_answered_before_the_body_is_sent(idle: Program) -> None:
    body = json.dumps(LONG | {"max_tokens": 1}).encode()
    head = post_bytes("/v1/completions", body, b"expect: 100-continue", b"connection: close").removesuffix(body)
    connection = connect(idle.port)
    connection.sendall(head)
    assert connection.recv(4096).startswith(b"HTTP/1.1 100")
    connection.sendall(body)
    assert Answer.parse(read_all(connection)).status == 200
    too_large = head.replace(b"content-length: %d" % len(body), b"content-length: 99999999")
    assert exchange(idle.port, too_large).status == 413
