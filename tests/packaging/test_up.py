"""`make up`: everything starts, says where it is, and stops; what cannot work is said in one line."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from annotator.serve import announce
from server.errors import ConfigError
from server.up import Program, Supervisor, check_port, environment, read_procfile, say
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def up(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running `python -m server.up`, its output readable line by line; ended with all it started.

    The annotator listens on a port of its own and has an empty data folder; its town is built where a test asks for it.
    """
    folder = tempfile.TemporaryDirectory()
    own = [f"MAPQATOR_PORT={free_port()}", f"MAPQATOR_DATA_DIR={folder.name}", "MAPQATOR_TOWN=false"]
    process = subprocess.Popen(
        [sys.executable, "-m", "server.up", "RHUMB_NUM_PAGES=256", *own, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
        folder.cleanup()


def lines_until(process: subprocess.Popen[str], start: str) -> list[str]:
    """Output lines up to the first that begins with `start`, or to the end."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line.rstrip("\n"))
        if line.startswith(start):
            break
    return seen


def test_up_serves_its_curl_line_and_the_readmes_example_and_an_interrupt_frees_the_port() -> None:
    port = free_port()
    with up(f"RHUMB_PORT={port}") as process:
        lines = lines_until(process, "curl ")
        assert any(line.startswith(f"server is ready at http://127.0.0.1:{port}") for line in lines), lines
        # What the line does is asked of the program that it names, as a reader of the terminal would.
        answer = subprocess.run(shlex.split(lines[-1]), capture_output=True, text=True, timeout=120, check=True)
        assert json.loads(answer.stdout)["choices"][0]["text"]
        example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
        assert example is not None
        code = example[1].replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        story = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
        assert story.returncode == 0, story.stderr
        assert story.stdout.strip()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        assert process.returncode == 0
    check_port(Program("server", (), "RHUMB", "127.0.0.1", port, "http"))


def test_up_never_prints_a_key_its_curl_line_still_works_and_the_annotator_has_the_embedded_town() -> None:
    port, map_port, key = free_port(), free_port(), "sk-very-secret"
    annotator = (f"MAPQATOR_PORT={map_port}", "MAPQATOR_TOWN=true")
    with up(f"RHUMB_PORT={port}", f"RHUMB_API_KEYS={key},other", *annotator) as process:
        lines = lines_until(process, "open ")
        assert lines[-1] == f"open http://127.0.0.1:{map_port} in a browser"
        assert any(line.startswith(f"annotator is ready at http://127.0.0.1:{map_port}") for line in lines), lines
        assert not any(key in line for line in lines)
        (curl,) = (line for line in lines if line.startswith("curl "))
        env = os.environ | {"RHUMB_API_KEYS": f"{key},other"}
        answer = subprocess.run(["bash", "-c", curl], env=env, capture_output=True, text=True, timeout=120)
        assert json.loads(answer.stdout)["choices"][0]["text"]
        found = httpx.post(
            f"http://127.0.0.1:{map_port}/api/tools/text_search", json={"query": "pharmacy"}, timeout=120
        )
        assert found.json()["result"]["places"]


def test_a_taken_port_is_one_line_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with up(f"RHUMB_PORT={port}") as process:
            output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert len(output.splitlines()) == 1
    assert str(port) in output
    assert "RHUMB_PORT=" in output


def test_a_program_that_ends_is_named_and_its_status_is_ours(tmp_path: Path) -> None:
    with up(f"RHUMB_PORT={free_port()}", f"RHUMB_MODEL={tmp_path}") as process:
        output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "server stopped by itself with status 2" in output
    assert "Traceback" not in output


def test_one_program_that_ends_takes_the_others_with_it(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    sleeper = f"import os, pathlib, time; pathlib.Path({str(marker)!r}).write_text(str(os.getpid())); time.sleep(600)"
    waiter = f"import os, time\nwhile not os.path.exists({str(marker)!r}): time.sleep(0.01)\nraise SystemExit(7)"
    programs = [
        Program("sleeper", (sys.executable, "-c", sleeper), "A", "127.0.0.1", free_port(), "http"),
        Program("waiter", (sys.executable, "-c", waiter), "B", "127.0.0.1", free_port(), "http"),
    ]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = Supervisor(programs, environment([])).run()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert status == 7
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)


def test_a_second_interrupt_ends_a_program_that_ignores_the_first(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    stubborn = (
        "import os, pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(marker)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    driver = (
        "from server.up import *\n"
        f"p = Program('stubborn', (sys.executable, '-c', {stubborn!r}), 'A', '127.0.0.1', {free_port()}, 'http')\n"
        "sys.exit(Supervisor([p], environment([])).run())"
    )
    process = subprocess.Popen([sys.executable, "-c", driver], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (marker.exists() and marker.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    while process.poll() is None:
        assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    assert "stubborn did not stop; ending it" in process.communicate()[0]
    with pytest.raises(ProcessLookupError):
        os.kill(int(marker.read_text()), 0)


def test_a_line_among_those_of_other_programs_is_written_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=written.append, flush=lambda: None))
    say("server is ready")
    announce("::1", 8100)
    up_line, annotator_line = [text for text in written if text]
    assert up_line == "server is ready\n"
    assert re.fullmatch(r"MapQaTor \S+ at http://\[::1\]:8100\n", annotator_line)


def test_a_procfile_line_gives_name_command_port_and_scheme() -> None:
    text = (
        "# a remark\nserver: run --port ${RHUMB_PORT:-8000} ${RHUMB_MODEL}\nmaps: serve 'a b' ${MAPQATOR_PORT:-8100}\n"
    )
    env = {"MAPQATOR_PORT": "9100", "RHUMB_HOST": "0.0.0.0", "RHUMB_TLS_CERT": "cert.pem", "RHUMB_MODEL": "some/model"}
    server, maps = read_procfile(text, env)
    assert server.command == ("run", "--port", "8000", "some/model")
    assert server.url == "https://127.0.0.1:8000"
    assert maps.command == ("serve", "a b", "9100")
    assert maps.url == "http://127.0.0.1:9100"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8000x", "٣"])
def test_a_port_that_is_none_is_refused_with_its_variable_named(port: str) -> None:
    with pytest.raises(ConfigError, match="RHUMB_PORT must be a number from 1 to 65535"):
        read_procfile("server: run ${RHUMB_PORT:-8000}", {"RHUMB_PORT": port})


@pytest.mark.parametrize("argument", ["--port", "9000", "=1", "a-b=1"])
def test_an_argument_that_assigns_nothing_is_refused_with_the_usage(argument: str) -> None:
    with pytest.raises(ConfigError, match="not of the form VARIABLE=VALUE"):
        environment([argument])


def test_the_procfile_of_this_repository_names_a_port_in_every_line() -> None:
    programs = read_procfile((ROOT / "Procfile").read_text(), {})
    assert {program.name: program.port for program in programs} == {"server": 8000, "annotator": 8100}
