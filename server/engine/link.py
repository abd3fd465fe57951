"""Link: one life of one core, as the client sees it, wherever the core runs."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from server.engine.request import EngineInfo, Failed, FromCore, Inspection, Profiled, Ready, StepOutputs, ToCore
from server.errors import ModelLoadError

OnMessage = Callable[[StepOutputs | Inspection | Profiled], None]


class Inbox:
    """Where the messages of one core arrive, on the event loop.

    Args:
        on_message: gets everything but `Ready` and `Failed`.

    Attributes:
        ready: resolves when the model is loaded; `ModelLoadError` if it cannot be.
        lost: resolves with the reason, once, when the core has failed or gone.
        heard_s: when the last message came, on the monotonic clock.
    """

    def __init__(self, on_message: OnMessage) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[EngineInfo] = loop.create_future()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.heard_s = time.monotonic()
        self._on_message = on_message

    def deliver(self, message: FromCore) -> None:
        if self.lost.done():
            return
        self.heard_s = time.monotonic()
        match message:
            case Ready():
                if not self.ready.done():
                    self.ready.set_result(message.info)
            case Failed():
                self.lose(message.message)
            case _:
                self._on_message(message)

    def lose(self, reason: str) -> None:
        """The core will say nothing more. Only the first reason counts."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        if not self.ready.done():
            self.ready.set_exception(ModelLoadError(reason))


class Link(Protocol):
    """Carries messages to and from one core; used once, from `open` to `close`."""

    async def open(self) -> None:
        """Start the core. Its `Ready` or `Failed` arrives in the inbox."""

    def send(self, message: ToCore) -> None:
        """Never blocks. What is sent to a core that is gone is lost.

        Raises:
            RequestError: the message cannot be carried, for instance for its lone surrogates.
        """

    async def close(self, grace_s: float) -> None:
        """Ask the core to end, and make it after `grace_s`. Leaves no process and no descriptor. Idempotent."""


OpenLink = Callable[[Inbox], Link]
