"""A core that several API processes share, reached over a channel that the process which keeps it passes on."""

import asyncio
import socket

from server.engine.link import Inbox
from server.engine.process_link import FrameProtocol, encode_request
from server.engine.request import ToCore
from server.errors import ModelLoadError

WANT_CHANNEL = b"channel"
"""What an API process says to the keeper of the core; the answer is the same word with a descriptor."""


class SharedLink:
    """Implements `Link`. Opening waits until there is a core; closing leaves the core to the others.

    Args:
        keeper: a socket to the process that keeps the core, of a type that keeps message boundaries. Not closed here.
    """

    def __init__(self, keeper: socket.socket, inbox: Inbox) -> None:
        self._keeper = keeper
        self._inbox = inbox
        self._transport: asyncio.Transport | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Raises `ModelLoadError` if the keeper has gone."""
        try:
            channel = await self._ask()
        except OSError as error:
            raise ModelLoadError("the process that keeps the engine has gone") from error
        protocol = FrameProtocol(self._inbox)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: protocol, sock=channel)
        self._watcher = asyncio.create_task(self._watch(protocol.closed))

    def send(self, message: ToCore) -> None:
        frame = encode_request(message)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    async def close(self, grace_s: float) -> None:
        """The core sees the end of the channel, and aborts what still runs of this process."""
        self._inbox.lose("the engine was stopped")
        if self._transport is not None:
            self._transport.abort()
        if self._watcher is not None:
            await self._watcher

    async def _ask(self) -> socket.socket:
        """Raises `OSError`."""
        self._keeper.setblocking(False)
        self._keeper.send(WANT_CHANNEL)
        loop = asyncio.get_running_loop()
        arrival = asyncio.Event()
        loop.add_reader(self._keeper, arrival.set)
        try:
            await arrival.wait()
        finally:
            loop.remove_reader(self._keeper)
        _, fds, _, _ = socket.recv_fds(self._keeper, len(WANT_CHANNEL), 1)
        if not fds:
            raise OSError("end of file")
        return socket.socket(fileno=fds[0])

    async def _watch(self, closed: asyncio.Event) -> None:
        await closed.wait()
        self._inbox.lose("the engine process ended")
