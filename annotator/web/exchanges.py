"""GET /x/{sha} and the recordings behind it: the exact bytes of every answer, and what is known about each."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from annotator.cache.browse import list_recordings
from annotator.cache.records import Exchange, State, ToolCall
from annotator.cache.statistics import statistics
from annotator.contexts.uses import is_frozen_for, uses_of
from annotator.maps.answer import Change
from annotator.maps.params import ToolName
from annotator.store.times import to_text
from annotator.web.access import AnyAccount
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.evidence_json import Limit, UlidPath
from annotator.web.pages.viewer import viewer_page, wants_viewer
from annotator.web.state import Service
from annotator.web.state import State as ProgramState

router = APIRouter(tags=["recordings"], responses=ERROR_RESPONSES)

Sha = Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="sha256 in lower-case hex.")]


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


class RecordingOut(BaseModel):
    """An exchange in a list, with how often it answered."""

    id: str
    provider: str
    tools: tuple[str, ...]
    method: str
    url: str
    status: int
    body_sha: str
    body_bytes: int
    fetched_at: str
    data_vintage: str | None
    expires_at: str | None
    state: str
    supersedes: str | None
    num_hits: int
    last_hit_at: str | None


class RecordingsOut(BaseModel):
    """A page of recordings, the latest first."""

    exchanges: list[RecordingOut]
    next: str | None
    total: int


class ProviderStatisticsOut(BaseModel):
    """One provider's recordings."""

    num_exchanges: int
    num_live: int
    num_hits: int
    content_bytes: int


class StatisticsOut(BaseModel):
    """All recordings: `content_bytes` as they came, `stored_bytes` compressed and equal ones once."""

    providers: dict[str, ProviderStatisticsOut]
    num_tool_calls: dict[str, int]
    num_blobs: int
    content_bytes: int
    stored_bytes: int


class CallUseOut(BaseModel):
    """A call whose result the bytes are, or that they answered."""

    id: str
    tool: str
    provider: str
    result_sha: str | None
    created_at: str
    is_result: bool


class ContextUseOut(BaseModel):
    """A context that holds one of the calls."""

    project: str
    id: str
    number: int
    title: str


class QuestionUseOut(BaseModel):
    """A question that has a value of the bytes as evidence, and where it stands."""

    project: str
    number: int
    context_id: str
    body: str
    key: str
    role: str
    pointer: str | None


class UsesOut(BaseModel):
    """Who uses some bytes, among what the account may see."""

    calls: list[CallUseOut]
    contexts: list[ContextUseOut]
    questions: list[QuestionUseOut]


@router.get("/x/{sha}", response_class=Response)
def content(request: Request, sha: Sha, state: ProgramState, actor: AnyAccount) -> Response:
    """The exact bytes of a response body or of a result, by their sha256; checked as they are read.

    A browser gets a page that shows them; `?raw` gives it the bytes too. What providers answered is shared by the whole
    installation; a frozen dataset's manifest and rendered contexts are given to those who may see its project.
    """
    if wants_viewer(request):
        return viewer_page(request, state, actor, sha)
    with state.database.reading() as connection:
        with_frozen = is_frozen_for(connection, actor, sha)
    found = state.service.store.blob(sha, with_frozen=with_frozen)
    # What providers sent is shown, never run: no page of theirs may act in ours.
    headers = {
        "content-security-policy": "sandbox; default-src 'none'",
        "cache-control": "private, no-cache",
        "vary": "accept",
    }
    media_type = "application/json" if "json" in found.mime else "text/plain; charset=utf-8"
    return Response(found.body, media_type=media_type, headers=headers)


@router.get("/api/exchanges")
def list_exchanges(
    state: ProgramState,
    actor: AnyAccount,
    provider: Annotated[str | None, Query(max_length=64)] = None,
    tool: ToolName | None = None,
    kept: Annotated[State | None, Query(alias="state")] = None,
    q: Annotated[str, Query(max_length=200, description="Part of an address, or the beginning of a sha256.")] = "",
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=26)] = None,
) -> RecordingsOut:
    """Recordings, the latest first."""
    with state.database.reading() as connection:
        found = list_recordings(connection, provider=provider, tool=tool, state=kept, q=q, limit=limit, cursor=cursor)
    rows = [
        RecordingOut(
            **{name: getattr(item, name) for name in RecordingOut.model_fields if not name.endswith("_at")},
            fetched_at=to_text(item.fetched_at),
            expires_at=None if item.expires_at is None else to_text(item.expires_at),
            last_hit_at=None if item.last_hit_at is None else to_text(item.last_hit_at),
        )
        for item in found.recordings
    ]
    return RecordingsOut(exchanges=rows, next=found.next, total=found.total)


@router.get("/api/exchanges/{exchange_id}")
def show_exchange(exchange_id: UlidPath, service: Service, actor: AnyAccount) -> ExchangeDetail:
    """What was asked, when, and with what answer, and how the answer changed over time."""
    return _detail(service, exchange_id)


@router.get("/api/bodies/{sha}")
def show_body_uses(sha: Sha, service: Service, actor: AnyAccount) -> list[ExchangeOut]:
    """Every exchange in which these bytes came, the latest first."""
    return [_out(item) for item in service.store.by_body_sha(sha)]


@router.get("/api/bodies/{sha}/uses")
def show_uses(sha: Sha, state: ProgramState, actor: AnyAccount) -> UsesOut:
    """The calls, contexts and questions that use a response body or a result."""
    with state.database.reading() as connection:
        found = uses_of(connection, actor, sha)
    return UsesOut(
        calls=[
            CallUseOut(
                id=call.id,
                tool=call.tool,
                provider=call.provider,
                result_sha=call.result_sha,
                created_at=to_text(call.created_at),
                is_result=call.is_result,
            )
            for call in found.calls
        ],
        contexts=[
            ContextUseOut(project=item.project_slug, id=item.id, number=item.number, title=item.title)
            for item in found.contexts
        ],
        questions=[
            QuestionUseOut(
                project=item.project_slug,
                number=item.number,
                context_id=item.context_id,
                body=item.body,
                key=item.key,
                role=item.role,
                pointer=item.pointer,
            )
            for item in found.questions
        ],
    )


@router.get("/api/cache/statistics")
def show_statistics(state: ProgramState, actor: AnyAccount) -> StatisticsOut:
    """How much is recorded, of whom, and how often it answered; a full look at the database."""
    return StatisticsOut.model_validate(statistics(state.database), from_attributes=True)


@router.get("/api/tool-calls/{call_id}")
def show_tool_call(call_id: UlidPath, service: Service, actor: AnyAccount) -> ToolCallOut:
    """A canonical tool call: its parameters, its result's hash and the exchanges behind it."""
    found: ToolCall = service.store.tool_call(call_id)
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
