"""Who is to do what: write about a context, answer a question blind, review it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from annotator.contexts import store as contexts
from annotator.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project, role_in
from annotator.people.roles import Permission, may
from annotator.questions import store as questions
from annotator.review.deal import Plan, deal
from annotator.store.ids import new_id
from annotator.store.tables import assignment, revision

Kind = Literal["author", "answer", "review"]
KINDS: tuple[Kind, ...] = get_args(Kind)
State = Literal["open", "done", "skipped", "cancelled"]

_NEEDS: dict[Kind, Permission] = {
    "author": Permission.WRITE,
    "answer": Permission.ANSWER,
    "review": Permission.REVIEW,
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """A task of somebody's; one to write is about a context or question, the others are about a question."""

    id: str
    kind: Kind
    subject: Literal["context", "question"]
    subject_id: str
    account_id: str
    state: State
    due_at: datetime | None
    created_by: str
    created_at: datetime
    done_at: datetime | None


def create(
    connection: Connection,
    actor: Actor,
    project: Project,
    kind: Kind,
    subject: Literal["context", "question"],
    subject_id: str,
    account_id: str,
    *,
    due_at: datetime | None = None,
    allow_own: bool = False,
    now: datetime,
) -> Assignment:
    """Gives somebody one task.

    Raises:
        ConflictError: they have it already.
        InputError: their role does not allow it, or they wrote the question themselves.
        NotFoundError: the project has no such context or question.
    """
    _require_role(connection, project, kind, account_id)
    if subject == "context":
        if kind != "author":
            raise InputError("only questions are answered and reviewed; name a question", param="subject")
        contexts.get(connection, project.id, subject_id)
    else:
        questions.get(connection, project.id, subject_id)
        if kind != "author" and not allow_own and account_id in _authors(connection, [subject_id])[subject_id]:
            raise InputError("nobody is given their own question to answer or review", param="username")
    if account_id in _taken(connection, kind, [subject_id])[subject_id]:
        raise ConflictError("they have this task already")
    assignment_id = _insert(connection, actor, project, kind, subject, [(subject_id, account_id)], due_at, now)[0]
    record(
        connection,
        actor,
        "assignment.create",
        assignment_id,
        project_id=project.id,
        detail={"kind": kind, "subject_id": subject_id, "account_id": account_id},
        now=now,
    )
    return get(connection, project.id, assignment_id)


def deal_out(
    connection: Connection,
    actor: Actor,
    project: Project,
    kind: Literal["answer", "review"],
    question_ids: Sequence[str],
    account_ids: Sequence[str],
    *,
    overlap: int = 1,
    num_per_person: int | None = None,
    due_at: datetime | None = None,
    allow_own: bool = False,
    dry_run: bool = False,
    now: datetime,
) -> Plan:
    """Gives many questions to several people, balanced; see `deal`. Nobody gets a question that they wrote.

    Args:
        dry_run: only says who would get what.

    Raises:
        InputError: somebody's role does not allow it.
        NotFoundError: the project has no such question.
    """
    for account_id in account_ids:
        _require_role(connection, project, kind, account_id)
    known = questions.get_many(connection, project.id, question_ids)
    unknown = [one for one in question_ids if one not in known or known[one].deleted_at is not None]
    if unknown:
        raise NotFoundError(f"there is no question {unknown[0]} in this project")
    plan = deal(
        sorted(question_ids, key=lambda one: known[one].number),
        account_ids,
        overlap=overlap,
        num_per_person=num_per_person,
        taken=_taken(connection, kind, question_ids),
        barred={} if allow_own else _authors(connection, question_ids),
    )
    if plan.given and not dry_run:
        _insert(connection, actor, project, kind, "question", plan.given, due_at, now)
        detail = {"kind": kind, "num_given": len(plan.given), "account_ids": sorted(account_ids)}
        record(connection, actor, "assignment.deal", project.id, project_id=project.id, detail=detail, now=now)
    return plan


def get(connection: Connection, project_id: str, assignment_id: str) -> Assignment:
    """One task.

    Raises:
        NotFoundError: the project has none of that id.
    """
    row = (
        connection.execute(
            select(assignment).where(assignment.c.id == assignment_id, assignment.c.project_id == project_id)
        )
        .mappings()
        .first()
    )
    if row is None:
        raise NotFoundError(f"there is no assignment {assignment_id} in this project")
    return _read(row)


def listed(
    connection: Connection,
    project_id: str,
    *,
    account_id: str | None = None,
    kind: Kind | None = None,
    state: State | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Assignment]:
    """Tasks, the latest first.

    Args:
        before: only those made before this one; an id.
    """
    query = select(assignment).where(*_fitting(project_id, account_id, kind, state))
    if before is not None:
        query = query.where(assignment.c.id < before)
    rows = connection.execute(query.order_by(assignment.c.id.desc()).limit(limit)).mappings()
    return [_read(row) for row in rows]


def count(
    connection: Connection,
    project_id: str,
    *,
    account_id: str | None = None,
    kind: Kind | None = None,
    state: State | None = None,
) -> int:
    """How many tasks there are."""
    query = select(func.count()).select_from(assignment).where(*_fitting(project_id, account_id, kind, state))
    return connection.execute(query).scalar_one()


def set_state(
    connection: Connection,
    actor: Actor,
    project: Project,
    assignment_id: str,
    state: State,
    *,
    may_manage: bool,
    now: datetime,
) -> Assignment:
    """Marks a task as done, skipped or open again, which its owner may; cancelling is for who manages.

    Raises:
        ForbiddenError: it is somebody else's.
        NotFoundError: there is none.
    """
    found = get(connection, project.id, assignment_id)
    if not may_manage and (found.account_id != actor.account_id or "cancelled" in (state, found.state)):
        raise ForbiddenError("only an admin of the project changes other people's tasks or cancels one")
    connection.execute(
        assignment.update()
        .where(assignment.c.id == assignment_id)
        .values(state=state, done_at=None if state == "open" else now)
    )
    record(
        connection,
        actor,
        f"assignment.{state}",
        assignment_id,
        project_id=project.id,
        detail={"kind": found.kind, "subject_id": found.subject_id},
        now=now,
    )
    return get(connection, project.id, assignment_id)


def close(
    connection: Connection, actor: Actor, kind: Kind, subject_id: str, state: Literal["done", "skipped"], now: datetime
) -> None:
    """Ends the actor's open task where they have one."""
    connection.execute(
        assignment.update()
        .where(
            assignment.c.subject_id == subject_id,
            assignment.c.account_id == actor.account_id,
            assignment.c.kind == kind,
            assignment.c.state.in_(("open", "skipped")),
        )
        .values(state=state, done_at=now)
    )


def reopen(connection: Connection, actor: Actor, kind: Kind, subject_id: str) -> None:
    """Makes the actor's ended task open again where they have one."""
    connection.execute(
        assignment.update()
        .where(
            assignment.c.subject_id == subject_id,
            assignment.c.account_id == actor.account_id,
            assignment.c.kind == kind,
            assignment.c.state.in_(("done", "skipped")),
        )
        .values(state="open", done_at=None)
    )


def _fitting(
    project_id: str, account_id: str | None, kind: Kind | None, state: State | None
) -> list[ColumnElement[bool]]:
    wanted = {assignment.c.account_id: account_id, assignment.c.kind: kind, assignment.c.state: state}
    return [
        assignment.c.project_id == project_id,
        *(column == value for column, value in wanted.items() if value is not None),
    ]


def _require_role(connection: Connection, project: Project, kind: Kind, account_id: str) -> None:
    role = role_in(connection, project.id, account_id)
    if role is None:
        raise InputError("tasks are given to members of the project; add them first", param="username")
    if not may(role, _NEEDS[kind]):
        raise InputError(
            f"their role is {role}, which does not allow to {kind}; give it to somebody else", param="username"
        )


def _insert(
    connection: Connection,
    actor: Actor,
    project: Project,
    kind: Kind,
    subject: str,
    pairs: Sequence[tuple[str, str]],
    due_at: datetime | None,
    now: datetime,
) -> list[str]:
    rows = [
        {
            "id": new_id(now),
            "project_id": project.id,
            "kind": kind,
            "subject": subject,
            "subject_id": subject_id,
            "account_id": account_id,
            "state": "open",
            "due_at": due_at,
            "created_by": actor.account_id,
            "created_at": now,
        }
        for subject_id, account_id in pairs
    ]
    connection.execute(assignment.insert(), rows)
    return [str(row["id"]) for row in rows]


def _taken(connection: Connection, kind: Kind, subject_ids: Sequence[str]) -> dict[str, set[str]]:
    """By question or context, those whose task it is or was."""
    found: dict[str, set[str]] = {subject_id: set() for subject_id in subject_ids}
    for start in range(0, len(subject_ids), 500):
        rows = connection.execute(
            select(assignment.c.subject_id, assignment.c.account_id).where(
                assignment.c.subject_id.in_(subject_ids[start : start + 500]),
                assignment.c.kind == kind,
                assignment.c.state != "cancelled",
            )
        )
        for subject_id, account_id in rows:
            found[subject_id].add(account_id)
    return found


def _authors(connection: Connection, question_ids: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {question_id: set() for question_id in question_ids}
    for start in range(0, len(question_ids), 500):
        rows = connection.execute(
            select(revision.c.subject_id, revision.c.author_id)
            .where(revision.c.subject_id.in_(question_ids[start : start + 500]))
            .distinct()
        )
        for question_id, account_id in rows:
            found[question_id].add(account_id)
    return found


def _read(row: RowMapping) -> Assignment:
    return Assignment(**{name: row[name] for name in Assignment.__slots__})
