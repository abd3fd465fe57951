"""Revisions of contexts and questions: appended and never changed, with undo, redo, history and a merge of two hands.

A revision's parent is the one that it was written on. Undo makes the parent the current one, redo the latest child;
whatever is written after an undo is another child, so that nothing is ever lost.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, Table, func, select

from annotator.cache.json_text import canonical, sha256_hex
from annotator.errors import ConflictError, NotFoundError
from annotator.store.ids import new_id
from annotator.store.tables import context, question, revision

Subject = Literal["context", "question"]

_TABLES: Mapping[Subject, Table] = {"context": context, "question": question}


@dataclass(frozen=True, slots=True)
class Revision:
    """One state of a context or question.

    Args:
        n: counts up from 1 within its subject.
        parent_n: the one that it was written on; None for the first.
        content: JSON values.
        content_sha: sha256 of the canonical content.
        origin: `{"model": ..., "suggestion_id": ...}` where a model had a part in it, `{"import": ...}` where it was
            brought from elsewhere; None for a person's own.
    """

    id: str
    subject: Subject
    subject_id: str
    n: int
    parent_n: int | None
    content: dict[str, Any]
    content_sha: str
    origin: dict[str, Any] | None
    author_id: str
    created_at: datetime


def append(
    connection: Connection,
    subject: Subject,
    subject_id: str,
    content: Mapping[str, Any],
    *,
    parent_n: int | None,
    author_id: str,
    now: datetime,
    origin: Mapping[str, Any] | None = None,
) -> Revision:
    """Writes a revision and returns it; making it the current one is the caller's, with what its table repeats.

    Raises:
        InputError: the content holds what JSON cannot.
    """
    text = canonical(dict(content))
    last = select(func.max(revision.c.n)).where(revision.c.subject_id == subject_id)
    made = Revision(
        id=new_id(now),
        subject=subject,
        subject_id=subject_id,
        n=(connection.execute(last).scalar() or 0) + 1,
        parent_n=parent_n,
        content=json.loads(text),
        content_sha=sha256_hex(text),
        origin=None if origin is None else dict(origin),
        author_id=author_id,
        created_at=now,
    )
    connection.execute(
        revision.insert(),
        {
            "id": made.id,
            "subject": subject,
            "subject_id": subject_id,
            "n": made.n,
            "parent_n": parent_n,
            "content_json": text.decode(),
            "content_sha": made.content_sha,
            "origin_json": None if origin is None else canonical(dict(origin)).decode(),
            "author_id": author_id,
            "created_at": now,
        },
    )
    return made


def get(connection: Connection, subject: Subject, subject_id: str, n: int | None = None) -> Revision:
    """A revision; the current one by default.

    Raises:
        NotFoundError: there is none.
    """
    table = _TABLES[subject]
    found = select(revision).where(revision.c.subject_id == subject_id)
    if n is None:
        found = found.join(table, table.c.id == revision.c.subject_id).where(revision.c.n == table.c.current_n)
    else:
        found = found.where(revision.c.n == n)
    row = connection.execute(found).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no revision {n or ''} of {subject} {subject_id}".replace("  ", " "))
    return _read(row)


def current_of_many(connection: Connection, subject: Subject, subject_ids: Sequence[str]) -> dict[str, Revision]:
    """The current revisions of many, by subject."""
    table = _TABLES[subject]
    found: dict[str, Revision] = {}
    for start in range(0, len(subject_ids), 500):
        part = list(subject_ids[start : start + 500])
        rows = connection.execute(
            select(revision)
            .join(table, table.c.id == revision.c.subject_id)
            .where(table.c.id.in_(part), revision.c.n == table.c.current_n)
        ).mappings()
        found.update((row["subject_id"], _read(row)) for row in rows)
    return found


def history(connection: Connection, subject_id: str, *, limit: int = 200) -> list[Revision]:
    """Revisions of one subject, the latest first."""
    rows = connection.execute(
        select(revision).where(revision.c.subject_id == subject_id).order_by(revision.c.n.desc()).limit(limit)
    ).mappings()
    return [_read(row) for row in rows]


def undone(connection: Connection, subject: Subject, subject_id: str) -> Revision:
    """The revision that undo leads to.

    Raises:
        ConflictError: the current one is the first.
    """
    now = get(connection, subject, subject_id)
    if now.parent_n is None:
        raise ConflictError("there is nothing left to undo")
    return get(connection, subject, subject_id, now.parent_n)


def redone(connection: Connection, subject: Subject, subject_id: str) -> Revision:
    """The revision that redo leads to: the latest that was written on the current one.

    Raises:
        ConflictError: nothing was undone.
    """
    now = get(connection, subject, subject_id)
    child = select(func.max(revision.c.n)).where(
        revision.c.subject_id == subject_id, revision.c.parent_n == now.n, revision.c.n > now.n
    )
    n = connection.execute(child).scalar()
    if n is None:
        raise ConflictError("there is nothing to redo")
    return get(connection, subject, subject_id, n)


@dataclass(frozen=True, slots=True)
class Merge:
    """Two hands' changes to one base put together.

    Args:
        content: with both hands' changes where they touch different fields, and mine where they touch the same.
        conflicts: fields that both changed, each to something else.
    """

    content: dict[str, Any]
    conflicts: tuple[str, ...]


def merge(base: Mapping[str, Any], theirs: Mapping[str, Any], mine: Mapping[str, Any]) -> Merge:
    """Three-way merge by top-level field; a field that one side removed counts as changed."""
    content: dict[str, Any] = {}
    conflicts = []
    for field in dict.fromkeys([*base, *theirs, *mine]):
        old, other, own = base.get(field), theirs.get(field), mine.get(field)
        if own == old:
            chosen, source = other, theirs
        else:
            chosen, source = own, mine
            if other not in (old, own):
                conflicts.append(field)
        if field in source:
            content[field] = chosen
    return Merge(content, tuple(conflicts))


def _read(row: RowMapping) -> Revision:
    return Revision(
        id=row["id"],
        subject=row["subject"],
        subject_id=row["subject_id"],
        n=row["n"],
        parent_n=row["parent_n"],
        content=json.loads(row["content_json"]),
        content_sha=row["content_sha"],
        origin=None if row["origin_json"] is None else json.loads(row["origin_json"]),
        author_id=row["author_id"],
        created_at=row["created_at"],
    )
