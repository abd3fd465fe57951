"""Pure ASGI middlewares, outermost first: request scope, header and body limits.

Pure, because Starlette's `BaseHTTPMiddleware` hides disconnects from handlers and breaks streaming.
"""

import asyncio
import logging
import re
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.auth import PUBLIC_PATHS
from server.api.errors import ApiError, overloaded, unavailable, unexpected
from server.api.rejection import has_body, reject
from server.api.sse import WRITE_EXTENSION, WriteNow
from server.api.state import AppState

access_log = logging.getLogger("rhumb.access")
error_log = logging.getLogger("rhumb.error")

OPENAI_VERSION = b"2020-10-01"
_SAFE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first value of a header, by its lower-case name."""
    return next((value for key, value in scope["headers"] if key == name), None)


def printable(text: bytes) -> str:
    """`text` fit for one log line: control characters, spaces and non-ASCII bytes escaped, at most 256 characters."""
    return "".join(chr(byte) if 0x20 < byte < 0x7F else f"\\x{byte:02x}" for byte in text[:256])


class RequestScope:
    """Gives every request an id, a log line, a place among those in flight, and an answer if the code fails.

    Raises nothing: an exception that reaches this far is a bug, is logged with its traceback, and becomes a
    500 that names the request id only.
    """

    def __init__(self, app: ASGIApp, state: AppState) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        extensions = scope.setdefault("extensions", {})
        recorder = _Recorder(send, request_id, extensions.get(WRITE_EXTENSION))
        extensions[WRITE_EXTENSION] = recorder.write_now
        is_probe = scope["path"] in PUBLIC_PATHS
        error = None if is_probe else self._refusal()
        if error is not None:
            await reject(error, scope, receive, recorder.send)
        else:
            with self._state.in_flight(counts=not is_probe):
                await self._run(scope, receive, recorder, request_id)
        self._log(scope, recorder, request_id, logging.DEBUG if is_probe else logging.INFO)

    def _refusal(self) -> ApiError | None:
        if self._state.is_draining:
            return unavailable("The server is shutting down. Try again in a moment.")
        if self._state.num_in_flight >= self._state.settings.max_concurrent_requests:
            self._state.metrics.admission_rejected()
            return overloaded("Too many requests are in flight. Try again in a moment.", 1.0)
        return None

    async def _run(self, scope: Scope, receive: Receive, recorder: "_Recorder", request_id: str) -> None:
        try:
            await self._app(scope, receive, recorder.send)
        except asyncio.CancelledError:
            raise
        except Exception:
            error_log.exception("request %s failed", request_id)
            if recorder.status is None:
                await reject(unexpected(request_id), scope, receive, recorder.send)
            else:
                # The status is gone; a broken transfer is the only truth left to tell.
                raise

    def _log(self, scope: Scope, recorder: "_Recorder", request_id: str, level: int) -> None:
        route = scope.get("route")
        self._state.metrics.http_request(getattr(route, "path", "other"), recorder.status or 499)
        if not access_log.isEnabledFor(level):
            return
        client = scope.get("client")
        access_log.log(
            level,
            "%s %s %s %s %d bytes %.1f ms id=%s",
            client[0] if client else "-",
            scope["method"],
            printable(scope.get("raw_path") or scope["path"].encode()),
            recorder.status or 499,
            recorder.num_bytes,
            recorder.elapsed_ms,
            request_id,
        )


def _request_id(scope: Scope) -> str:
    """The client's own id if it is short and harmless, else a new one."""
    given = header(scope, b"x-request-id")
    if given is not None and _SAFE_ID.fullmatch(given):
        return given.decode("ascii")
    return f"req_{uuid.uuid4().hex}"


class _Recorder:
    """Adds our headers to the response and remembers what was sent."""

    def __init__(self, send: Send, request_id: str, write_now: WriteNow | None) -> None:
        self._send = send
        self._write_now = write_now
        self._request_id = request_id.encode("ascii")
        self._started_s = time.monotonic()
        self.status: int | None = None
        self.num_bytes = 0

    @property
    def elapsed_ms(self) -> float:
        return (time.monotonic() - self._started_s) * 1000

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own: list[tuple[bytes, bytes]] = [
                (b"x-request-id", self._request_id),
                (b"openai-version", OPENAI_VERSION),
                (b"openai-processing-ms", b"%d" % round(self.elapsed_ms)),
            ]
            message = {**message, "headers": [*message.get("headers", []), *own]}
        else:
            self.num_bytes += len(message.get("body", b""))
        await self._send(message)

    def write_now(self, data: bytes) -> bool:
        if self._write_now is None or not self._write_now(data):
            return False
        self.num_bytes += len(data)
        return True


class HeaderLimits:
    """431 for more header lines or bytes than allowed. The parser in front has a hard cap of its own."""

    def __init__(self, app: ASGIApp, *, max_headers: int, max_bytes: int) -> None:
        self._app = app
        self._max_headers = max_headers
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = scope["headers"]
            num_bytes = sum(len(name) + len(value) for name, value in headers)
            if len(headers) > self._max_headers or num_bytes > self._max_bytes:
                message = f"The request has more than {self._max_headers} headers or {self._max_bytes} bytes of them."
                await reject(ApiError(431, message, code="headers_too_large"), scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyLimits:
    """Reads the whole body before anything else runs: 413 when it is too large, 408 when it is too slow.

    Bytes are counted as they arrive, because a chunked body has no length.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not has_body(scope):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._read(scope, receive)
        except TimeoutError:
            late = ApiError(408, f"The request body did not arrive within {self._timeout_s:g} s.", code="body_timeout")
            # Lingering would only wait for the same slow body.
            late.headers["connection"] = "close"
            await late.response()(scope, receive, send)
            return
        except ApiError as error:
            await reject(error, scope, receive, send)
            return
        if body is None:
            return
        await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        announced = header(scope, b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > self._max_bytes:
            raise self._too_large()
        parts: list[bytes] = []
        num_bytes = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            num_bytes += len(part)
            if num_bytes > self._max_bytes:
                raise self._too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> ApiError:
        return ApiError(413, f"The request body is larger than {self._max_bytes} bytes.", code="request_too_large")


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out `body` once, and then whatever the server says."""
    pending: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay
