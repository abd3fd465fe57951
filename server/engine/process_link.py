"""A core in its own process, reached over a socket that only the two processes hold."""

import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import server
from server.config import EngineConfig
from server.engine.link import Inbox
from server.engine.process import config_to_json
from server.engine.request import Shutdown, ToCore
from server.engine.switchboard import pass_channel
from server.engine.transport import FrameReader, encode
from server.errors import ModelLoadError, RequestError
from server.threads import SPIN_COUNT

CORE_MODULE = "server.engine.process"
_EXIT_S = 5.0
"""How long a core may take to exit after it has closed its socket."""

logger = logging.getLogger(__name__)


class ProcessLink:
    """Implements `Link`.

    Args:
        module: what the process runs, a module with the command line of `process.py`.
        is_shared: whether API processes get channels to the core of their own, through `pass_channel`.
    """

    def __init__(self, config: EngineConfig, inbox: Inbox, module: str = CORE_MODULE, is_shared: bool = False) -> None:
        self._newcomers: socket.socket | None = None
        self._is_shared = is_shared
        self._module = module
        self._config = config
        self._inbox = inbox
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.Transport | None = None
        self._reaper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def pass_channel(self) -> socket.socket:
        """A new channel to the core, for another process; raises `OSError` if the core has gone."""
        if self._newcomers is None:
            raise OSError("the core is not shared")
        return pass_channel(self._newcomers)

    async def open(self) -> None:
        """Raises `ModelLoadError` if no process can be started."""
        try:
            await self._open()
        except OSError as error:
            raise ModelLoadError(f"the engine process could not be started: {error.strerror or error}") from error

    async def _open(self) -> None:
        ours, theirs = socket.socketpair()
        inherited = [theirs]
        if self._is_shared:
            self._newcomers, other = socket.socketpair(type=socket.SOCK_SEQPACKET)
            inherited.append(other)
        try:
            fds = [end.fileno() for end in inherited]
            self._process = await asyncio.create_subprocess_exec(
                *self._command(*fds),
                env=import_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=fds,
                # Ctrl-C in a terminal reaches every process of its session; only the parent should act on it.
                start_new_session=True,
            )
            protocol = FrameProtocol(self._inbox)
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_unix_connection(lambda: protocol, sock=ours)
            self._reaper = asyncio.create_task(self._reap(self._process, protocol.closed))
        finally:
            for end in inherited:
                end.close()
            if self._transport is None:
                ours.close()

    def send(self, message: ToCore) -> None:
        frame = encode_request(message)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    async def close(self, grace_s: float) -> None:
        self.send(Shutdown())
        self._inbox.lose("the engine was stopped")
        try:
            if self._reaper is not None and grace_s > 0:
                await asyncio.wait({self._reaper}, timeout=grace_s)
        finally:
            # Also reached when the wait is cancelled: the process must never outlive the link.
            self._kill()
            if self._transport is not None:
                self._transport.abort()
            if self._newcomers is not None:
                self._newcomers.close()
        if self._reaper is not None:
            await self._reaper
        elif self._process is not None:
            await self._process.wait()

    def _command(self, fd: int, newcomers_fd: int | None = None) -> list[str]:
        return [
            sys.executable,
            "-P",  # Otherwise a folder named `server` where the user stands would be run instead of ours.
            "-m",
            self._module,
            f"--fd={fd}",
            f"--parent={os.getpid()}",
            f"--config={config_to_json(self._config)}",
            f"--log-level={logger.getEffectiveLevel()}",
            *([] if newcomers_fd is None else [f"--newcomers-fd={newcomers_fd}"]),
        ]

    async def _reap(self, process: asyncio.subprocess.Process, closed: asyncio.Event) -> None:
        # End of file first: by then everything that the core had to say has been delivered.
        await closed.wait()
        try:
            async with asyncio.timeout(_EXIT_S):
                code = await process.wait()
        except TimeoutError:
            self._kill()
            code = await process.wait()
        self._inbox.lose(_describe_exit(code))

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


def encode_request(message: ToCore) -> bytes:
    """One frame; raises `RequestError` for what cannot be carried."""
    try:
        return encode(message)
    except UnicodeEncodeError:
        raise RequestError("the request holds characters that are not valid Unicode (lone surrogates)") from None
    except OverflowError:
        raise RequestError("the request holds an integer of more than 64 bits") from None


class FrameProtocol(asyncio.Protocol):
    """Delivers the frames of one socket to an inbox."""

    def __init__(self, inbox: Inbox) -> None:
        self.closed = asyncio.Event()
        self._inbox = inbox
        self._reader = FrameReader()

    def data_received(self, data: bytes) -> None:
        for message in self._reader.feed(data):
            # The core sends nothing but messages from the core.
            self._inbox.deliver(message)  # type: ignore[arg-type]

    def connection_lost(self, error: Exception | None) -> None:
        self.closed.set()


def import_environment() -> dict[str, str]:
    """This process's own, able to import this very package even when it is not installed."""
    root = str(Path(server.__file__).parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    return {
        "GOMP_SPINCOUNT": SPIN_COUNT,
        **os.environ,
        "PYTHONPATH": f"{root}{os.pathsep}{inherited}" if inherited else root,
    }


def _describe_exit(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", perhaps for lack of memory" if code == -signal.SIGKILL else ""
        return f"the engine process was killed by {name}{hint}"
    return f"the engine process exited with code {code}"
