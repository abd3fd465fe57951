"""GET /x/{sha} and the recordings behind it: the exact bytes of every answer, and what is known about each."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from annotator.cache.records import Exchange, ToolCall
from annotator.maps.answer import Change
from annotator.store.times import to_text
from annotator.web.access import SignedIn
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import Service

router = APIRouter(tags=["recordings"], responses=ERROR_RESPONSES, dependencies=[Depends(SignedIn("account"))])

Sha = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="sha256 in lower-case hex.")]
Ulid = Annotated[str, Path(pattern="^[0-9A-HJKMNP-TV-Z]{26}$", description="A ULID.")]


class ExchangeOut(BaseModel):
    """A recorded request and its answer, without the answer's bytes; `GET /x/{body_sha}` gives those."""

    model_config = ConfigDict(frozen=True)

    id: str
    request_hash: str
    provider: str
    adapter_version: int
    method: str
    url: str
    status: int
    headers: dict[str, str]
    body_sha: str
    body_bytes: int
    is_answer: bool
    fetched_at: str
    elapsed_ms: float
    data_vintage: str | None
    expires_at: str | None
    state: str
    supersedes: str | None


class ExchangeDetail(ExchangeOut):
    """An exchange with its history.

    Args:
        request: what the request hash is the hash of.
        changes: what differs from the answer before; None where there was none or its content is gone.
        history: every exchange of the same request, the latest first.
    """

    request: str
    changes: tuple[Change, ...] | None
    history: tuple[ExchangeOut, ...]


class ToolCallOut(BaseModel):
    """A recorded tool call."""

    model_config = ConfigDict(frozen=True)

    id: str
    tool: str
    provider: str
    adapter_version: int
    params: str
    result_sha: str | None
    outcome: str
    error_code: str | None
    latency_ms: float
    created_at: str
    exchange_ids: tuple[str, ...]


@router.get("/x/{sha}", response_class=Response)
async def content(sha: Sha, service: Service) -> Response:
    """The exact bytes of a response body or of a result, by their sha256; checked as they are read."""
    found = await asyncio.to_thread(service.store.blob, sha)
    # What providers sent is shown, never run: no page of theirs may act in ours.
    headers = {"content-security-policy": "sandbox; default-src 'none'", "cache-control": "private, no-cache"}
    media_type = "application/json" if "json" in found.mime else "text/plain; charset=utf-8"
    return Response(found.body, media_type=media_type, headers=headers)


@router.get("/api/exchanges/{exchange_id}")
async def show_exchange(exchange_id: Ulid, service: Service) -> ExchangeDetail:
    """What was asked, when, and with what answer, and how the answer changed over time."""
    return await asyncio.to_thread(_detail, service, exchange_id)


@router.get("/api/bodies/{sha}")
async def show_body_uses(sha: Sha, service: Service) -> list[ExchangeOut]:
    """Every exchange in which these bytes came, the latest first."""
    return [_out(item) for item in await asyncio.to_thread(service.store.by_body_sha, sha)]


@router.get("/api/tool-calls/{call_id}")
async def show_tool_call(call_id: Ulid, service: Service) -> ToolCallOut:
    """A canonical tool call: its parameters, its result's hash and the exchanges behind it."""
    found: ToolCall = await asyncio.to_thread(service.store.tool_call, call_id)
    values = {name: getattr(found, name) for name in ToolCallOut.model_fields if name not in ("params", "created_at")}
    return ToolCallOut(**values, params=found.params_json, created_at=to_text(found.created_at))


def _detail(service: Any, exchange_id: str) -> ExchangeDetail:
    found = service.store.exchange(exchange_id)
    changes = service.store.changes(found)
    return ExchangeDetail(
        **_out(found).model_dump(),
        request=found.request_json,
        changes=None if changes is None else changes.changes,
        history=tuple(_out(item) for item in reversed(service.store.history(found.request_hash))),
    )


def _out(found: Exchange) -> ExchangeOut:
    times = {"fetched_at": to_text(found.fetched_at), "expires_at": found.expires_at and to_text(found.expires_at)}
    values = {name: getattr(found, name) for name in ExchangeOut.model_fields if name not in times}
    return ExchangeOut(**values | times | {"headers": dict(found.headers)})
