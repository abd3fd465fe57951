"""Contexts in the database. Every function works inside the caller's transaction."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, exists, func, select

from annotator.contexts.model import ContextContent
from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.people.accounts import names
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project, next_number
from annotator.store import revisions
from annotator.store.ids import new_id
from annotator.store.revisions import Revision
from annotator.store.sessions import insert_into
from annotator.store.tables import context, context_call, question, tool_call

Status = Literal["open", "done", "archived"]


@dataclass(frozen=True, slots=True)
class Context:
    """A context and its current revision.

    Args:
        number: counts up within the project and is never used twice.
        revision: the current one; `content` is what it holds.
    """

    id: str
    project_id: str
    number: int
    title: str
    status: Status
    created_by: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    revision: Revision
    content: ContextContent


@dataclass(frozen=True, slots=True)
class Saved[T]:
    """What saving did.

    Args:
        now: the state after it.
        merged: whether somebody else's changes, which touch other fields, are in it too.
    """

    now: T
    merged: bool


def create(
    connection: Connection,
    actor: Actor,
    project: Project,
    *,
    content: ContextContent | None = None,
    origin: dict[str, Any] | None = None,
    now: datetime,
) -> Context:
    """Makes a context.

    Raises:
        InputError: it names a tool call that was not recorded.
    """
    content = content or ContextContent()
    context_id = new_id(now)
    number = next_number(connection, project.id, "num_contexts")
    connection.execute(
        context.insert(),
        {
            "id": context_id,
            "project_id": project.id,
            "number": number,
            "title": content.title,
            "status": "open",
            "current_n": 1,
            "created_by": actor.account_id,
            "created_at": now,
            "updated_at": now,
        },
    )
    _append(connection, actor, context_id, content, parent_n=None, origin=origin, now=now)
    made = get(connection, project.id, context_id)
    record(
        connection,
        actor,
        "context.create",
        context_id,
        project_id=project.id,
        after_sha=made.revision.content_sha,
        now=now,
    )
    return made


def get(connection: Connection, project_id: str, context_id: str, *, deleted: bool = False) -> Context:
    """A context of a project.

    Args:
        deleted: also one that was deleted.

    Raises:
        NotFoundError: there is none.
    """
    query = select(context).where(context.c.id == context_id, context.c.project_id == project_id)
    row = connection.execute(query if deleted else query.where(context.c.deleted_at.is_(None))).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no context {context_id} in this project")
    return _read(row, revisions.get(connection, "context", context_id))


def get_many(connection: Connection, project_id: str, context_ids: list[str]) -> dict[str, Context]:
    """Contexts by id; those that are not there are left out."""
    current = revisions.current_of_many(connection, "context", context_ids)
    found: dict[str, Context] = {}
    for start in range(0, len(context_ids), 500):
        part = context_ids[start : start + 500]
        rows = connection.execute(select(context).where(context.c.id.in_(part), context.c.project_id == project_id))
        found.update((row["id"], _read(row, current[row["id"]])) for row in rows.mappings())
    return found


def save(
    connection: Connection,
    actor: Actor,
    project: Project,
    context_id: str,
    content: ContextContent,
    *,
    base_n: int,
    origin: dict[str, Any] | None = None,
    now: datetime,
) -> Saved[Context]:
    """Writes a revision on revision `base_n`, merging what others wrote meanwhile where it touches other fields.

    Raises:
        ConflictError: both changed the same field; `detail` has `current_n`, `current`, `conflicts`, `author` and
            `author_id`.
        InputError: it names a tool call that was not recorded.
    """
    before = get(connection, project.id, context_id)
    wanted = content.model_dump(mode="json")
    merged = base_n != before.revision.n
    if merged:
        wanted = merge_or_refuse(connection, before.revision, base_n, wanted)
    if wanted == before.revision.content:
        return Saved(before, merged)
    after = ContextContent.model_validate(wanted)
    made = _append(connection, actor, context_id, after, parent_n=before.revision.n, origin=origin, now=now)
    _make_current(connection, context_id, made, after, now)
    record(
        connection,
        actor,
        "context.save",
        context_id,
        project_id=project.id,
        before_sha=before.revision.content_sha,
        after_sha=made.content_sha,
        now=now,
    )
    return Saved(get(connection, project.id, context_id), merged)


def merge_or_refuse(connection: Connection, current: Revision, base_n: int, wanted: dict[str, Any]) -> dict[str, Any]:
    """What `wanted`, written on revision `base_n`, becomes on the current revision.

    Raises:
        ConflictError: both changed the same field.
    """
    base = revisions.get(connection, current.subject, current.subject_id, base_n)
    merge = revisions.merge(base.content, current.content, wanted)
    if merge.conflicts:
        raise ConflictError(
            f"somebody else changed {', '.join(merge.conflicts)} meanwhile; nothing of yours is lost: "
            "look at both and save again on theirs",
            detail={
                "current_n": current.n,
                "current": current.content,
                "conflicts": list(merge.conflicts),
                "author_id": current.author_id,
                "author": asdict(names(connection, (current.author_id,))[current.author_id]),
            },
        )
    return merge.content


def step(
    connection: Connection, actor: Actor, project: Project, context_id: str, *, back: bool, now: datetime
) -> Context:
    """Undo, or redo.

    Raises:
        ConflictError: there is nothing to undo or redo.
    """
    before = get(connection, project.id, context_id)
    move = revisions.undone if back else revisions.redone
    target = move(connection, "context", context_id)
    _make_current(connection, context_id, target, ContextContent.model_validate(target.content), now)
    record(
        connection,
        actor,
        "context.undo" if back else "context.redo",
        context_id,
        project_id=project.id,
        before_sha=before.revision.content_sha,
        after_sha=target.content_sha,
        now=now,
    )
    return get(connection, project.id, context_id)


def set_status(
    connection: Connection, actor: Actor, project: Project, context_id: str, status: Status, *, now: datetime
) -> Context:
    """Says that a context is `done`, `archived`, or `open` again; the audit log has `context.STATUS`."""
    before = get(connection, project.id, context_id)
    if before.status != status:
        connection.execute(context.update().where(context.c.id == context_id).values(status=status, updated_at=now))
        detail = {"number": before.number, "from": before.status}
        record(connection, actor, f"context.{status}", context_id, project_id=project.id, detail=detail, now=now)
    return get(connection, project.id, context_id)


def set_deleted(
    connection: Connection, actor: Actor, project: Project, context_id: str, *, deleted: bool, now: datetime
) -> Context:
    """Deletes a context, with its questions out of sight, or brings it back.

    Raises:
        ConflictError: a question of it is approved.
    """
    found = get(connection, project.id, context_id, deleted=True)
    approved = exists().where(
        question.c.context_id == context_id, question.c.status == "approved", question.c.deleted_at.is_(None)
    )
    if deleted and connection.execute(select(approved)).scalar():
        raise ConflictError("a question of this context is approved; archive the context instead of deleting it")
    connection.execute(context.update().where(context.c.id == found.id).values(deleted_at=now if deleted else None))
    record(
        connection,
        actor,
        "context.delete" if deleted else "context.restore",
        context_id,
        project_id=project.id,
        now=now,
    )
    return get(connection, project.id, context_id, deleted=True)


def _append(
    connection: Connection,
    actor: Actor,
    context_id: str,
    content: ContextContent,
    *,
    parent_n: int | None,
    origin: dict[str, Any] | None,
    now: datetime,
) -> Revision:
    ids = content.tool_call_ids
    known = connection.execute(select(func.count()).where(tool_call.c.id.in_(ids))).scalar_one() if ids else 0
    if known < len(ids):
        raise InputError("the context names a tool call that was not recorded here", param="items")
    made = revisions.append(
        connection,
        "context",
        context_id,
        content.model_dump(mode="json"),
        parent_n=parent_n,
        author_id=actor.account_id,
        origin=origin,
        now=now,
    )
    if ids:
        connection.execute(
            insert_into(connection, context_call)
            .values([{"context_id": context_id, "tool_call_id": call_id} for call_id in ids])
            .on_conflict_do_nothing()
        )
    return made


def _make_current(
    connection: Connection, context_id: str, made: Revision, content: ContextContent, now: datetime
) -> None:
    connection.execute(
        context.update().where(context.c.id == context_id).values(current_n=made.n, title=content.title, updated_at=now)
    )


def _read(row: RowMapping, current: Revision) -> Context:
    values: dict[str, Any] = {name: row[name] for name in Context.__slots__ if name not in ("revision", "content")}
    return Context(**values, revision=current, content=ContextContent.model_validate(current.content))
