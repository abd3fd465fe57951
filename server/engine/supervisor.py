"""Supervisor: keeps a core alive. Starts it, notices when it dies or hangs, and starts it again."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from server.engine.link import Inbox, Link, OnMessage, OpenLink
from server.engine.request import EngineInfo, ToCore
from server.errors import ConfigError, ModelLoadError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient the client is with its core and its readers.

    Args:
        heartbeat_s: a core silent for longer hangs. One step must fit in, the first ones with their compiling too.
        load_s: loading the model may take so long.
        stop_s: after the drain, the core may take so long to end by itself.
        first_backoff_s: pause before the first restart; doubled for each one that follows soon.
        max_backoff_s: longest pause before a restart.
        stable_s: a core that lived this long starts over with the first pause.
        max_unread_deltas: deltas of one sample that may wait for a slow reader.
    """

    heartbeat_s: float = 60.0
    load_s: float = 1800.0
    stop_s: float = 5.0
    first_backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    stable_s: float = 60.0
    max_unread_deltas: int = 4096

    def __post_init__(self) -> None:
        if self.heartbeat_s < 1.0:
            raise ConfigError(
                f"heartbeat_s must be at least 1, not {self.heartbeat_s}: an idle core reports every 0.5 s"
            )


class Supervisor:
    """Runs one core at a time behind a `Link`.

    Args:
        open_link: makes the link of the next core.
        on_message: gets the core's outputs and answers.
        on_lost: called with the reason when a running core is lost, before the next one starts.
        restart: whether there is a next one.
    """

    def __init__(
        self, open_link: OpenLink, on_message: OnMessage, on_lost: Callable[[str], None], restart: bool, limits: Limits
    ) -> None:
        self._open_link = open_link
        self._on_message = on_message
        self._on_lost = on_lost
        self._restart = restart
        self._limits = limits
        self._link: Link | None = None
        self._inbox: Inbox | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._trouble: str | None = "the engine has not been started"

    @property
    def failure(self) -> str | None:
        """Why the core cannot take a request; None when it can."""
        if self._trouble is not None:
            return self._trouble
        assert self._inbox is not None
        silent_s = time.monotonic() - self._inbox.heard_s
        if silent_s > self._limits.heartbeat_s:
            return f"the engine has been silent for {silent_s:.0f} s"
        return None

    def send(self, message: ToCore) -> None:
        """Lost while there is no running core; whoever must not lose it asks for `failure` first."""
        if self._link is not None and self._trouble is None:
            self._link.send(message)

    async def start(self) -> EngineInfo:
        """Loads the model once.

        Raises:
            ModelLoadError: it cannot be loaded, or not in time.
        """
        info = await self._open()
        self._watcher = asyncio.create_task(self._watch())
        return info

    async def stop(self, grace_s: float) -> None:
        """Ends the core, by force after `grace_s`, and starts no other. Idempotent."""
        self._trouble = "the engine was stopped"
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
            self._watcher = None
        if self._link is not None:
            await self._link.close(grace_s)
            self._link = None

    async def _open(self) -> EngineInfo:
        self._trouble = "the model is being loaded"
        self._inbox = Inbox(self._on_message)
        self._link = link = self._open_link(self._inbox)
        try:
            await link.open()
            async with asyncio.timeout(self._limits.load_s):
                info = await self._inbox.ready
        except TimeoutError:
            self._trouble = f"the model was not loaded within {self._limits.load_s:.0f} s"
            await link.close(0)
            raise ModelLoadError(self._trouble) from None
        except BaseException as error:
            self._trouble = str(error) or "the start was cancelled"
            self._inbox.ready.cancel()
            await link.close(0)
            raise
        self._trouble = None
        return info

    async def _watch(self) -> None:
        backoff_s = self._limits.first_backoff_s
        while True:
            began_s = time.monotonic()
            reason = await self._until_lost()
            if time.monotonic() - began_s >= self._limits.stable_s:
                backoff_s = self._limits.first_backoff_s
            self._trouble = reason
            self._on_lost(reason)
            assert self._link is not None
            await self._link.close(0)
            if not self._restart:
                return
            backoff_s = await self._reopen(reason, backoff_s)

    async def _reopen(self, reason: str, backoff_s: float) -> float:
        """Tries until a core runs; returns the pause that a further restart would take."""
        while True:
            self._trouble = f"{reason}; it is restarted in {backoff_s:g} s"
            logger.error("%s", self._trouble)
            await asyncio.sleep(backoff_s)
            backoff_s = min(2 * backoff_s, self._limits.max_backoff_s)
            try:
                await self._open()
            except ModelLoadError as error:
                reason = f"the engine could not be restarted: {error}"
                continue
            logger.info("the engine runs again")
            return backoff_s

    async def _until_lost(self) -> str:
        """Waits for the core's end, or for its silence; returns the reason."""
        inbox = self._inbox
        assert inbox is not None
        interval_s = min(1.0, self._limits.heartbeat_s / 4)
        while True:
            slept_s = time.monotonic()
            await asyncio.wait({inbox.lost}, timeout=interval_s)
            if inbox.lost.done():
                return inbox.lost.result()
            now_s = time.monotonic()
            # When this event loop was held up itself, the core's messages wait unread: look again later.
            was_held_up = now_s - slept_s > 2 * interval_s
            if now_s - inbox.heard_s > self._limits.heartbeat_s and not was_held_up:
                return f"the engine has been silent for {now_s - inbox.heard_s:.0f} s and was ended"
