"""Undoing an import as a whole: everything that it made goes out of sight, and can be brought back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Table, select

from annotator.datasets.jobs import Job
from annotator.errors import ConflictError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.store.tables import audit_log, context, question, revision

_PART = 500
_UNDO, _REDO = "import.undo", "import.redo"


@dataclass(frozen=True, slots=True)
class Undone:
    """How much went, or came back.

    Args:
        num_kept: contexts that stay because somebody wrote other questions about them.
    """

    num_contexts: int
    num_questions: int
    num_kept: int = 0


def undo(connection: Connection, actor: Actor, job: Job, *, now: datetime) -> Undone:
    """Deletes the contexts and questions that an import made. Recordings stay, as all recordings do.

    Raises:
        ConflictError: it is still going on, or a question of it is approved.
    """
    _require_import(job)
    contexts, questions = _made(connection, job, "context"), _made(connection, job, "question")
    approved = _approved(connection, questions)
    if approved is not None:
        raise ConflictError(f"question {approved} of this import is approved; reopen or archive it first")
    busy = _with_others(connection, contexts, set(questions))
    gone = [context_id for context_id in contexts if context_id not in busy]
    done = Undone(
        _set_deleted(connection, context, gone, now), _set_deleted(connection, question, questions, now), len(busy)
    )
    _told(connection, actor, job, _UNDO, done, now)
    return done


def redo(connection: Connection, actor: Actor, job: Job, *, now: datetime) -> Undone:
    """Brings back what `undo` deleted."""
    _require_import(job)
    done = Undone(
        _restore(connection, context, _made(connection, job, "context")),
        _restore(connection, question, _made(connection, job, "question")),
    )
    _told(connection, actor, job, _REDO, done, now)
    return done


def undone_among(connection: Connection, job_ids: Sequence[str]) -> set[str]:
    """Which of these imports were undone last, and not brought back since."""
    found = (
        select(audit_log.c.subject_id, audit_log.c.action)
        .where(audit_log.c.subject_id.in_(job_ids), audit_log.c.action.in_((_UNDO, _REDO)))
        .order_by(audit_log.c.seq)
    )
    last = {row.subject_id: row.action for row in connection.execute(found)}
    return {job_id for job_id, action in last.items() if action == _UNDO}


def _require_import(job: Job) -> None:
    if job.kind != "import" or job.params.get("is_dry_run"):
        raise ConflictError("this job made nothing that could be undone")
    if not job.is_over:
        raise ConflictError("the import is still going on; cancel it first")


def _made(connection: Connection, job: Job, subject: str) -> list[str]:
    # An id of a job is a ULID, in which LIKE finds nothing special.
    found = select(revision.c.subject_id).where(
        revision.c.author_id == job.account_id,
        revision.c.created_at >= job.created_at,
        revision.c.subject == subject,
        revision.c.n == 1,
        revision.c.origin_json.like(f'%"job":"{job.id}"%'),
    )
    return list(connection.execute(found).scalars())


def _approved(connection: Connection, ids: list[str]) -> int | None:
    for part in _parts(ids):
        found = select(question.c.number).where(
            question.c.id.in_(part), question.c.status == "approved", question.c.deleted_at.is_(None)
        )
        number: int | None = connection.execute(found.limit(1)).scalar()
        if number is not None:
            return number
    return None


def _with_others(connection: Connection, contexts: list[str], own: set[str]) -> set[str]:
    busy: set[str] = set()
    for part in _parts(contexts):
        found = select(question.c.context_id, question.c.id).where(
            question.c.context_id.in_(part), question.c.deleted_at.is_(None)
        )
        busy.update(context_id for context_id, question_id in connection.execute(found) if question_id not in own)
    return busy


def _set_deleted(connection: Connection, table: Table, ids: list[str], now: datetime) -> int:
    return sum(
        connection.execute(
            table.update().where(table.c.id.in_(part), table.c.deleted_at.is_(None)).values(deleted_at=now)
        ).rowcount
        for part in _parts(ids)
    )


def _restore(connection: Connection, table: Table, ids: list[str]) -> int:
    return sum(
        connection.execute(
            table.update().where(table.c.id.in_(part), table.c.deleted_at.is_not(None)).values(deleted_at=None)
        ).rowcount
        for part in _parts(ids)
    )


def _parts(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + _PART] for start in range(0, len(ids), _PART)]


def _told(connection: Connection, actor: Actor, job: Job, action: str, done: Undone, now: datetime) -> None:
    detail = {"contexts": done.num_contexts, "questions": done.num_questions, "kept": done.num_kept}
    record(connection, actor, action, job.id, project_id=job.project_id, detail=detail, now=now)
