"""How far a project is. Every question is in exactly one bucket, whether or not the project has review switched on."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Select, func, select

from annotator.people.projects import Project
from annotator.questions.model import Status
from annotator.questions.store import is_in_sight
from annotator.store.tables import assignment, context, membership, question, response, review

Bucket = Literal["writing", "sent_back", "waiting", "in_review", "finished", "rejected", "set_aside"]

BUCKET_OF: dict[Status, Bucket] = {
    "draft": "writing",
    "changes_requested": "sent_back",
    "submitted": "waiting",
    "in_review": "in_review",
    "approved": "finished",
    "rejected": "rejected",
    "archived": "set_aside",
}
"""By status alone: what a project's settings say changes which way questions go, never where they are counted."""

TITLES: dict[Bucket, str] = {
    "writing": "being written",
    "sent_back": "sent back",
    "waiting": "waiting for a second look",
    "in_review": "in review",
    "finished": "approved",
    "rejected": "rejected",
    "set_aside": "set aside",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts of a project.

    Args:
        buckets: questions in each; they add up to `total`.
        num_contexts: contexts that are not deleted.
    """

    total: int
    buckets: dict[Bucket, int]
    num_contexts: int

    @property
    def share_done(self) -> float | None:
        """Approved questions among those that are still wanted; None without any."""
        wanted = self.total - self.buckets["rejected"] - self.buckets["set_aside"]
        return self.buckets["finished"] / wanted if wanted else None


@dataclass(frozen=True, slots=True)
class PersonProgress:
    """What one member did and has before them.

    Args:
        buckets: the questions that they began, as `Progress` counts them.
        num_answers: blind answers that stand.
        num_skipped: questions that they skipped.
        num_reviews: verdicts that stand.
        num_open: open tasks.
    """

    account_id: str
    role: str
    buckets: dict[Bucket, int]
    num_answers: int
    num_skipped: int
    num_reviews: int
    num_open: int

    @property
    def num_questions(self) -> int:
        """Questions that they began."""
        return sum(self.buckets.values())


def of_project(connection: Connection, project: Project) -> Progress:
    """Counts of all questions that are not deleted, nor in a deleted context."""
    rows = connection.execute(
        select(question.c.status, func.count())
        .where(question.c.project_id == project.id, *is_in_sight(project.id))
        .group_by(question.c.status)
    )
    buckets = _empty()
    for status, count in rows:
        buckets[BUCKET_OF[status]] += count
    contexts = select(func.count()).where(context.c.project_id == project.id, context.c.deleted_at.is_(None))
    return Progress(sum(buckets.values()), buckets, connection.execute(contexts).scalar_one())


def of_people(connection: Connection, project: Project) -> list[PersonProgress]:
    """Counts of each member, and of whoever wrote something here and left."""
    wrote: dict[str, dict[Bucket, int]] = {}
    rows = connection.execute(
        select(question.c.created_by, question.c.status, func.count())
        .where(question.c.project_id == project.id, *is_in_sight(project.id))
        .group_by(question.c.created_by, question.c.status)
    )
    for account_id, status, count in rows:
        wrote.setdefault(account_id, _empty())[BUCKET_OF[status]] += count
    answers = {
        (account_id, status): count
        for account_id, status, count in connection.execute(
            select(response.c.account_id, response.c.status, func.count())
            .where(response.c.project_id == project.id, response.c.status != "withdrawn")
            .group_by(response.c.account_id, response.c.status)
        )
    }
    reviews = _by_account(
        connection,
        select(review.c.account_id, func.count())
        .where(review.c.project_id == project.id, review.c.withdrawn_at.is_(None))
        .group_by(review.c.account_id),
    )
    open_tasks = _by_account(
        connection,
        select(assignment.c.account_id, func.count())
        .where(assignment.c.project_id == project.id, assignment.c.state == "open")
        .group_by(assignment.c.account_id),
    )
    roles = _by_account(
        connection,
        select(membership.c.account_id, membership.c.role)
        .where(membership.c.project_id == project.id)
        .order_by(membership.c.created_at, membership.c.account_id),
    )
    everybody = dict.fromkeys([*roles, *sorted({*wrote, *reviews, *(one for one, _ in answers)})])
    return [
        PersonProgress(
            account_id=account_id,
            role=roles.get(account_id, "left"),
            buckets=wrote.get(account_id, _empty()),
            num_answers=answers.get((account_id, "submitted"), 0),
            num_skipped=answers.get((account_id, "skipped"), 0),
            num_reviews=reviews.get(account_id, 0),
            num_open=open_tasks.get(account_id, 0),
        )
        for account_id in everybody
    ]


def _by_account(connection: Connection, query: Select[Any]) -> dict[str, Any]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _empty() -> dict[Bucket, int]:
    return dict.fromkeys(TITLES, 0)
