"""A provider on loopback that a test scripts: it answers, misbehaves, counts, and remembers what it was asked."""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

type Answer = bytes
type Script = Callable[["Asked"], Answer | Iterable[bytes]]


@dataclass(frozen=True)
class Asked:
    """One request as it arrived.

    Args:
        number: how many came before it.
    """

    number: int
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def http(status: int, body: object, *, headers: dict[str, str] | None = None) -> Answer:
    """A whole response; what is no bytes or text is sent as JSON."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    lines = {"content-type": "application/json", "content-length": str(len(raw)), "connection": "close"}
    lines |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + raw


@dataclass
class Upstream:
    """A scripted provider.

    Args:
        script: from a request to the bytes to send, or to parts of them; it may block.
    """

    url: str
    script: Script
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(30)
            head, body = _read_request(connection)
            if not head:
                return
            method, target, _ = head[0].split(" ", 2)
            parts = urlsplit(target)
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
            with self.lock:
                asked = Asked(len(self.asked), method, parts.path, dict(parse_qsl(parts.query)), headers, body)
                self.asked.append(asked)
            try:
                answer = self.script(asked)
                for part in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(part)
            except OSError:
                # The client gave up on us, which is what some scripts are for.
                return


def _read_request(connection: socket.socket) -> tuple[list[str], bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return [], b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return lines, body


@contextmanager
def running_upstream(script: Script) -> Iterator[Upstream]:
    """Serves until the block ends, every connection in a thread."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    upstream = Upstream(f"http://127.0.0.1:{listener.getsockname()[1]}", script)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=upstream.serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield upstream
    finally:
        # shutdown wakes the blocked accept; close alone does not.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
