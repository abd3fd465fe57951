"""The one error envelope, and which error becomes which HTTP status.

The body is always `{"error": {"message", "type", "param", "code"}}` with string-or-null `param` and
`code`, and bounded in size. Errors that would repeat carry `x-should-retry: false`, because the
official client otherwise retries some of them by itself.
"""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from server.errors import (
    ConfigError,
    EngineDeadError,
    EngineStepError,
    ModelNotFoundError,
    OverloadedError,
    RequestError,
)

MAX_LISTED = 10
MAX_DETAIL_CHARS = 200
MAX_MESSAGE_CHARS = 2400

# The names pydantic puts into a location for the branches of a union; clients never wrote them.
_UNION_BRANCH = re.compile(r"^(str|int|float|bool|dict|list|none|literal|function-.*|[A-Z]\w*)(\[.*\])?$")


class ApiError(Exception):
    """An error with its HTTP status, ready to be sent."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        error_type: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = clip(message, MAX_MESSAGE_CHARS)
        self.error_type = error_type
        self.param = None if param is None else clip(param, MAX_DETAIL_CHARS)
        self.code = code
        self.headers = dict(headers or {})
        if status in {400, 401, 404, 405, 413, 415, 431, 500}:
            self.headers.setdefault("x-should-retry", "false")

    def body(self) -> dict[str, Any]:
        """The envelope as a dict."""
        fields = {"message": self.message, "type": self.error_type, "param": self.param, "code": self.code}
        return {"error": fields}

    def encoded(self) -> bytes:
        """The envelope as JSON bytes. A client's lone surrogates come back as escapes."""
        return json.dumps(self.body(), separators=(",", ":")).encode("ascii")

    def response(self) -> Response:
        return Response(self.encoded(), self.status, self.headers, media_type="application/json")


def clip(text: str, limit: int) -> str:
    """At most `limit` characters of `text`, an ellipsis marking the cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def from_exception(error: Exception) -> ApiError | None:
    """The `ApiError` for any exception raised on purpose; None for a bug."""
    match error:
        case ApiError():
            return error
        case ModelNotFoundError():
            return ApiError(404, error.message, param=error.param or "model", code=error.code or "model_not_found")
        case RequestError():
            return ApiError(400, error.message, param=error.param, code=error.code)
        case OverloadedError():
            return overloaded(str(error), error.retry_after_s)
        case EngineDeadError():
            return unavailable(str(error))
        case EngineStepError():
            return ApiError(500, str(error), error_type="server_error", code="engine_error")
        case ConfigError():
            return ApiError(400, str(error), code="unsupported_parameter")
        case RequestValidationError():
            return from_validation(error.errors())
        case HTTPException():
            return from_status(error.status_code, str(error.detail), dict(error.headers or {}))
    return None


def overloaded(message: str, retry_after_s: float) -> ApiError:
    """429 with the time to wait, which the official client honours."""
    wait = {"retry-after": str(max(1, math.ceil(retry_after_s))), "retry-after-ms": str(round(retry_after_s * 1000))}
    return ApiError(429, message, error_type="rate_limit_error", code="server_overloaded", headers=wait)


def unavailable(message: str) -> ApiError:
    """503: the engine is loading, restarting or shutting down."""
    return ApiError(503, message, error_type="server_error", code="engine_unavailable", headers={"retry-after": "1"})


def unexpected(request_id: str) -> ApiError:
    """500 without any detail but the id under which the log has it."""
    return ApiError(
        500,
        f"The server had an error while processing your request. Its log has it under request id {request_id}.",
        error_type="server_error",
        code="internal_error",
    )


def from_status(status: int, detail: str, headers: dict[str, str] | None = None) -> ApiError:
    """An error that the router or a middleware raised by status alone."""
    codes = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large", 415: "unsupported_media_type"}
    texts = {
        404: "There is nothing at this address. See /docs for what is served.",
        405: "This address does not support that method.",
    }
    error_type = "invalid_request_error" if status < 500 else "server_error"
    return ApiError(status, texts.get(status, detail), error_type=error_type, code=codes.get(status), headers=headers)


def path_of(location: Iterable[int | str]) -> str | None:
    """`("body", "messages", 0, "content", "str")` -> `messages[0].content`."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part not in {"body", "query", "path"} and not _UNION_BRANCH.match(part):
            path += f".{part}" if path else part
    return path or None


def unrecognized(names: Iterable[str]) -> ApiError:
    """400 that names every unknown field, worded as OpenAI does."""
    listed = [clip(str(name), 64) for name in names]
    shown = ", ".join(listed[:MAX_LISTED]) + (
        f" and {len(listed) - MAX_LISTED} more" if len(listed) > MAX_LISTED else ""
    )
    plural = "s" if len(listed) > 1 else ""
    message = f"Unrecognized request argument{plural} supplied: {shown}"
    return ApiError(400, message, param=listed[0], code="unknown_parameter")


def from_validation(errors: Iterable[Any]) -> ApiError:
    """A 400 from pydantic's list of errors: at most ten, each at most 200 characters, inputs never echoed."""
    unknown: list[str] = []
    problems: dict[str | None, list[str]] = {}
    kinds: dict[str | None, str] = {}
    for error in errors:
        path = path_of(error["loc"])
        if error["type"] == "extra_forbidden":
            unknown.append(path or "?")
            continue
        text = error["msg"].removeprefix("Value error, ")
        problems.setdefault(path, [])
        kinds.setdefault(path, error["type"])
        if text not in problems[path]:
            problems[path].append(text)
    if unknown:
        return unrecognized(unknown)
    lines = []
    for path, texts in list(problems.items())[:MAX_LISTED]:
        if kinds[path] == "missing":
            lines.append(f"Missing required parameter: '{path}'.")
        else:
            reasons = " or ".join(text[:1].lower() + text[1:] for text in texts)
            where = f" for '{path}'" if path else ""
            lines.append(clip(f"Invalid value{where}: {reasons}", MAX_DETAIL_CHARS))
    if not problems:
        return ApiError(400, "The request is not valid.")
    first, kind = next(iter(kinds.items()))
    code = {"missing": "missing_required_parameter"}.get(
        kind, "invalid_type" if kind.endswith("_type") else "invalid_value"
    )
    return ApiError(400, " ".join(lines), param=first, code=code)


async def _answer(_request: Request, error: Exception) -> Response:
    known = from_exception(error)
    if known is None:
        raise error
    return known.response()


def install_handlers(app: FastAPI) -> None:
    """Route every deliberate exception of handlers through the envelope; bugs go on to the middleware."""
    handled: tuple[type[Exception], ...] = (
        ApiError, RequestError, OverloadedError, EngineDeadError, EngineStepError, ConfigError,
        RequestValidationError, HTTPException,
    )  # fmt: skip
    for kind in handled:
        app.add_exception_handler(kind, _answer)
