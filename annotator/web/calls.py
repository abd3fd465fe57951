"""Tool calls of a project: made, recent, saved; and places found by a pasted link."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from annotator.cache.stored_results import load_results
from annotator.contexts import calls
from annotator.contexts.links import Link, read_link
from annotator.contexts.recorded import recorded_answer
from annotator.maps.answer import ToolAnswer
from annotator.maps.modes import Mode
from annotator.maps.params import ToolName
from annotator.maps.validate import parse_params
from annotator.store.times import to_text, utc_now
from annotator.web.access import ProjectAccess, Reading, Writing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.evidence_json import Cursor, Limit, PersonOut, UlidPath, provider_info
from annotator.web.state import AppState, State
from annotator.web.tools import EXAMPLES

router = APIRouter(prefix="/api/projects/{project}", tags=["tools"], responses=ERROR_RESPONSES)

_EXAMPLES: Any = {tool: {"value": params} for tool, params in EXAMPLES.items()}


class CallOut(BaseModel):
    """A call that was made in the project, without its result; `GET …/calls/{id}` gives that.

    Args:
        summary: what was asked, in a few words.
        label: a name of somebody's own.
        is_saved: whether it is to stay in reach.
        by: who made it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    tool: str
    provider: str
    params: dict[str, Any]
    summary: str
    label: str | None
    is_saved: bool
    created_at: str
    by: PersonOut


class CallsOut(BaseModel):
    """A page of calls, the latest first."""

    calls: list[CallOut]
    next: str | None
    total: int


class CallChange(BaseModel):
    """What to change of a call; an empty label takes the name away."""

    model_config = ConfigDict(extra="forbid")

    label: str | None = Field(default=None, max_length=200)
    is_saved: bool | None = None


@router.post("/tools/{tool}", response_model=ToolAnswer)
async def call_tool(
    tool: ToolName,
    state: State,
    access: Writing,
    params: Annotated[dict[str, Any], Body(openapi_examples=_EXAMPLES)],
    provider: Annotated[str | None, Query(max_length=64)] = None,
    mode: Mode = Mode.RECORD,
) -> Response:
    """Asks a map tool as `POST /api/tools/{tool}` does, and keeps the call among the project's."""
    typed = parse_params(tool, params)
    with state.metrics.tool_call(tool) as watch:
        watch.provider = calls.choose_provider(state.service.catalogue, access.project, tool, provider)
        answer = await state.service.call(tool, typed, provider=watch.provider, mode=mode)
        watch.outcome = answer.outcome
    if answer.id is not None:
        await asyncio.to_thread(_keep, state, access, answer.id)
    return _as_json(answer)


@router.get("/calls")
def list_calls(
    state: State,
    access: Reading,
    tool: ToolName | None = None,
    saved: bool | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> CallsOut:
    """Calls that were made in the project, the latest first."""
    with state.database.reading() as connection:
        found = calls.list_calls(connection, access.project.id, tool=tool, is_saved=saved, limit=limit, cursor=cursor)
    return CallsOut(calls=[_out(item) for item in found.calls], next=found.next, total=found.total)


@router.get("/calls/{call_id}", response_model=ToolAnswer)
def show_call(state: State, access: Reading, call_id: UlidPath) -> Response:
    """A call's answer, put together again from its recording."""
    with state.database.reading() as connection:
        calls.require_call(connection, access.project.id, call_id)
        stored = load_results(connection, [call_id], utc_now())[call_id]
    return _as_json(recorded_answer(stored, provider_info(state.service.catalogue, stored.provider)))


@router.patch("/calls/{call_id}")
def change_call(state: State, access: Writing, call_id: UlidPath, change: CallChange) -> CallOut:
    """Names a call, or keeps it in reach."""
    with state.database.writing() as connection:
        return _out(
            calls.change_call(
                connection,
                access.actor,
                access.project,
                call_id,
                label=change.label,
                is_saved=change.is_saved,
                now=utc_now(),
            )
        )


@router.get("/link")
def find_link(
    access: Reading,
    text: Annotated[str, Query(max_length=4000, description="A map link, coordinates or a plus code.")],
) -> Link:
    """What a pasted map link or coordinates point to; nothing is asked anywhere for it."""
    return read_link(text)


def _keep(state: AppState, access: ProjectAccess, call_id: str) -> None:
    # The call itself is recorded; its place in the project's list may wait for the disk.
    with state.database.writing(is_durable=False) as connection:
        calls.add_call(connection, access.actor, access.project, call_id, now=utc_now())


def _as_json(answer: ToolAnswer) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


def _out(item: calls.MadeCall) -> CallOut:
    return CallOut(
        id=item.id,
        tool=item.tool,
        provider=item.provider,
        params=item.params,
        summary=item.summary,
        label=item.label,
        is_saved=item.is_saved,
        created_at=to_text(item.created_at),
        by=PersonOut(username=item.username, display_name=item.display_name),
    )
