"""Assignments, blind answers, reviews, adjudication."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import Connection

from annotator.contexts import store as contexts
from annotator.errors import InputError
from annotator.people import accounts
from annotator.people.roles import Permission
from annotator.questions import store as questions
from annotator.review import adjudicate, queue, responses, reviews, standing
from annotator.review.adjudicate import Adjudication
from annotator.review.blind import BlindQuestion, blind
from annotator.review.given import gold_of
from annotator.review.match import is_right
from annotator.review.queue import Queue, QueueKind, States
from annotator.review.responses import Response
from annotator.review.reviews import Review
from annotator.review.sight import is_hidden_from
from annotator.store.times import utc_now
from annotator.web.access import Answering, ProjectAccess, Reading, Reviewing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.review_shapes import (
    AdjudicationIn,
    AdjudicationOut,
    Limit,
    QuestionId,
    QueueItem,
    QueueOut,
    ResponseIn,
    ResponseOut,
    ReviewIn,
    ReviewOut,
    StandingOut,
    adjudication_out,
    people_of,
    person,
    response_out,
    review_out,
    standing_out,
)
from annotator.web.state import AppState, State

router = APIRouter(prefix="/api/projects/{project}", tags=["review"], responses=ERROR_RESPONSES)


def allows_own(access: ProjectAccess, state: AppState) -> bool:
    """Whether people may judge what they wrote: a project may say so, and somebody alone has nobody else."""
    return access.project.settings.review_own or state.is_single_user


def is_kept_from(connection: Connection, access: ProjectAccess, state: AppState, question_id: str) -> bool:
    """Whether whoever asks may still have to answer this question blind, so that what others say of it would spoil it.

    Raises:
        NotFoundError: the project has no such question.
    """
    found = questions.get(connection, access.project.id, question_id)
    return is_hidden_from(
        connection,
        access.actor,
        access.project,
        found,
        standing.of_one(connection, access.project, question_id),
        is_reviewer=access.may(Permission.REVIEW) or allows_own(access, state),
    )


@router.get("/queue")
def show_queue(
    access: Answering,
    state: State,
    kind: Annotated[QueueKind, Query(description="What to do.")],
    limit: Limit = 20,
) -> QueueOut:
    """What waits for whoever asks; questions to answer show nothing of their gold answer."""
    with state.database.reading() as connection:
        found = queue_of(connection, access, state, kind)
        return QueueOut(items=_items(connection, access, kind, found, limit), left=found.left, done=found.done)


def queue_of(
    connection: Connection, access: ProjectAccess, state: AppState, kind: QueueKind, states: States | None = None
) -> Queue:
    """The queue of whoever asks."""
    who = (connection, access.actor, access.project)
    now, own = utc_now(), allows_own(access, state)
    match kind:
        case "answer":
            return queue.answer_queue(*who, allow_own=own, states=states, now=now)
        case "review":
            return queue.review_queue(*who, allow_own=own, states=states, now=now)
        case "adjudicate":
            return queue.adjudication_queue(*who, allow_own=own, states=states, now=now)
        case "author":
            return queue.author_queue(*who, now=now)


@router.get("/questions/{question_id}/blind")
def show_blind(access: Answering, state: State, question_id: QuestionId) -> BlindQuestion:
    """A question as whoever answers it sees it."""
    with state.database.reading() as connection:
        return blind(questions.get(connection, access.project.id, question_id))


@router.get("/questions/{question_id}/standing")
def show_standing(access: Reading, state: State, question_id: QuestionId) -> StandingOut:
    """Second answers and approvals that are in and wanted, and whether people disagree."""
    with state.database.reading() as connection:
        found = questions.get(connection, access.project.id, question_id)
        settled = standing.of_one(connection, access.project, question_id)
        if is_kept_from(connection, access, state, question_id):
            # How many were right, and that reviewers differ, says too much to who has yet to answer.
            settled = replace(settled, num_right=0, threshold=0.0, verdicts={})
        return standing_out(found.status, settled, access.project.settings.min_reviews)


class ResponseList(BaseModel):
    """Second answers that stand, the earliest first."""

    responses: list[ResponseOut]


@router.post("/questions/{question_id}/responses", status_code=201)
def respond(access: Answering, state: State, question_id: QuestionId, body: ResponseIn) -> ResponseOut:
    """Answers a question blind, or skips it."""
    if (body.answer is None) == (not body.skip):
        raise InputError('send an answer, or "skip": true', param="answer")
    with state.database.writing() as connection:
        made = responses.respond(
            connection,
            access.actor,
            access.project,
            question_id,
            body.answer,
            confidence=body.confidence,
            explanation=body.explanation,
            active_ms=body.active_ms,
            allow_own=allows_own(access, state),
            now=utc_now(),
        )
        return responses_out(connection, access, [made], judged=False)[0]


@router.delete("/questions/{question_id}/responses")
def withdraw_response(access: Answering, state: State, question_id: QuestionId) -> ResponseOut:
    """Takes one's own answer or skip back."""
    with state.database.writing() as connection:
        taken = responses.withdraw(connection, access.actor, access.project, question_id, now=utc_now())
        return responses_out(connection, access, [taken], judged=False)[0]


@router.get("/questions/{question_id}/responses")
def list_responses(access: Reviewing, state: State, question_id: QuestionId) -> ResponseList:
    """Who answered what, and whether it equals gold."""
    with state.database.reading() as connection:
        questions.get(connection, access.project.id, question_id)
        found = responses.of_question(connection, question_id)
        return ResponseList(responses=responses_out(connection, access, found))


class ReviewList(BaseModel):
    """Verdicts and decisions about a question, the earliest first."""

    reviews: list[ReviewOut]
    adjudications: list[AdjudicationOut]


@router.get("/questions/{question_id}/reviews")
def list_reviews(access: Reading, state: State, question_id: QuestionId) -> ReviewList:
    """Verdicts that stand, on whichever revision, and decisions; none for who may still be asked to answer blind."""
    with state.database.reading() as connection:
        if is_kept_from(connection, access, state, question_id):
            return ReviewList(reviews=[], adjudications=[])
        return ReviewList(
            reviews=reviews_out(connection, reviews.of_question(connection, question_id)),
            adjudications=adjudications_out(connection, adjudicate.of_question(connection, question_id)),
        )


@router.post("/questions/{question_id}/reviews", status_code=201)
def give_review(access: Reviewing, state: State, question_id: QuestionId, body: ReviewIn) -> ReviewOut:
    """Judges a revision. 409 with `current_n` where the question was changed meanwhile."""
    with state.database.writing() as connection:
        made = reviews.give(
            connection,
            access.actor,
            access.project,
            question_id,
            body.verdict,
            n=body.n,
            checklist=body.checklist,
            comment=body.comment,
            active_ms=body.active_ms,
            allow_own=allows_own(access, state),
            now=utc_now(),
        )
        return reviews_out(connection, [made])[0]


@router.delete("/questions/{question_id}/reviews")
def withdraw_review(access: Reviewing, state: State, question_id: QuestionId) -> ReviewOut:
    """Takes one's own verdict back; the question gets the status that it would have without it."""
    with state.database.writing() as connection:
        taken = reviews.withdraw(connection, access.actor, access.project, question_id, now=utc_now())
        return reviews_out(connection, [taken])[0]


@router.post("/questions/{question_id}/adjudications", status_code=201)
def adjudicate_question(
    access: Reviewing, state: State, question_id: QuestionId, body: AdjudicationIn
) -> AdjudicationOut:
    """Decides what gold is where people disagree; another gold answer makes a new revision."""
    with state.database.writing() as connection:
        made = adjudicate.adjudicate(
            connection,
            access.actor,
            access.project,
            question_id,
            body.gold,
            body.reason_code,
            n=body.n,
            outcome=body.outcome,
            comment=body.comment,
            allow_own=allows_own(access, state),
            now=utc_now(),
        )
        return adjudications_out(connection, [made])[0]


def responses_out(
    connection: Connection, access: ProjectAccess, found: list[Response], *, judged: bool = True
) -> list[ResponseOut]:
    """Second answers in JSON; with `judged`, whether each equals gold."""
    people = accounts.names(connection, people_of(found))
    asked = questions.get_many(connection, access.project.id, list({one.question_id for one in found}))
    out = []
    for one in found:
        content = asked[one.question_id].content
        gold = gold_of(content) if judged else None
        right = None if gold is None or one.answer is None else is_right(gold, one.answer)
        out.append(response_out(one, people, content, is_right=right))
    return out


def reviews_out(connection: Connection, found: list[Review]) -> list[ReviewOut]:
    """Verdicts in JSON."""
    people = accounts.names(connection, people_of(found))
    return [review_out(one, people) for one in found]


def adjudications_out(connection: Connection, found: list[Adjudication]) -> list[AdjudicationOut]:
    """Decisions in JSON."""
    people = accounts.names(connection, people_of(found))
    return [adjudication_out(one, people) for one in found]


def _items(connection: Connection, access: ProjectAccess, kind: QueueKind, found: Queue, limit: int) -> list[QueueItem]:
    ids = list(found.question_ids[:limit])
    asked = questions.get_many(connection, access.project.id, ids)
    people = accounts.names(connection, {one.created_by for one in asked.values()})
    items = []
    for question_id in ids:
        one = asked[question_id]
        item = QueueItem(id=one.id, number=one.number, is_assigned=one.id in found.assigned)
        if kind == "answer":
            items.append(item.model_copy(update={"question": blind(one)}))
            continue
        more = {
            "status": one.status,
            "type": one.content.type,
            "category": one.content.category,
            "body": one.content.body,
            "n": one.revision.n,
            "by": person(people, one.created_by),
            "reasons": (found.reasons or {}).get(one.id, ()),
        }
        items.append(item.model_copy(update=more))
    return items + _contexts(connection, access, found, limit - len(items))


def _contexts(connection: Connection, access: ProjectAccess, found: Queue, limit: int) -> list[QueueItem]:
    ids = list(found.context_ids[:limit]) if limit > 0 else []
    known = contexts.get_many(connection, access.project.id, ids)
    return [
        QueueItem(
            kind="context",
            id=one,
            number=known[one].number,
            body=known[one].title,
            status=known[one].status,
            is_assigned=True,
        )
        for one in ids
    ]
