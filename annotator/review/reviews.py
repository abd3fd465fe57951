"""Verdicts of reviewers, each on one revision."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from annotator.cache.json_text import canonical
from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project
from annotator.questions import lead_times
from annotator.questions import store as questions
from annotator.questions.lead_times import Worked
from annotator.review import assignments, flow, standing
from annotator.review.standing import Verdict
from annotator.store.ids import new_id
from annotator.store.tables import review, revision


@dataclass(frozen=True, slots=True)
class Review:
    """A verdict.

    Args:
        n: the revision that was judged.
        checklist: the project's lines that were ticked.
    """

    id: str
    question_id: str
    revision_id: str
    n: int
    account_id: str
    verdict: Verdict
    checklist: tuple[str, ...]
    comment: str
    created_at: datetime
    withdrawn_at: datetime | None


def give(
    connection: Connection,
    actor: Actor,
    project: Project,
    question_id: str,
    verdict: Verdict,
    *,
    n: int,
    checklist: Sequence[str] = (),
    comment: str = "",
    active_ms: int = 0,
    allow_own: bool = False,
    now: datetime,
) -> Review:
    """Judges revision `n`. Somebody's new verdict takes the place of their last one.

    Raises:
        ConflictError: `n` is not the current revision, the question is not up for review, or second answers are
            still to come.
        ForbiddenError: the actor wrote it.
        InputError: approved without the whole checklist, or turned down without a word.
    """
    found = questions.get(connection, project.id, question_id)
    flow.refuse_decided(found, "reviewed")
    flow.refuse_own(connection, actor, found, allow_own=allow_own, doing="reviewed")
    flow.refuse_outdated(found, n)
    unticked = [line for line in project.settings.checklist if line not in checklist]
    if verdict == "approve" and unticked:
        raise InputError(f"tick the checklist before approving; not ticked: “{unticked[0]}”", param="checklist")
    if verdict != "approve" and not comment.strip():
        raise InputError("say what has to change, or why it cannot stay", param="comment")
    state = standing.of_one(connection, project, question_id)
    if verdict == "approve" and state.num_missing:
        raise ConflictError(
            f"{state.num_missing} of {state.num_wanted} second answers to question {found.number} are still to come; "
            "it can be approved after them"
        )
    _replace_earlier(connection, actor, found.revision.id, now)
    review_id = new_id(now)
    connection.execute(
        review.insert(),
        {
            "id": review_id,
            "project_id": project.id,
            "question_id": question_id,
            "revision_id": found.revision.id,
            "account_id": actor.account_id,
            "verdict": verdict,
            "checklist_json": canonical([line for line in project.settings.checklist if line in checklist]).decode(),
            "comment": comment,
            "created_at": now,
        },
    )
    worked = Worked("review", review_id, active_ms)
    lead_times.record(connection, actor.account_id, project.id, [worked], now=now)
    assignments.close(connection, actor, "review", question_id, "done", now)
    record(
        connection,
        actor,
        f"review.{verdict}",
        question_id,
        project_id=project.id,
        after_sha=found.revision.content_sha,
        detail={"number": found.number, "n": n},
        now=now,
    )
    flow.settle(connection, actor, project, question_id, now=now)
    return get(connection, review_id)


def withdraw(connection: Connection, actor: Actor, project: Project, question_id: str, *, now: datetime) -> Review:
    """Takes the actor's verdict back; the question gets the status that it would have without it.

    Raises:
        ConflictError: the question was changed since.
        NotFoundError: the actor has no verdict on it.
    """
    found = questions.get(connection, project.id, question_id)
    mine = [one for one in of_question(connection, question_id) if one.account_id == actor.account_id]
    if not mine:
        raise NotFoundError(f"you have not reviewed question {found.number}")
    last = mine[-1]
    if last.revision_id != found.revision.id:
        raise ConflictError(f"question {found.number} was changed since you reviewed it; review it as it is now")
    connection.execute(review.update().where(review.c.id == last.id).values(withdrawn_at=now))
    assignments.reopen(connection, actor, "review", question_id)
    record(
        connection,
        actor,
        "review.withdraw",
        question_id,
        project_id=project.id,
        after_sha=found.revision.content_sha,
        detail={"number": found.number, "n": last.n},
        now=now,
    )
    flow.settle(connection, actor, project, question_id, taken_back=True, now=now)
    return get(connection, last.id)


def get(connection: Connection, review_id: str) -> Review:
    """A verdict, withdrawn or not.

    Raises:
        NotFoundError: there is none.
    """
    row = connection.execute(_rows().where(review.c.id == review_id)).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no review {review_id}")
    return _read(row)


def of_question(connection: Connection, question_id: str, *, withdrawn: bool = False) -> list[Review]:
    """Verdicts on all revisions of a question, the earliest first."""
    rows = _rows().where(review.c.question_id == question_id).order_by(review.c.created_at, review.c.id)
    if not withdrawn:
        rows = rows.where(review.c.withdrawn_at.is_(None))
    return [_read(row) for row in connection.execute(rows).mappings()]


def _rows() -> Select[Any]:
    return select(review, revision.c.n).join(revision, revision.c.id == review.c.revision_id)


def _replace_earlier(connection: Connection, actor: Actor, revision_id: str, now: datetime) -> None:
    connection.execute(
        review.update()
        .where(
            review.c.revision_id == revision_id,
            review.c.account_id == actor.account_id,
            review.c.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=now)
    )


def _read(row: RowMapping) -> Review:
    values = {name: row[name] for name in Review.__slots__ if name != "checklist"}
    return Review(**values, checklist=tuple(json.loads(row["checklist_json"])))
