"""A project's contexts, and the recordings that all answers lie in."""

import json
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from annotator.cache.browse import latest_call, list_recordings, recorded_providers
from annotator.cache.records import State as Kept
from annotator.cache.statistics import statistics
from annotator.contexts.listing import list_contexts
from annotator.contexts.store import Status
from annotator.maps.answer import Change
from annotator.maps.params import PARAMS
from annotator.store.times import to_text
from annotator.web.access import AnyAccount, Reading
from annotator.web.evidence_json import Cursor, UlidPath
from annotator.web.pages.viewer import exchange_values
from annotator.web.render import page
from annotator.web.state import State

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 50

Choice = Annotated[str, Query(max_length=64)]
Words = Annotated[str, Query(max_length=200)]


@router.get("/p/{project}/contexts")
def contexts_page(
    request: Request, state: State, access: Reading, q: Words = "", status: Choice = "", cursor: Cursor = None
) -> HTMLResponse:
    """The project's contexts, those changed last first."""
    chosen: Status | None = next((word for word in ("open", "done", "archived") if word == status), None)
    with state.database.reading() as connection:
        found = list_contexts(connection, access.project.id, q=q, status=chosen, limit=PAGE_SIZE, cursor=cursor)
    return page(
        request,
        state,
        "evidence/contexts.html",
        access,
        found=found,
        q=q,
        chosen=chosen or "",
        cursor=cursor,
        to_text=to_text,
    )


@router.get("/cache")
def cache_page(
    request: Request,
    state: State,
    actor: AnyAccount,
    provider: Choice = "",
    tool: Choice = "",
    kept: Annotated[str, Query(alias="state", max_length=64)] = "",
    q: Words = "",
    cursor: Annotated[str | None, Query(max_length=26)] = None,
) -> HTMLResponse:
    """All recordings, the latest first."""
    chosen: Kept | None = next((word for word in ("live", "expired", "redacted") if word == kept), None)
    with state.database.reading() as connection:
        found = list_recordings(
            connection,
            provider=provider or None,
            tool=tool or None,
            state=chosen,
            q=q,
            limit=PAGE_SIZE,
            cursor=cursor,
        )
        providers = recorded_providers(connection)
    return page(
        request,
        state,
        "evidence/cache.html",
        actor,
        found=found,
        providers=providers,
        tools=tuple(PARAMS),
        provider=provider,
        tool=tool,
        kept=chosen or "",
        q=q,
        cursor=cursor,
        to_text=to_text,
    )


@router.get("/cache/statistics")
def statistics_page(request: Request, state: State, actor: AnyAccount) -> HTMLResponse:
    """How much is recorded, of whom, and how often it answered; a full look at the database, so a page of its own."""
    return page(request, state, "evidence/statistics.html", actor, found=statistics(state.database))


@router.get("/cache/{exchange_id}")
def recording_page(request: Request, state: State, actor: AnyAccount, exchange_id: UlidPath) -> HTMLResponse:
    """One recording: what was asked, what came, how it changed since, and the way to ask again."""
    store = state.service.store
    recorded = store.exchange(exchange_id)
    changes = store.changes(recorded)
    with state.database.reading() as connection:
        call = latest_call(connection, exchange_id)
    return page(
        request,
        state,
        "evidence/recording.html",
        actor,
        recorded=exchange_values(recorded),
        headers=sorted(recorded.headers.items()),
        asked=json.dumps(json.loads(recorded.request_json), indent=2, ensure_ascii=False),
        history=[exchange_values(item) for item in reversed(store.history(recorded.request_hash))],
        changes=None if changes is None else [_change_values(change) for change in changes.changes],
        num_more=0 if changes is None else changes.num_more,
        supersedes=recorded.supersedes,
        call=call,
    )


def _change_values(change: Change) -> dict[str, str]:
    """A change with its values as JSON text, exactly as it is to be read."""
    old, new = (json.dumps(value, ensure_ascii=False) for value in (change.old, change.new))
    return {"kind": change.kind, "pointer": change.pointer, "old": old, "new": new}
