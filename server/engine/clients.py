"""`ProcessEngine` and `ThreadEngine`: the API's engine, with the core in its own process or in a thread."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from server.config import EngineConfig
from server.engine.client import TextParams
from server.engine.link import OpenLink
from server.engine.process_link import CORE_MODULE, ProcessLink
from server.engine.request import (
    EngineInfo,
    EngineRequest,
    EngineStats,
    Inspect,
    Inspection,
    Profile,
    Profiled,
    ResetPrefixCache,
    RowInfo,
    StepOutputs,
)
from server.engine.router import RequestRouter
from server.engine.shared_link import SharedLink
from server.engine.stream import Stream
from server.engine.supervisor import Limits, Supervisor
from server.engine.text import TextAssembler
from server.engine.thread_link import ThreadLink
from server.engine.tokenizer import Tokenizer
from server.errors import ConfigError, EngineDeadError

OnStats = Callable[[EngineStats], None]


class Engine:
    """Implements `EngineClient` over any link. Everything but its making happens on one event loop.

    Args:
        open_link: makes the link to a new core.
        restart: start a new core when the running one dies.
        limits: time limits and buffer sizes.
        on_stats: gets every report of the core; `stats` shows only the newest.
    """

    def __init__(
        self,
        config: EngineConfig,
        open_link: OpenLink,
        *,
        restart: bool,
        limits: Limits | None,
        on_stats: OnStats | None,
    ) -> None:
        self._config = config
        self._limits = limits or Limits()
        self._on_stats = on_stats
        self._supervisor = Supervisor(open_link, self._receive, self._lose, restart, self._limits)
        self._router = RequestRouter(self._supervisor.send, self._limits.max_unread_deltas)
        self._tokenizer: Tokenizer | None = None
        self._info: EngineInfo | None = None
        self._is_stopping = False
        self._query_ids = itertools.count()
        self._queries: dict[int, asyncio.Future[Inspection | Profiled]] = {}

    @property
    def info(self) -> EngineInfo:
        """Raises `EngineDeadError` before the first start."""
        if self._info is None:
            raise EngineDeadError("the engine has not been started")
        return self._info

    @property
    def stats(self) -> EngineStats:
        return self._router.stats

    @property
    def is_ready(self) -> bool:
        return self.failure is None

    @property
    def failure(self) -> str | None:
        return "the engine is shutting down" if self._is_stopping else self._supervisor.failure

    async def start(self) -> None:
        """Returns when the model is loaded; raises `ModelLoadError` if it cannot be."""
        info = await self._supervisor.start()
        try:
            self._tokenizer = await asyncio.to_thread(Tokenizer.from_directory, Path(info.model_path))
        except BaseException:
            await self._supervisor.stop(0)
            raise
        self._info = info

    async def stop(self, drain_s: float = 0.0) -> None:
        """Refuses new requests, lets running ones finish for up to `drain_s`, then ends the core. Idempotent.

        Requests that still run then end with `EngineDeadError`.
        """
        self._is_stopping = True
        try:
            if drain_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(drain_s):
                        await self._router.wait_idle()
        finally:
            self._lose("the server is shutting down")
            await self._supervisor.stop(self._limits.stop_s)

    def submit(self, request: EngineRequest, text: TextParams) -> Stream:
        """Queues a request.

        Raises:
            EngineDeadError: the engine is not ready, or is shutting down.
            OverloadedError: `max_waiting` requests wait already.
            RequestError: its id is in use, or it cannot be carried to the core.
        """
        self._check_ready()
        self._router.check_capacity(self.info.max_rows, self._config.max_waiting)
        if text.stop:
            request = replace(request, reports_timings=True)
        return self._router.submit(request, text, self._make_assembler)

    async def inspect(self) -> list[RowInfo]:
        """The live request table; `EngineDeadError` if the engine is or goes away."""
        answer = await self._ask(Inspect(next(self._query_ids)))
        assert isinstance(answer, Inspection)
        return answer.rows

    async def start_profile(self) -> None:
        """Record the steps from now on.

        Raises:
            ConfigError: the core has no folder for traces, or records already.
            EngineDeadError: the engine is or goes away.
        """
        await self._profile("start")

    async def stop_profile(self) -> str:
        """End the recording; returns the path of its trace, and raises as `start_profile`."""
        return await self._profile("stop") or ""

    async def _profile(self, action: Literal["start", "stop"]) -> str | None:
        answer = await self._ask(Profile(next(self._query_ids), action))
        assert isinstance(answer, Profiled)
        if answer.error is not None:
            raise ConfigError(answer.error)
        return answer.path

    async def _ask(self, query: Inspect | Profile) -> Inspection | Profiled:
        self._check_ready()
        self._queries[query.query_id] = asyncio.get_running_loop().create_future()
        self._supervisor.send(query)
        try:
            return await self._queries[query.query_id]
        finally:
            del self._queries[query.query_id]

    async def reset_prefix_cache(self) -> None:
        self._check_ready()
        self._supervisor.send(ResetPrefixCache())

    def _check_ready(self) -> None:
        if self.failure is not None:
            raise EngineDeadError(self.failure)

    def _make_assembler(self, request: EngineRequest, text: TextParams) -> TextAssembler:
        assert self._tokenizer is not None
        return TextAssembler(self._tokenizer, text, request.prompt_ids)

    def _receive(self, message: StepOutputs | Inspection | Profiled) -> None:
        if isinstance(message, StepOutputs):
            self._router.receive(message)
            if self._on_stats is not None:
                self._on_stats(message.stats)
        elif (query := self._queries.get(message.query_id)) is not None and not query.done():
            query.set_result(message)

    def _lose(self, reason: str) -> None:
        self._router.fail_all(reason)
        for query in self._queries.values():
            if not query.done():
                query.set_exception(EngineDeadError(reason))


class ProcessEngine(Engine):
    """The core in its own process, restarted with growing pauses when it dies or hangs.

    Args:
        core_module: what that process runs; see `ProcessLink`.
    """

    def __init__(
        self,
        config: EngineConfig,
        restart: bool = True,
        limits: Limits | None = None,
        on_stats: OnStats | None = None,
        core_module: str = CORE_MODULE,
    ) -> None:
        open_link = partial(ProcessLink, config, module=core_module)
        super().__init__(config, open_link, restart=restart, limits=limits, on_stats=on_stats)


class SharedEngine(Engine):
    """A core that another process keeps and other API processes share.

    Args:
        keeper: see `SharedLink`.
    """

    def __init__(
        self,
        config: EngineConfig,
        keeper: socket.socket,
        limits: Limits | None = None,
        on_stats: OnStats | None = None,
    ) -> None:
        super().__init__(config, partial(SharedLink, keeper), restart=True, limits=limits, on_stats=on_stats)


class ThreadEngine(Engine):
    """The core in a thread of this process, for tests, notebooks and offline use. Never restarted."""

    def __init__(self, config: EngineConfig, limits: Limits | None = None, on_stats: OnStats | None = None) -> None:
        super().__init__(config, partial(ThreadLink, config), restart=False, limits=limits, on_stats=on_stats)
