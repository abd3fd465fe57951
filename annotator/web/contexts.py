"""Contexts: read, written by revisions, undone and redone, and rendered as text, JSON and Markdown."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from annotator.assist.suggest import origin_of
from annotator.cache.stored_results import load_results
from annotator.contexts import listing, store
from annotator.contexts.fields import FIELDS_OF_KIND, FieldOut
from annotator.contexts.history import can_redo, history
from annotator.contexts.model import ContextContent, ItemKind, Ulid
from annotator.contexts.recorded import recorded_answers
from annotator.contexts.render import TEMPLATE_VERSION, Format, render
from annotator.contexts.store import Context, Status
from annotator.maps.answer import ToolAnswer
from annotator.people.accounts import Person, names
from annotator.store import revisions
from annotator.store.times import to_text, utc_now
from annotator.web.access import Reading, Writing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.evidence_json import Cursor, Limit, PersonOut, UlidPath, provider_info
from annotator.web.state import AppState, State

router = APIRouter(prefix="/api/projects/{project}", tags=["contexts"], responses=ERROR_RESPONSES)

WithCalls = Annotated[bool, Query(alias="calls", description="Whether the answer holds the calls' answers too.")]


class ContextRow(BaseModel):
    """A context in a list; `by` wrote its current revision."""

    id: str
    number: int
    title: str
    status: Status
    num_items: int
    num_questions: int
    updated_at: str
    by: PersonOut


class ContextsOut(BaseModel):
    """A page of contexts, those changed last first."""

    contexts: list[ContextRow]
    next: str | None
    total: int


class ContextOut(BaseModel):
    """A context at its current revision.

    Args:
        n: the revision's number; saving names it as `base_n`.
        merged: whether saving put somebody else's changes in as well.
        by: who wrote the revision.
        calls: the answers that the items show, by call.
        gone: why a call's answer cannot be shown any more, by call.
    """

    id: str
    number: int
    title: str
    status: Status
    n: int
    content: ContextContent
    can_undo: bool
    can_redo: bool
    created_at: str
    updated_at: str
    deleted_at: str | None
    by: PersonOut
    merged: bool
    calls: dict[str, ToolAnswer]
    gone: dict[str, str]


class NewContext(BaseModel):
    """A context to be made."""

    model_config = ConfigDict(extra="forbid")

    content: ContextContent | None = None


class ContextSave(BaseModel):
    """Content written on revision `base_n`; `suggestion_id` names the proposed rewrite that it takes up."""

    model_config = ConfigDict(extra="forbid")

    base_n: int = Field(ge=1)
    content: ContextContent
    suggestion_id: Ulid | None = None


class ContextStatus(BaseModel):
    """What a context is to be."""

    model_config = ConfigDict(extra="forbid")

    status: Status


class RevisionRow(BaseModel):
    """A revision in a history; `changed` names the fields that differ from its parent's."""

    n: int
    parent_n: int | None
    at: str
    by: PersonOut
    origin: dict[str, Any] | None
    content_sha: str
    changed: list[str]
    is_current: bool


class RevisionOut(BaseModel):
    """What one revision holds."""

    n: int
    parent_n: int | None
    at: str
    by: PersonOut
    content_sha: str
    content: ContextContent


class RenderedOut(BaseModel):
    """A context as a language model reads it.

    Args:
        sha: sha256 of the text's UTF-8 bytes.
        tokens: an estimate, made without a model.
    """

    text: str
    format: Format
    template_version: int
    n: int
    sha: str
    chars: int
    tokens: int


@router.get("/contexts")
def list_contexts(
    state: State,
    access: Reading,
    q: Annotated[str, Query(max_length=200, description="Words of the title, or a number.")] = "",
    status: Status | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ContextsOut:
    """Contexts of the project, those changed last first."""
    with state.database.reading() as connection:
        found = listing.list_contexts(connection, access.project.id, q=q, status=status, limit=limit, cursor=cursor)
    rows = [
        ContextRow(
            id=item.id,
            number=item.number,
            title=item.title,
            status=item.status,
            num_items=item.num_items,
            num_questions=item.num_questions,
            updated_at=to_text(item.updated_at),
            by=PersonOut(username=item.username, display_name=item.display_name),
        )
        for item in found.contexts
    ]
    return ContextsOut(contexts=rows, next=found.next, total=found.total)


@router.post("/contexts", status_code=201, response_model=ContextOut)
def create_context(state: State, access: Writing, new: NewContext) -> Response:
    """Makes a context, empty unless content is given."""
    with state.database.writing() as connection:
        made = store.create(connection, access.actor, access.project, content=new.content, now=utc_now())
        return _answer(state, connection, made, status_code=201)


@router.get("/contexts/{context_id}", response_model=ContextOut)
def show_context(state: State, access: Reading, context_id: UlidPath, with_calls: WithCalls = True) -> Response:
    """A context with the answers that its items show."""
    with state.database.reading() as connection:
        found = store.get(connection, access.project.id, context_id)
        return _answer(state, connection, found, with_calls=with_calls)


@router.put("/contexts/{context_id}", response_model=ContextOut)
def save_context(
    state: State, access: Writing, context_id: UlidPath, save: ContextSave, with_calls: WithCalls = True
) -> Response:
    """Writes a revision. What others wrote meanwhile is merged in where it touches other fields, else it is a 409."""
    with state.database.writing() as connection:
        origin = None
        if save.suggestion_id is not None:
            origin = origin_of(connection, access.project.id, save.suggestion_id)
        saved = store.save(
            connection,
            access.actor,
            access.project,
            context_id,
            save.content,
            base_n=save.base_n,
            origin=origin,
            now=utc_now(),
        )
        return _answer(state, connection, saved.now, merged=saved.merged, with_calls=with_calls)


@router.patch("/contexts/{context_id}", response_model=ContextOut)
def change_status(state: State, access: Writing, context_id: UlidPath, change: ContextStatus) -> Response:
    """Says that a context is done, archived, or open again."""
    with state.database.writing() as connection:
        found = store.set_status(connection, access.actor, access.project, context_id, change.status, now=utc_now())
        return _answer(state, connection, found)


@router.post("/contexts/{context_id}/undo", response_model=ContextOut)
def undo(state: State, access: Writing, context_id: UlidPath) -> Response:
    """Goes back to the revision that the current one was written on."""
    with state.database.writing() as connection:
        found = store.step(connection, access.actor, access.project, context_id, back=True, now=utc_now())
        return _answer(state, connection, found)


@router.post("/contexts/{context_id}/redo", response_model=ContextOut)
def redo(state: State, access: Writing, context_id: UlidPath) -> Response:
    """Goes forward to the latest revision that was written on the current one."""
    with state.database.writing() as connection:
        found = store.step(connection, access.actor, access.project, context_id, back=False, now=utc_now())
        return _answer(state, connection, found)


@router.delete("/contexts/{context_id}", response_model=ContextOut)
def delete_context(state: State, access: Writing, context_id: UlidPath) -> Response:
    """Deletes a context; `restore` brings it back."""
    with state.database.writing() as connection:
        found = store.set_deleted(connection, access.actor, access.project, context_id, deleted=True, now=utc_now())
        return _answer(state, connection, found)


@router.post("/contexts/{context_id}/restore", response_model=ContextOut)
def restore_context(state: State, access: Writing, context_id: UlidPath) -> Response:
    """Brings a deleted context back."""
    with state.database.writing() as connection:
        found = store.set_deleted(connection, access.actor, access.project, context_id, deleted=False, now=utc_now())
        return _answer(state, connection, found)


@router.get("/contexts/{context_id}/history")
def show_history(state: State, access: Reading, context_id: UlidPath) -> list[RevisionRow]:
    """Revisions, the latest first."""
    with state.database.reading() as connection:
        current = store.get(connection, access.project.id, context_id).revision
        entries = history(connection, context_id)
    return [
        RevisionRow(
            n=entry.n,
            parent_n=entry.parent_n,
            at=to_text(entry.created_at),
            by=_person_out(entry.by),
            origin=entry.origin,
            content_sha=entry.content_sha,
            changed=list(entry.changed),
            is_current=entry.n == current.n,
        )
        for entry in entries
    ]


@router.get("/contexts/{context_id}/revisions/{n}")
def show_revision(state: State, access: Reading, context_id: UlidPath, n: int) -> RevisionOut:
    """What a revision holds."""
    with state.database.reading() as connection:
        store.get(connection, access.project.id, context_id)
        found = revisions.get(connection, "context", context_id, n)
        author = names(connection, (found.author_id,))[found.author_id]
    return RevisionOut(
        n=found.n,
        parent_n=found.parent_n,
        at=to_text(found.created_at),
        by=_person_out(author),
        content_sha=found.content_sha,
        content=ContextContent.model_validate(found.content),
    )


@router.get("/contexts/{context_id}/render")
def render_context(
    state: State,
    access: Reading,
    context_id: UlidPath,
    format: Format = "text",
    n: Annotated[int | None, Query(ge=1, description="A revision; the current one by default.")] = None,
) -> RenderedOut:
    """The context as a language model reads it; the same revision gives the same bytes."""
    with state.database.reading() as connection:
        current = store.get(connection, access.project.id, context_id)
        asked = current.revision if n is None else revisions.get(connection, "context", context_id, n)
        content = ContextContent.model_validate(asked.content)
        results = load_results(connection, content.tool_call_ids, utc_now())
    rendered = render(content, results, format=format)
    return RenderedOut(
        text=rendered.text,
        format=format,
        template_version=TEMPLATE_VERSION,
        n=asked.n,
        sha=rendered.sha,
        chars=rendered.chars,
        tokens=rendered.tokens,
    )


@router.get("/context-fields")
def list_fields(access: Reading) -> dict[ItemKind, tuple[FieldOut, ...]]:
    """The fields that an item of each kind can show, and which of them are shown by default."""
    return FIELDS_OF_KIND


def _answer(
    state: AppState,
    connection: Connection,
    found: Context,
    *,
    merged: bool = False,
    with_calls: bool = True,
    status_code: int = 200,
) -> Response:
    catalogue = state.service.catalogue
    results = load_results(connection, found.content.tool_call_ids, utc_now()) if with_calls else {}
    answers, gone = recorded_answers(results, lambda key: provider_info(catalogue, key))
    out = ContextOut(
        id=found.id,
        number=found.number,
        title=found.title,
        status=found.status,
        n=found.revision.n,
        content=found.content,
        can_undo=found.revision.parent_n is not None,
        can_redo=can_redo(connection, found.revision),
        created_at=to_text(found.created_at),
        updated_at=to_text(found.updated_at),
        deleted_at=None if found.deleted_at is None else to_text(found.deleted_at),
        by=_person_out(names(connection, (found.revision.author_id,))[found.revision.author_id]),
        merged=merged,
        calls=answers,
        gone=gone,
    )
    # Answers leave out what is not known, as the tools' own do; the context's own fields are all there.
    body = out.model_dump(mode="json", exclude={"calls"})
    body["calls"] = {key: answer.model_dump(mode="json", exclude_none=True) for key, answer in answers.items()}
    return Response(json.dumps(body, ensure_ascii=False), status_code, media_type="application/json")


def _person_out(found: Person) -> PersonOut:
    return PersonOut(username=found.username, display_name=found.display_name)
