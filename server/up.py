"""Starts every program of the Procfile, waits until all answer, says where they are: `make up`.

A line `name: command --port ${NAME_PORT:-8000}` is all that a program needs. Its port is read off the line, `NAME_HOST`
and `NAME_TLS_CERT` are respected, and it is ready when `/health/ready` answers 200.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import FrameType

import httpx

from server.errors import ConfigError, RhumbError

USAGE = """usage: python -m server.up [VARIABLE=VALUE ...]      for instance: python -m server.up RHUMB_PORT=9000
Starts the programs of the Procfile. Variables may also come from the environment."""

POLL_S = 0.2
STOP_S = 45.0
"""Seconds that programs get to stop: the server lets running requests finish for 30."""

_LINE = re.compile(r"^([a-z][a-z0-9_-]*):\s*(.+)$", re.M)
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_PORT = re.compile(r"\$\{(\w+)_PORT:-(\d+)\}")


@dataclass(frozen=True, slots=True)
class Program:
    """One line of the Procfile with its variables filled in.

    Args:
        name: what stands before the colon.
        command: the program and its arguments.
        prefix: what its variables begin with, for instance `RHUMB`.
        host: address that it listens on.
        port: port that it listens on.
        scheme: `http` or `https`.
    """

    name: str
    command: tuple[str, ...]
    prefix: str
    host: str
    port: int
    scheme: str

    @property
    def url(self) -> str:
        """Where this machine reaches it: a wildcard address is no place to connect to."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"


def read_procfile(text: str, env: Mapping[str, str]) -> list[Program]:
    """Parses a Procfile and fills in `${NAME}` and `${NAME:-default}` from `env`.

    Raises:
        ConfigError: a port is no port, or a line does not say which one it takes.
    """
    return [_parse_line(name, line, env) for name, line in _LINE.findall(text)]


def _parse_line(name: str, line: str, env: Mapping[str, str]) -> Program:
    found = _PORT.search(line)
    if found is None:
        raise ConfigError(f"the Procfile's line '{name}' must name its port like ${{NAME_PORT:-8000}}")
    prefix, default_port = found.groups()
    given = env.get(f"{prefix}_PORT") or default_port
    if not (given.isascii() and given.isdecimal()) or not 1 <= int(given) <= 65535:
        raise ConfigError(f"{prefix}_PORT must be a number from 1 to 65535, not '{given}'")
    command = _VARIABLE.sub(lambda match: env.get(match[1]) or match[2] or "", line)
    return Program(
        name=name,
        command=tuple(shlex.split(command)),
        prefix=prefix,
        host=env.get(f"{prefix}_HOST") or "127.0.0.1",
        port=int(given),
        scheme="https" if env.get(f"{prefix}_TLS_CERT") else "http",
    )


def check_port(program: Program) -> None:
    """Raises `ConfigError` if the program could not listen where it will try to."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(program.host, program.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            # As servers do: a connection of the last run that still lingers does not make the port taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigError(
            f"{program.name} cannot listen on {program.host}:{program.port} ({error.strerror}); "
            f"choose another port with {program.prefix}_PORT={program.port + 1 if program.port < 65535 else 8000}"
        ) from None


def is_ready(program: Program) -> bool:
    """Whether the program says that it can serve; False while nothing answers."""
    try:
        # A self-signed certificate is no reason to doubt a program that this one started.
        return httpx.get(f"{program.url}/health/ready", timeout=2.0, verify=False, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def example(program: Program, env: Mapping[str, str]) -> str | None:
    """A curl line that works as it stands, if the program serves models."""
    key = (env.get(f"{program.prefix}_API_KEYS") or "").split(",")[0].strip()
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(f"{program.url}/v1/models", headers=headers, timeout=5.0, verify=False, trust_env=False)
        model = answer.raise_for_status().json()["data"][0]["id"]
    except (httpx.HTTPError, ValueError, LookupError):
        return None
    # The shell fills in the key, so that no log of this output holds it.
    login = f' -H "authorization: Bearer ${{{program.prefix}_API_KEYS%%,*}}"' if key else ""
    insecure = " -k" if program.scheme == "https" else ""
    body = f'{{"model": "{model}", "prompt": "Once upon a time", "max_tokens": 64}}'
    return f"curl -s{insecure} {program.url}/v1/completions -H 'content-type: application/json'{login} -d '{body}'"


class Supervisor:
    """Runs programs together: when one ends, or a signal comes, all are stopped.

    Args:
        programs: what to run.
        env: the environment of all of them.
    """

    def __init__(self, programs: list[Program], env: Mapping[str, str]) -> None:
        self._programs = programs
        self._env = dict(env)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._signalled = Event()
        self._num_signals = 0

    def run(self) -> int:
        """Runs until a signal or the first end; returns the exit status for this process."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        try:
            for program in self._programs:
                self._start(program)
            return self._watch()
        finally:
            self._stop()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._num_signals += 1
        self._signalled.set()

    def _start(self, program: Program) -> None:
        try:
            # A session of its own: Ctrl-C in the terminal reaches this process alone, which stops them in order.
            process = subprocess.Popen(program.command, env=self._env, start_new_session=True)
        except OSError as error:
            raise ConfigError(f"{program.name} cannot be started: {program.command[0]}: {error.strerror}") from None
        self._processes[program.name] = process

    def _watch(self) -> int:
        started = time.monotonic()
        waiting = list(self._programs)
        while not self._signalled.wait(POLL_S):
            for name, process in self._processes.items():
                if (status := process.poll()) is not None:
                    say(f"{name} stopped by itself with status {status}; stopping everything")
                    return status if 0 < status < 128 else 1
            ready = [program for program in waiting if is_ready(program)]
            for program in ready:
                waiting.remove(program)
                say(f"{program.name} is ready at {program.url} after {time.monotonic() - started:.1f} s")
            if ready and not waiting:
                self._announce()
        return 0

    def _announce(self) -> None:
        lines = [example(program, self._env) or f"open {program.url} in a browser" for program in self._programs]
        say("\n".join(["everything is up; Ctrl-C stops it. Try:", *lines]))

    def _stop(self) -> None:
        """Asks every program to stop, and ends those that take too long or when a second signal asks again."""
        num_signals = self._num_signals
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_S
        while any(process.poll() is None for process in self._processes.values()):
            if time.monotonic() > deadline or self._num_signals > max(1, num_signals):
                break
            time.sleep(POLL_S / 4)
        for name, process in self._processes.items():
            if process.poll() is None:
                say(f"{name} did not stop; ending it")
            # The whole session, so that no child of a program that crashed stays behind.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def say(text: str) -> None:
    """Prints at once, so that the lines keep their place among those of the programs, and whole.

    An unbuffered `print` writes the line's end by itself, before which another program's line may come.
    """
    print(f"{text}\n", end="", flush=True)


def environment(assignments: list[str]) -> dict[str, str]:
    """This process's environment with `assignments` on top and this Python's programs first on the path.

    Raises:
        ConfigError: an argument is not of the form `VARIABLE=VALUE`.
    """
    env = dict(os.environ)
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.isidentifier():
            raise ConfigError(f"'{assignment}' is not of the form VARIABLE=VALUE\n{USAGE}")
        env[name] = value
    # Not resolved: in a virtual environment the interpreter is a link to one elsewhere.
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    return env


def procfile() -> Path:
    """The Procfile beside this package in a checkout, or inside it in an installed wheel."""
    here = Path(__file__).resolve().parent
    return next(path for path in (here.parent / "Procfile", here / "Procfile") if path.is_file())


def main() -> None:
    """Runs the command line."""
    arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):
        print(USAGE)
        return
    try:
        env = environment(arguments)
        programs = read_procfile(procfile().read_text(), env)
        for program in programs:
            check_port(program)
        status = Supervisor(programs, env).run()
    except RhumbError as error:
        sys.exit(f"error: {error}")
    sys.exit(status)


if __name__ == "__main__":
    main()
