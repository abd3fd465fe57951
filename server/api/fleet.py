"""Several API processes around one core: whoever runs this keeps the core and the processes alive, and answers nobody.

One Python process writes only so many chunks a second, and a fast core makes more tokens than that. The API processes
accept from one inherited socket. Each has its own channel to the core, which is passed to it, and anew when the core
was restarted. They count their metrics in files of one folder, so that whichever is asked can add them up.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from server.api.logs import announce, configure_logging
from server.config import EngineConfig
from server.engine.link import Inbox
from server.engine.process import config_to_json
from server.engine.process_link import CORE_MODULE, ProcessLink, import_environment
from server.engine.shared_link import WANT_CHANNEL
from server.engine.supervisor import Limits, Supervisor
from server.errors import ConfigError
from server.settings import ServerSettings

logger = logging.getLogger("rhumb.server")

MAX_AUTO_PROCESSES = 4
FAILURE = b"failure: "
"""Begins what an API process says before it gives up; the rest is a message for the user."""
ORDERS_BYTES = 1 << 17
"""Most bytes of one message between the fleet and an API process."""
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable by which prometheus_client counts in files."""

_FIRST_BACKOFF_S, _MAX_BACKOFF_S, _STABLE_S = 0.5, 30.0, 60.0


def num_api_processes(settings: ServerSettings, config: EngineConfig) -> int:
    """As set; else one, unless the core is on a GPU, and then up to four on half of the cores."""
    if settings.api_processes is not None:
        return settings.api_processes
    if not _is_on_gpu(config.device):
        return 1
    return max(1, min(MAX_AUTO_PROCESSES, len(os.sched_getaffinity(0)) // 2))


def _is_on_gpu(device: str) -> bool:
    """Answered without torch, whose import would hold the start up: a guess is enough here."""
    if device != "auto":
        return device.startswith("cuda")
    return os.environ.get("CUDA_VISIBLE_DEVICES") != "" and any(Path("/dev").glob("nvidia[0-9]*"))


class Fleet:
    """One core and `num_processes` API processes on one listening socket, until a signal.

    Args:
        listener: bound; its descriptor is inherited.
        core_module: what the engine process runs; see `ProcessLink`.
    """

    def __init__(
        self,
        config: EngineConfig,
        settings: ServerSettings,
        listener: socket.socket,
        num_processes: int,
        core_module: str = CORE_MODULE,
    ) -> None:
        self._config = config
        # Each process refuses what goes beyond its own share: how many requests the others have it does not know.
        share = -(-settings.max_concurrent_requests // num_processes)
        self._settings = settings.model_copy(update={"max_concurrent_requests": share})
        self._listener = listener
        self._num_processes = num_processes
        self._core_module = core_module
        self._link: ProcessLink | None = None
        self._wanting: list[socket.socket] = []
        """Keepers' ends of those API processes that wait for a channel."""
        self._processes: set[asyncio.subprocess.Process] = set()
        self._stopping = asyncio.Event()
        self._failure: str | None = None

    async def run(self) -> None:
        """Returns when all processes have ended after a signal.

        Raises:
            ModelLoadError: the model cannot be loaded.
            ConfigError: the API processes cannot work with the settings.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._signal, number)
        core = Supervisor(self._open_link, lambda message: None, lambda reason: None, True, Limits())
        loading = asyncio.create_task(core.start())
        loading.add_done_callback(self._loaded)
        try:
            with tempfile.TemporaryDirectory(prefix="rhumb-metrics-") as folder:
                async with asyncio.TaskGroup() as group:
                    for _ in range(self._num_processes):
                        group.create_task(self._keep(folder))
        finally:
            loading.cancel()
            await asyncio.gather(loading, return_exceptions=True)
            await core.stop(Limits().stop_s)
        if not loading.cancelled() and (error := loading.exception()) is not None:
            raise error
        if self._failure is not None:
            raise ConfigError(self._failure)

    def _signal(self, number: int) -> None:
        """Every process drains by itself; a second signal ends what it still does, a third one the process."""
        self._stopping.set()
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def _loaded(self, loading: "asyncio.Task[object]") -> None:
        if not loading.cancelled() and loading.exception() is not None:
            self._signal(signal.SIGTERM)

    def _open_link(self, inbox: Inbox) -> ProcessLink:
        return _KeptLink(self._config, inbox, self._core_module, self._serve_channels_of)

    def _serve_channels_of(self, link: ProcessLink) -> None:
        self._link = link
        wanting, self._wanting = self._wanting, []
        for keeper in wanting:
            self._give_channel(keeper)

    def _give_channel(self, keeper: socket.socket) -> None:
        """Pass a channel on now, or as soon as there is a core again."""
        try:
            if self._link is None:
                raise OSError("no core yet")
            channel = self._link.pass_channel()
        except OSError:
            self._wanting.append(keeper)
            return
        with channel, contextlib.suppress(OSError):
            # A process that has gone meanwhile needs none.
            socket.send_fds(keeper, [WANT_CHANNEL], [channel.fileno()])

    async def _keep(self, folder: str) -> None:
        """Runs one API process, and another when it dies."""
        backoff_s = _FIRST_BACKOFF_S
        while not self._stopping.is_set():
            began_s = time.monotonic()
            code = await self._run_process(folder)
            if self._stopping.is_set():
                return
            if self._failure is not None:
                self._signal(signal.SIGTERM)
                return
            if time.monotonic() - began_s >= _STABLE_S:
                backoff_s = _FIRST_BACKOFF_S
            logger.error("an API process ended with code %d and is started again in %g s", code, backoff_s)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff_s):
                    await self._stopping.wait()
            backoff_s = min(2 * backoff_s, _MAX_BACKOFF_S)

    async def _run_process(self, folder: str) -> int:
        """Returns the exit code; negative is a signal."""
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with ours:
            with theirs:
                process = await self._start(theirs, folder)
            self._processes.add(process)
            loop = asyncio.get_running_loop()
            try:
                ours.send(self._orders())
                loop.add_reader(ours, self._hear, ours)
                return await process.wait()
            finally:
                loop.remove_reader(ours)
                self._processes.discard(process)
                if process.returncode is None:
                    process.kill()
                    await process.wait()
                self._hear_rest(ours)
                if ours in self._wanting:
                    self._wanting.remove(ours)

    async def _start(self, theirs: socket.socket, folder: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "server.api.worker",
            f"--keeper={theirs.fileno()}",
            f"--listener={self._listener.fileno()}",
            f"--parent={os.getpid()}",
            env={**import_environment(), METRICS_FOLDER: folder},
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), self._listener.fileno()),
            # Ctrl-C in a terminal reaches every process of its session; only this one should act on it.
            start_new_session=True,
        )

    def _orders(self) -> bytes:
        """Not on the command line, where everybody could read the keys."""
        settings = self._settings.model_dump(mode="json")
        return json.dumps({"settings": settings, "config": config_to_json(self._config)}).encode()

    def _hear(self, keeper: socket.socket) -> bool:
        """Take one message of an API process; False if there is none, or none will come any more."""
        try:
            message = keeper.recv(ORDERS_BYTES)
        except OSError:
            return False
        if message == WANT_CHANNEL:
            self._give_channel(keeper)
        elif message.startswith(FAILURE):
            self._failure = message.removeprefix(FAILURE).decode()
        else:
            asyncio.get_running_loop().remove_reader(keeper)
        return bool(message)

    def _hear_rest(self, keeper: socket.socket) -> None:
        """An API process may end before its last words were heard."""
        while self._hear(keeper):
            pass


def run(
    config: EngineConfig,
    settings: ServerSettings,
    listener: socket.socket,
    num_processes: int,
    core_module: str = CORE_MODULE,
) -> None:
    """Serve until a signal, from several processes; arguments and errors are those of `Fleet`."""
    configure_logging(settings.log_level)
    announce(listener, settings, config.model)
    asyncio.run(Fleet(config, settings, listener, num_processes, core_module).run())


class _KeptLink(ProcessLink):
    """A link that tells when its core can be given channels."""

    def __init__(self, config: EngineConfig, inbox: Inbox, module: str, on_open: Callable[[ProcessLink], None]) -> None:
        super().__init__(config, inbox, module, is_shared=True)
        self._on_open = on_open

    async def open(self) -> None:
        await super().open()
        self._on_open(self)
