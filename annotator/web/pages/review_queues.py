"""Queues, one item at a time: answer blind, review, adjudicate."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from annotator.contexts import store as contexts
from annotator.errors import NotFoundError
from annotator.people.roles import Permission
from annotator.questions import drafts
from annotator.questions import store as questions
from annotator.questions.store import Question
from annotator.review import comments, compare, queue, responses, reviews, standing
from annotator.review.adjudicate import REASONS
from annotator.review.blind import blind
from annotator.review.given import Keys, Unanswerable, gold_of
from annotator.review.match import classes
from annotator.review.queue import Queue
from annotator.review.responses import Response
from annotator.store import revisions
from annotator.web.access import Answering, ProjectAccess, Reviewing
from annotator.web.comments import comments_out
from annotator.web.pages.review_question import context_text, whole
from annotator.web.render import page
from annotator.web.review import queue_of, responses_out, reviews_out
from annotator.web.review_shapes import ResponseOut
from annotator.web.state import AppState, State

router = APIRouter(include_in_schema=False)

Number = Annotated[int | None, Query(ge=1, le=2**53, description="The question to show; by default the next.")]

REASON_TITLES = {
    "gold_right": "The gold answer was right",
    "gold_wrong": "The gold answer was wrong",
    "ambiguous": "The question can be read in two ways",
    "outdated": "The map has changed since",
    "unanswerable": "The context does not say",
    "other": "Something else",
}


@router.get("/p/{project}/answer")
def answer(request: Request, state: State, access: Answering, number: Number = None) -> HTMLResponse:
    """The next question to answer blind, with its context as text."""
    with state.database.reading() as connection:
        waiting = queue_of(connection, access, state, "answer")
        found = _chosen(connection, access, waiting, number)
        values: dict[str, Any] = {}
        if found is not None:
            context = contexts.get(connection, access.project.id, found.context_id)
            values = {
                "blind": blind(found),
                "context_text": context_text(connection, context),
                "draft": _draft(connection, access, found),
            }
        return page(
            request,
            state,
            "review/answer.html",
            access,
            waiting=waiting,
            found=found,
            after=_after(connection, access, state, "answer") if found is None else None,
            **values,
        )


@router.get("/p/{project}/review")
def review(request: Request, state: State, access: Reviewing, number: Number = None) -> HTMLResponse:
    """The next question to review: what changed since somebody looked at it last, and the checklist."""
    with state.database.reading() as connection:
        waiting = queue_of(connection, access, state, "review")
        found = _chosen(connection, access, waiting, number)
        values = {} if found is None else _reviewed(connection, access, found)
        return page(
            request,
            state,
            "review/review.html",
            access,
            waiting=waiting,
            found=found,
            beside=_beside(connection, access, waiting, found),
            after=_after(connection, access, state, "review") if found is None else None,
            **values,
        )


@router.get("/p/{project}/adjudicate")
def adjudicate(request: Request, state: State, access: Reviewing, number: Number = None) -> HTMLResponse:
    """The next question about which people disagree: who said what, and what gold is to be."""
    with state.database.reading() as connection:
        waiting = queue_of(connection, access, state, "adjudicate")
        found = _chosen(connection, access, waiting, number)
        if found is not None and found.id not in waiting.question_ids:
            found = None
        values = {} if found is None else _disputed(connection, access, found)
        return page(
            request,
            state,
            "review/adjudicate.html",
            access,
            waiting=waiting,
            found=found,
            beside=_beside(connection, access, waiting, found),
            after=_after(connection, access, state, "adjudicate") if found is None else None,
            reasons={reason: REASON_TITLES[reason] for reason in REASONS},
            **values,
        )


def _chosen(connection: Connection, access: ProjectAccess, waiting: Queue, number: int | None) -> Question | None:
    if number is not None:
        return questions.by_number(connection, access.project.id, number)
    for question_id in waiting.question_ids[:1]:
        return questions.get(connection, access.project.id, question_id)
    return None


def _draft(connection: Connection, access: ProjectAccess, found: Question) -> Any:
    """What they had typed before they left; None for nothing."""
    try:
        return drafts.get(connection, access.actor.account_id, access.project.id, f"answer:{found.id}").payload
    except NotFoundError:
        return None


def _beside(
    connection: Connection, access: ProjectAccess, waiting: Queue, found: Question | None
) -> dict[str, int | None]:
    """Numbers of the questions before and after in the queue; None at its ends."""
    if found is None or found.id not in waiting.question_ids:
        return {"previous": None, "next": None}
    at = waiting.question_ids.index(found.id)
    ids = {
        "previous": waiting.question_ids[at - 1] if at else None,
        "next": waiting.question_ids[at + 1] if at + 1 < len(waiting.question_ids) else None,
    }
    known = questions.get_many(connection, access.project.id, [one for one in ids.values() if one])
    return {name: known[one].number if one else None for name, one in ids.items()}


def _after(connection: Connection, access: ProjectAccess, state: AppState, done: str) -> list[dict[str, Any]]:
    """The other queues in which something waits."""
    kinds: tuple[tuple[queue.QueueKind, str, str, Permission], ...] = (
        ("answer", "to answer", "answer", Permission.ANSWER),
        ("adjudicate", "to adjudicate", "adjudicate", Permission.REVIEW),
        ("review", "to review", "review", Permission.REVIEW),
        ("author", "to write on", "questions", Permission.WRITE),
    )
    shown = []
    states = standing.of_undecided(connection, access.project)
    for kind, title, target, needs in kinds:
        if kind != done and access.may(needs) and (left := queue_of(connection, access, state, kind, states).left):
            shown.append({"title": title, "target": target, "left": left})
    return shown


def _reviewed(connection: Connection, access: ProjectAccess, found: Question) -> dict[str, Any]:
    given = reviews.of_question(connection, found.id)
    # What somebody saw of it last; a verdict on the current revision is no reason to hide what is new in it.
    seen = [one.n for one in given if one.n != found.revision.n]
    last_n = seen[-1] if seen else None
    before = None if last_n is None else revisions.get(connection, "question", found.id, last_n)
    state = standing.of_one(connection, access.project, found.id)
    return {
        "last_n": last_n,
        "changes": [] if before is None else compare.changes(before.content, found.revision.content),
        "reviews": reviews_out(connection, given),
        "num_missing": state.num_missing,
        "agreement": (state.num_right, state.num_answers),
        "comments": comments_out(connection, comments.of_subject(connection, access.project.id, "question", found.id)),
        **whole(connection, found),
    }


def _disputed(connection: Connection, access: ProjectAccess, found: Question) -> dict[str, Any]:
    answers = [one for one in responses.of_question(connection, found.id) if one.answer is not None]
    gold = gold_of(found.content)
    return {
        "reasons_of_it": standing.of_one(connection, access.project, found.id).reasons,
        "groups": _groups(connection, access, found, answers),
        "reviews": [
            one
            for one in reviews_out(connection, reviews.of_question(connection, found.id))
            if one.n == found.revision.n
        ],
        "blind": blind(found),
        "gold_json": "null" if gold is None else json.dumps(gold.model_dump(mode="json")),
        "gold_keys": gold.keys if isinstance(gold, Keys) else (),
        "is_unanswerable": isinstance(gold, Unanswerable),
        **whole(connection, found),
    }


def _groups(
    connection: Connection, access: ProjectAccess, found: Question, answers: list[Response]
) -> list[list[ResponseOut]]:
    """Answers that say the same together; those that say what gold says first, then the most frequent."""
    given = [one.answer for one in answers if one.answer is not None]
    numbers = classes(given, gold_of(found.content))
    groups: dict[int, list[ResponseOut]] = {}
    for number, one in zip(numbers, responses_out(connection, access, answers), strict=True):
        groups.setdefault(number, []).append(one)
    return [groups[number] for number in sorted(groups, key=lambda number: (number != 0, -len(groups[number]), number))]
