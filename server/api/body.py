"""Request bodies: strict JSON into a typed request, with every failure a 400 or 415 that says why."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

from fastapi import Request
from pydantic import BaseModel, ValidationError

from server.api.errors import ApiError, from_validation
from server.errors import RequestError

MAX_DEPTH = 128
INLINE_BYTES = 64 * 1024
"""Larger bodies are parsed in a thread, so that the event loop can serve others in between."""

_CONTAINERS = (dict, list)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def _is_too_deep(value: dict[str, Any]) -> bool:
    """Whether arrays and objects are nested more than `MAX_DEPTH` levels. A level at a time, so never recursive."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, _CONTAINERS)
        ]
        if not level:
            return False
    return True


def _has_lone_surrogate(value: Any) -> bool:
    """Whether any string inside `value` cannot be written as UTF-8."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if _SURROGATE.search(item):
                return True
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return False


def _refuse_constant(name: str) -> NoReturn:
    raise RequestError(f"The request body contains {name}, which is not JSON; leave the field out or use null.")


def _finite(literal: str) -> float:
    value = float(literal)
    if value in (float("inf"), float("-inf")):
        raise RequestError(f"The number {literal[:32]} in the request body is too large.")
    return value


def _too_deep() -> RequestError:
    return RequestError(f"The request body is nested more than {MAX_DEPTH} levels deep.")


def parse_object(body: bytes) -> dict[str, Any]:
    """One JSON object.

    Raises:
        RequestError: not UTF-8, not JSON, not an object, nested too deeply, NaN or Infinity, or a string
            with half a surrogate pair, which no tokenizer and no reply could represent.
    """
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise RequestError("The request body is not valid UTF-8.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RequestError(f"We could not parse the JSON body of your request: {error.msg} at {where}.") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        # Python refuses integers of thousands of digits.
        raise RequestError("The request body contains a number too large to read.") from None
    if not isinstance(value, dict):
        raise RequestError('The request body must be a JSON object, like {"prompt": "Hello"}.')
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _is_too_deep(value):
        raise _too_deep()
    if _SURROGATE_ESCAPE.search(body) and _has_lone_surrogate(value):
        raise RequestError("A string in the request body contains half a surrogate pair (\\ud800 to \\udfff).")
    return value


def check_headers(request: Request) -> None:
    """Refuse what is not plain JSON.

    Raises:
        ApiError: 415 for another content type or a compressed body.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        got = f"'{content_type[:64]}'" if content_type else "none"
        raise ApiError(415, f"The content-type must be application/json, not {got}.", code="unsupported_media_type")
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise ApiError(
            415, "Compressed request bodies are not supported; send it without content-encoding.",
            code="unsupported_media_type",
        )  # fmt: skip


def validate[M: BaseModel](request_type: type[M], values: dict[str, Any], *, lenient: bool) -> M:
    """`values` as a typed request.

    Raises:
        ApiError: 400 that names the fields at fault.
    """
    try:
        return request_type.model_validate(values, extra="ignore" if lenient else None)
    except ValidationError as error:
        raise from_validation(error.errors(include_url=False, include_context=False, include_input=False)) from None


def json_body[M: BaseModel](request_type: type[M]) -> Callable[[Request], Awaitable[M]]:
    """A FastAPI dependency that reads, checks and types the request's body."""

    async def read(request: Request) -> M:
        check_headers(request)
        body = await request.body()
        lenient: bool = request.app.state.rhumb.settings.lenient

        def parse() -> M:
            return validate(request_type, parse_object(body), lenient=lenient)

        return parse() if len(body) <= INLINE_BYTES else await asyncio.to_thread(parse)

    return read


def body_schema(request_type: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` of a route that uses `json_body`: FastAPI does not see the body otherwise."""
    schema = {"$ref": f"#/components/schemas/{request_type.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
