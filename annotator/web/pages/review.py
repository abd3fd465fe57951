"""A project's home, its questions, and who is to do what."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from annotator.people import accounts, members
from annotator.people.roles import Permission
from annotator.questions import lead_times, listing
from annotator.questions.flow import isolated_author
from annotator.questions.model import QuestionType, Status
from annotator.review import assignments, comments, standing
from annotator.review.markup import to_html
from annotator.review.queue import QueueKind
from annotator.store.times import to_text
from annotator.web.access import Managing, ProjectAccess, Reading, Reviewing
from annotator.web.assignments import assignments_out
from annotator.web.pages import review_question, review_queues
from annotator.web.progress import agreement_out, progress_out
from annotator.web.render import page
from annotator.web.review import allows_own, queue_of
from annotator.web.state import AppState, State

router = APIRouter(include_in_schema=False)
router.include_router(review_queues.router)
router.include_router(review_question.router)

STATUSES: dict[Status, str] = {
    "draft": "Draft",
    "submitted": "Waiting for a second look",
    "in_review": "In review",
    "changes_requested": "Sent back",
    "approved": "Approved",
    "rejected": "Rejected",
    "archived": "Set aside",
}
TYPES: dict[QuestionType, str] = {
    "yes_no": "Yes or no",
    "single_choice": "Single choice",
    "multiple_choice": "Multiple choice",
    "open_ended": "Open-ended",
    "unanswerable": "Unanswerable",
}
QUEUES: dict[QueueKind, tuple[str, str, Permission]] = {
    "author": ("Write", "questions", Permission.WRITE),
    "answer": ("Answer", "answer", Permission.ANSWER),
    "review": ("Review", "review", Permission.REVIEW),
    "adjudicate": ("Adjudicate", "adjudicate", Permission.REVIEW),
}


@router.get("/p/{project}")
def home(request: Request, state: State, access: Reading) -> HTMLResponse:
    """What waits for whoever looks, and how far everybody is."""
    with state.database.reading() as connection:
        return page(
            request,
            state,
            "review/home.html",
            access,
            queues=_queues(connection, access, state),
            progress=progress_out(connection, access.project),
            times=_times(connection, access),
            measured=lead_times.MEASURED,
            published_note=lead_times.PUBLISHED_NOTE,
            guidelines_html=to_html(access.project.guidelines, is_prose=True),
        )


@router.get("/p/{project}/agreement")
def agreement(request: Request, state: State, access: Reviewing) -> HTMLResponse:
    """How well people agree; the home page fetches it after everything else, for it reads every answer."""
    with state.database.reading() as connection:
        found = agreement_out(connection, access.project)
    return page(request, state, "review/agreement.html", access, agreement=found)


@router.get("/p/{project}/questions")
def questions(
    request: Request,
    state: State,
    access: Reading,
    status: Annotated[str, Query(max_length=32)] = "",
    type: Annotated[str, Query(max_length=32)] = "",
    category: Annotated[str, Query(max_length=64)] = "",
    author: Annotated[str, Query(max_length=64)] = "",
    q: Annotated[str, Query(max_length=200)] = "",
    cursor: Annotated[str | None, Query(max_length=32)] = None,
) -> HTMLResponse:
    """Questions with filters; what a filter does not know shows everything, as an old link should."""
    wanted = listing.Filter(
        status=next((one for one in STATUSES if one == status), None),
        type=next((one for one in TYPES if one == type), None),
        category=category or None,
        author=author or None,
        author_id=isolated_author(access.project.settings, access.actor, access.role),
        text=q or None,
    )
    with state.database.reading() as connection:
        found = listing.page(connection, access.project.id, wanted, cursor=cursor)
        chosen = {"status": status, "type": type, "category": category, "author": author, "q": q}
        return page(
            request,
            state,
            "review/questions.html",
            access,
            found=found,
            chosen=chosen,
            people=accounts.names(connection, {row.author_id for row in found.questions}),
            open_comments=comments.num_open(connection, access.project.id, [row.id for row in found.questions]),
            members=members.listing(connection, access.project.id) if access.may(Permission.MANAGE) else [],
            progress=progress_out(connection, access.project),
            # Type, tags and author of a question that may still be answered blind would say too much.
            hides=access.project.settings.blind_answers > 0
            and not access.may(Permission.REVIEW)
            and not allows_own(access, state),
            statuses=STATUSES,
            types=TYPES,
            to_text=to_text,
        )


@router.get("/p/{project}/assignments")
def tasks(
    request: Request,
    state: State,
    access: Managing,
    username: Annotated[str, Query(max_length=63)] = "",
    task_state: Annotated[str, Query(alias="state", max_length=16)] = "",
    cursor: Annotated[str | None, Query(max_length=26)] = None,
) -> HTMLResponse:
    """Who is to do what, and a form that deals questions out."""
    with state.database.reading() as connection:
        people = members.listing(connection, access.project.id)
        known = any(one.username == username for one in people)
        account_id = accounts.by_username(connection, username).id if known else None
        shown_state = next((one for one in ("open", "done", "skipped", "cancelled") if one == task_state), None)
        found = assignments.listed(
            connection, access.project.id, account_id=account_id, state=shown_state, before=cursor, limit=51
        )
        return page(
            request,
            state,
            "review/assignments.html",
            access,
            tasks=assignments_out(connection, found[:50]),
            next=found[49].id if len(found) > 50 else None,
            members=people,
            chosen={"username": username, "state": task_state},
            statuses=STATUSES,
            types=TYPES,
        )


def _queues(connection: Connection, access: ProjectAccess, state: AppState) -> list[dict[str, object]]:
    shown = []
    states = standing.of_undecided(connection, access.project)
    for kind, (title, target, needs) in QUEUES.items():
        if access.may(needs):
            found = queue_of(connection, access, state, kind, states)
            shown.append({"kind": kind, "title": title, "target": target, "left": found.left, "done": found.done})
    return shown


def _times(connection: Connection, access: ProjectAccess) -> list[dict[str, object]]:
    """Working times of what was timed, tools first."""
    project_id = access.project.id
    spreads = [
        (tool.replace("_", " "), found, lead_times.PUBLISHED.get(tool))
        for tool, found in lead_times.by_tool(connection, project_id).items()
    ]
    subjects: tuple[tuple[lead_times.Subject, str], ...] = (
        ("question", "a question, written"),
        ("response", "a blind answer"),
        ("review", "a review"),
    )
    spreads += [(title, lead_times.of_subject(connection, project_id, subject), None) for subject, title in subjects]
    return [
        {"title": title, "n": found.n, "median_s": found.median_s, "p90_s": found.p90_s, "published": published}
        for title, found, published in spreads
        if found.n
    ]
