"""Engines that a test can hold still, so that what it calls running still runs, however fast the machine is."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from server.config import EngineConfig
from server.engine.core import EngineCore
from server.engine.loop import load_core
from server.engine.request import SampleOutput

ENOUGH_TOKENS = 3
"""With fewer, a sample may not have shown its first token yet: one launched step stays unread."""

PAUSE_S = 0.005
"""Only keeps a loop from taking the processor from what it waits for."""


class Hold:
    """While `is_on`, an engine starts whatever it has room for and generates no more than a few tokens of it.

    It goes on to take requests and aborts and to answer questions, as it does between two steps. One that starts
    meanwhile is not ready before the end.
    """

    def __init__(self) -> None:
        self._switch = threading.Event()

    @property
    def is_on(self) -> bool:
        return self._switch.is_set()

    def begin(self) -> None:
        self._switch.set()

    def end(self) -> None:
        self._switch.clear()

    @contextlib.contextmanager
    def on(self) -> Iterator["Hold"]:
        """Is on until `end` or the end of the block."""
        self.begin()
        try:
            yield self
        finally:
            self.end()

    def load_core(self, config: EngineConfig) -> EngineCore:
        """A core that heeds this hold."""
        while self.is_on:
            time.sleep(PAUSE_S)
        core = load_core(config)
        step = core.step

        def step_unless_held() -> list[SampleOutput]:
            if self.is_on and _has_started_all(core):
                time.sleep(PAUSE_S)
                return []
            return step()

        core.step = step_unless_held
        return core


class HoldByFile(Hold):
    """Is on while a file exists, for engines in processes of their own."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def is_on(self) -> bool:
        return self.file.exists()

    def begin(self) -> None:
        self.file.touch()

    def end(self) -> None:
        self.file.unlink(missing_ok=True)


def _has_started_all(core: EngineCore) -> bool:
    """Whether every sample that can run shows tokens; none running is not all started: ends are still to be told."""
    rows = core.inspect()
    running = [row for row in rows if row.state == "running"]
    has_room = len(running) < min(len(rows), core.info.max_rows)
    return bool(running) and not has_room and all(row.generated_tokens >= ENOUGH_TOKENS for row in running)
