"""Questions in the database. Every function works inside the caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, select

from annotator.cache.json_text import canonical
from annotator.contexts import store as contexts
from annotator.contexts.store import Saved, merge_or_refuse
from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project, next_number
from annotator.questions.model import QuestionContent, Status
from annotator.store import revisions
from annotator.store.ids import new_id
from annotator.store.revisions import Revision
from annotator.store.tables import context, evidence, question, question_tag, revision, tool_call

LOCKED: tuple[Status, ...] = ("approved", "archived")
"""A question in one of these is not edited until somebody reopens it."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question and its current revision.

    Args:
        number: counts up within the project and is never used twice; links name a question by it.
        revision: the current one; `content` is what it holds.
    """

    id: str
    project_id: str
    context_id: str
    number: int
    status: Status
    created_by: str
    created_at: datetime
    updated_at: datetime
    submitted_at: datetime | None
    deleted_at: datetime | None
    revision: Revision
    content: QuestionContent


def create(
    connection: Connection,
    actor: Actor,
    project: Project,
    context_id: str,
    *,
    content: QuestionContent | None = None,
    origin: dict[str, Any] | None = None,
    now: datetime,
) -> Question:
    """Makes a draft in a context.

    Raises:
        NotFoundError: the project has no such context.
        InputError: evidence names a tool call that was not recorded.
    """
    contexts.get(connection, project.id, context_id)
    content = content or QuestionContent()
    question_id = new_id(now)
    number = next_number(connection, project.id, "num_questions")
    connection.execute(
        question.insert(),
        {
            "id": question_id,
            "project_id": project.id,
            "context_id": context_id,
            "number": number,
            "status": "draft",
            "current_n": 1,
            "created_by": actor.account_id,
            "created_at": now,
            "updated_at": now,
            **_repeated(content),
        },
    )
    made = _append(connection, actor, question_id, content, parent_n=None, origin=origin, now=now)
    _make_current(connection, question_id, made, content, now)
    record(
        connection,
        actor,
        "question.create",
        question_id,
        project_id=project.id,
        after_sha=made.content_sha,
        detail={"number": number},
        now=now,
    )
    return get(connection, project.id, question_id)


def get(connection: Connection, project_id: str, question_id: str, *, deleted: bool = False) -> Question:
    """A question of a project.

    Args:
        deleted: also one that was deleted.

    Raises:
        NotFoundError: there is none.
    """
    query = select(question).where(question.c.id == question_id, question.c.project_id == project_id)
    row = connection.execute(query if deleted else query.where(*is_in_sight(project_id))).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no question {question_id} in this project")
    return _read(row, revisions.get(connection, "question", question_id))


def is_in_sight(project_id: str) -> tuple[ColumnElement[bool], ...]:
    """Conditions of questions that neither were deleted nor belong to a context that was."""
    gone = select(context.c.id).where(context.c.project_id == project_id, context.c.deleted_at.is_not(None))
    return question.c.deleted_at.is_(None), question.c.context_id.not_in(gone)


def by_number(connection: Connection, project_id: str, number: int) -> Question:
    """A question by the number in its link.

    Raises:
        NotFoundError: there is none.
    """
    found = connection.execute(
        select(question.c.id).where(
            question.c.project_id == project_id, question.c.number == number, *is_in_sight(project_id)
        )
    ).scalar()
    if found is None:
        raise NotFoundError(f"there is no question {number} in this project")
    return get(connection, project_id, found)


def get_many(connection: Connection, project_id: str, question_ids: Sequence[str]) -> dict[str, Question]:
    """Questions by id; those that are not there are left out."""
    current = revisions.current_of_many(connection, "question", question_ids)
    found: dict[str, Question] = {}
    for start in range(0, len(question_ids), 500):
        part = list(question_ids[start : start + 500])
        rows = connection.execute(select(question).where(question.c.id.in_(part), question.c.project_id == project_id))
        found.update((row["id"], _read(row, current[row["id"]])) for row in rows.mappings())
    return found


def of_context(connection: Connection, project_id: str, context_id: str) -> list[Question]:
    """The questions of a context in order."""
    ids = (
        connection.execute(
            select(question.c.id)
            .where(
                question.c.context_id == context_id,
                question.c.project_id == project_id,
                *is_in_sight(project_id),
            )
            .order_by(question.c.number)
        )
        .scalars()
        .all()
    )
    return list(get_many(connection, project_id, ids).values())


def redoable(connection: Connection, question_ids: Sequence[str]) -> set[str]:
    """Those questions that have a revision written on their current one, to which redo leads."""
    current = (
        select(question.c.id)
        .join(revision, revision.c.subject_id == question.c.id)
        .where(
            question.c.id.in_(question_ids),
            revision.c.parent_n == question.c.current_n,
            revision.c.n > question.c.current_n,
        )
    )
    return set(connection.execute(current.distinct()).scalars())


def save(
    connection: Connection,
    actor: Actor,
    project: Project,
    question_id: str,
    content: QuestionContent,
    *,
    base_n: int,
    origin: dict[str, Any] | None = None,
    now: datetime,
) -> Saved[Question]:
    """Writes a revision on revision `base_n`, merging what others wrote meanwhile where it touches other fields.

    A submitted question that is changed is a draft again: nobody reviews what is not the current revision.

    Raises:
        ConflictError: both changed the same field, or the question is approved or archived.
        InputError: evidence names a tool call that was not recorded.
    """
    before = get(connection, project.id, question_id)
    if before.status in LOCKED:
        raise ConflictError(f"question {before.number} is {before.status}; reopen it to change it")
    wanted = content.model_dump(mode="json")
    merged = base_n != before.revision.n
    if merged:
        wanted = merge_or_refuse(connection, before.revision, base_n, wanted)
    if wanted == before.revision.content:
        return Saved(before, merged)
    after = QuestionContent.model_validate(wanted)
    made = _append(connection, actor, question_id, after, parent_n=before.revision.n, origin=origin, now=now)
    _make_current(connection, question_id, made, after, now)
    _back_to_draft(connection, before)
    record(
        connection,
        actor,
        "question.save",
        question_id,
        project_id=project.id,
        before_sha=before.revision.content_sha,
        after_sha=made.content_sha,
        now=now,
    )
    return Saved(get(connection, project.id, question_id), merged)


def step(
    connection: Connection, actor: Actor, project: Project, question_id: str, *, back: bool, now: datetime
) -> Question:
    """Undo, or redo.

    Raises:
        ConflictError: there is nothing to undo or redo, or the question is approved or archived.
    """
    before = get(connection, project.id, question_id)
    if before.status in LOCKED:
        raise ConflictError(f"question {before.number} is {before.status}; reopen it to change it")
    target = (revisions.undone if back else revisions.redone)(connection, "question", question_id)
    _make_current(connection, question_id, target, QuestionContent.model_validate(target.content), now)
    _back_to_draft(connection, before)
    record(
        connection,
        actor,
        "question.undo" if back else "question.redo",
        question_id,
        project_id=project.id,
        before_sha=before.revision.content_sha,
        after_sha=target.content_sha,
        now=now,
    )
    return get(connection, project.id, question_id)


def set_status(
    connection: Connection,
    actor: Actor | None,
    project: Project,
    question_id: str,
    status: Status,
    *,
    detail: dict[str, Any] | None = None,
    now: datetime,
) -> Question:
    """Moves a question on; whether that may be is the caller's to know. The audit log has `question.STATUS`."""
    before = get(connection, project.id, question_id)
    values: dict[str, Any] = {"status": status, "updated_at": now}
    if status == "submitted":
        values["submitted_at"] = now
    connection.execute(question.update().where(question.c.id == question_id).values(values))
    record(
        connection,
        actor,
        f"question.{status}",
        question_id,
        project_id=project.id,
        after_sha=before.revision.content_sha,
        detail={"number": before.number, "from": before.status, **(detail or {})},
        now=now,
    )
    return get(connection, project.id, question_id)


def set_deleted(
    connection: Connection, actor: Actor, project: Project, question_id: str, *, deleted: bool, now: datetime
) -> Question:
    """Deletes a question, or brings it back.

    Raises:
        ConflictError: it is approved.
    """
    found = get(connection, project.id, question_id, deleted=True)
    if deleted and found.status == "approved":
        raise ConflictError(f"question {found.number} is approved; reopen or archive it instead of deleting it")
    connection.execute(question.update().where(question.c.id == found.id).values(deleted_at=now if deleted else None))
    action = "question.delete" if deleted else "question.restore"
    record(connection, actor, action, question_id, project_id=project.id, detail={"number": found.number}, now=now)
    return get(connection, project.id, question_id, deleted=True)


def _append(
    connection: Connection,
    actor: Actor,
    question_id: str,
    content: QuestionContent,
    *,
    parent_n: int | None,
    origin: dict[str, Any] | None,
    now: datetime,
) -> Revision:
    calls = {item.tool_call_id for item in content.evidence}
    known = set(connection.execute(select(tool_call.c.id).where(tool_call.c.id.in_(calls))).scalars()) if calls else ()
    if len(known) < len(calls):
        raise InputError("the evidence names a tool call that was not recorded here", param="evidence")
    made = revisions.append(
        connection,
        "question",
        question_id,
        content.model_dump(mode="json"),
        parent_n=parent_n,
        author_id=actor.account_id,
        origin=origin,
        now=now,
    )
    if content.evidence:
        connection.execute(
            evidence.insert(),
            [
                {
                    "revision_id": made.id,
                    "key": item.key,
                    "question_id": question_id,
                    "tool_call_id": item.tool_call_id,
                    "result_sha": item.result_sha,
                    "pointer": item.pointer,
                    "value_json": canonical(item.value).decode(),
                    "role": item.role,
                    "option_key": item.option_key,
                    "exchange_id": None if item.response is None else item.response.exchange_id,
                    "body_sha": None if item.response is None else item.response.body_sha,
                    "body_pointer": None if item.response is None else item.response.pointer,
                }
                for item in content.evidence
            ],
        )
    return made


def _make_current(
    connection: Connection, question_id: str, made: Revision, content: QuestionContent, now: datetime
) -> None:
    connection.execute(
        question.update()
        .where(question.c.id == question_id)
        .values(current_n=made.n, updated_at=now, **_repeated(content))
    )
    connection.execute(question_tag.delete().where(question_tag.c.question_id == question_id))
    if content.tags:
        connection.execute(
            question_tag.insert(), [{"question_id": question_id, "tag": tag} for tag in dict.fromkeys(content.tags)]
        )


def _back_to_draft(connection: Connection, before: Question) -> None:
    if before.status in ("submitted", "in_review", "rejected"):
        connection.execute(question.update().where(question.c.id == before.id).values(status="draft"))


def _repeated(content: QuestionContent) -> dict[str, Any]:
    """What the table repeats of the current revision, for lists."""
    return {
        "type": content.type,
        "answer_kind": content.answer_kind,
        "category": content.category,
        "body": content.body,
    }


def _read(row: RowMapping, current: Revision) -> Question:
    values: dict[str, Any] = {name: row[name] for name in Question.__slots__ if name not in ("revision", "content")}
    return Question(**values, revision=current, content=QuestionContent.model_validate(current.content))
