"""Who is to do what."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection, select

from annotator.people import accounts
from annotator.people.roles import Permission
from annotator.questions import listing
from annotator.review import assignments
from annotator.review.assignments import Assignment, Kind
from annotator.review.assignments import State as TaskState
from annotator.store.tables import context, question
from annotator.store.times import utc_now
from annotator.web.access import Answering, Managing, ProjectAccess
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.review import allows_own
from annotator.web.review_shapes import (
    AssignmentChange,
    AssignmentIn,
    AssignmentList,
    AssignmentOut,
    BulkIn,
    BulkOut,
    Limit,
    assignment_out,
)
from annotator.web.state import State

router = APIRouter(prefix="/api/projects/{project}", tags=["review"], responses=ERROR_RESPONSES)

AssignmentId = Annotated[str, Path(max_length=26, description="An assignment's id.")]

MAX_DEALT = 10_000
"""Questions that one deal gives out."""


@router.get("/assignments")
def list_assignments(
    access: Answering,
    state: State,
    username: Annotated[str | None, Query(max_length=63)] = None,
    kind: Kind | None = None,
    task_state: Annotated[TaskState | None, Query(alias="state")] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=26)] = None,
) -> AssignmentList:
    """Tasks, the latest first; who does not manage the project sees their own."""
    with state.database.reading() as connection:
        account_id: str | None = access.actor.account_id
        if access.may(Permission.MANAGE):
            account_id = None if username is None else accounts.by_username(connection, username).id
        found = assignments.listed(
            connection,
            access.project.id,
            account_id=account_id,
            kind=kind,
            state=task_state,
            before=cursor,
            limit=limit + 1,
        )
        total = assignments.count(connection, access.project.id, account_id=account_id, kind=kind, state=task_state)
        shown = found[:limit]
        return AssignmentList(
            assignments=assignments_out(connection, shown),
            next=shown[-1].id if len(found) > limit else None,
            total=total,
        )


@router.post("/assignments", status_code=201)
def create_assignment(access: Managing, state: State, body: AssignmentIn) -> AssignmentOut:
    """Gives one person one task."""
    with state.database.writing() as connection:
        made = assignments.create(
            connection,
            access.actor,
            access.project,
            body.kind,
            body.subject,
            body.subject_id,
            accounts.by_username(connection, body.username).id,
            due_at=body.due_at,
            allow_own=allows_own(access, state),
            now=utc_now(),
        )
        return assignments_out(connection, [made])[0]


@router.post("/assignments/bulk")
def deal_assignments(access: Managing, state: State, body: BulkIn) -> BulkOut:
    """Deals questions out to several people, balanced; the same questions and people always give the same deal."""
    with state.database.writing() as connection:
        people = {accounts.by_username(connection, name).id: name for name in body.usernames}
        question_ids = list(body.question_ids) if body.question_ids is not None else _fitting(connection, access, body)
        plan = assignments.deal_out(
            connection,
            access.actor,
            access.project,
            body.kind,
            question_ids,
            list(people),
            overlap=body.overlap,
            num_per_person=body.num_per_person,
            due_at=body.due_at,
            allow_own=allows_own(access, state),
            dry_run=body.dry_run,
            now=utc_now(),
        )
    per_person = dict.fromkeys(people.values(), 0)
    for _, account_id in plan.given:
        per_person[people[account_id]] += 1
    return BulkOut(
        num_given=len(plan.given),
        num_questions=len(question_ids),
        num_short=plan.num_short,
        per_person=per_person,
        dry_run=body.dry_run,
    )


@router.patch("/assignments/{assignment_id}")
def change_assignment(
    access: Answering, state: State, assignment_id: AssignmentId, body: AssignmentChange
) -> AssignmentOut:
    """Marks one's own task as done, skipped or open; who manages the project changes anybody's."""
    with state.database.writing() as connection:
        made = assignments.set_state(
            connection,
            access.actor,
            access.project,
            assignment_id,
            body.state,
            may_manage=access.may(Permission.MANAGE),
            now=utc_now(),
        )
        return assignments_out(connection, [made])[0]


@router.delete("/assignments/{assignment_id}")
def cancel_assignment(access: Managing, state: State, assignment_id: AssignmentId) -> AssignmentOut:
    """Cancels a task; PATCH it to `open` to bring it back."""
    with state.database.writing() as connection:
        made = assignments.set_state(
            connection, access.actor, access.project, assignment_id, "cancelled", may_manage=True, now=utc_now()
        )
        return assignments_out(connection, [made])[0]


def assignments_out(connection: Connection, found: list[Assignment]) -> list[AssignmentOut]:
    """Tasks in JSON, with the numbers of what they are about."""
    people = accounts.names(connection, {one.account_id for one in found} | {one.created_by for one in found})
    ids = [one.subject_id for one in found]
    numbers: dict[str, int] = {}
    for table in (question, context):
        rows = connection.execute(select(table.c.id, table.c.number).where(table.c.id.in_(ids)))
        numbers.update((row.id, row.number) for row in rows)
    return [assignment_out(one, people, numbers) for one in found]


def _fitting(connection: Connection, access: ProjectAccess, body: BulkIn) -> list[str]:
    wanted = listing.Filter(
        status=body.status, type=body.type, category=body.category, tag=body.tag, context_id=body.context_id
    )
    return [row.id for row in listing.page(connection, access.project.id, wanted, limit=MAX_DEALT).questions]
