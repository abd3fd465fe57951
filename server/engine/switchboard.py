"""The core's end where several API processes share it: one channel each, and whose request is whose.

The first channel belongs to the process that started the core. It alone may shut the core down, and it hears of nothing
but the core's state. The channels of API processes come later, as descriptors over a socket that it shares with the
core. To the core's loop the switchboard is one channel.
"""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from server.engine.request import (
    Abort,
    EngineRequest,
    EngineStats,
    Failed,
    FromCore,
    Inspect,
    Inspection,
    Profile,
    Profiled,
    Ready,
    SampleOutput,
    Shutdown,
    StepOutputs,
    ToCore,
)
from server.engine.transport import Channel, Message

NEWS_S = 0.1
"""Longest time for which an API process without outputs is not told the core's counters, while steps are made."""

ATTACH = b"attach"


@dataclass(eq=False, slots=True)
class _Line:
    """One channel, and what its process was last told."""

    channel: Channel
    outputs: list[SampleOutput] = field(default_factory=list)
    told_s: float = 0.0
    told_waiting: int = 0


@dataclass(eq=False, slots=True)
class _Owned:
    """A request of one line, and which of its samples still run."""

    line: _Line
    running: set[int]


class Switchboard:
    """`receive` and `send` of the core's loop, over all channels.

    Args:
        main: the channel of the process that started the core.
        newcomers: a socket that keeps message boundaries, over which that process passes each API process's channel.
    """

    def __init__(self, main: Channel, newcomers: socket.socket) -> None:
        newcomers.setblocking(False)
        self._newcomers = newcomers
        self._main = _Line(main)
        self._lines: list[_Line] = []
        self._owned: dict[str, _Owned] = {}
        self._queries: dict[int, tuple[_Line, int]] = {}
        self._num_queries = 0
        self._state: Ready | Failed | None = None
        self._stats = EngineStats()
        self._uncounted: list[int] = []
        """Tokens of steps that no API process has been told of yet; each is told to one of them only."""
        self._poll = select.poll()
        self._poll.register(newcomers, select.POLLIN)
        self._poll.register(main, select.POLLIN)

    def receive(self, timeout_s: float) -> list[ToCore]:
        """All messages that have come, after waiting up to `timeout_s` for the first.

        An API process that has gone leaves an `Abort` of its requests; the end of the main channel is a `Shutdown`.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._welcome()
            messages: list[ToCore] = []
            for line in (self._main, *self._lines):
                line.channel.flush()
                for message in line.channel.read():
                    messages += self._take(line, message)
            left_s = deadline_s - time.monotonic()
            if messages or left_s <= 0:
                return messages
            for line in (self._main, *self._lines):
                self._poll.modify(line.channel, select.POLLIN | (select.POLLOUT if line.channel.has_unsent else 0))
            self._poll.poll(left_s * 1000)

    def send(self, message: FromCore) -> None:
        match message:
            case StepOutputs():
                self._tell(message)
            case Inspection() | Profiled():
                line, query_id = self._queries.pop(message.query_id)
                if line in self._lines:
                    line.channel.send(replace(message, query_id=query_id))
            case Ready() | Failed():
                self._welcome()
                self._state = message
                for line in (self._main, *self._lines):
                    line.channel.send(message)

    def close(self, timeout_s: float) -> None:
        """Sends what is left, for at most `timeout_s` a channel, and closes all of them."""
        self._welcome()
        for line in (self._main, *self._lines):
            line.channel.close(timeout_s)
        self._newcomers.close()

    def _welcome(self) -> None:
        """Take up the channels that were passed since."""
        while True:
            try:
                _, fds, _, _ = socket.recv_fds(self._newcomers, len(ATTACH), 1)
            except BlockingIOError:
                return
            if not fds:
                # The other side is gone; the main channel says so too, and in order.
                return
            line = _Line(Channel(socket.socket(fileno=fds[0])))
            self._lines.append(line)
            self._poll.register(line.channel, select.POLLIN)
            if self._state is not None:
                line.channel.send(self._state)

    def _take(self, line: _Line, message: Message) -> Sequence[ToCore]:
        """What a line's message means to the core."""
        match message:
            case EngineRequest() if message.request_id in self._owned:
                error = f"a request with the id {message.request_id!r} is running already"
                outputs = [
                    SampleOutput(message.request_id, index, [], finish_reason="error", error=error)
                    for index in range(message.num_samples)
                ]
                line.channel.send(StepOutputs(outputs, self._stats))
                return ()
            case EngineRequest():
                self._owned[message.request_id] = _Owned(line, set(range(message.num_samples)))
            case Abort():
                return self._abort(line, message)
            case Inspect() | Profile():
                self._num_queries += 1
                self._queries[self._num_queries] = (line, message.query_id)
                return (replace(message, query_id=self._num_queries),)
            case Shutdown() if line is not self._main:
                return self._part(line)
        return (message,)  # type: ignore[return-value]  # Nobody sends a core what a core sends.

    def _abort(self, line: _Line, message: Abort) -> Sequence[ToCore]:
        mine = [
            request_id
            for request_id in message.request_ids
            if (owned := self._owned.get(request_id)) is not None and owned.line is line
        ]
        for request_id in mine:
            if message.sample_index is None:
                del self._owned[request_id]
            else:
                self._end(request_id, message.sample_index)
        return (replace(message, request_ids=mine),) if mine else ()

    def _part(self, line: _Line) -> Sequence[ToCore]:
        """The line's process is gone: so are its requests."""
        self._poll.unregister(line.channel)
        line.channel.close(0.0)
        self._lines.remove(line)
        orphans = [request_id for request_id, owned in self._owned.items() if owned.line is line]
        for request_id in orphans:
            del self._owned[request_id]
        return (Abort(orphans),) if orphans else ()

    def _end(self, request_id: str, sample_index: int) -> None:
        running = self._owned[request_id].running
        running.discard(sample_index)
        if not running:
            del self._owned[request_id]

    def _tell(self, message: StepOutputs) -> None:
        """Give each process the outputs of its own requests, and news of the core now and then."""
        self._stats = replace(message.stats, iteration_tokens=[])
        self._uncounted += message.stats.iteration_tokens
        for output in message.outputs:
            owned = self._owned.get(output.request_id)
            if owned is None:
                continue
            owned.line.outputs.append(output)
            if output.finish_reason is not None:
                self._end(output.request_id, output.sample_index)
        now_s = time.monotonic()
        for line in self._lines:
            num_waiting = self._stats.num_waiting
            if line.outputs or line.told_waiting != num_waiting or now_s - line.told_s >= NEWS_S:
                stats = replace(self._stats, iteration_tokens=self._uncounted) if self._uncounted else self._stats
                self._uncounted = []
                line.channel.send(StepOutputs(line.outputs, stats))
                line.outputs, line.told_s, line.told_waiting = [], now_s, num_waiting
        if now_s - self._main.told_s >= NEWS_S:
            self._main.channel.send(StepOutputs([], self._stats))
            self._main.told_s = now_s


def pass_channel(newcomers: socket.socket) -> socket.socket:
    """Give the core behind `newcomers` a new channel; returns the API process's end of it.

    Raises:
        OSError: that core has gone.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            socket.send_fds(newcomers, [ATTACH], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
    return ours
