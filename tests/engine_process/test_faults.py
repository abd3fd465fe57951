"""What becomes of an engine process, and of those who wait for it, when something is killed or hangs."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from server.config import EngineConfig
from server.engine.clients import ProcessEngine
from server.engine.supervisor import Limits
from server.errors import EngineDeadError, ModelLoadError
from tests.engine_process.conftest import (
    PATIENCE_S,
    StartEngine,
    core_processes,
    is_gone,
    joined,
    read,
    request,
    submit,
    until,
)
from tests.held_core import CORE_MODULE
from tests.hold import Hold

REPOSITORY = Path(__file__).resolve().parents[2]


async def kill_and_recover(
    engine: ProcessEngine, hold: Hold, hurt: Callable[[psutil.Process], None], reason: str
) -> None:
    """Runs streams, hurts the core, and checks everything that the outside may rely on."""
    [core] = core_processes()
    before = await read(submit(engine, request("before", 20)))
    with hold.on():
        streams = [submit(engine, request(f"r{number}", 400, num_samples=1 + number % 2)) for number in range(12)]
        for stream in streams[:4]:
            await anext(stream)
        inspecting = asyncio.create_task(engine.inspect())
        hurt(core)
        for stream in streams:
            with pytest.raises(EngineDeadError, match=reason):
                await read(stream)
            assert await read(stream) == []
        with pytest.raises(EngineDeadError, match=reason):
            await inspecting
        assert not engine.is_ready
        assert reason in engine.failure
        with pytest.raises(EngineDeadError):
            submit(engine, request("too early", 1))
        with pytest.raises(EngineDeadError):
            await engine.inspect()
    await until(lambda: engine.is_ready)
    assert engine.failure is None
    assert joined(await read(submit(engine, request("before", 20)))) == joined(before)
    [successor] = core_processes()
    assert successor.pid != core.pid
    assert not psutil.pid_exists(core.pid)  # Reaped, not even a zombie.


async def test_a_core_killed_in_mid_stream_fails_every_stream_comes_back_and_leaves_nothing(
    start_engine: StartEngine, hold: Hold
) -> None:
    engine = await start_engine()
    this = psutil.Process()

    async def footprint() -> tuple[int, ...]:
        await asyncio.sleep(0)  # Tasks that have just ended leave the table.
        return this.num_fds(), this.num_threads(), len(asyncio.all_tasks())

    await kill_and_recover(engine, hold, psutil.Process.kill, "SIGKILL")
    before = await footprint()
    await kill_and_recover(engine, hold, psutil.Process.kill, "SIGKILL")
    # Fewer is fine: what earlier tests left behind may be collected meanwhile.
    assert all(now <= then for now, then in zip(await footprint(), before, strict=True))


async def test_a_core_that_hangs_is_noticed_ended_and_replaced(start_engine: StartEngine, hold: Hold) -> None:
    engine = await start_engine(limits=Limits(heartbeat_s=4.0))
    await kill_and_recover(engine, hold, psutil.Process.suspend, "silent")


def test_all_of_it_works_on_uvloop_too(config: EngineConfig, hold: Hold) -> None:
    async def story() -> None:
        engine = ProcessEngine(config, core_module=CORE_MODULE)
        await engine.start()
        try:
            await kill_and_recover(engine, hold, psutil.Process.kill, "SIGKILL")
        finally:
            await engine.stop()
        assert core_processes() == []

    uvloop.run(story())


async def test_signals_that_a_terminal_or_service_manager_sends_to_all_leave_the_core_to_its_parent(
    start_engine: StartEngine,
) -> None:
    engine = await start_engine()
    [core] = core_processes()
    reading = asyncio.create_task(read(submit(engine, request("a", 300))))
    await until(lambda: engine.stats.generated_tokens)
    core.send_signal(signal.SIGINT)
    core.send_signal(signal.SIGTERM)
    assert len(joined(await reading)[0]) == 300
    assert core_processes() == [core]
    assert os.getsid(core.pid) == core.pid


async def test_stopping_while_the_model_loads_leaves_no_process(config: EngineConfig) -> None:
    engine = ProcessEngine(config)
    starting = asyncio.create_task(engine.start())
    await until(core_processes)
    await engine.stop()
    with pytest.raises(ModelLoadError, match="stopped"):
        await starting
    assert core_processes() == []


async def test_cancelling_the_start_leaves_no_process(config: EngineConfig) -> None:
    engine = ProcessEngine(config)
    starting = asyncio.create_task(engine.start())
    await until(core_processes)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert core_processes() == []
    assert not engine.is_ready


async def test_a_core_that_dies_while_it_loads_is_an_error_that_says_how(config: EngineConfig) -> None:
    engine = ProcessEngine(config)
    starting = asyncio.create_task(engine.start())
    await until(core_processes)
    core_processes()[0].kill()
    with pytest.raises(ModelLoadError, match="SIGKILL"):
        await starting
    assert core_processes() == []


PARENT = """
import asyncio, sys
from server.config import EngineConfig
from server.engine.client import TextParams
from server.engine.clients import ProcessEngine
from server.engine.request import EngineRequest, SamplingParams

async def main():
    engine = ProcessEngine(EngineConfig(sys.argv[1], num_pages=600, num_threads=1))
    starting = asyncio.create_task(engine.start())
    if sys.argv[2] == "running":
        await starting
        stream = engine.submit(EngineRequest("a", [5], SamplingParams(400, ignore_eos=True)), TextParams())
        await anext(stream)
    print("now", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["loading", "running", "hanging"])
async def test_a_core_never_outlives_its_parent(state: str, tiny_llama: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tiny_llama), "loading" if state == "loading" else "running"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert await asyncio.wait_for(asyncio.to_thread(parent.stdout.readline), PATIENCE_S) == "now\n"
            await until(lambda: core_processes(parent.pid))
            [core] = core_processes(parent.pid)
            if state == "hanging":
                core.suspend()
        finally:
            parent.kill()
        await until(lambda: is_gone(core))


async def test_a_folder_named_server_where_the_user_stands_is_not_run(
    config: EngineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start_engine: StartEngine
) -> None:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "__init__.py").write_text("raise SystemExit('the wrong server')")
    monkeypatch.chdir(tmp_path)
    engine = await start_engine()
    assert len(joined(await read(submit(engine, request("a", 5))))[0]) == 5
