"""Blind second answers: given without sight of gold, evidence, explanation, author or others' answers."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, RowMapping, select

from annotator.cache.json_text import canonical
from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project
from annotator.questions import lead_times
from annotator.questions import store as questions
from annotator.questions.lead_times import Worked
from annotator.review import assignments, flow
from annotator.review.given import Given, check_given, read_given
from annotator.review.standing import UNDECIDED
from annotator.store.ids import new_id
from annotator.store.tables import response, review

ResponseStatus = Literal["submitted", "skipped", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Response:
    """A second answer.

    Args:
        answer: None where it was skipped.
        confidence: 1 (guessed) to 5 (sure); None where nobody asked.
    """

    id: str
    question_id: str
    revision_id: str
    account_id: str
    status: ResponseStatus
    answer: Given | None
    confidence: int | None
    explanation: str
    created_at: datetime


def respond(
    connection: Connection,
    actor: Actor,
    project: Project,
    question_id: str,
    given: Given | None,
    *,
    confidence: int | None = None,
    explanation: str = "",
    active_ms: int = 0,
    allow_own: bool = False,
    now: datetime,
) -> Response:
    """Answers a question, or skips it with None. Approved questions take answers too: they tell how people do on them.

    Raises:
        ConflictError: it is not submitted, or the actor has answered it already.
        ForbiddenError: the actor wrote it.
        InputError: that can never be an answer to it.
    """
    found = questions.get(connection, project.id, question_id)
    if found.status != "approved":
        flow.refuse_decided(found, "answered")
    flow.refuse_own(connection, actor, found, allow_own=allow_own, doing="answered")
    if given is not None:
        check_given(found.content, given)
    if confidence is not None and not 1 <= confidence <= 5:
        raise InputError("confidence goes from 1 (guessed) to 5 (sure)", param="confidence")
    if not allow_own and _has_reviewed(connection, actor, question_id):
        raise ConflictError(f"you reviewed question {found.number} and know its answer; somebody else has to answer it")
    before = latest(connection, question_id, actor.account_id)
    if before is not None and before.status == "submitted" and before.revision_id == found.revision.id:
        raise ConflictError(f"you have answered question {found.number} already; undo that to answer anew")
    if before is not None and before.status == "skipped":
        _set_status(connection, before.id, "withdrawn")
    made = {
        "id": new_id(now),
        "project_id": project.id,
        "question_id": question_id,
        "revision_id": found.revision.id,
        "account_id": actor.account_id,
        "status": "skipped" if given is None else "submitted",
        "answer_json": None if given is None else canonical(given.model_dump(mode="json")).decode(),
        "confidence": confidence,
        "explanation": explanation,
        "created_at": now,
    }
    connection.execute(response.insert(), made)
    worked = Worked("response", str(made["id"]), active_ms)
    lead_times.record(connection, actor.account_id, project.id, [worked], now=now)
    state: Literal["skipped", "done"] = "skipped" if given is None else "done"
    assignments.close(connection, actor, "answer", question_id, state, now)
    # What was answered is nobody's business yet, and the log is read by more people than answers are.
    action = "response.skip" if given is None else "response.submit"
    record(connection, actor, action, question_id, project_id=project.id, detail={"number": found.number}, now=now)
    if found.status in UNDECIDED:
        flow.settle(connection, actor, project, question_id, now=now)
    return _read(connection.execute(select(response).where(response.c.id == made["id"])).mappings().one())


def withdraw(connection: Connection, actor: Actor, project: Project, question_id: str, *, now: datetime) -> Response:
    """Takes back the actor's answer or skip, so that the question is theirs to answer again.

    Raises:
        NotFoundError: there is none.
    """
    found = questions.get(connection, project.id, question_id)
    last = latest(connection, question_id, actor.account_id)
    if last is None:
        raise NotFoundError(f"you have not answered question {found.number}")
    _set_status(connection, last.id, "withdrawn")
    assignments.reopen(connection, actor, "answer", question_id)
    record(
        connection,
        actor,
        "response.withdraw",
        question_id,
        project_id=project.id,
        detail={"number": found.number},
        now=now,
    )
    flow.settle(connection, actor, project, question_id, now=now)
    return last


def latest(connection: Connection, question_id: str, account_id: str) -> Response | None:
    """Somebody's answer or skip that stands."""
    row = (
        connection.execute(
            select(response)
            .where(
                response.c.question_id == question_id,
                response.c.account_id == account_id,
                response.c.status != "withdrawn",
            )
            .order_by(response.c.created_at.desc(), response.c.id.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )
    return None if row is None else _read(row)


def of_question(connection: Connection, question_id: str) -> list[Response]:
    """All that stand, the earliest first."""
    rows = connection.execute(
        select(response)
        .where(response.c.question_id == question_id, response.c.status != "withdrawn")
        .order_by(response.c.created_at, response.c.id)
    ).mappings()
    return [_read(row) for row in rows]


def _has_reviewed(connection: Connection, actor: Actor, question_id: str) -> bool:
    found = select(review.c.id).where(
        review.c.question_id == question_id,
        review.c.account_id == actor.account_id,
        review.c.withdrawn_at.is_(None),
    )
    return connection.execute(found.limit(1)).first() is not None


def _set_status(connection: Connection, response_id: str, status: ResponseStatus) -> None:
    connection.execute(response.update().where(response.c.id == response_id).values(status=status))


def _read(row: RowMapping) -> Response:
    values = {name: row[name] for name in Response.__slots__ if name != "answer"}
    answer = None if row["answer_json"] is None else read_given(json.loads(row["answer_json"]))
    return Response(**values, answer=answer)
