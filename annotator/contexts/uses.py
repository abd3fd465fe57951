"""Who uses some recorded bytes: the calls whose result they are or came from, and contexts and questions on top."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, or_, select, true

from annotator.people.actor import Actor
from annotator.people.projects import ProjectSettings
from annotator.people.roles import Permission, may
from annotator.review.standing import UNDECIDED
from annotator.store.tables import (
    context,
    context_call,
    dataset,
    evidence,
    exchange,
    membership,
    project,
    question,
    revision,
    snapshot,
    snapshot_blob,
    tool_call,
    tool_call_exchange,
)

MAX_ROWS = 100
"""How many of each are listed."""
MAX_LOOKED_AT = 1000
"""Questions among which those are looked for that somebody may see."""


@dataclass(frozen=True, slots=True)
class CallUse:
    """A tool call whose result the bytes are (`is_result`), or that was answered by them."""

    id: str
    tool: str
    provider: str
    params_json: str
    result_sha: str | None
    created_at: datetime
    is_result: bool


@dataclass(frozen=True, slots=True)
class ContextUse:
    """A context, some revision of which holds one of the calls."""

    project_slug: str
    project_name: str
    id: str
    number: int
    title: str


@dataclass(frozen=True, slots=True)
class QuestionUse:
    """A question whose current revision has a value of the bytes as evidence.

    Args:
        pointer: where in the bytes the value stands; None where it was computed from them.
    """

    project_slug: str
    project_name: str
    number: int
    context_id: str
    body: str
    key: str
    role: str
    pointer: str | None


@dataclass(frozen=True, slots=True)
class Uses:
    """Everything that uses some bytes and that somebody may see."""

    calls: tuple[CallUse, ...]
    contexts: tuple[ContextUse, ...]
    questions: tuple[QuestionUse, ...]


def uses_of(connection: Connection, actor: Actor, sha: str) -> Uses:
    """Who uses a result or a response body, by its sha256; contexts and questions of the actor's projects only, and
    no evidence of questions that they may be asked to answer blind."""
    calls = _calls(connection, sha)
    ids = [call.id for call in calls]
    return Uses(tuple(calls), tuple(_contexts(connection, actor, ids)), tuple(_questions(connection, actor, sha)))


def is_frozen_for(connection: Connection, actor: Actor, sha: str) -> bool:
    """Whether a frozen dataset of a project that the actor may see holds these bytes: its manifest, a rendered context,
    what its calls gave. Recordings belong to the whole installation; a dataset's own texts belong to its project."""
    holds = select(snapshot_blob.c.snapshot_id).where(snapshot_blob.c.sha == sha)
    found = connection.execute(
        select(snapshot.c.id)
        .join(dataset, dataset.c.id == snapshot.c.dataset_id)
        .join(project, project.c.id == dataset.c.project_id)
        .where(or_(snapshot.c.manifest_sha == sha, snapshot.c.id.in_(holds)), _may_see(actor))
        .limit(1)
    )
    return found.first() is not None


def _calls(connection: Connection, sha: str) -> list[CallUse]:
    answered = (
        select(tool_call_exchange.c.tool_call_id)
        .join(exchange, exchange.c.id == tool_call_exchange.c.exchange_id)
        .where(exchange.c.body_sha == sha)
    )
    rows = connection.execute(
        select(tool_call)
        .where(or_(tool_call.c.result_sha == sha, tool_call.c.id.in_(answered)))
        .order_by(tool_call.c.id.desc())
        .limit(MAX_ROWS)
    ).mappings()
    return [
        CallUse(
            id=row["id"],
            tool=row["tool"],
            provider=row["provider"],
            params_json=row["params_json"],
            result_sha=row["result_sha"],
            created_at=row["created_at"],
            is_result=row["result_sha"] == sha,
        )
        for row in rows
    ]


def _contexts(connection: Connection, actor: Actor, call_ids: list[str]) -> Iterable[ContextUse]:
    if not call_ids:
        return []
    rows = connection.execute(
        select(
            project.c.slug.label("project_slug"),
            project.c.name.label("project_name"),
            context.c.id,
            context.c.number,
            context.c.title,
        )
        .distinct()
        .join(context_call, context_call.c.context_id == context.c.id)
        .join(project, project.c.id == context.c.project_id)
        .where(context_call.c.tool_call_id.in_(call_ids), context.c.deleted_at.is_(None), _may_see(actor))
        .order_by(project.c.slug, context.c.number)
        .limit(MAX_ROWS)
    ).mappings()
    return [ContextUse(**row) for row in rows]


def _questions(connection: Connection, actor: Actor, sha: str) -> Iterable[QuestionUse]:
    rows = connection.execute(
        select(
            project.c.slug.label("project_slug"),
            project.c.name.label("project_name"),
            question.c.number,
            question.c.context_id,
            question.c.body,
            evidence.c.key,
            evidence.c.role,
            evidence.c.result_sha,
            evidence.c.pointer,
            evidence.c.body_pointer,
            question.c.status,
            question.c.created_by,
            project.c.settings_json,
            membership.c.role.label("member_role"),
        )
        .join(revision, revision.c.id == evidence.c.revision_id)
        .join(question, (question.c.id == evidence.c.question_id) & (question.c.current_n == revision.c.n))
        .join(project, project.c.id == question.c.project_id)
        .outerjoin(
            membership, (membership.c.project_id == project.c.id) & (membership.c.account_id == actor.account_id)
        )
        .where(
            or_(evidence.c.result_sha == sha, evidence.c.body_sha == sha),
            question.c.deleted_at.is_(None),
            _may_see(actor),
        )
        .order_by(project.c.slug, question.c.number, evidence.c.key)
        .limit(MAX_LOOKED_AT)
    ).mappings()
    shown = [row for row in rows if _may_see_evidence(actor, row)]
    return [
        QuestionUse(
            project_slug=row["project_slug"],
            project_name=row["project_name"],
            number=row["number"],
            context_id=row["context_id"],
            body=row["body"],
            key=row["key"],
            role=row["role"],
            pointer=row["pointer"] if row["result_sha"] == sha else row["body_pointer"],
        )
        for row in shown[:MAX_ROWS]
    ]


def _may_see_evidence(actor: Actor, row: RowMapping) -> bool:
    """Whether an answer's evidence is no secret to the actor: reviewers see all, others their own questions, and those
    that nobody will be asked to answer blind any more unless the project keeps them to their authors."""
    if actor.is_admin or row["created_by"] == actor.account_id:
        return True
    if row["member_role"] is not None and may(row["member_role"], Permission.REVIEW):
        return True
    settings = ProjectSettings.model_validate_json(row["settings_json"])
    return not settings.isolate and (settings.blind_answers == 0 or row["status"] not in UNDECIDED)


def _may_see(actor: Actor) -> ColumnElement[bool]:
    """Whether the actor is in a row's project; an administrator is in all, a token perhaps in one only."""
    conditions: list[Any] = [project.c.deleted_at.is_(None)]
    if not actor.is_admin:
        own = select(membership.c.project_id).where(membership.c.account_id == actor.account_id)
        conditions.append(project.c.id.in_(own))
    if actor.project_id is not None:
        conditions.append(project.c.id == actor.project_id)
    seen = true()
    for condition in conditions:
        seen = seen & condition
    return seen
