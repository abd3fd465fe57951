"""Moves a question on by what others have said about it, and who may say it."""

from datetime import datetime

from sqlalchemy import Connection, select

from annotator.errors import ConflictError, ForbiddenError
from annotator.people.actor import Actor
from annotator.people.projects import Project
from annotator.questions import store as questions
from annotator.questions.model import Status
from annotator.questions.store import Question
from annotator.review import standing
from annotator.review.standing import UNDECIDED
from annotator.store.tables import revision

REVIEWED: tuple[Status, ...] = (*UNDECIDED, "approved", "changes_requested", "rejected")
"""Statuses that verdicts lead to, so that taking a verdict back leads out of them."""


def settle(
    connection: Connection,
    actor: Actor | None,
    project: Project,
    question_id: str,
    *,
    taken_back: bool = False,
    now: datetime,
) -> Question:
    """Gives a question the status that follows from second answers and verdicts; call it after submitting, too.

    Args:
        taken_back: a verdict was withdrawn, so that even a decided question is looked at again.
    """
    found = questions.get(connection, project.id, question_id)
    if found.status not in (REVIEWED if taken_back else UNDECIDED):
        return found
    state = standing.of_one(connection, project, question_id)
    if taken_back and state.is_adjudicated:
        return found
    target = standing.decided(state, project.settings)
    if target == found.status:
        return found
    return questions.set_status(connection, actor, project, question_id, target, now=now)


def authors(connection: Connection, question_id: str) -> set[str]:
    """Accounts that wrote a revision of a question."""
    rows = select(revision.c.author_id).where(revision.c.subject_id == question_id).distinct()
    return set(connection.execute(rows).scalars())


def refuse_own(connection: Connection, actor: Actor, found: Question, *, allow_own: bool, doing: str) -> None:
    """Raises `ForbiddenError` where somebody would judge their own work.

    Args:
        allow_own: the project or the installation lets them.
        doing: for the message, such as "reviewed".
    """
    if not allow_own and actor.account_id in authors(connection, found.id) | {found.created_by}:
        raise ForbiddenError(f"you wrote question {found.number}; it has to be {doing} by somebody else")


def refuse_outdated(found: Question, n: int) -> None:
    """Raises `ConflictError` where somebody judged another revision than the current one."""
    if n != found.revision.n:
        raise ConflictError(
            f"question {found.number} was changed meanwhile: you saw revision {n}, and {found.revision.n} is the "
            "current one; look at it and decide again",
            detail={"current_n": found.revision.n},
        )


def refuse_decided(found: Question, doing: str) -> None:
    """Raises `ConflictError` unless the question waits for others than its author."""
    if found.status not in UNDECIDED:
        words = found.status.replace("_", " ")
        raise ConflictError(f"question {found.number} is {words}; only submitted questions can be {doing}")
