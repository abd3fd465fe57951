"""All projects of somebody, each with how far its questions are."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, Select, func, literal, select

from annotator.people.actor import Actor
from annotator.people.roles import Role
from annotator.store.tables import context, membership, project, question

Kept = Literal["active", "archived", "deleted"]

ADMIN_ROLE: Role = "owner"
"""What an administrator of the installation is in every project."""


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """A project in a list.

    Args:
        role: of whoever looks.
        num_by_status: questions in each status; every question counts once.
    """

    id: str
    slug: str
    name: str
    role: Role
    num_contexts: int
    num_questions: int
    num_by_status: dict[str, int]
    created_at: datetime
    archived_at: datetime | None
    deleted_at: datetime | None


def overview(connection: Connection, actor: Actor, kept: Kept = "active") -> list[ProjectSummary]:
    """The projects that the actor may see, by name.

    Args:
        kept: `deleted` gives only those that the actor may restore.
    """
    rows = connection.execute(_visible(actor, kept)).all()
    ids = [row.id for row in rows]
    contexts = _num_contexts(connection, ids)
    questions = _num_by_status(connection, ids)
    return [
        ProjectSummary(
            id=row.id,
            slug=row.slug,
            name=row.name,
            role=row.role,
            num_contexts=contexts.get(row.id, 0),
            num_questions=sum(questions[row.id].values()),
            num_by_status=questions[row.id],
            created_at=row.created_at,
            archived_at=row.archived_at,
            deleted_at=row.deleted_at,
        )
        for row in rows
    ]


def _visible(actor: Actor, kept: Kept) -> Select[tuple[object, ...]]:
    columns = (project.c.id, project.c.slug, project.c.name, project.c.created_at, project.c.archived_at)
    if actor.is_admin:
        role = literal(ADMIN_ROLE).label("role")
        query = select(*columns, project.c.deleted_at, role)
    else:
        query = select(*columns, project.c.deleted_at, membership.c.role).join(
            membership, membership.c.project_id == project.c.id
        )
        query = query.where(membership.c.account_id == actor.account_id)
        if kept == "deleted":
            query = query.where(membership.c.role == "owner")
    if actor.project_id is not None:
        query = query.where(project.c.id == actor.project_id)
    if kept == "deleted":
        query = query.where(project.c.deleted_at.is_not(None))
    else:
        is_archived = project.c.archived_at.is_not(None)
        query = query.where(project.c.deleted_at.is_(None), is_archived if kept == "archived" else ~is_archived)
    return query.order_by(func.lower(project.c.name), project.c.slug)


def _num_contexts(connection: Connection, ids: Iterable[str]) -> dict[str, int]:
    query = (
        select(context.c.project_id, func.count())
        .where(context.c.project_id.in_(ids), context.c.deleted_at.is_(None))
        .group_by(context.c.project_id)
    )
    return {row.project_id: row[1] for row in connection.execute(query)}


def _num_by_status(connection: Connection, ids: Iterable[str]) -> dict[str, dict[str, int]]:
    query = (
        select(question.c.project_id, question.c.status, func.count())
        .where(question.c.project_id.in_(ids), question.c.deleted_at.is_(None))
        .group_by(question.c.project_id, question.c.status)
    )
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for project_id, status, number in connection.execute(query):
        counts[project_id][status] = number
    return counts
