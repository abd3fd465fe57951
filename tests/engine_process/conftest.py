"""Real engines on a tiny model, and what a test needs to hurt them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from unittest import mock

import psutil
import pytest

from server.config import EngineConfig
from server.engine.client import Delta, TextParams
from server.engine.clients import Engine, ProcessEngine, ThreadEngine
from server.engine.request import EngineRequest, SamplingParams
from server.engine.stream import Stream
from server.engine.supervisor import Limits
from tests.held_core import CORE_MODULE, HOLD_FILE
from tests.hold import Hold, HoldByFile

PATIENCE_S = 90
"""For conditions that must come true: starting a process can take long on a machine that others use."""

StartEngine = Callable[..., Awaitable[Engine]]


@pytest.fixture
def config(tiny_llama: Path) -> EngineConfig:
    return EngineConfig(str(tiny_llama), max_rows=8, num_pages=1200, num_threads=1)


@pytest.fixture
def hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hold:
    """Holds the engines of `start_engine` still."""
    hold = HoldByFile(tmp_path / "hold")
    monkeypatch.setenv(HOLD_FILE, str(hold.file))
    return hold


@pytest.fixture
async def start_engine(config: EngineConfig, hold: Hold) -> AsyncIterator[StartEngine]:
    """Starts engines and stops them after the test, whatever has become of them."""
    engines: list[Engine] = []

    async def start(
        kind: type[ProcessEngine] | type[ThreadEngine] = ProcessEngine,
        limits: Limits | None = None,
        config: EngineConfig = config,
    ) -> Engine:
        make = partial(kind, core_module=CORE_MODULE) if kind is ProcessEngine else kind
        engines.append(make(config, limits=limits))
        with mock.patch("server.engine.loop.load_core", hold.load_core):
            await engines[-1].start()
        return engines[-1]

    yield start
    for engine in engines:
        await engine.stop()


def request(request_id: str, max_tokens: int, num_samples: int = 1, **params: object) -> EngineRequest:
    """Greedy, of a prompt of its own, and never ended by the model."""
    prompt_ids = [3 + byte for byte in f"{request_id} says".encode()]
    sampling = SamplingParams(**{"max_tokens": max_tokens, "temperature": 0.0, "ignore_eos": True, **params})
    return EngineRequest(request_id, prompt_ids, sampling, num_samples=num_samples)


def submit(engine: Engine, request: EngineRequest, **text: object) -> Stream:
    return engine.submit(request, TextParams(**text))


async def read(stream: Stream) -> list[Delta]:
    return [delta async for delta in stream]


def joined(deltas: list[Delta]) -> tuple[list[int], str]:
    """Token ids and text of a request with one sample."""
    return [token for delta in deltas for token in delta.token_ids], "".join(delta.text for delta in deltas)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


def core_processes(parent_pid: int | None = None) -> list[psutil.Process]:
    """The engine processes that are children of this one or of `parent_pid`."""
    cores = []
    for child in psutil.Process(parent_pid or os.getpid()).children():
        with contextlib.suppress(psutil.Error):  # It may end while it is looked at.
            if not {"server.engine.process", CORE_MODULE}.isdisjoint(child.cmdline()):
                cores.append(child)
    return cores


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
