"""Several API processes around one engine: the same answers, one count, and each process's trouble its own."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.faults.program import LONG, Answer, Program, begin, connect, exchange, post_bytes, read_all, until
from tests.faults.test_signals import last_events

STREAM = LONG | {"stream": True, "temperature": 0}


@pytest.fixture(scope="module")
def fleet(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A server of two API processes. Every test but the last must leave both of them serving."""
    log = tmp_path_factory.mktemp("fleet") / "log"
    program = Program(tiny_llama, log, "--api-processes", "2", "--max-rows", "8")
    until(program.is_ready, 120)
    until(lambda: all_serve(program), 120)
    yield program
    program.stop()


def workers(program: Program) -> list[psutil.Process]:
    return program.children("server.api.worker")


def all_serve(program: Program) -> bool:
    """Whether both processes are there and ready; asks until both were asked."""
    ready: set[int] = set()
    while program.is_ready() and len(workers(program)) == 2:
        with connect(program.port) as connection:
            connection.sendall(b"GET /health/ready HTTP/1.1\r\nhost: a\r\n\r\n")
            if not connection.recv(65536).startswith(b"HTTP/1.1 200"):
                return False
            ready.add(worker_of(program, connection).pid)
        if len(ready) == 2:
            return True
    return False


def worker_of(program: Program, connection: socket.socket) -> psutil.Process:
    """Who answers on a connection of ours."""
    port = connection.getsockname()[1]
    found: list[psutil.Process] = []

    def is_accepted() -> bool:
        for worker in workers(program):
            with contextlib.suppress(psutil.Error):  # It may end while it is looked at.
                if any(other.raddr and other.raddr.port == port for other in worker.net_connections("tcp")):
                    found.append(worker)
        return bool(found)

    until(is_accepted)
    return found[0]


def streams_of_both(program: Program) -> dict[int, socket.socket]:
    """A stream that has begun at each process, by the process."""
    streams: dict[int, socket.socket] = {}
    while len(streams) < 2:
        connection = connect(program.port)
        if streams.setdefault(worker_of(program, connection).pid, connection) is not connection:
            connection.close()
    for stream in streams.values():
        stream.sendall(post_bytes("/v1/completions", json.dumps(STREAM).encode(), b"connection: close"))
        assert stream.recv(1, socket.MSG_PEEK)
    return streams


def count(program: Program, name: str) -> int:
    """A counter, over all its labels."""
    body = program.get("/metrics").body.decode()
    return int(sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", body, re.MULTILINE)))


def test_all_processes_give_the_same_answers_and_count_together(fleet: Program) -> None:
    streams = streams_of_both(fleet).values()
    answers = {Answer.parse(read_all(stream)).body.count(b"data: ") for stream in streams}
    texts = {
        "".join(json.loads(event[6:])["choices"][0]["text"] for event in body.split(b"\n\n")[:-2])
        for body in (Answer.parse(read_all(begin(fleet.port, STREAM | {"max_tokens": 40}))).body for _ in range(8))
    }
    assert len(answers) == len(texts) == 1
    num_requests = len(streams) + 8
    assert fleet.num_aborted() == 0
    num_tokens = len(streams) * LONG["max_tokens"] + 8 * 40
    # Several looks, most likely at both processes: who is asked does not decide what is said.
    for _ in range(4):
        assert count(fleet, "vllm:request_success_total") == num_requests
        # Of the core's own counters an idle process hears only now and then.
        until(lambda: count(fleet, "vllm:generation_tokens_total") == num_tokens)
        until(lambda: count(fleet, "vllm:iteration_tokens_total_sum") >= num_tokens)


def test_only_the_clients_of_a_killed_process_notice_and_another_takes_its_place(fleet: Program) -> None:
    core = fleet.core()
    with fleet.held():
        streams = streams_of_both(fleet)
        victim, survivor = streams
        psutil.Process(victim).kill()
        with contextlib.suppress(ConnectionResetError):
            # Whether its end is a reset or an early end of file, the stream is visibly not whole.
            assert b"[DONE]" not in read_all(streams[victim])
    finish, done = last_events(read_all(streams[survivor]))
    assert b'"finish_reason":"length"' in finish
    assert done == b"data: [DONE]"
    until(lambda: fleet.rows() == [])
    until(lambda: all_serve(fleet))
    assert victim not in {worker.pid for worker in workers(fleet)}
    assert fleet.core().pid == core.pid
    for stream in streams_of_both(fleet).values():
        assert last_events(read_all(stream))[1] == b"data: [DONE]"


def test_a_killed_engine_is_an_error_to_all_processes_and_comes_back_to_all(fleet: Program) -> None:
    core = fleet.core()
    with fleet.held():
        streams = streams_of_both(fleet)
        core.kill()
        for stream in streams.values():
            error, done = last_events(read_all(stream))
            assert json.loads(error[6:])["error"]["code"] == "engine_unavailable"
            assert done == b"data: [DONE]"
    until(fleet.is_ready)
    until(lambda: all_serve(fleet))
    for _ in range(8):
        until(lambda: exchange(fleet.port, post_bytes("/v1/completions", b'{"prompt": "a"}')).status == 200)
    assert set(streams) == {worker.pid for worker in workers(fleet)}
    assert fleet.core().pid != core.pid


def test_sigterm_drains_all_processes_at_last(fleet: Program) -> None:
    with fleet.held():
        streams = streams_of_both(fleet)
        everyone = [*workers(fleet), fleet.core()]
        fleet.signal(signal.SIGTERM)
        until(lambda: fleet.get("/health/ready").status == 503)
    for stream in streams.values():
        finish, done = last_events(read_all(stream))
        assert b'"finish_reason":"length"' in finish
        assert done == b"data: [DONE]"
    assert fleet.wait() == 0
    assert not any(process.is_running() for process in everyone)
    assert "Traceback" not in fleet.log


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--attention-backend", "nonsense"], "no attention backend 'nonsense'"),
        (["--chat-template", "/does/not/exist"], "/does/not/exist"),
    ],
)
def test_what_cannot_be_served_is_one_line(tiny_llama: Path, arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "server.cli", "serve", str(tiny_llama), "--port", "0", "--api-processes", "2"]
    ended = subprocess.run([*command, "--log-level", "error", *arguments], capture_output=True, text=True, timeout=300)
    assert ended.returncode == 2
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("rhumb: ")
    assert message in last
    assert "Traceback" not in ended.stderr
