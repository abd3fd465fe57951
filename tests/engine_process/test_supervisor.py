"""The supervisor's patience, on cores that die and hang by the script of the test."""

import asyncio
import time
from collections.abc import Callable

import pytest

from server.engine.link import Inbox
from server.engine.request import EngineInfo, EngineStats, Failed, Ready, StepOutputs, ToCore
from server.engine.supervisor import Limits, Supervisor
from server.errors import ConfigError, ModelLoadError

INFO = EngineInfo("m", "/m", 8, 8, [0], None, ["full"], "full", 4, 4, 1, 4, "float32", "cpu", "torch", {}, 1, 0.0)
FAST = Limits(heartbeat_s=1.0, first_backoff_s=0.01, max_backoff_s=0.08)
HEARTBEAT = StepOutputs([], EngineStats())


class ScriptedLink:
    """`begin` decides what the core says when it starts."""

    def __init__(self, inbox: Inbox, begin: Callable[[Inbox], None]) -> None:
        self.inbox = inbox
        self.begin = begin
        self.is_closed = False
        self.sent: list[ToCore] = []

    async def open(self) -> None:
        self.begin(self.inbox)

    def send(self, message: ToCore) -> None:
        self.sent.append(message)

    async def close(self, grace_s: float) -> None:
        self.is_closed = True
        self.inbox.lose("closed")


class Life:
    """A supervisor and all the links it has opened; `begins` are their scripts, the last one repeated."""

    def __init__(self, *begins: Callable[[Inbox], None], restart: bool = True, limits: Limits = FAST) -> None:
        self._begins = begins
        self.links: list[ScriptedLink] = []
        self.opened_s: list[float] = []
        self.reasons: list[str] = []
        self.supervisor = Supervisor(self._open_link, lambda message: None, self.reasons.append, restart, limits)

    def _open_link(self, inbox: Inbox) -> ScriptedLink:
        self.opened_s.append(time.monotonic())
        self.links.append(ScriptedLink(inbox, self._begins[min(len(self.links), len(self._begins) - 1)]))
        return self.links[-1]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)


def ready(inbox: Inbox) -> None:
    inbox.deliver(Ready(INFO))


def ready_then_dead(inbox: Inbox) -> None:
    inbox.deliver(Ready(INFO))
    asyncio.get_running_loop().call_soon(inbox.lose, "it crashed")


def unloadable(inbox: Inbox) -> None:
    inbox.deliver(Failed("no such model"))


async def test_a_core_that_dies_is_replaced_and_the_loss_is_told_once() -> None:
    life = Life(ready)
    assert await life.supervisor.start() == INFO
    assert life.supervisor.failure is None
    life.links[0].inbox.deliver(Failed("device lost"))
    await life.until(lambda: life.supervisor.failure is not None)
    assert "device lost" in life.supervisor.failure
    await life.until(lambda: life.supervisor.failure is None)
    assert life.reasons == ["device lost"]
    assert [link.is_closed for link in life.links] == [True, False]
    await life.supervisor.stop(1)


async def test_pauses_between_restarts_double_up_to_the_limit() -> None:
    life = Life(ready_then_dead)
    await life.supervisor.start()
    await life.until(lambda: len(life.links) == 7)
    await life.supervisor.stop(1)
    pauses_s = [after - before for before, after in zip(life.opened_s, life.opened_s[1:], strict=False)]
    for pause_s, least_s in zip(pauses_s, [0.01, 0.02, 0.04, 0.08, 0.08, 0.08], strict=True):
        assert pause_s >= least_s
    assert pauses_s[-1] < 5


async def test_a_core_that_lived_long_enough_is_replaced_after_the_first_pause_again() -> None:
    limits = Limits(heartbeat_s=1.0, first_backoff_s=0.01, max_backoff_s=1000.0, stable_s=0.0)
    life = Life(ready_then_dead, limits=limits)
    await life.supervisor.start()
    await life.until(lambda: len(life.links) == 20)  # Doubling would be at 5,000 s by now.
    await life.supervisor.stop(1)


async def test_a_restart_that_cannot_load_the_model_is_tried_again() -> None:
    life = Life(ready, unloadable, unloadable, ready)
    await life.supervisor.start()
    life.links[0].inbox.lose("killed")
    await life.until(lambda: "no such model" in (life.supervisor.failure or ""))
    await life.until(lambda: life.supervisor.failure is None)
    assert len(life.links) == 4
    await life.supervisor.stop(1)


async def test_a_model_that_cannot_be_loaded_at_first_raises_and_is_not_tried_again() -> None:
    life = Life(unloadable)
    with pytest.raises(ModelLoadError, match=r"^no such model$"):
        await life.supervisor.start()
    assert life.links[0].is_closed
    assert life.supervisor.failure == "no such model"
    await life.supervisor.stop(1)
    assert len(life.links) == 1


async def test_a_model_that_loads_too_slowly_raises() -> None:
    life = Life(lambda inbox: None, limits=Limits(load_s=0.05))
    with pytest.raises(ModelLoadError, match="not loaded within"):
        await life.supervisor.start()
    assert life.links[0].is_closed


async def test_without_restart_a_dead_core_stays_dead() -> None:
    life = Life(ready, restart=False)
    await life.supervisor.start()
    life.links[0].inbox.lose("killed")
    await life.until(lambda: life.links[0].is_closed)
    assert life.supervisor.failure == "killed"
    await life.supervisor.stop(1)
    assert len(life.links) == 1


async def test_a_silent_core_is_ended_and_replaced() -> None:
    life = Life(ready)
    await life.supervisor.start()
    await life.until(lambda: len(life.links) == 2)
    assert life.links[0].is_closed
    assert "silent" in life.reasons[0]
    assert life.opened_s[1] - life.opened_s[0] >= 1.0
    await life.supervisor.stop(1)


async def test_a_core_whose_reports_waited_for_a_busy_event_loop_is_not_taken_for_silent() -> None:
    life = Life(ready)
    await life.supervisor.start()
    await asyncio.sleep(0)  # The watch has begun.
    time.sleep(1.5)  # Somebody blocks the event loop for longer than the limit.
    loop = asyncio.get_running_loop()
    loop.call_later(0.05, life.links[0].inbox.deliver, HEARTBEAT)  # The reports are read a little later.
    loop.call_later(0.6, life.links[0].inbox.deliver, HEARTBEAT)
    await asyncio.sleep(0.8)
    assert life.reasons == []
    assert len(life.links) == 1
    await life.supervisor.stop(1)


async def test_after_stop_nothing_is_started_any_more() -> None:
    life = Life(ready_then_dead)
    await life.supervisor.start()
    await life.until(lambda: len(life.links) == 2)
    await life.supervisor.stop(1)
    num_links = len(life.links)
    await asyncio.sleep(0.3)
    assert len(life.links) == num_links
    assert all(link.is_closed for link in life.links)
    assert life.supervisor.failure == "the engine was stopped"


def test_a_limit_below_the_heartbeat_itself_is_refused() -> None:
    with pytest.raises(ConfigError, match="heartbeat_s"):
        Limits(heartbeat_s=0.4)
