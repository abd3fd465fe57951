"""Signals to the server and the death of its engine: who runs is told, who comes is refused, and it recovers."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from tests.faults.conftest import StartProgram
from tests.faults.program import LONG, Answer, Program, begin, exchange, post_bytes, read_all, until

STREAM = LONG | {"stream": True}


def last_events(raw: bytes) -> tuple[bytes, bytes]:
    """The last two events of a stream."""
    parts = [part for part in Answer.parse(raw).body.split(b"\n\n") if part.startswith(b"data: ")]
    return parts[-2], parts[-1]


def running(program: Program) -> int:
    return sum(row["state"] == "running" for row in program.rows())


def test_a_killed_engine_is_an_error_to_all_and_comes_back(start_program: StartProgram) -> None:
    program = start_program("--max-rows", "8")
    with program.held():
        streams = [begin(program.port, STREAM) for _ in range(6)]
        wholes = [begin(program.port, LONG) for _ in range(6)]
        until(lambda: len(program.rows()) == 12 and running(program) == 8)
        core = program.core()
        core.kill()
        until(lambda: program.get("/health/ready").status == 503)
        assert program.get("/health").status == 503
        assert program.get("/health/live").status == 200
        refused = exchange(program.port, post_bytes("/v1/completions", b'{"prompt": "a"}'))
        assert (refused.status, refused.error["code"]) == (503, "engine_unavailable")
    for stream in streams:
        error, done = last_events(read_all(stream))
        assert json.loads(error[6:])["error"]["code"] == "engine_unavailable"
        assert done == b"data: [DONE]"
    for whole in wholes:
        answer = Answer.parse(read_all(whole))
        assert (answer.status, answer.error["code"]) == (503, "engine_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    until(program.is_ready)
    program.serves()
    assert program.core().pid != core.pid
    assert not psutil.pid_exists(core.pid)
    assert program.rows() == []


def test_sigterm_lets_streams_finish_refuses_the_rest_and_exits_with_0(start_program: StartProgram) -> None:
    program = start_program("--max-rows", "4")
    # Four at a time: those that wait are in the house too, and are finished.
    with program.held():
        streams = [begin(program.port, STREAM | {"prompt": "secret words"}) for _ in range(8)]
        until(lambda: len(program.rows()) == 8)
        core = program.core()
        program.signal(signal.SIGTERM)
        until(lambda: program.get("/health/ready").status == 503)
        refused = exchange(program.port, post_bytes("/v1/completions", b'{"prompt": "a"}'))
        assert (refused.status, refused.error["code"]) == (503, "engine_unavailable")
    for stream in streams:
        finish, done = last_events(read_all(stream))
        assert b'"finish_reason":"length"' in finish
        assert done == b"data: [DONE]"
    assert program.wait() == 0
    assert not psutil.pid_exists(core.pid)
    assert "POST /v1/completions 200" in program.log
    assert "secret" not in program.log
    assert "Traceback" not in program.log


def test_requests_that_outlive_the_drain_end_with_an_error_event(start_program: StartProgram) -> None:
    program = start_program("--drain-s", "0", "--max-rows", "1")
    with program.held():
        stream = begin(program.port, STREAM | {"prompt": ["a"] * 50})
        until(lambda: running(program) == 1)
        program.signal(signal.SIGTERM)
        error, done = last_events(read_all(stream))
        assert json.loads(error[6:])["error"]["code"] == "engine_unavailable"
        assert done == b"data: [DONE]"
        assert program.wait() == 0


def test_a_second_interrupt_ends_what_runs_with_an_error_event(start_program: StartProgram) -> None:
    program = start_program("--max-rows", "1")
    with program.held():
        stream = begin(program.port, STREAM | {"prompt": [[5]] * 100})
        until(lambda: running(program) == 1)
        core = program.core()
        program.signal(signal.SIGINT)
        until(lambda: program.get("/health/ready").status == 503)
        assert program.process.poll() is None
        program.signal(signal.SIGINT)
        error, done = last_events(read_all(stream))
        assert json.loads(error[6:])["error"]["code"] == "engine_unavailable"
        assert done == b"data: [DONE]"
        assert program.wait() == 0
    assert not psutil.pid_exists(core.pid)
    assert "Traceback" not in program.log


def test_a_killed_server_takes_its_engine_with_it(start_program: StartProgram) -> None:
    program = start_program()
    core = program.core()
    program.process.kill()
    program.wait()
    until(lambda: not core.is_running() or core.status() == psutil.STATUS_ZOMBIE)


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server.cli", "serve", str(tmp_path / "absent"), "--port", "0"]
    ended = subprocess.run([*command, "--log-level", "error"], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("rhumb: ")
    assert "absent" in last
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_one_line_that_says_what_to_do(tiny_llama: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "server.cli", "serve", str(tiny_llama), "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == f"rhumb: cannot listen on 127.0.0.1:{port}: it is in use; choose another with --port\n"
