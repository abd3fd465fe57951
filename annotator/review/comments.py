"""What people say about contexts, questions and datasets: threads of two levels that can be settled."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, Table, func, select

from annotator.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project
from annotator.store.ids import new_id
from annotator.store.tables import comment, context, dataset, question

Subject = Literal["context", "question", "dataset"]

ABOUT = r"^(|body|gold|explanation|category|tags|options\.[A-Za-z0-9]{1,8}|(evidence|items)\.[A-Za-z0-9_-]{1,32})$"
"""Parts of a question or context that a comment may be about; empty for the whole."""

_TABLES: dict[Subject, Table] = {"context": context, "question": question, "dataset": dataset}


@dataclass(frozen=True, slots=True)
class Comment:
    """Something said.

    Args:
        parent_id: the comment that it answers; None for one that begins a thread.
        body: Markdown.
        about: part of the subject, such as `options.B`; None for the whole.
        resolved_at: when the thread was settled; only on its first comment.
    """

    id: str
    subject: Subject
    subject_id: str
    parent_id: str | None
    account_id: str
    body: str
    about: str | None
    created_at: datetime
    edited_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    deleted_at: datetime | None


def add(
    connection: Connection,
    actor: Actor,
    project: Project,
    subject: Subject,
    subject_id: str,
    body: str,
    *,
    about: str | None = None,
    parent_id: str | None = None,
    now: datetime,
) -> Comment:
    """Says something. An answer to an answer joins the same thread, and one to a settled thread opens it again.

    Raises:
        InputError: it says nothing.
        NotFoundError: the project has no such subject, or the subject no such comment.
    """
    _require_subject(connection, project, subject, subject_id)
    parent = None if parent_id is None else get(connection, project.id, parent_id)
    if parent is not None and (parent.subject, parent.subject_id) != (subject, subject_id):
        raise NotFoundError(f"there is no comment {parent_id} about this {subject}")
    thread = None if parent is None else parent.parent_id or parent.id
    if thread is not None:
        connection.execute(comment.update().where(comment.c.id == thread).values(resolved_at=None, resolved_by=None))
    comment_id = new_id(now)
    connection.execute(
        comment.insert(),
        {
            "id": comment_id,
            "project_id": project.id,
            "subject": subject,
            "subject_id": subject_id,
            "parent_id": thread,
            "account_id": actor.account_id,
            "body": _said(body),
            "about": (about or None) if parent is None else parent.about,
            "created_at": now,
        },
    )
    _record(connection, actor, project, "comment.add", comment_id, subject_id, now)
    return get(connection, project.id, comment_id)


def get(connection: Connection, project_id: str, comment_id: str) -> Comment:
    """A comment, deleted or not.

    Raises:
        NotFoundError: the project has none of that id.
    """
    row = (
        connection.execute(select(comment).where(comment.c.id == comment_id, comment.c.project_id == project_id))
        .mappings()
        .first()
    )
    if row is None:
        raise NotFoundError(f"there is no comment {comment_id} in this project")
    return _read(row)


def of_subject(connection: Connection, project_id: str, subject: Subject, subject_id: str) -> list[Comment]:
    """All comments, the earliest first. A deleted one stays only where others answered it, without its words."""
    rows = connection.execute(
        select(comment)
        .where(comment.c.project_id == project_id, comment.c.subject == subject, comment.c.subject_id == subject_id)
        .order_by(comment.c.created_at, comment.c.id)
    ).mappings()
    found = [_read(row) for row in rows]
    answered = {one.parent_id for one in found if one.deleted_at is None}
    return [_without_words(one) for one in found if one.deleted_at is None or one.id in answered]


def num_open(connection: Connection, project_id: str, subject_ids: list[str]) -> dict[str, int]:
    """Threads that nobody settled yet, by subject; subjects without any are left out."""
    rows = connection.execute(
        select(comment.c.subject_id, func.count())
        .where(
            comment.c.project_id == project_id,
            comment.c.subject_id.in_(subject_ids),
            comment.c.parent_id.is_(None),
            comment.c.resolved_at.is_(None),
            comment.c.deleted_at.is_(None),
        )
        .group_by(comment.c.subject_id)
    )
    return {row[0]: row[1] for row in rows}


def edit(
    connection: Connection, actor: Actor, project: Project, comment_id: str, body: str, *, now: datetime
) -> Comment:
    """Changes one's own words.

    Raises:
        ForbiddenError: they are somebody else's.
    """
    found = _own(connection, actor, project, comment_id)
    _set(connection, found.id, body=_said(body), edited_at=now)
    _record(connection, actor, project, "comment.edit", comment_id, found.subject_id, now)
    return get(connection, project.id, comment_id)


def set_resolved(
    connection: Connection, actor: Actor, project: Project, comment_id: str, *, resolved: bool, now: datetime
) -> Comment:
    """Settles the thread that a comment belongs to, or opens it again.

    Raises:
        ConflictError: its first comment was deleted.
    """
    found = get(connection, project.id, comment_id)
    first = get(connection, project.id, found.parent_id or found.id)
    if first.deleted_at is not None and resolved:
        raise ConflictError("this comment was deleted; restore it first")
    _set(
        connection,
        first.id,
        resolved_at=now if resolved else None,
        resolved_by=actor.account_id if resolved else None,
    )
    action = "comment.resolve" if resolved else "comment.reopen"
    _record(connection, actor, project, action, first.id, first.subject_id, now)
    return get(connection, project.id, first.id)


def set_deleted(
    connection: Connection,
    actor: Actor,
    project: Project,
    comment_id: str,
    *,
    deleted: bool,
    may_manage: bool = False,
    now: datetime,
) -> Comment:
    """Deletes a comment, or brings it back.

    Args:
        may_manage: the actor may delete other people's too.

    Raises:
        ForbiddenError: it is somebody else's.
    """
    found = get(connection, project.id, comment_id) if may_manage else _own(connection, actor, project, comment_id)
    _set(connection, comment_id, deleted_at=now if deleted else None)
    action = "comment.delete" if deleted else "comment.restore"
    _record(connection, actor, project, action, comment_id, found.subject_id, now)
    return get(connection, project.id, comment_id)


def _said(body: str) -> str:
    if not body.strip():
        raise InputError("write something first", param="body")
    return body.strip()


def _own(connection: Connection, actor: Actor, project: Project, comment_id: str) -> Comment:
    found = get(connection, project.id, comment_id)
    if found.account_id != actor.account_id:
        raise ForbiddenError("only who wrote a comment may change it")
    return found


def _require_subject(connection: Connection, project: Project, subject: Subject, subject_id: str) -> None:
    table = _TABLES[subject]
    found = select(table.c.id).where(
        table.c.id == subject_id, table.c.project_id == project.id, table.c.deleted_at.is_(None)
    )
    if connection.execute(found).first() is None:
        raise NotFoundError(f"there is no {subject} {subject_id} in this project")


def _set(connection: Connection, comment_id: str, **values: Any) -> None:
    connection.execute(comment.update().where(comment.c.id == comment_id).values(values))


def _record(
    connection: Connection,
    actor: Actor,
    project: Project,
    action: str,
    comment_id: str,
    subject_id: str,
    now: datetime,
) -> None:
    detail = {"subject_id": subject_id}
    record(connection, actor, action, comment_id, project_id=project.id, detail=detail, now=now)


def _without_words(found: Comment) -> Comment:
    if found.deleted_at is None:
        return found
    values = {name: getattr(found, name) for name in Comment.__slots__}
    return Comment(**(values | {"body": ""}))


def _read(row: RowMapping) -> Comment:
    return Comment(**{name: row[name] for name in Comment.__slots__})
