"""Contexts of a project as a list: one query for a page, counts included, and nobody's content is read for it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ColumnElement, Connection, and_, cast, func, or_, select

from annotator.contexts.paging import before_cursor, cursor_of
from annotator.contexts.store import Status
from annotator.store.tables import account, context, question, revision


@dataclass(frozen=True, slots=True)
class ListedContext:
    """A context in a list.

    Args:
        num_items: of its current revision.
        num_questions: those that are not deleted.
        username: of the current revision's author.
    """

    id: str
    number: int
    title: str
    status: Status
    num_items: int
    num_questions: int
    updated_at: datetime
    username: str
    display_name: str


@dataclass(frozen=True, slots=True)
class ListedContexts:
    """A page of contexts, those changed last first; `next` is the following page's cursor."""

    contexts: tuple[ListedContext, ...]
    next: str | None
    total: int


def list_contexts(
    connection: Connection,
    project_id: str,
    *,
    q: str = "",
    status: Status | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> ListedContexts:
    """Contexts that are not deleted.

    Args:
        q: words that the title must hold, all of them, or a number such as `12` or `#12`.

    Raises:
        InputError: the cursor is none of ours.
    """
    conditions: list[Any] = [context.c.project_id == project_id, context.c.deleted_at.is_(None)]
    if status is not None:
        conditions.append(context.c.status == status)
    if words := q.split():
        by_title = and_(*(context.c.title.icontains(word, autoescape=True) for word in words))
        digits = q.strip().removeprefix("#")
        is_number = digits.isascii() and digits.isdigit() and len(digits) < 10
        conditions.append(or_(by_title, context.c.number == int(digits)) if is_number else by_title)
    total = connection.execute(select(func.count()).select_from(context).where(*conditions)).scalar_one()
    num_questions = (
        select(func.count())
        .where(question.c.context_id == context.c.id, question.c.deleted_at.is_(None))
        .scalar_subquery()
    )
    page = (
        select(
            context.c.id,
            context.c.number,
            context.c.title,
            context.c.status,
            _num_items(connection).label("num_items"),
            num_questions.label("num_questions"),
            context.c.updated_at,
            account.c.username,
            account.c.display_name,
        )
        .join(revision, and_(revision.c.subject_id == context.c.id, revision.c.n == context.c.current_n))
        .join(account, account.c.id == revision.c.author_id)
        .where(*conditions, *before_cursor(cursor, context.c.updated_at, context.c.id))
        .order_by(context.c.updated_at.desc(), context.c.id.desc())
        .limit(limit + 1)
    )
    rows = [ListedContext(**row) for row in connection.execute(page).mappings()]
    following = cursor_of(rows[limit - 1].updated_at, rows[limit - 1].id) if len(rows) > limit else None
    return ListedContexts(tuple(rows[:limit]), following, total)


def _num_items(connection: Connection) -> ColumnElement[int]:
    if connection.dialect.name == "sqlite":
        return func.json_array_length(revision.c.content_json, "$.items")
    return func.json_array_length(cast(revision.c.content_json, JSON)["items"])
