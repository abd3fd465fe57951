"""A real server on a free port around a real engine, shared by all tests of the HTTP API."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.wire import LiveServer


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
