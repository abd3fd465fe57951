"""AppState: what all requests of one server share."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastapi import Request

from server.api.metrics import Metrics
from server.engine.client import EngineClient
from server.errors import EngineDeadError, RhumbError
from server.settings import ServerSettings

if TYPE_CHECKING:
    from server.api.serving import Serving

logger = logging.getLogger("rhumb.server")

RATE_WINDOW_S = 10


class AppState:
    """The engine, the loaded model once there is one, and the requests in flight."""

    def __init__(self, engine: EngineClient, settings: ServerSettings, metrics: Metrics, *, needs_key: bool) -> None:
        self.engine = engine
        self.settings = settings
        self.metrics = metrics
        self.needs_key = needs_key
        self.load_error: RhumbError | None = None
        self.is_draining = False
        self.num_in_flight = 0
        self._serving: Serving | None = None
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._generated: deque[tuple[float, int]] = deque(maxlen=RATE_WINDOW_S + 1)

    @property
    def failure(self) -> str | None:
        """Why no request can be served now; None if one can."""
        if self.is_draining:
            return "the server is shutting down"
        if self.load_error is not None:
            return str(self.load_error)
        if self._serving is None:
            return "the model is being loaded"
        return None if self.engine.is_ready else self.engine.failure or "the engine does not answer"

    @property
    def serving(self) -> "Serving":
        """The loaded model.

        Raises:
            EngineDeadError: it is not loaded yet, or cannot be.
        """
        if self._serving is None:
            raise EngineDeadError(f"No model is ready: {self.failure}.")
        return self._serving

    async def load(self) -> None:
        """Start the engine and learn about its model; a failure is kept in `load_error`."""
        from server.api.serving import Serving

        try:
            if not self.engine.is_ready:
                await self.engine.start()
            self._serving = await asyncio.to_thread(Serving, self.engine, self.settings)
            self.metrics.describe(self.engine.info)
        except RhumbError as error:
            self.load_error = error
            logger.error("%s", error)

    async def sample_rate(self) -> None:
        """Note the generated tokens once a second, for `tokens_per_s`. Runs until cancelled."""
        while True:
            self._generated.append((time.monotonic(), self.engine.stats.generated_tokens))
            await asyncio.sleep(1.0)

    @property
    def tokens_per_s(self) -> float:
        """Tokens generated per second, over the last ten seconds."""
        if len(self._generated) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._generated[0], self._generated[-1]
        # A restarted engine counts from zero again.
        return max(0.0, (last - first) / (last_s - first_s))

    @contextlib.contextmanager
    def in_flight(self, *, counts: bool) -> Iterator[None]:
        """Counts a request among those that a shutdown waits for; probes do not count."""
        if not counts:
            yield
            return
        self.num_in_flight += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self.num_in_flight -= 1
            if self.num_in_flight == 0:
                self._is_idle.set()

    async def drain(self, limit_s: float) -> bool:
        """Refuse new requests and wait for those in flight; whether all ended within the limit."""
        self.is_draining = True
        try:
            async with asyncio.timeout(limit_s):
                await self._is_idle.wait()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        if self._serving is not None:
            self._serving.close()


def state_of(request: Request) -> AppState:
    """The shared state behind a request; also a FastAPI dependency."""
    state: AppState = request.app.state.rhumb
    return state
