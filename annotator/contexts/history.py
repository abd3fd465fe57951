"""Who wrote which revision of a context, and what it changed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from annotator.people.accounts import Person, names
from annotator.store import revisions
from annotator.store.revisions import Revision
from annotator.store.tables import revision

MAX_REVISIONS = 200
"""How far back a history goes; older revisions stay readable by their number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A revision in a history.

    Args:
        changed: fields that differ from its parent's; all of them for the first.
    """

    n: int
    parent_n: int | None
    created_at: datetime
    by: Person
    origin: dict[str, Any] | None
    content_sha: str
    changed: tuple[str, ...]


def history(connection: Connection, context_id: str) -> list[Entry]:
    """Revisions of a context, the latest first."""
    found = revisions.history(connection, context_id, limit=MAX_REVISIONS)
    by_n = {item.n: item for item in found}
    authors = names(connection, (item.author_id for item in found))
    entries = []
    for item in found:
        parent = by_n.get(item.parent_n) if item.parent_n is not None else None
        if parent is None and item.parent_n is not None:
            parent = revisions.get(connection, "context", context_id, item.parent_n)
        before: dict[str, Any] = {} if parent is None else parent.content
        entries.append(
            Entry(
                n=item.n,
                parent_n=item.parent_n,
                created_at=item.created_at,
                by=authors[item.author_id],
                origin=item.origin,
                content_sha=item.content_sha,
                changed=tuple(field for field in item.content if item.content[field] != before.get(field)),
            )
        )
    return entries


def can_redo(connection: Connection, current: Revision) -> bool:
    """Whether something was undone that led on from this revision."""
    child = select(func.count()).where(
        revision.c.subject_id == current.subject_id,
        revision.c.parent_n == current.n,
        revision.c.n > current.n,
    )
    return connection.execute(child).scalar_one() > 0
