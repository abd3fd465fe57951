"""A core in a thread of this process: for tests, notebooks and offline use."""

import asyncio
import logging
import queue
import threading

from server.config import EngineConfig
from server.engine.link import Inbox
from server.engine.loop import serve
from server.engine.request import FromCore, Shutdown, ToCore

logger = logging.getLogger(__name__)


class ThreadLink:
    """Implements `Link`. A thread cannot be killed: a core that hangs keeps its thread until the program ends."""

    def __init__(self, config: EngineConfig, inbox: Inbox) -> None:
        self._config = config
        self._inbox = inbox
        self._to_core: queue.SimpleQueue[ToCore] = queue.SimpleQueue()
        self._ended = asyncio.Event()
        self._thread: threading.Thread | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="rhumb-engine", daemon=True)
        self._thread.start()

    def send(self, message: ToCore) -> None:
        self._to_core.put(message)

    async def close(self, grace_s: float) -> None:
        self.send(Shutdown())
        self._inbox.lose("the engine was stopped")
        if self._thread is None:
            return
        try:
            async with asyncio.timeout(grace_s):
                await self._ended.wait()
        except TimeoutError:
            logger.error("the engine thread did not end within %.1f s and is left behind", grace_s)
            return
        self._thread.join()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        def send(message: FromCore) -> None:
            try:
                loop.call_soon_threadsafe(self._inbox.deliver, message)
            except RuntimeError:
                # The event loop was closed without stopping the engine: nobody listens any more.
                self._to_core.put(Shutdown())

        try:
            serve(self._config, self._receive, send)
        finally:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self._inbox.lose("the engine thread ended")
        self._ended.set()

    def _receive(self, timeout_s: float) -> list[ToCore]:
        messages: list[ToCore] = []
        try:
            messages.append(self._to_core.get(block=timeout_s > 0, timeout=timeout_s))
            while True:
                messages.append(self._to_core.get_nowait())
        except queue.Empty:
            return messages
