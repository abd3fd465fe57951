"""`/`: one page that says what runs here, and its JSON twin."""

import json
import shlex
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader
from pydantic import BaseModel

from server import __version__
from server.api.openapi import errors
from server.api.ops import slots
from server.api.state import AppState, state_of
from server.engine.request import RowInfo
from server.errors import EngineDeadError
from server.paths import templates_dir

router = APIRouter(tags=["operations"])

_pages = Environment(loader=FileSystemLoader(templates_dir()), autoescape=True, trim_blocks=True, lstrip_blocks=True)


class Status(BaseModel):
    """Everything the page shows."""

    version: str
    is_ready: bool
    reason: str | None
    model: str | None
    variants: list[str]
    device: str | None
    dtype: str | None
    attention_backend: str | None
    kv_format: str | None
    kv_token_bytes: int | None
    max_model_len: int | None
    num_running: int
    num_waiting: int
    pages_used: int
    pages_cached: int
    pages_total: int
    tokens_per_s: float
    rows: list[RowInfo]
    curl: str


async def _status(request: Request, state: AppState) -> Status:
    stats, reason = state.engine.stats, state.failure
    info = None if reason is not None else state.serving.info
    rows: list[RowInfo] = []
    if info is not None:
        try:
            rows = await slots(state)
        except EngineDeadError as error:
            reason = str(error)
    return Status(
        version=__version__,
        is_ready=reason is None,
        reason=reason,
        model=info.model if info else None,
        variants=info.variants if info else [],
        device=info.device if info else None,
        dtype=info.dtype if info else None,
        attention_backend=info.attention_backend if info else None,
        kv_format=info.kv_format if info else None,
        kv_token_bytes=info.kv_token_bytes if info else None,
        max_model_len=info.max_model_len if info else None,
        num_running=stats.num_running,
        num_waiting=stats.num_waiting,
        pages_used=stats.pages_used,
        pages_cached=stats.pages_cached,
        pages_total=stats.pages_total,
        tokens_per_s=state.tokens_per_s,
        rows=rows,
        curl=curl_line(str(request.base_url), info.model if info else None, needs_key=state.needs_key),
    )


def curl_line(base_url: str, model: str | None, *, needs_key: bool) -> str:
    """A command that works when pasted into a shell."""
    key = ' -H "Authorization: Bearer $RHUMB_API_KEY"' if needs_key else ""
    body = json.dumps(({} if model is None else {"model": model}) | {"prompt": "Once upon a time", "max_tokens": 40})
    url = shlex.quote(f"{base_url.rstrip('/')}/v1/completions")
    return f"curl {url}{key} -H 'Content-Type: application/json' -d {shlex.quote(body)}"


@router.get("/", response_class=HTMLResponse, responses=errors(401))
async def status_page(request: Request, state: Annotated[AppState, Depends(state_of)]) -> Response:
    """What runs here, for people."""
    context: dict[str, Any] = {"status": await _status(request, state)}
    return HTMLResponse(_pages.get_template("status.html").render(context), headers={"cache-control": "no-store"})


@router.get("/status.json", responses=errors(401))
async def status_json(request: Request, state: Annotated[AppState, Depends(state_of)]) -> Status:
    """What runs here, for programs."""
    return await _status(request, state)
