"""One of several API processes: `python -m server.api.worker --keeper FD --listener FD --parent PID`.

Started by `fleet.py` and by nothing else. It serves like the only process of a server, but for its core, which the
others use too, and for its socket, from which it takes one connection at a time: whoever is least busy gets most.
"""

import argparse
import asyncio
import json
import logging
import signal
import socket
import sys
from typing import Any

from server.api.fleet import FAILURE, ORDERS_BYTES
from server.api.logs import configure_logging
from server.api.metrics import Metrics
from server.api.serve import Server, serve_until_stopped
from server.engine.clients import SharedEngine
from server.engine.process import config_from_json
from server.errors import RhumbError
from server.lifeline import live_and_die_with
from server.settings import ServerSettings

CANNOT_SERVE = 2


class SharingServer(Server):
    """Takes connections from a socket that other processes accept from too."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._loop = asyncio.get_running_loop()
        self._adopting: set[asyncio.Task[None]] = set()
        for listener in sockets or ():
            listener.listen(self.config.backlog)
            listener.setblocking(False)
            self._loop.add_reader(listener, self._accept, listener)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or ():
            self._loop.remove_reader(listener)
        await super().shutdown(sockets)

    def _accept(self, listener: socket.socket) -> None:
        """One connection only, and then back to work: one of the others may be idle."""
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # Another process was faster, the client has gone, or descriptors have run out for now.
        connection.setblocking(False)
        # A chunk must not wait for more: servers that an event loop accepts for itself see to it themselves.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._adopt(connection))
        self._adopting.add(task)
        task.add_done_callback(self._adopting.discard)

    async def _adopt(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._new_protocol, connection, ssl=self.config.ssl)
        except OSError:
            connection.close()

    def _new_protocol(self) -> asyncio.BaseProtocol:
        protocol: type[Any] = self.config.http_protocol_class
        made: asyncio.BaseProtocol = protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m server.api.worker", description="one API process of several")
    parser.add_argument("--keeper", type=int, required=True, help="inherited socket to the process that keeps the core")
    parser.add_argument("--listener", type=int, required=True, help="inherited socket to listen on")
    parser.add_argument("--parent", type=int, required=True, help="process id of the parent")
    args = parser.parse_args()
    live_and_die_with(args.parent, "rhumb-api")
    # Until it serves it may just end; then uvicorn takes over.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    keeper = socket.socket(fileno=args.keeper)
    orders = json.loads(keeper.recv(ORDERS_BYTES))
    settings = ServerSettings(**orders["settings"])
    configure_logging(settings.log_level)
    metrics = Metrics()
    try:
        engine = SharedEngine(config_from_json(orders["config"]), keeper, on_stats=metrics.observe_stats)
        serve_until_stopped(engine, settings, metrics, socket.socket(fileno=args.listener), SharingServer)
    except RhumbError as error:
        logging.getLogger("rhumb.server").debug("this API process cannot serve: %s", error)
        keeper.send((FAILURE + str(error).encode(errors="replace"))[:ORDERS_BYTES])
        sys.exit(CANNOT_SERVE)


if __name__ == "__main__":
    main()
