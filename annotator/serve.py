"""The web program's process: a socket, uvicorn, and a log that holds no secrets."""

import asyncio
import errno
import logging
import socket
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from annotator import __version__
from annotator.app import build_app
from annotator.assembly import open_service
from annotator.errors import ConfigError
from annotator.settings import Settings

CLOSE_S = 10
"""Seconds that running requests get after a signal."""


def bind(settings: Settings) -> socket.socket:
    """A bound socket, so that a taken port is told before anything slow begins.

    Raises:
        ConfigError: the address cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigError(f"--host {settings.host} is not an address of this machine: {error.strerror}") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        reason = {
            errno.EADDRINUSE: "it is in use; choose another with --port",
            errno.EACCES: "this user may not; choose a port above 1023",
        }.get(error.errno or 0, error.strerror)
        raise ConfigError(f"cannot listen on {settings.host}:{settings.port}: {reason}") from None
    return listener


class _Server(uvicorn.Server):
    """Ends with status 0 when it is asked to stop: uvicorn's own would send itself the signal again at the end.

    Args:
        app: is told, so that answers which would go on for ever end.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
        self._app.state.is_stopping = True


async def _try_out(settings: Settings) -> None:
    async with open_service(settings):
        pass


def run(settings: Settings, listener: socket.socket) -> None:
    """Serves until a signal.

    Raises:
        ConfigError: a setting that cannot work.
        StorageError: the database cannot be opened.
    """
    logging.basicConfig(
        stream=sys.stderr, level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    if settings.log_level != "debug":
        for noisy in ("uvicorn.error", "alembic"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
    # What cannot work is told in one line now, and not by uvicorn with a traceback later.
    asyncio.run(_try_out(settings))
    host, port = listener.getsockname()[:2]
    app = build_app(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=settings.log_level == "debug",
        server_header=False,
        timeout_graceful_shutdown=CLOSE_S,
        lifespan="on",
    )
    announce(host, port)
    _Server(config, app).run(sockets=[listener])


def announce(host: str, port: int) -> None:
    """Prints the address in one piece, also where output is not buffered: others may write to the same terminal."""
    shown = f"[{host}]" if ":" in host else host
    print(f"MapQaTor {__version__} at http://{shown}:{port}\n", end="", flush=True)
