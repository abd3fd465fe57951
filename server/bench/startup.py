"""From the start of `rhumb serve` to the first token that a client reads over HTTP."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx

import server
from server.errors import ConfigError

POLL_S = 0.02
STOP_S = 30.0
REQUEST = {"prompt": "Once upon a time", "max_tokens": 16, "stream": True}


class ServerProcess:
    """A `rhumb serve` of its own on a free port of this machine, with `--dev`.

    Args:
        arguments: the model and flags, as on the command line.
        environment: variables on top of this process's own.

    Attributes:
        start_s: when the process was started, by `time.perf_counter`.
    """

    def __init__(self, arguments: Sequence[str], log: IO[bytes], environment: dict[str, str]) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._log = log
        self.start_s = time.perf_counter()
        self._process = subprocess.Popen(
            # -P: a folder named `server` where the user stands must not be run instead of this one.
            [sys.executable, "-P", "-m", "server.cli", "serve", *arguments, "--port", str(port), "--dev"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_import_path()), **environment},
        )

    def wait_for(self, path: str, timeout_s: float) -> float:
        """Ask until `path` answers 200; returns the seconds since the start.

        Raises:
            ConfigError: the server ended, or took too long.
        """
        with httpx.Client(base_url=self.url, timeout=timeout_s) as http:
            while True:
                try:
                    if http.get(path).status_code == 200:
                        return time.perf_counter() - self.start_s
                except httpx.TransportError:
                    pass  # Nobody listens yet.
                if self._process.poll() is not None:
                    raise ConfigError(f"rhumb serve ended with code {self._process.returncode}: {self.last_words()}")
                if time.perf_counter() - self.start_s > timeout_s:
                    raise ConfigError(f"rhumb serve was not ready within {timeout_s:g} s: {self.last_words()}")
                time.sleep(POLL_S)

    def last_words(self) -> str:
        """The last line of its log."""
        self._log.flush()
        lines = Path(self._log.name).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def stop(self) -> None:
        """End it, by force if it does not go by itself."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()


@contextmanager
def running_server(arguments: Sequence[str], environment: dict[str, str] | None = None) -> Iterator[ServerProcess]:
    """A server that is started and, at the end, stopped. It need not be ready yet."""
    with tempfile.NamedTemporaryFile(prefix="rhumb-serve-", suffix=".log") as log:
        process = ServerProcess(arguments, log, environment or {})
        try:
            yield process
        finally:
            process.stop()


def time_startup(process: ServerProcess, timeout_s: float) -> dict[str, Any]:
    """Wait for a fresh server, ask it for a few tokens, and say when what was there; seconds since its start.

    Returns:
        `listening_s`, `ready_s`, `first_token_s`, and `parts_s`, which add up to the last: the HTTP side's own start,
        the parts of loading that the engine reports, the rest until it was ready, and the first request.

    Raises:
        ConfigError: the server ended, took too long or refused.
    """
    listening_s = process.wait_for("/health/live", timeout_s)
    ready_s = process.wait_for("/health/ready", timeout_s)
    first_token_s = _time_of_first_token(process, timeout_s)
    engine = httpx.get(f"{process.url}/engine", timeout=timeout_s).json()
    stages_s: dict[str, float] = engine["stages_s"]
    parts_s = {"http": listening_s, **stages_s}
    # What the engine's own stages leave out of its loading, then what lies between the two processes.
    parts_s["other loading"] = max(
        0.0, engine["load_s"] + parts_s.get("import", 0.0) - sum(engine["stages_s"].values())
    )
    parts_s["processes and tokenizer"] = max(0.0, ready_s - sum(parts_s.values()))
    parts_s["first token"] = first_token_s - ready_s
    return {
        "listening_s": listening_s,
        "ready_s": ready_s,
        "first_token_s": first_token_s,
        "parts_s": parts_s,
        "engine": engine,
    }


def _time_of_first_token(process: ServerProcess, timeout_s: float) -> float:
    with httpx.stream("POST", f"{process.url}/v1/completions", json=REQUEST, timeout=timeout_s) as response:
        if response.status_code != 200:
            response.read()
            raise ConfigError(
                f"the server refuses the first request: HTTP {response.status_code} {response.text[:200]}"
            )
        first_s = None
        # Read to the end: the first chunk alone would be a request that its client gave up.
        for line in response.iter_lines():
            if first_s is None and line.startswith("data: {"):
                first_s = time.perf_counter() - process.start_s
    if first_s is None:
        raise ConfigError("the server's answer held no token")
    return first_s


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _import_path() -> list[str]:
    """Where this very package is found, even when it is not installed, and what was set before."""
    inherited = os.environ.get("PYTHONPATH")
    return [str(Path(server.__file__).parent.parent), *([inherited] if inherited else [])]
