"""When requests are sent: open-loop arrivals (Poisson, bursty, ramped) and closed-loop concurrency."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import numpy as np

from server.errors import ConfigError

RampStrategy = Literal["linear", "exponential"]


@dataclass(frozen=True, slots=True)
class Ramp:
    """A request rate that changes from `start_rps` to `end_rps` over the run, in requests per second."""

    strategy: RampStrategy
    start_rps: float
    end_rps: float

    def __post_init__(self) -> None:
        if self.start_rps < 0 or self.end_rps <= 0:
            raise ConfigError("--ramp-up-start-rps must be at least 0 and --ramp-up-end-rps more than 0")
        if self.strategy == "exponential" and self.start_rps == 0:
            raise ConfigError("--ramp-up-strategy exponential needs --ramp-up-start-rps above 0")

    def rate(self, progress: float) -> float:
        """Requests per second after the share `progress` of all requests, in [0, 1]."""
        if self.strategy == "exponential":
            return self.start_rps * (self.end_rps / self.start_rps) ** progress
        return self.start_rps + (self.end_rps - self.start_rps) * progress


@dataclass(frozen=True, slots=True)
class Arrivals:
    """An arrival process whose gaps are gamma distributed.

    Args:
        request_rate: requests per second; infinity sends all at once.
        burstiness: shape of the gamma distribution. 1 is a Poisson process, below 1 comes in bursts,
            above 1 is more even.
        ramp: replaces `request_rate` by a rate that changes.
    """

    request_rate: float = float("inf")
    burstiness: float = 1.0
    ramp: Ramp | None = None

    def __post_init__(self) -> None:
        if not self.request_rate > 0:
            raise ConfigError(f"--request-rate must be above 0 (or inf), not {self.request_rate}")
        if not 0 < self.burstiness < float("inf"):
            raise ConfigError(f"--burstiness must be above 0, not {self.burstiness}")
        if self.ramp is not None and self.request_rate != float("inf"):
            raise ConfigError("--ramp-up-strategy sets the rate itself: leave --request-rate out")

    def times_s(self, num_requests: int, rng: np.random.Generator) -> np.ndarray:
        """Seconds from the start of the run at which each request is sent: float64 [num_requests], ascending.

        At a constant rate the times are scaled so that the last is sent after exactly
        `num_requests / request_rate`: a run then offers the load that it names, not a draw around it.
        """
        if num_requests == 0 or (self.ramp is None and self.request_rate == float("inf")):
            return np.zeros(num_requests)
        gaps = rng.gamma(shape=self.burstiness, scale=1.0 / self.burstiness, size=num_requests)
        if self.ramp is None:
            times = np.cumsum(gaps)
            return times * (num_requests / self.request_rate / times[-1])
        # The middle of each request's share of the run, so that a linear ramp may start at rate 0.
        rates = [self.ramp.rate((i + 0.5) / num_requests) for i in range(num_requests)]
        return np.cumsum(gaps / np.array(rates))


async def drive[Item, Result](
    send: Callable[[Item], Awaitable[Result]],
    items: Sequence[Item],
    times_s: np.ndarray,
    *,
    max_concurrency: int | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Send every item at its time and return the results in order.

    Args:
        send: makes one request; must not raise.
        times_s: as from `Arrivals.times_s`.
        max_concurrency: requests in flight at most. A request that waits for its turn is not yet being timed.
        on_done: called after each request.
    """
    turn: AbstractAsyncContextManager[object] = (
        nullcontext() if max_concurrency is None else asyncio.Semaphore(max_concurrency)
    )

    async def run_one(item: Item) -> Result:
        async with turn:
            result = await send(item)
        on_done()
        return result

    start = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        tasks = []
        for item, time_s in zip(items, times_s.tolist(), strict=True):
            delay = start + time_s - asyncio.get_running_loop().time()
            if delay > 0:
                await asyncio.sleep(delay)
            tasks.append(group.create_task(run_one(item)))
    return [task.result() for task in tasks]
