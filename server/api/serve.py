"""The HTTP server process: uvicorn with hard limits on slow clients, and a drain on SIGTERM."""

import asyncio
import logging
import resource
import socket
import ssl
from types import FrameType
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.api.app import build_app
from server.api.errors import ApiError
from server.api.logs import announce, configure_logging
from server.api.metrics import Metrics
from server.api.sse import ABORT_EXTENSION, PROBE_EXTENSION, WRITE_EXTENSION, WriteNow
from server.api.state import AppState
from server.config import EngineConfig
from server.engine.client import EngineClient
from server.engine.clients import ProcessEngine
from server.engine.process_link import CORE_MODULE
from server.errors import ConfigError
from server.settings import ServerSettings

logger = logging.getLogger("rhumb.server")

BACKLOG = 4096
FIRST_PROBE_S, LAST_PROBE_S = 0.05, 5.0
"""Pauses between looks at whether a half-closed client still reads; each is twice the one before."""
CLOSE_S = 5
"""Seconds that connections get to close after the drain."""


def protocol_type(header_timeout_s: float) -> type[H11Protocol]:
    """uvicorn's HTTP/1.1 protocol, plus a deadline for headers, half-closed clients and a way to drop a connection."""

    class Protocol(H11Protocol):
        _header_timer: asyncio.TimerHandle | None = None
        _probe_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app = _with_extensions(self.app, self)
            self._watch_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            self._unwatch_headers()
            if self._probe_timer is not None:
                self._probe_timer.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch_headers()

        def eof_received(self) -> bool:  # type: ignore[override]
            """Whether the connection stays: only if an answer is due, and only until nobody turns out to wait for it.

            A client that has closed its socket and one that has merely said all it will look the same. What is
            sent to the first fails, so something harmless is sent until the answer is complete.
            """
            cycle = self.cycle
            is_due = cycle is not None and not cycle.response_complete and not cycle.more_body
            if not is_due or self.scheme == "https" or cycle.scope["http_version"] != "1.1":
                return False
            if self._probe_timer is None:
                self._probe(FIRST_PROBE_S)
            return True

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if self._probe_timer is not None and self.cycle.response_complete:
                self.transport.close()

        def _probe(self, pause_s: float) -> None:
            cycle = self.cycle
            if not cycle.response_complete and not self.transport.get_write_buffer_size():
                probe: Any = cycle.scope["extensions"].get(PROBE_EXTENSION)
                if not cycle.response_started:
                    self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                elif probe is not None:
                    self.transport.write(self.conn.send(h11.Data(data=probe)) or b"")
            self._probe_timer = self.loop.call_later(pause_s, self._probe, min(2 * pause_s, LAST_PROBE_S))

        def send_400_response(self, msg: str) -> None:
            """What is not HTTP gets the same envelope as everything else."""
            body = ApiError(400, msg).encoded()
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            try:
                for event in (
                    h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
                    h11.Data(data=body),
                    h11.EndOfMessage(),
                ):
                    self.transport.write(self.conn.send(event) or b"")
            except h11.LocalProtocolError:
                # A response is under way already; closing is all that is left to say.
                pass
            self.transport.close()

        def _watch_headers(self) -> None:
            """Run the clock while a request has begun to arrive, or none ever has, and stop it otherwise."""
            is_first = self.cycle is None
            begun = bool(self.conn.trailing_data[0])
            if self.conn.their_state is h11.IDLE and (is_first or begun) and not self.transport.is_closing():
                if self._header_timer is None:
                    self._header_timer = self.loop.call_later(header_timeout_s, self.transport.close)
            else:
                self._unwatch_headers()

        def _unwatch_headers(self) -> None:
            if self._header_timer is not None:
                self._header_timer.cancel()
                self._header_timer = None

    return Protocol


def _with_extensions(app: ASGIApp, protocol: H11Protocol) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        extensions = scope.setdefault("extensions", {})
        extensions[ABORT_EXTENSION] = protocol.transport.abort
        if scope["http_version"] == "1.1":
            extensions[WRITE_EXTENSION] = _body_writer(protocol)
        await app(scope, receive, send)

    return call


def _body_writer(protocol: H11Protocol) -> WriteNow:
    """Writes parts of a body of unknown length, such that h11 has no part in it: chunks leave it in the state it is in.

    A stream sends a part for every token, and h11 and all layers of the application cost more than the writing itself.
    """
    cycle, flow, transport = protocol.cycle, protocol.flow, protocol.transport

    def write_now(data: bytes) -> bool:
        if flow.write_paused or cycle.disconnected or cycle.response_complete or not cycle.response_started:
            return False
        transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    return write_now


class Server(uvicorn.Server):
    """Stops in order: refuse new requests with 503, let running ones finish, then close."""

    def __init__(self, config: uvicorn.Config, state: AppState, drain_s: float) -> None:
        super().__init__(config)
        self._state = state
        self._drain_s = drain_s
        self._stopping: asyncio.Task[None] | None = None
        self._num_signals = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second one ends the running requests, the third one the process."""
        self._num_signals += 1
        if self._num_signals >= 3:
            self.force_exit = True
        if self._num_signals >= 2:
            self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        if self._state.load_error is not None:
            self.should_exit = True
        if self._num_signals and self._stopping is None:
            self._stopping = asyncio.create_task(self._stop())
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Ends what still runs with an error event, so that its readers are not cut off without a word.
        await self._state.engine.stop()
        await super().shutdown(sockets)

    async def _stop(self) -> None:
        logger.info("stopping: %d requests may take up to %g s", self._state.num_in_flight, self._drain_s)
        if not await self._state.drain(self._drain_s):
            logger.warning("%d requests did not finish in time and are ended", self._state.num_in_flight)
        self.should_exit = True


def uvicorn_config(app: Any, settings: ServerSettings) -> uvicorn.Config:
    """uvicorn's configuration.

    Raises:
        ConfigError: the TLS files cannot be used.
    """
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigError("--tls-cert and --tls-key belong together; give both or neither")
    config = uvicorn.Config(
        app,
        http=protocol_type(settings.header_timeout_s),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=CLOSE_S,
        h11_max_incomplete_event_size=2 * settings.max_header_bytes,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        ssl_keyfile_password=settings.tls_key_password,
        ssl_ca_certs=None if settings.tls_client_ca is None else str(settings.tls_client_ca),
        ssl_cert_reqs=ssl.CERT_NONE if settings.tls_client_ca is None else ssl.CERT_REQUIRED,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the TLS files cannot be used: {error}") from None
    return config


def raise_file_limit() -> None:
    """A connection is a descriptor, and the usual soft limit of 1024 is soon reached."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve_until_stopped(
    engine: EngineClient,
    settings: ServerSettings,
    metrics: Metrics,
    listener: socket.socket,
    server_type: type[Server] = Server,
) -> None:
    """Serve `engine` on `listener` until a signal.

    Raises:
        ConfigError: a setting cannot work.
        ModelLoadError: the model cannot be loaded.
    """
    app = build_app(engine, settings, metrics)
    state: AppState = app.state.rhumb
    server = server_type(uvicorn_config(app, settings), state, settings.drain_s)
    raise_file_limit()
    server.run(sockets=[listener])
    if state.load_error is not None:
        raise state.load_error


def run(
    engine_config: EngineConfig, settings: ServerSettings, listener: socket.socket, core_module: str = CORE_MODULE
) -> None:
    """Serve on `listener` until a signal, from this process.

    Args:
        core_module: what the engine process runs; see `ProcessLink`.

    Raises:
        ConfigError: a setting cannot work.
        ModelLoadError: the model cannot be loaded.
    """
    configure_logging(settings.log_level)
    metrics = Metrics()
    engine = ProcessEngine(engine_config, on_stats=metrics.observe_stats, core_module=core_module)
    announce(listener, settings, engine_config.model)
    serve_until_stopped(engine, settings, metrics, listener)
