"""`rhumb serve` as a process of its own, seen from outside: its port, its log, what it holds."""

import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tests.held_core import CORE_MODULE, HOLD_FILE
from tests.hold import Hold, HoldByFile

ROOT = Path(__file__).resolve().parents[2]
GOOD = {"prompt": "The ship", "max_tokens": 2, "temperature": 0}
LONG = {"prompt": "The ship", "max_tokens": 500, "ignore_eos": True}


def until(condition: Any, limit_s: float = 60.0) -> None:
    """Wait for a condition; the pause only keeps the wait from taking the processor from what it waits for."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, "the condition did not come true in time"
        time.sleep(0.02)


class Held(NamedTuple):
    """What a server holds that it could fail to give back."""

    num_fds: int
    num_rows: int
    num_pages: int
    num_threads: int


class Program:
    """A server on a free port. Its log goes to a file.

    Args:
        model: the model's folder.
        arguments: further flags.
    """

    def __init__(self, model: Path, log: Path, *arguments: str) -> None:
        self._log = log
        self._hold = HoldByFile(log.with_name(f"{log.name}.hold"))
        command = [
            sys.executable, "-m", "tests.faults.held_server", "serve", str(model), "--port", "0",
            "--served-name", "tiny", "--num-threads", "1", "--num-pages", "2048", *arguments,
        ]  # fmt: skip
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RHUMB_")}
        environment[HOLD_FILE] = str(self._hold.file)
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=environment)

    @property
    def log(self) -> str:
        return self._log.read_bytes().decode()

    @property
    def port(self) -> int:
        found = re.search(r"listening on http://127.0.0.1:(\d+)", self.log)
        assert found is not None, self.log
        return int(found[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.log
        if "listening on" not in self.log:
            return False
        try:
            return self.get("/health/ready").status == 200
        except ConnectionRefusedError:
            # The port is bound, and said, before the model is read; it is listened on after.
            return False

    def core(self) -> psutil.Process:
        """The engine's process."""
        [core] = self.children(CORE_MODULE)
        return core

    def children(self, module: str) -> list[psutil.Process]:
        """Its child processes that run `module`."""
        found = []
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.Error):  # It may end while it is looked at.
                if module in child.cmdline():
                    found.append(child)
        return found

    def held(self) -> contextlib.AbstractContextManager[Hold]:
        """What is asked meanwhile begins, with a few tokens, and does not end by itself."""
        return self._hold.on()

    def rss_bytes(self) -> int:
        """Resident memory of the server and its children."""
        this = psutil.Process(self.process.pid)
        return sum(process.memory_info().rss for process in (this, *this.children()))

    def get(self, path: str) -> "Answer":
        return exchange(self.port, b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n" % path.encode())

    def rows(self) -> list[dict[str, Any]]:
        """The live request table."""
        rows: list[dict[str, Any]] = json.loads(self.get("/slots").body)
        return rows

    def holds(self) -> Held:
        """What it holds now; the descriptors of connections that are being closed are still among them."""
        this = psutil.Process(self.process.pid)
        pages = re.search(rb"^rhumb:kv_pages_used\S* (\S+)", self.get("/metrics").body, re.MULTILINE)
        assert pages is not None
        return Held(this.num_fds(), len(self.rows()), int(float(pages[1])), this.num_threads())

    def num_aborted(self) -> int:
        """Samples ended because their client left."""
        found = re.search(rb'finished_reason="abort"\S* (\S+)', self.get("/metrics").body)
        return int(float(found[1])) if found else 0

    def serves(self) -> None:
        """Asserts that a plain good request is answered as ever."""
        answer = exchange(self.port, post_bytes("/v1/completions", json.dumps(GOOD).encode()))
        assert answer.status == 200, answer
        assert json.loads(answer.body)["usage"]["completion_tokens"] == 2

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(60)

    def stop(self) -> None:
        """End it with its children, whatever state they are in."""
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children()
            self.process.kill()
            self.process.wait()
            psutil.wait_procs(children, timeout=10)


def post_bytes(path: str, content: bytes, *headers: bytes) -> bytes:
    """An HTTP/1.1 POST of JSON as it stands on the wire."""
    head = [b"POST %b HTTP/1.1" % path.encode(), b"host: a", b"content-type: application/json", *headers]
    return b"\r\n".join([*head, b"content-length: %d" % len(content), b"", content])


def connect(port: int, limit_s: float = 60) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=limit_s)


def begin(port: int, body: dict[str, Any], *headers: bytes, path: str = "/v1/completions") -> socket.socket:
    """A connection on which the whole request, its last one, has been sent and nothing read."""
    connection = connect(port)
    connection.sendall(post_bytes(path, json.dumps(body).encode(), b"connection: close", *headers))
    return connection


def read_all(connection: socket.socket) -> bytes:
    """Everything up to the server's end of file."""
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


def reset(connection: socket.socket) -> None:
    """Close with a reset instead of a goodbye."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class Answer(NamedTuple):
    """One HTTP answer, read off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "Answer":
        """The last answer of `raw`, after interim ones; a chunked body is joined."""
        while raw.startswith(b"HTTP/1.1 100"):
            raw = raw.partition(b"\r\n\r\n")[2]
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding") == "chunked":
            body = b"".join(_chunks(body))
        return cls(int(first.split()[1]), headers, body)

    @property
    def error(self) -> dict[str, Any]:
        """The error inside the envelope, after checking the envelope."""
        envelope = json.loads(self.body)
        assert envelope.keys() == {"error"}
        error: dict[str, Any] = envelope["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        assert error["message"]
        assert isinstance(error["type"], str)
        assert all(error[name] is None or isinstance(error[name], str) for name in ("param", "code"))
        assert len(self.body) < 5000
        return error


def _chunks(body: bytes) -> list[bytes]:
    parts = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            break
        parts.append(body[:length])
        body = body[length + 2 :]
    return parts


def exchange(port: int, raw: bytes) -> Answer:
    """Send bytes as they are, close nothing, and read until the server closes or the answer is complete."""
    with connect(port) as connection:
        connection.sendall(raw)
        got = b""
        while not _is_complete(got):
            part = connection.recv(65536)
            if not part:
                break
            got += part
    return Answer.parse(got)


def _is_complete(raw: bytes) -> bool:
    head, separator, body = raw.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return bool(separator) and length is not None and len(body) >= int(length[1])
