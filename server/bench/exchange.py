"""One HTTP/1.1 request on a connection of its own, whose answer is handed over as it arrives.

Just enough HTTP to read streams at ten thousand chunks a second from one process, which no general client can: an
answer is read where the event loop delivers it, without a task that wakes for every chunk.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

CONNECT_S = 60.0
SILENCE_S = 3600.0
"""A stream may pause for as long as the server's queue is deep; only a server that is gone should time out."""

_MAX_HEAD_BYTES = 1 << 16


class ExchangeError(Exception):
    """No whole answer came; the message says why, in one line."""


class Head(NamedTuple):
    """Status and headers (lower-case names) of an answer."""

    status: int
    headers: dict[str, str]


class BodyReader:
    """Takes the bytes after a head and gives back those of the body.

    Args:
        headers: of the answer; without a length or chunks, the body lasts as long as the connection.

    Raises:
        ExchangeError: the body is coded in a way that is not read here.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        if headers.get("content-encoding", "identity") != "identity":
            raise ExchangeError(f"the answer is compressed ({headers['content-encoding']}) without being asked to be")
        self._is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length")
        self._left: int | None = None if length is None else int(length)
        self._rest = b""
        self._in_chunk = 0
        """Bytes of the current chunk that have not come, with the line break after them."""
        self.is_complete = self._left == 0 and not self._is_chunked
        self.ends_with_connection = self._left is None and not self._is_chunked

    def feed(self, data: bytes) -> bytes:
        """The body's share of `data`.

        Raises:
            ExchangeError: it is not chunked as it should be.
        """
        if self._is_chunked:
            return self._feed_chunks(data)
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
            self.is_complete = self._left == 0
        return data

    def _feed_chunks(self, data: bytes) -> bytes:
        data = self._rest + data
        parts: list[bytes] = []
        position = 0
        while position < len(data) and not self.is_complete:
            if self._in_chunk:
                end = position + self._in_chunk
                # The last two bytes of a chunk are its line break, inside of which the network may have cut.
                parts.append(data[position : max(position, end - 2)])
                taken = min(end, len(data)) - position
                self._in_chunk -= taken
                position += taken
                continue
            line_end = data.find(b"\r\n", position)
            if line_end < 0:
                break
            try:
                size = int(data[position:line_end].partition(b";")[0], 16)
            except ValueError:
                raise ExchangeError(f"the answer is not chunked as it says: {data[position:line_end][:40]!r}") from None
            position = line_end + 2
            self.is_complete = size == 0
            self._in_chunk = size + 2 if size else 0
        self._rest = data[position:]
        return b"".join(parts)


class _Answer(asyncio.Protocol):
    """Writes the request and reads the answer."""

    def __init__(self, request: bytes, on_head: Callable[[Head], None], on_body: Callable[[bytes], None]) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard_s = time.monotonic()
        self._request = request
        self._on_head = on_head
        self._on_body = on_body
        self._head = b""
        self._body: BodyReader | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self.heard_s = time.monotonic()
        try:
            if self._body is None:
                data = self._take_head(data)
            if self._body is not None:
                part = self._body.feed(data)
                if part:
                    self._on_body(part)
                if self._body.is_complete:
                    self._end(None)
        except Exception as error:
            self._end(error)

    def connection_lost(self, error: Exception | None) -> None:
        if self._body is not None and self._body.ends_with_connection and error is None:
            self._end(None)
        else:
            self._end(ExchangeError(f"ReadError: the connection ended in the middle of the answer{_because(error)}"))

    def close(self) -> None:
        # Nobody waits any longer, so that how the connection ends is of no interest.
        self.done.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _take_head(self, data: bytes) -> bytes:
        """Returns what follows the head, once that is complete; interim answers are skipped."""
        self._head += data
        while True:
            raw, separator, rest = self._head.partition(b"\r\n\r\n")
            if not separator:
                if len(raw) > _MAX_HEAD_BYTES:
                    raise ExchangeError("the answer's headers do not end")
                return b""
            self._head = rest
            head = _parse_head(raw)
            if head.status >= 200:
                self._body = BodyReader(head.headers)
                self._on_head(head)
                return rest

    def _end(self, error: Exception | None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)


async def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    on_head: Callable[[Head], None],
    on_body: Callable[[bytes], None],
) -> None:
    """POST JSON and return when the whole answer has been handed over.

    Args:
        headers: further headers of the request.
        on_head: called once, before any part of the body. What it or `on_body` raises ends the exchange and is raised.
        on_body: called with each part of the body as it comes.

    Raises:
        ExchangeError: no server answers, or not with a whole answer.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise ExchangeError(f"{url} is no address of a server")
    is_secure = parts.scheme == "https"
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    lines = [f"POST {target} HTTP/1.1", f"host: {parts.netloc.rpartition('@')[2]}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"content-length: {len(body)}", "connection: close", "", ""]
    request = "\r\n".join(lines).encode("latin-1") + body
    try:
        async with asyncio.timeout(CONNECT_S):
            _, answer = await asyncio.get_running_loop().create_connection(
                lambda: _Answer(request, on_head, on_body),
                parts.hostname,
                parts.port or (443 if is_secure else 80),
                ssl=ssl.create_default_context() if is_secure else None,
            )
    except (OSError, TimeoutError) as error:
        raise ExchangeError(f"ConnectError: {error or 'no connection in time'}") from None
    try:
        while not answer.done.done():
            silent_s = time.monotonic() - answer.heard_s
            if silent_s >= SILENCE_S:
                raise ExchangeError(f"ReadTimeout: nothing came for {silent_s:.0f} s")
            await asyncio.wait({answer.done}, timeout=SILENCE_S - silent_s)
        answer.done.result()
    finally:
        answer.close()
        if answer.done.done() and not answer.done.cancelled():
            answer.done.exception()


def _parse_head(raw: bytes) -> Head:
    first, *lines = raw.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not status.isdigit():
        raise ExchangeError(f"the answer is not HTTP: {first[:80]!r}")
    pairs = (line.partition(":") for line in lines)
    return Head(int(status), {name.strip().lower(): value.strip() for name, _, value in pairs})


def _because(error: Exception | None) -> str:
    return "" if error is None else f" ({error})"
