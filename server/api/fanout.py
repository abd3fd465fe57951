"""Fanout: the engine requests of one HTTP request, as one stream of (prompt index, delta)."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from server.api.disconnect import cancel_and_wait
from server.api.metrics import RequestTimer
from server.api.state import AppState
from server.engine.client import Delta, RequestStream, Sink, TextParams
from server.engine.request import EngineRequest
from server.errors import OverloadedError, RhumbError

QUEUE_PER_PROMPT = 8


class Fanout:
    """All streams of one HTTP request. Closing it aborts whatever still runs."""

    def __init__(self, streams: Sequence[RequestStream], timers: Sequence[RequestTimer]) -> None:
        self._streams = streams
        self._timers = timers
        self._pumps: list[asyncio.Task[None]] = []

    @classmethod
    async def submit(cls, requests: Sequence[EngineRequest], text: TextParams, state: AppState) -> "Fanout":
        """Queue all of them, or none.

        Raises:
            OverloadedError: the queue is full.
            EngineDeadError: the engine is not running.
        """
        streams: list[RequestStream] = []
        try:
            for request in requests:
                streams.append(state.engine.submit(request, text))
        except RhumbError as error:
            for stream in streams:
                await stream.aclose()
            if isinstance(error, OverloadedError):
                state.metrics.admission_rejected()
            raise
        return cls(streams, [state.metrics.request_timer(request) for request in requests])

    async def deltas(self) -> AsyncIterator[tuple[int, Delta]]:
        """Every delta as it comes; to be iterated once.

        Raises:
            EngineStepError: one of the requests failed; the others are of no use then.
            EngineDeadError: the engine died.
        """
        try:
            if len(self._streams) == 1:
                async for delta in self._streams[0]:
                    self._timers[0].delta(delta)
                    yield 0, delta
                return
            async for item in self._merged():
                yield item
        except RhumbError:
            self._close_timers("error")
            raise

    def divert(self, sink: Sink) -> None:
        """Offer `sink` the deltas of the only stream, see `RequestStream.divert`; they are timed as all others are."""
        [stream], [timer] = self._streams, self._timers

        def timed(delta: Delta) -> bool:
            if not sink(delta):
                return False
            timer.delta(delta)
            return True

        stream.divert(timed)

    async def aclose(self) -> None:
        """Abort what still runs. Idempotent."""
        self._close_timers("abort")
        await cancel_and_wait(*self._pumps)
        for stream in self._streams:
            await stream.aclose()

    def _close_timers(self, reason: str) -> None:
        for timer in self._timers:
            timer.close(reason)

    async def _merged(self) -> AsyncIterator[tuple[int, Delta]]:
        queue: asyncio.Queue[tuple[int, Delta | RhumbError | None]] = asyncio.Queue(
            QUEUE_PER_PROMPT * len(self._streams)
        )

        async def pump(index: int, stream: RequestStream) -> None:
            try:
                async for delta in stream:
                    await queue.put((index, delta))
                await queue.put((index, None))
            except RhumbError as error:
                await queue.put((index, error))

        self._pumps = [asyncio.create_task(pump(index, stream)) for index, stream in enumerate(self._streams)]
        num_running = len(self._pumps)
        while num_running:
            index, item = await queue.get()
            if item is None:
                num_running -= 1
            elif isinstance(item, RhumbError):
                raise item
            else:
                self._timers[index].delta(item)
                yield index, item
