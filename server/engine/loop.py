"""The core's busy loop, the same in a process and in a thread."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from server.config import EngineConfig
from server.engine.profiler import StepProfiler
from server.engine.request import (
    Abort,
    EngineInfo,
    EngineRequest,
    EngineStats,
    Failed,
    FromCore,
    Inspect,
    Inspection,
    Profile,
    Profiled,
    Ready,
    ResetPrefixCache,
    RowInfo,
    SampleOutput,
    Shutdown,
    StepOutputs,
    ToCore,
)
from server.errors import ConfigError, RhumbError

HEARTBEAT_S = 0.5
"""Longest silence of a healthy core between two steps."""

logger = logging.getLogger(__name__)

Receive = Callable[[float], list[ToCore]]
"""Waits up to so many seconds for the first message and returns all that have come."""
Send = Callable[[FromCore], None]


class Core(Protocol):
    """What the loop needs of `EngineCore`."""

    info: EngineInfo

    def add(self, request: EngineRequest) -> None: ...

    def abort(self, request_ids: list[str], sample_index: int | None = None) -> None: ...

    def step(self) -> list[SampleOutput]: ...

    @property
    def has_work(self) -> bool: ...

    def stats(self) -> EngineStats: ...

    def inspect(self) -> list[RowInfo]: ...

    def reset_prefix_cache(self) -> None: ...

    def close(self) -> None: ...


LoadCore = Callable[[EngineConfig], Core]


def serve(config: EngineConfig, receive: Receive, send: Send, load: LoadCore | None = None) -> None:
    """Loads the core, says `Ready` or `Failed`, and runs it until `Shutdown`.

    Args:
        load: makes the core; `load_core` by default.
    """
    try:
        core = (load or load_core)(config)
    except RhumbError as error:
        send(Failed(_one_line(error)))
        return
    except Exception as error:
        logger.exception("the model could not be loaded")
        send(Failed(f"the model could not be loaded: {type(error).__name__}: {_one_line(error)}"))
        return
    try:
        send(Ready(core.info))
        run_core(core, receive, send, config.profile_dir)
    finally:
        core.close()


def load_core(config: EngineConfig) -> Core:
    """Raises `ModelLoadError` or `ConfigError`."""
    started_s = time.monotonic()
    # Imported here because it brings the whole model code, which the API process does without.
    from server.engine.core import EngineCore

    import_s = time.monotonic() - started_s
    core = EngineCore(config)
    core.info = replace(core.info, stages_s={"import": import_s, **core.info.stages_s})
    return core


def run_core(core: Core, receive: Receive, send: Send, profile_dir: str | None = None) -> None:
    """Steps while there is work, answers messages between steps, and never stays silent for long.

    Args:
        profile_dir: where traces go that a client asks for.

    Returns on `Shutdown`, and after an exception of the core, which is logged in full and reported as
    `Failed` in one line: the state of a core that raised cannot be trusted.
    """
    reported_s = time.monotonic()
    profiler = StepProfiler(profile_dir)
    try:
        while True:
            idle_s = 0.0 if core.has_work else max(0.0, reported_s + HEARTBEAT_S - time.monotonic())
            messages = receive(idle_s)
            for message in messages:
                if isinstance(message, Shutdown):
                    return
                _handle(core, profiler, message, send)
            outputs = []
            if core.has_work:
                outputs = core.step()
                profiler.after_step()
            now_s = time.monotonic()
            # A message may have changed the queue, which the client's admission goes by.
            if outputs or messages or now_s - reported_s >= HEARTBEAT_S:
                send(StepOutputs(outputs, core.stats()))
                reported_s = now_s
    except Exception as error:
        logger.exception("the engine core failed")
        send(Failed(f"the engine core failed: {type(error).__name__}: {_one_line(error)}"))


def _handle(core: Core, profiler: StepProfiler, message: ToCore, send: Send) -> None:
    match message:
        case EngineRequest():
            core.add(message)
        case Abort():
            core.abort(message.request_ids, message.sample_index)
        case ResetPrefixCache():
            core.reset_prefix_cache()
        case Inspect():
            send(Inspection(message.query_id, core.inspect()))
        case Profile():
            send(_profile(profiler, message))


def _profile(profiler: StepProfiler, message: Profile) -> Profiled:
    try:
        if message.action == "stop":
            return Profiled(message.query_id, profiler.stop())
        profiler.start()
    except ConfigError as error:
        return Profiled(message.query_id, error=_one_line(error))
    return Profiled(message.query_id)


def _one_line(error: BaseException) -> str:
    """The first line of the message, at most 500 characters: later lines of torch errors are native stacks."""
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
