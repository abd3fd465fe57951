"""Server-sent events: framing, keep-alive comments, and readers that are gone or too slow."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.api.disconnect import cancel_and_wait, wait_for_disconnect

KEEP_ALIVE = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"
ABORT_EXTENSION = "rhumb.abort"
"""Key in `scope["extensions"]` of a function that drops the connection with whatever it still has to send."""
WRITE_EXTENSION = "rhumb.write"
"""Key in `scope["extensions"]` of a `WriteNow`, absent where no server offers one. Layers that watch the body wrap it
as they wrap `send`."""
PROBE_EXTENSION = "rhumb.probe"
"""Key in `scope["extensions"]` of what may be sent between any two parts of the answer, to see who still reads."""


def event(data: dict[str, Any]) -> bytes:
    """One event with JSON data."""
    return b"data: " + msgspec.json.encode(data) + b"\n\n"


WriteNow = Callable[[bytes], bool]
"""Sends one part of the body, at once and whole, or does nothing and returns False: then it must take the usual way."""


class _Writer:
    """Sends body parts and knows since when the last one is stuck."""

    def __init__(self, send: Send, write_now: WriteNow | None) -> None:
        self._send = send
        self._write_now = write_now
        self.sent_s = time.monotonic()
        self.blocked_s: float | None = None

    async def write(self, data: bytes, *, more: bool = True) -> None:
        self.blocked_s = time.monotonic()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        self.blocked_s = None
        self.sent_s = time.monotonic()

    def write_now(self, data: bytes) -> bool:
        if self._write_now is None or self.blocked_s is not None or not self._write_now(data):
            return False
        self.sent_s = time.monotonic()
        return True


class EventStream(Response):
    """Streams `events`, each a whole number of events, until they end or the reader fails.

    Args:
        events: must not raise; failures of the request are events themselves.
        close: releases what produces the events. Always awaited, even if nothing was ever read.
        keep_alive_s: silence after which a comment is sent, so that proxies keep the connection.
        write_timeout_s: time after which a reader that takes nothing is dropped.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterator[bytes],
        close: Callable[[], Awaitable[None]],
        *,
        keep_alive_s: float,
        write_timeout_s: float,
    ) -> None:
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._close = close
        self._keep_alive_s = keep_alive_s
        self._write_timeout_s = write_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        extensions = scope.setdefault("extensions", {})
        extensions[PROBE_EXTENSION] = KEEP_ALIVE
        writer = _Writer(send, extensions.get(WRITE_EXTENSION))
        extensions[WRITE_EXTENSION] = writer.write_now
        pump = asyncio.create_task(self._pump(writer, send))
        gone = asyncio.create_task(wait_for_disconnect(receive))
        stalled = asyncio.create_task(self._watch(writer))
        try:
            await asyncio.wait({pump, gone, stalled}, return_when=asyncio.FIRST_COMPLETED)
            if pump.done():
                pump.result()
            elif stalled.done():
                stalled.result()
                extensions.get(ABORT_EXTENSION, _nothing)()
                # Until the server has seen its own abort, returning early would look like a bug to it.
                await asyncio.wait({gone}, timeout=1.0)
        finally:
            await cancel_and_wait(pump, gone, stalled)
            await self._close()

    async def _pump(self, writer: _Writer, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async for data in self._events:
            await writer.write(data)
        await writer.write(b"", more=False)

    async def _watch(self, writer: _Writer) -> None:
        """Returns when the reader has stalled; sends comments meanwhile."""
        while True:
            blocked_s = writer.blocked_s
            due_s = writer.sent_s + self._keep_alive_s if blocked_s is None else blocked_s + self._write_timeout_s
            wait_s = due_s - time.monotonic()
            if wait_s > 0:
                # A write may begin to block just after this look at it, so look again before it may time out.
                await asyncio.sleep(min(wait_s, self._write_timeout_s / 2))
            elif blocked_s is not None:
                return
            else:
                try:
                    async with asyncio.timeout(self._write_timeout_s):
                        await writer.write(KEEP_ALIVE)
                except TimeoutError:
                    return


def _nothing() -> None:
    pass
