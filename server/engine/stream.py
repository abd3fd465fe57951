"""The deltas of one request on their way to its reader."""

import asyncio
from collections import deque
from collections.abc import Callable

from server.engine.client import Delta, Sink
from server.errors import RhumbError


class Mailbox:
    """Deltas that wait for one reader, and how the request ended. Lives on one event loop."""

    def __init__(self) -> None:
        self._deltas: deque[Delta] = deque()
        self._error: RhumbError | None = None
        self.is_ended = False
        self._arrival: asyncio.Future[None] | None = None
        self.sink: Sink | None = None
        """Is offered what comes while the reader waits; what it takes the reader never sees."""

    @property
    def num_unread(self) -> int:
        return len(self._deltas)

    def put(self, delta: Delta) -> None:
        if self.sink is not None and self._arrival is not None and not self._arrival.done() and self.sink(delta):
            return
        self._deltas.append(delta)
        self._wake()

    def end(self, error: RhumbError | None = None) -> None:
        """Nothing more will come. `error` is raised once, after the deltas that came before it."""
        self.is_ended = True
        self._error = error
        self._wake()

    async def get(self) -> Delta | None:
        """The next delta; None after the last."""
        while not self._deltas:
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if self.is_ended:
                return None
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        return self._deltas.popleft()

    def _wake(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


class Stream:
    """Implements `RequestStream` for one reader.

    A reader that closes the stream, is cancelled while it waits, or just forgets the stream aborts the request.

    Args:
        abort: ends the request if it still runs, and does nothing otherwise. Called on `loop`.
    """

    def __init__(self, mailbox: Mailbox, abort: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        self._mailbox = mailbox
        self._abort = abort
        self._loop = loop

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Delta:
        try:
            delta = await self._mailbox.get()
        except asyncio.CancelledError:
            self._abort()
            raise
        if delta is None:
            raise StopAsyncIteration
        return delta

    def divert(self, sink: Sink) -> None:
        self._mailbox.sink = sink

    async def aclose(self) -> None:
        self._abort()

    def __del__(self) -> None:
        # The collector may run in any thread, and after the loop has closed.
        if not self._mailbox.is_ended and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._abort)
