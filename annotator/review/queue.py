"""Queues: what waits for somebody, in the order in which they should do it, and how much they have done today."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, Select, func, select

from annotator.people.actor import Actor
from annotator.people.projects import Project
from annotator.questions.store import is_in_sight
from annotator.review import standing
from annotator.review.standing import UNDECIDED, Standing
from annotator.store.tables import adjudication, assignment, context, question, response, review, revision

QueueKind = Literal["author", "answer", "review", "adjudicate"]

type States = Mapping[str, Standing]
"""What `standing.of_undecided` gives: read once by who looks at several queues."""


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for somebody.

    Args:
        question_ids: in the order in which they should be done; what was assigned to them comes first.
        context_ids: contexts that they were asked to write about; only for authors.
        done: what they did today (UTC) in this queue.
        assigned: those of the questions that were assigned.
        reasons: why a question needs adjudication, by question.
    """

    question_ids: tuple[str, ...]
    context_ids: tuple[str, ...] = ()
    done: int = 0
    assigned: frozenset[str] = frozenset()
    reasons: dict[str, tuple[str, ...]] | None = None

    @property
    def left(self) -> int:
        """How many wait."""
        return len(self.question_ids) + len(self.context_ids)


def answer_queue(
    connection: Connection,
    actor: Actor,
    project: Project,
    *,
    allow_own: bool = False,
    states: States | None = None,
    now: datetime,
) -> Queue:
    """Questions to answer blind: what was assigned, then those that still want second answers."""
    assigned = _assigned(connection, actor, project, "answer", (*UNDECIDED, "approved"))
    open_ones: list[str] = []
    if project.settings.blind_answers:
        states = standing.of_undecided(connection, project) if states is None else states
        wanting = [question_id for question_id, state in states.items() if state.num_missing]
        # Finishing what others began lets it go on to review soonest.
        wanting.sort(key=lambda question_id: states[question_id].num_missing)
        not_mine = _answered(connection, actor, project) | _reviewed(connection, actor, project)
        not_mine |= set() if allow_own else _own(connection, actor, project)
        open_ones = [one for one in wanting if one not in not_mine]
    done = _count_today(connection, response, response.c.status != "withdrawn", actor, project, now)
    return Queue(_each_once(assigned, open_ones), done=done, assigned=frozenset(assigned))


def review_queue(
    connection: Connection,
    actor: Actor,
    project: Project,
    *,
    allow_own: bool = False,
    states: States | None = None,
    now: datetime,
) -> Queue:
    """Questions that want a verdict: second answers are in, nobody differs, the actor neither wrote nor judged it."""
    states = standing.of_undecided(connection, project) if states is None else states
    own = set() if allow_own else _own(connection, actor, project)
    ready = {
        question_id
        for question_id, state in states.items()
        if question_id not in own and actor.account_id not in state.verdicts and not _must_wait(state)
    }
    assigned = [one for one in _assigned(connection, actor, project, "review", UNDECIDED) if one in ready]
    others = [question_id for question_id in states if question_id in ready]
    done = _count_today(connection, review, review.c.withdrawn_at.is_(None), actor, project, now)
    return Queue(_each_once(assigned, others), done=done, assigned=frozenset(assigned))


def adjudication_queue(
    connection: Connection,
    actor: Actor,
    project: Project,
    *,
    allow_own: bool = False,
    states: States | None = None,
    now: datetime,
) -> Queue:
    """Questions about which people disagree, and why."""
    states = standing.of_undecided(connection, project) if states is None else states
    own = set() if allow_own else _own(connection, actor, project)
    reasons = {
        question_id: state.reasons
        for question_id, state in states.items()
        if state.is_disputed and question_id not in own
    }
    done = _count_today(connection, adjudication, adjudication.c.id.is_not(None), actor, project, now)
    return Queue(tuple(reasons), done=done, reasons=reasons)


def author_queue(connection: Connection, actor: Actor, project: Project, *, now: datetime) -> Queue:
    """What the actor has to write on: questions that came back, then drafts, then contexts given to them."""
    mine = connection.execute(
        _in_order(project)
        .where(question.c.created_by == actor.account_id, question.c.status.in_(("draft", "changes_requested")))
        .add_columns(question.c.status)
    ).all()
    came_back = [row[0] for row in mine if row[1] == "changes_requested"]
    drafts = [row[0] for row in mine if row[1] == "draft"]
    assigned = _assigned(connection, actor, project, "author", ("draft", "changes_requested"))
    given = (
        connection.execute(
            select(assignment.c.subject_id)
            .join(context, context.c.id == assignment.c.subject_id)
            .where(*_open(actor, project, "author"), context.c.deleted_at.is_(None))
            .order_by(assignment.c.due_at.is_(None), assignment.c.due_at, context.c.number)
        )
        .scalars()
        .all()
    )
    done = connection.execute(
        select(func.count()).where(
            question.c.project_id == project.id,
            question.c.created_by == actor.account_id,
            question.c.submitted_at >= _midnight(now),
            question.c.status.not_in(("draft", "changes_requested")),
            *is_in_sight(project.id),
        )
    ).scalar_one()
    return Queue(_each_once(came_back, assigned, drafts), tuple(given), done, frozenset(assigned))


def _must_wait(state: Standing) -> bool:
    return state.num_missing > 0 or state.is_disputed


def _each_once(*parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for part in parts for one in part))


def _in_order(project: Project) -> Select[Any]:
    return (
        select(question.c.id)
        .where(question.c.project_id == project.id, *is_in_sight(project.id))
        .order_by(question.c.number)
    )


def _open(actor: Actor, project: Project, kind: str) -> tuple[Any, ...]:
    return (
        assignment.c.project_id == project.id,
        assignment.c.account_id == actor.account_id,
        assignment.c.state == "open",
        assignment.c.kind == kind,
    )


def _assigned(
    connection: Connection, actor: Actor, project: Project, kind: str, statuses: tuple[str, ...]
) -> list[str]:
    """Questions of open tasks, the most urgent first."""
    rows = (
        select(question.c.id)
        .join(assignment, assignment.c.subject_id == question.c.id)
        .where(*_open(actor, project, kind), question.c.status.in_(statuses), *is_in_sight(project.id))
        .order_by(assignment.c.due_at.is_(None), assignment.c.due_at, question.c.number)
    )
    return list(connection.execute(rows).scalars())


def _own(connection: Connection, actor: Actor, project: Project) -> set[str]:
    """Undecided questions that the actor had a hand in."""
    rows = (
        select(revision.c.subject_id)
        .join(question, question.c.id == revision.c.subject_id)
        .where(
            revision.c.author_id == actor.account_id,
            question.c.project_id == project.id,
            question.c.status.in_(UNDECIDED),
        )
        .distinct()
    )
    return set(connection.execute(rows).scalars())


def _answered(connection: Connection, actor: Actor, project: Project) -> set[str]:
    """Undecided questions that the actor answered or skipped."""
    rows = select(response.c.question_id).where(
        response.c.question_id.in_(standing.undecided(project.id)),
        response.c.account_id == actor.account_id,
        response.c.status != "withdrawn",
    )
    return set(connection.execute(rows).scalars())


def _reviewed(connection: Connection, actor: Actor, project: Project) -> set[str]:
    """Undecided questions that the actor judged, whose answers they therefore know."""
    rows = select(review.c.question_id).where(
        review.c.question_id.in_(standing.undecided(project.id)),
        review.c.account_id == actor.account_id,
        review.c.withdrawn_at.is_(None),
    )
    return set(connection.execute(rows).scalars())


def _count_today(
    connection: Connection, table: Any, condition: Any, actor: Actor, project: Project, now: datetime
) -> int:
    return connection.execute(
        select(func.count())
        .select_from(table)
        .where(
            table.c.project_id == project.id,
            table.c.account_id == actor.account_id,
            table.c.created_at >= _midnight(now),
            condition,
        )
    ).scalar_one()


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
