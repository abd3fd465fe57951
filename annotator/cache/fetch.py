"""One request, answered from its recording or asked for once: the four modes, single flight, and the pace of providers.

However many callers want the same thing at once, in this process or in others on the same database, the provider is
asked once; they all get that answer, or that failure.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ulid import ULID

from annotator.cache.diff import Diff
from annotator.cache.exchanges import Exchange, ExchangeStore
from annotator.cache.flights import Flights
from annotator.cache.keys import RequestKey, normalised, request_key
from annotator.cache.pace import Pace
from annotator.errors import OfflineMissError, RateLimitedError, UpstreamError
from annotator.maps.answer import Outcome
from annotator.maps.calls import HttpCall, HttpResponse, Transport
from annotator.maps.modes import Mode
from annotator.maps.params import ToolName
from annotator.maps.provider import Provider, RateLimit

LIVE_NAMESPACE = "live"
FLIGHT_POLL_S = 0.05
"""How often a process looks whether another one's request has been recorded."""
DEFAULT_RETRY_S = 30.0
"""When to come back after a 429 that does not say."""
OUTSIDE = ("http", "https")
"""Schemes of what is outside this process, and so is asked at a pace and by one asker at a time."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of one provider, and what is to be known to answer it.

    Args:
        limit: the provider's pace, as it applies here.
        require_enabled: raises `ProviderDisabledError` when the provider has to be asked and may not be.
        judge: raises `UpstreamError` when nothing can be made of an answer, so that it is not recorded as one.
    """

    provider: Provider
    tool: ToolName
    call: HttpCall
    mode: Mode
    namespace: str
    limit: RateLimit
    require_enabled: Callable[[], None]
    judge: Callable[[HttpResponse], None] | None = None


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer and how it was come by.

    Args:
        call: as it was sent: coordinates have six decimals.
        exchange: its recording; None in live mode.
        changes: in refresh mode, what differs from the recording before; None without one.
    """

    call: HttpCall
    key: RequestKey
    response: HttpResponse
    exchange: Exchange | None
    outcome: Outcome
    elapsed_ms: float
    changes: Diff | None = None


class Fetcher:
    """Gets responses for providers' calls.

    Args:
        store: recordings.
        pace: rate limits, shared by every process on the database.
        flights: who is asking what, shared likewise.
        transports: by URL scheme.
        max_wait_s: longest wait for a rate limit before giving up.
        flight_ttl_s: longest that asking can take; a process that is killed meanwhile keeps others waiting so long.
    """

    def __init__(
        self,
        store: ExchangeStore,
        pace: Pace,
        flights: Flights,
        transports: Mapping[str, Transport],
        *,
        max_wait_s: float = 30.0,
        flight_ttl_s: float = 60.0,
    ) -> None:
        self._store = store
        self._pace = pace
        self._flights = flights
        self._transports = transports
        self._max_wait_s = max_wait_s
        self._flight_ttl_s = flight_ttl_s
        self._under_way: dict[tuple[str, str, Mode], asyncio.Task[Fetched]] = {}

    async def fetch(self, request: Request) -> Fetched:
        """The response to a call, recorded or asked for, whatever its status.

        Raises:
            OfflineMissError: replay mode, and nothing is recorded.
            ProviderDisabledError: the provider has to be asked and may not be.
            RateLimitedError: its pace, or its own 429.
            UpstreamError: no usable answer; nothing was recorded.
            StorageError: the answer could not be recorded, so it is not given.
        """
        request = replace(request, call=normalised(request.call))
        key = request_key(request.provider.info.key, request.call)
        if request.mode in (Mode.RECORD, Mode.REPLAY):
            found = await self._recorded(request, key)
            if found is not None:
                return found
            if request.mode is Mode.REPLAY:
                raise _offline_miss(request)
        request.require_enabled()
        flight = (request.namespace, key.sha256, request.mode)
        task = self._under_way.get(flight)
        is_first = task is None
        if task is None:
            task = asyncio.create_task(self._ask_alone(request, key))
            self._under_way[flight] = task
            task.add_done_callback(lambda done: self._land(flight, done))
        # Shielded: when one of those who wait goes away, the others still get the answer.
        fetched = await asyncio.shield(task)
        return fetched if is_first or fetched.exchange is None else replace(fetched, outcome="hit")

    def _land(self, flight: tuple[str, str, Mode], task: asyncio.Task[Fetched]) -> None:
        del self._under_way[flight]
        if not task.cancelled():
            # Looked at here, because everybody who waited for it may be gone.
            task.exception()

    async def _recorded(self, request: Request, key: RequestKey) -> Fetched | None:
        exchange = await asyncio.to_thread(self._store.find, request.namespace, key)
        if exchange is None:
            return None
        response = await asyncio.to_thread(self._store.read, exchange)
        outcome: Outcome = "replay" if request.mode is Mode.REPLAY else "hit"
        return Fetched(request.call, key, response, exchange, outcome, exchange.elapsed_ms)

    async def _ask_alone(self, request: Request, key: RequestKey) -> Fetched:
        """Asks unless another process is about to, in which case its recording is waited for."""
        if request.mode is Mode.LIVE:
            response, elapsed_ms = await self._send(request)
            return Fetched(request.call, key, response, None, "live", elapsed_ms)
        if urlsplit(request.call.url).scheme not in OUTSIDE:
            return await self._ask_and_record(request, key)
        owner, name = str(ULID()), f"{request.namespace}/{key.sha256}"
        while not await asyncio.to_thread(self._flights.acquire, name, owner, self._flight_ttl_s):
            await asyncio.sleep(FLIGHT_POLL_S)
        try:
            # Whoever had the flight before us may have brought what we want.
            found = await self._recorded(request, key) if request.mode is Mode.RECORD else None
            return found or await self._ask_and_record(request, key)
        finally:
            await asyncio.to_thread(self._flights.release, name, owner)

    async def _ask_and_record(self, request: Request, key: RequestKey) -> Fetched:
        response, elapsed_ms = await self._send(request)
        is_answer = request.provider.is_answer(request.tool, response)
        exchange = await asyncio.to_thread(
            self._store.record,
            request.namespace,
            request.provider.info,
            key,
            response,
            elapsed_ms,
            is_answer=is_answer,
        )
        if request.mode is not Mode.REFRESH:
            return Fetched(request.call, key, response, exchange, "miss", elapsed_ms)
        changes = await asyncio.to_thread(self._store.changes, exchange)
        return Fetched(request.call, key, response, exchange, "refresh", elapsed_ms, changes)

    async def _send(self, request: Request) -> tuple[HttpResponse, float]:
        """A response that may be recorded, and the milliseconds it took."""
        info = request.provider.info
        scheme = urlsplit(request.call.url).scheme
        if scheme in OUTSIDE:
            await self._keep_pace(request)
        started = time.perf_counter()
        response = await self._transports[scheme].send(request.call)
        elapsed_ms = (time.perf_counter() - started) * 1000
        if request.provider.is_answer(request.tool, response):
            # What is no JSON is no answer, whatever its status says, and must not be kept as one.
            response.json()
            if request.judge is not None:
                request.judge(response)
            if response.data_vintage is None:
                response = replace(response, data_vintage=request.provider.data_vintage(response))
        elif response.status == 429:
            retry_s = _retry_after_s(response)
            await asyncio.to_thread(self._pace.hold, info.key, retry_s)
            raise RateLimitedError(
                f"{info.title} asks for a pause: {_words(request, response)}", retry_after_s=retry_s, status=429
            )
        elif response.status in (401, 403):
            names = " or ".join(info.secret_envs) or "its access"
            raise UpstreamError(
                f"{info.title} refused us; check {names}: {_words(request, response)}", status=response.status
            )
        elif response.status >= 500 or response.status in (408, 425):
            raise UpstreamError(f"{info.title} failed: {_words(request, response)}", status=response.status)
        return response, elapsed_ms

    async def _keep_pace(self, request: Request) -> None:
        """Waits for the provider's next free moment, but not for longer than `max_wait_s`."""
        info = request.provider.info
        wait_s = await asyncio.to_thread(self._pace.reserve, info.key, request.limit, self._max_wait_s)
        if wait_s <= self._max_wait_s:
            await asyncio.sleep(wait_s)
            return
        held_s = await asyncio.to_thread(self._pace.held_s, info.key)
        if held_s > self._max_wait_s:
            raise RateLimitedError(f"{info.title} asked for a pause that is not over yet", retry_after_s=held_s)
        raise RateLimitedError(
            f"{info.title} may be asked once every {request.limit.interval_s:g} s, and too many wait already",
            retry_after_s=wait_s,
        )


def refusal(request: Request, response: HttpResponse) -> UpstreamError:
    """The error for a 4xx that is no answer, recorded or new."""
    return UpstreamError(
        f"{request.provider.info.title} refused the request: {_words(request, response)}", status=response.status
    )


def _offline_miss(request: Request) -> OfflineMissError:
    info = request.provider.info
    if info.policy.storage == "none":
        return OfflineMissError(f"the terms of {info.title} forbid recording its answers, so none can be replayed")
    return OfflineMissError(
        f"nothing is recorded for this {request.tool} of {info.title}; "
        "ask once in mode record while the provider can be reached"
    )


def _words(request: Request, response: HttpResponse) -> str:
    """What the provider says about its failure, or else its status."""
    try:
        words = request.provider.error_message(response)
    except UpstreamError:
        words = ""
    return f"{' '.join(words.split())[:300]} (HTTP {response.status})" if words else f"HTTP {response.status}"


def _retry_after_s(response: HttpResponse) -> float:
    value = response.headers.get("retry-after", "")
    if value.isdigit():
        return float(value)
    try:
        return max(1.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return DEFAULT_RETRY_S
