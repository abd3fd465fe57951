"""RequestRouter: which output belongs to whom, from submission to each sample's last delta."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from server.engine.client import Delta, TextParams
from server.engine.request import Abort, EngineRequest, EngineStats, SampleOutput, StepOutputs, ToCore
from server.engine.stream import Mailbox, Stream
from server.errors import EngineDeadError, EngineStepError, OverloadedError, RequestError, RhumbError

SLICE_S = 0.005
"""Longest stretch of detokenising before the event loop may do something else."""

logger = logging.getLogger(__name__)


class Assembler(Protocol):
    """What the router needs of `TextAssembler`: one sample's outputs in, its deltas out."""

    def feed(self, output: SampleOutput) -> Delta | None:
        """None while nothing can be shown; the delta with a finish reason is the last."""


MakeAssembler = Callable[[EngineRequest, TextParams], Assembler]


@dataclass(slots=True, eq=False)
class _Live:
    """A request of which some sample still runs."""

    request_id: str
    assemblers: dict[int, Assembler]
    """Of the samples that still run."""
    max_unread: int
    accepted_s: float
    mailbox: Mailbox = field(default_factory=Mailbox)


class RequestRouter:
    """Owns the live requests of one engine. All methods run on the event loop.

    Args:
        send: carries a message to the core.
        max_unread_deltas: a reader that leaves more of one sample unread is too slow, and its request fails.
    """

    def __init__(self, send: Callable[[ToCore], None], max_unread_deltas: int) -> None:
        self.stats = EngineStats()
        self._send = send
        self._max_unread_deltas = max_unread_deltas
        self._live: dict[str, _Live] = {}
        self._num_samples = 0
        self._inbox: deque[SampleOutput] = deque()
        self._is_scheduled = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._mean_request_s = 1.0

    @property
    def num_requests(self) -> int:
        return len(self._live)

    async def wait_idle(self) -> None:
        """Returns when no request is live."""
        await self._idle.wait()

    def check_capacity(self, max_rows: int, max_waiting: int) -> None:
        """Raises `OverloadedError` if the queue is full.

        The samples beyond `max_rows` must be waiting, whatever the core has had time to report; it reports
        more of them when its pages run out before its rows do.
        """
        num_waiting = max(self._num_samples - max_rows, self.stats.num_waiting)
        if num_waiting >= max_waiting:
            # One generation of rows makes room for the next.
            raise OverloadedError(
                f"{num_waiting} requests are waiting already, and at most {max_waiting} may",
                retry_after_s=min(max(self._mean_request_s, 1.0), 60.0),
            )

    def submit(self, request: EngineRequest, text: TextParams, make_assembler: MakeAssembler) -> Stream:
        """Sends the request to the core and returns where its deltas will come.

        Raises:
            RequestError: its id is in use, or it cannot be carried to the core.
        """
        loop = asyncio.get_running_loop()
        if request.request_id in self._live:
            raise RequestError(f"a request with the id {request.request_id!r} is running already")
        live = _Live(
            request_id=request.request_id,
            assemblers={index: make_assembler(request, text) for index in range(request.num_samples)},
            max_unread=self._max_unread_deltas * request.num_samples,
            accepted_s=time.monotonic(),
        )
        self._send(request)
        self._live[request.request_id] = live
        self._num_samples += request.num_samples
        self._idle.clear()
        return Stream(live.mailbox, lambda: self._abort(live), loop)

    def receive(self, message: StepOutputs) -> None:
        """Takes a message of the core and works through it soon, a slice at a time."""
        self.stats = message.stats
        self._inbox.extend(message.outputs)
        self._schedule()

    def fail_all(self, reason: str) -> None:
        """The core is gone: every live request ends with `EngineDeadError`, after what it did finish."""
        while self._inbox:
            self._route(self._inbox.popleft())
        for live in list(self._live.values()):
            self._finish(live, EngineDeadError(reason))
        self.stats = EngineStats()

    def _schedule(self) -> None:
        if self._inbox and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        self._is_scheduled = False
        end_s = time.monotonic() + SLICE_S
        while self._inbox and time.monotonic() < end_s:
            self._route(self._inbox.popleft())
        self._schedule()

    def _route(self, output: SampleOutput) -> None:
        live = self._live.get(output.request_id)
        if live is None or output.sample_index not in live.assemblers:
            return  # Aborted or past its stop string, which the core had not heard of yet.
        if output.finish_reason == "error":
            self._fail(live, output.sample_index, EngineStepError(output.error or "the engine could not go on"))
            return
        try:
            delta = live.assemblers[output.sample_index].feed(output)
            if delta is None:
                return
            live.mailbox.put(delta)
        except Exception:
            logger.exception("request %s: its tokens could not be turned into text", live.request_id)
            self._fail(live, None, EngineStepError("the output could not be turned into text"))
            return
        if delta.finish_reason is not None:
            self._end_sample(live, output)
        elif live.mailbox.num_unread > live.max_unread:
            self._fail(live, None, EngineStepError("the output was read too slowly, so the request was ended"))

    def _end_sample(self, live: _Live, last: SampleOutput) -> None:
        del live.assemblers[last.sample_index]
        self._num_samples -= 1
        if last.finish_reason is None:
            # A stop string ended it, which only this side looks for.
            self._send(Abort([live.request_id], last.sample_index))
        if not live.assemblers:
            self._finish(live)

    def _fail(self, live: _Live, ended_index: int | None, error: RhumbError) -> None:
        """Ends the whole request; `ended_index` is the sample that the core has ended itself, if one."""
        if live.assemblers.keys() - {ended_index}:
            self._send(Abort([live.request_id]))
        self._finish(live, error)

    def _abort(self, live: _Live) -> None:
        """Ends the request if it still runs. The identity decides: its id may be another's by now."""
        if self._live.get(live.request_id) is live:
            self._send(Abort([live.request_id]))
            self._finish(live)

    def _finish(self, live: _Live, error: RhumbError | None = None) -> None:
        del self._live[live.request_id]
        self._num_samples -= len(live.assemblers)
        live.assemblers.clear()
        live.mailbox.end(error)
        self._mean_request_s += 0.1 * (time.monotonic() - live.accepted_s - self._mean_request_s)
        if not self._live:
            self._idle.set()
