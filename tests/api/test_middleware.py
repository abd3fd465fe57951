"""The outermost layer: bugs become a 500 without details, overload a 429, shutdown a 503, and logs stay clean."""

import asyncio
import json
import logging
from typing import Any, cast

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.metrics import Metrics
from server.api.middleware import BodyLimits, RequestScope, printable
from server.api.state import AppState
from server.engine.client import EngineClient
from server.settings import ServerSettings


def state_with(**settings: Any) -> AppState:
    # None of these tests gets as far as the engine.
    return AppState(cast(EngineClient, None), ServerSettings(**settings), Metrics(), needs_key=False)


async def call(
    app: ASGIApp, path: str = "/x", headers: list[tuple[bytes, bytes]] | None = None, body: list[bytes] | None = None
) -> tuple[int, dict[str, str], Any]:
    """(status, headers, JSON body) of one request."""
    parts = list(body or [])
    sent: list[Message] = []

    async def receive() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = path.encode("latin-1")
    scope: Scope = {"type": "http", "path": path, "raw_path": raw, "method": "POST", "headers": headers or []}
    await app(scope, receive, send)
    text = b"".join(message.get("body", b"") for message in sent[1:])
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, json.loads(text) if text else None


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("the secret prompt")


async def echoes(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(len(message["body"])).encode()})


async def test_a_bug_is_a_500_that_names_only_the_request() -> None:
    status, headers, body = await call(RequestScope(fails, state_with()), headers=[(b"x-request-id", b"abc")])
    assert status == 500
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert "abc" in body["error"]["message"]
    assert "secret" not in json.dumps(body)
    assert headers["x-request-id"] == "abc"
    assert headers["x-should-retry"] == "false"


async def test_a_draining_server_answers_503_but_still_tells_its_health() -> None:
    state = state_with()
    assert await state.drain(1.0)
    app = RequestScope(echoes, state)
    status, headers, body = await call(app)
    assert (status, body["error"]["code"]) == (503, "engine_unavailable")
    assert headers["retry-after"] == "1"
    assert (await call(app, "/health", body=[b""]))[0] == 200


async def test_a_drain_waits_for_requests_in_flight_and_no_longer_than_its_limit() -> None:
    state = state_with()
    with state.in_flight(counts=True):
        assert not await state.drain(0.01)
        waiting = asyncio.create_task(state.drain(30))
        await asyncio.sleep(0)
        assert not waiting.done()
    assert await waiting


async def test_too_many_requests_in_flight_are_429() -> None:
    state = state_with(max_concurrent_requests=1)
    app = RequestScope(echoes, state)
    with state.in_flight(counts=True):
        status, headers, body = await call(app)
    assert (status, body["error"]["type"]) == (429, "rate_limit_error")
    assert int(headers["retry-after"]) >= 1
    assert (await call(app, body=[b""]))[0] == 200


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_is_taken_up_to_the_limit_and_not_beyond(announced: bool) -> None:
    app = BodyLimits(echoes, max_bytes=10, timeout_s=5)
    for size, expected in ((10, 200), (11, 413)):
        header = (b"content-length", b"%d" % size) if announced else (b"transfer-encoding", b"chunked")
        status, _, _ = await call(app, headers=[header], body=[b"x"] * size)
        assert status == expected


async def test_log_lines_cannot_be_forged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="rhumb.access"):
        await call(RequestScope(echoes, state_with()), "/a\r\nroot 200\x1b[31m", body=[b"private words"])
    (record,) = caplog.records
    line = record.getMessage()
    assert "\n" not in line
    assert "\x1b" not in line
    assert "private" not in line
    assert r"/a\x0d\x0aroot\x20200\x1b[31m" in line


def test_printable_is_short() -> None:
    assert len(printable(b"\n" * 100_000)) <= 1024
