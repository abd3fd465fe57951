"""Deciding what gold is where people disagree."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Connection, RowMapping, select

from annotator.cache.json_text import canonical
from annotator.errors import ConflictError, InputError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project
from annotator.questions import store as questions
from annotator.questions.model import Status
from annotator.review import flow, standing
from annotator.review.given import Given, gold_of, with_gold
from annotator.review.standing import Verdict
from annotator.store.ids import new_id
from annotator.store.tables import adjudication

Reason = Literal["gold_right", "gold_wrong", "ambiguous", "outdated", "unanswerable", "other"]
REASONS: tuple[Reason, ...] = get_args(Reason)

_LEADS_TO: dict[Verdict, Status] = {
    "approve": "approved",
    "request_changes": "changes_requested",
    "reject": "rejected",
}


@dataclass(frozen=True, slots=True)
class Adjudication:
    """A decision.

    Args:
        revision_id: the revision that it led to, which is the one that was there where gold stayed.
    """

    id: str
    question_id: str
    revision_id: str
    account_id: str
    reason_code: Reason
    comment: str
    created_at: datetime


def adjudicate(
    connection: Connection,
    actor: Actor,
    project: Project,
    question_id: str,
    gold: Given | None,
    reason_code: Reason,
    *,
    n: int,
    outcome: Verdict = "approve",
    comment: str = "",
    allow_own: bool = False,
    now: datetime,
) -> Adjudication:
    """Decides about revision `n`: gold that changes makes a new revision, and the question goes on as `outcome`.

    Args:
        gold: the right answer with its tolerances; None leaves it as it is.

    Raises:
        ConflictError: `n` is not the current revision, or nobody disagrees.
        ForbiddenError: the actor wrote the question.
        InputError: that cannot be its answer, or there is neither an answer nor a word of why not.
    """
    found = questions.get(connection, project.id, question_id)
    flow.refuse_decided(found, "adjudicated")
    flow.refuse_own(connection, actor, found, allow_own=allow_own, doing="adjudicated")
    flow.refuse_outdated(found, n)
    if not standing.of_one(connection, project, question_id).is_disputed:
        raise ConflictError(f"nobody disagrees about question {found.number}; review it instead")
    if outcome != "approve" and not comment.strip():
        raise InputError("say what has to change, or why it cannot stay", param="comment")
    content = found.content if gold is None else with_gold(found.content, gold)
    if outcome == "approve" and gold_of(content) is None:
        raise InputError("give the right answer; without one the question cannot be approved", param="gold")
    origin = {"adjudication": reason_code}
    after = questions.save(connection, actor, project, question_id, content, base_n=n, origin=origin, now=now).now
    settled = gold_of(after.content)
    made = {
        "id": new_id(now),
        "project_id": project.id,
        "question_id": question_id,
        "revision_id": after.revision.id,
        "account_id": actor.account_id,
        "gold_json": canonical(None if settled is None else settled.model_dump(mode="json")).decode(),
        "reason_code": reason_code,
        "comment": comment,
        "created_at": now,
    }
    connection.execute(adjudication.insert(), made)
    record(
        connection,
        actor,
        "adjudication.decide",
        question_id,
        project_id=project.id,
        before_sha=found.revision.content_sha,
        after_sha=after.revision.content_sha,
        detail={"number": found.number, "reason": reason_code, "outcome": outcome},
        now=now,
    )
    questions.set_status(connection, actor, project, question_id, _LEADS_TO[outcome], now=now)
    return of_question(connection, question_id)[-1]


def of_question(connection: Connection, question_id: str) -> list[Adjudication]:
    """Decisions about a question, the earliest first."""
    rows = connection.execute(
        select(adjudication)
        .where(adjudication.c.question_id == question_id)
        .order_by(adjudication.c.created_at, adjudication.c.id)
    ).mappings()
    return [_read(row) for row in rows]


def _read(row: RowMapping) -> Adjudication:
    return Adjudication(**{name: row[name] for name in Adjudication.__slots__})
