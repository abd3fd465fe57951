"""The server as a process would run it, and its streams as a strict client reads them."""

import asyncio
import json
import socket
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
import uvicorn

from server.api.app import build_app
from server.api.metrics import Metrics
from server.api.serve import uvicorn_config
from server.config import EngineConfig
from server.engine.clients import ThreadEngine
from server.settings import ServerSettings
from tests.hold import Hold


class LiveServer:
    """uvicorn in a thread, with an engine in another, ready when the constructor returns."""

    def __init__(self, model: Path, engine: dict[str, Any] | None = None, **settings: Any) -> None:
        self.settings = ServerSettings(**settings)
        metrics = Metrics()
        config = EngineConfig(**({"model": str(model), "served_name": "tiny", "num_threads": 1} | (engine or {})))
        self.engine = ThreadEngine(config, on_stats=metrics.observe_stats)
        self.app = build_app(self.engine, self.settings, metrics)
        self.state = self.app.state.rhumb
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._server = uvicorn.Server(uvicorn_config(self.app, self.settings))
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve([listener])), daemon=True)
        self._hold = Hold()
        with mock.patch("server.engine.loop.load_core", self._hold.load_core):
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

    def held(self) -> AbstractContextManager[Hold]:
        """What is asked meanwhile begins, with a few tokens, and does not end by itself."""
        return self._hold.on()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()


def stream_chunks(client: httpx.Client, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The JSON of every event of a stream, after checking its framing to the byte."""
    with client.stream("POST", path, json=body | {"stream": True}) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-length" not in response.headers
        text = b"".join(response.iter_raw()).decode()
    events = text.split("\n\n")
    assert events.pop() == ""
    assert events.pop() == "data: [DONE]"
    events = [event for event in events if event != ": keep-alive"]
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    return [json.loads(event[6:]) for event in events]
