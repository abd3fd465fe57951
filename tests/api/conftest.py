"""A real server on a free port around a real engine, shared by all tests of the HTTP API."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from server.api.app import build_app
from server.api.metrics import Metrics
from server.api.serve import uvicorn_config
from server.config import EngineConfig
from server.engine.clients import ThreadEngine
from server.settings import ServerSettings


class LiveServer:
    """uvicorn in a thread, with an engine in another, ready when the constructor returns."""

    def __init__(self, model: Path, engine: dict[str, Any] | None = None, **settings: Any) -> None:
        self.settings = ServerSettings(**settings)
        metrics = Metrics()
        config = EngineConfig(model=str(model), served_name="tiny", num_threads=1, **(engine or {}))
        self.engine = ThreadEngine(config, on_stats=metrics.observe_stats)
        self.app = build_app(self.engine, self.settings, metrics)
        self.state = self.app.state.rhumb
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(uvicorn_config(self.app, self.settings))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve([listener])), daemon=True)
        self._thread.start()
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        waited = threading.Event()
        while self.state.failure is not None:
            assert self._thread.is_alive(), "the server ended while loading"
            assert self.state.load_error is None, self.state.load_error
            waited.wait(0.02)

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=60, **options)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()


@pytest.fixture(scope="session")
def server(tiny_llama: Path) -> Iterator[LiveServer]:
    """The random tiny Llama with every default."""
    live = LiveServer(tiny_llama)
    yield live
    live.stop()


@pytest.fixture
def client(server: LiveServer) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client
