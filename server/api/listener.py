"""The listening socket. Light to import, so that a taken port is told before anything slow begins."""

import errno
import socket

from server.errors import ConfigError
from server.settings import ServerSettings


def bind(settings: ServerSettings) -> socket.socket:
    """A bound socket; uvicorn listens on it later.

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
