"""JSON of assignments, second answers, reviews, adjudications, comments and progress."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from annotator.contexts.model import Ulid
from annotator.people.accounts import Person
from annotator.questions.model import QuestionContent, QuestionType, Status
from annotator.review.adjudicate import Adjudication, Reason
from annotator.review.agreement import Coefficient
from annotator.review.assignments import Assignment, Kind, State
from annotator.review.blind import BlindQuestion
from annotator.review.comments import ABOUT, Comment, Subject
from annotator.review.given import Given
from annotator.review.markup import to_html
from annotator.review.responses import Response, ResponseStatus
from annotator.review.reviews import Review
from annotator.review.standing import Standing, Verdict
from annotator.review.words import given_words
from annotator.store.times import to_text

QuestionId = Annotated[str, Path(max_length=26, description="A question's id.")]
Limit = Annotated[int, Query(ge=1, le=200)]
ActiveMs = Annotated[int, Field(ge=0, le=24 * 3_600_000, description="How long it was really worked on.")]
Username = Annotated[str, Field(min_length=1, max_length=63)]
Names = Mapping[str, Person]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PersonOut(BaseModel):
    """Somebody."""

    username: str
    display_name: str


def person(people: Names, account_id: str | None) -> PersonOut | None:
    """Somebody in JSON; None for nobody."""
    found = people.get(account_id or "")
    return None if found is None else PersonOut(username=found.username, display_name=found.display_name)


class AssignmentIn(_In):
    """A task for one person."""

    kind: Kind
    subject: Literal["context", "question"] = "question"
    subject_id: Ulid
    username: Username
    due_at: datetime | None = None


class BulkIn(_In):
    """Questions to deal out: those named, or those that fit all that is said of them.

    Args:
        overlap: people wanted for each question, those who have it already counted.
        num_per_person: most that one person gets.
    """

    kind: Literal["answer", "review"]
    usernames: tuple[Username, ...] = Field(min_length=1, max_length=100)
    question_ids: tuple[Ulid, ...] | None = Field(default=None, max_length=10_000)
    status: Status | None = None
    type: QuestionType | None = None
    category: str | None = Field(default=None, max_length=64)
    tag: str | None = Field(default=None, max_length=64)
    context_id: Ulid | None = None
    overlap: int = Field(default=1, ge=1, le=20)
    num_per_person: int | None = Field(default=None, ge=1, le=10_000)
    due_at: datetime | None = None
    dry_run: bool = False


class BulkOut(BaseModel):
    """What was dealt.

    Args:
        num_short: hands that are missing because nobody was left to take them.
    """

    num_given: int
    num_questions: int
    num_short: int
    per_person: dict[str, int]
    dry_run: bool


class AssignmentChange(_In):
    """A task's new state."""

    state: State


class AssignmentOut(BaseModel):
    """A task."""

    id: str
    kind: Kind
    subject: Literal["context", "question"]
    subject_id: str
    number: int | None
    state: State
    to: PersonOut | None
    by: PersonOut | None
    due_at: str | None
    created_at: str
    done_at: str | None


class AssignmentList(BaseModel):
    """Tasks, the latest first."""

    assignments: list[AssignmentOut]
    next: str | None
    total: int


def assignment_out(found: Assignment, people: Names, numbers: Mapping[str, int]) -> AssignmentOut:
    """A task in JSON."""
    return AssignmentOut(
        id=found.id,
        kind=found.kind,
        subject=found.subject,
        subject_id=found.subject_id,
        number=numbers.get(found.subject_id),
        state=found.state,
        to=person(people, found.account_id),
        by=person(people, found.created_by),
        due_at=_text(found.due_at),
        created_at=to_text(found.created_at),
        done_at=_text(found.done_at),
    )


class QueueItem(BaseModel):
    """Something that waits.

    Args:
        question: what may be seen of it, in the queue of answers only.
        body: its words, in the other queues.
        reasons: why it needs adjudication.
    """

    kind: Literal["question", "context"] = "question"
    id: str
    number: int
    is_assigned: bool = False
    question: BlindQuestion | None = None
    status: str | None = None
    type: QuestionType | None = None
    category: str | None = None
    body: str | None = None
    n: int | None = None
    by: PersonOut | None = None
    reasons: tuple[str, ...] = ()


class QueueOut(BaseModel):
    """A queue: its first items, how many wait in all, and what was done today."""

    items: list[QueueItem]
    left: int
    done: int


class ResponseIn(_In):
    """An answer, or a skip."""

    answer: Given | None = None
    skip: bool = False
    confidence: int | None = Field(default=None, ge=1, le=5)
    explanation: str = Field(default="", max_length=20_000)
    active_ms: ActiveMs = 0


class ResponseOut(BaseModel):
    """A second answer; `words` is it for people."""

    id: str
    question_id: str
    status: ResponseStatus
    answer: Any = None
    words: str | None = None
    confidence: int | None
    explanation: str
    is_right: bool | None = None
    by: PersonOut | None
    created_at: str


def response_out(
    found: Response, people: Names, content: QuestionContent, *, is_right: bool | None = None
) -> ResponseOut:
    """A second answer in JSON.

    Args:
        is_right: whether it equals gold; None where that is nobody's business yet.
    """
    return ResponseOut(
        id=found.id,
        question_id=found.question_id,
        status=found.status,
        answer=None if found.answer is None else found.answer.model_dump(mode="json"),
        words=None if found.answer is None else given_words(found.answer, content),
        confidence=found.confidence,
        explanation=found.explanation,
        is_right=is_right,
        by=person(people, found.account_id),
        created_at=to_text(found.created_at),
    )


class ReviewIn(_In):
    """A verdict on revision `n`.

    Args:
        checklist: the lines that are ticked, in the project's words; all of them to approve.
    """

    verdict: Verdict
    n: int = Field(ge=1)
    checklist: tuple[Annotated[str, Field(max_length=200)], ...] = Field(default=(), max_length=50)
    comment: str = Field(default="", max_length=20_000)
    active_ms: ActiveMs = 0


class ReviewOut(BaseModel):
    """A verdict."""

    id: str
    question_id: str
    n: int
    verdict: Verdict
    checklist: tuple[str, ...]
    comment: str
    html: str
    by: PersonOut | None
    created_at: str
    withdrawn_at: str | None


def review_out(found: Review, people: Names) -> ReviewOut:
    """A verdict in JSON."""
    return ReviewOut(
        id=found.id,
        question_id=found.question_id,
        n=found.n,
        verdict=found.verdict,
        checklist=found.checklist,
        comment=found.comment,
        html=to_html(found.comment),
        by=person(people, found.account_id),
        created_at=to_text(found.created_at),
        withdrawn_at=_text(found.withdrawn_at),
    )


class StandingOut(BaseModel):
    """How a question stands."""

    status: Status
    num_wanted: int
    num_answers: int
    num_right: int
    num_approvals: int
    min_reviews: int
    reasons: tuple[str, ...]


def standing_out(status: Status, state: Standing, min_reviews: int) -> StandingOut:
    """A standing in JSON."""
    return StandingOut(
        status=status,
        num_wanted=state.num_wanted,
        num_answers=state.num_answers,
        num_right=state.num_right,
        num_approvals=state.num_approvals,
        min_reviews=min_reviews,
        reasons=state.reasons,
    )


class AdjudicationIn(_In):
    """A decision about revision `n`.

    Args:
        gold: the right answer; without it the one that is there stays.
        outcome: how the question goes on.
    """

    n: int = Field(ge=1)
    gold: Given | None = None
    reason_code: Reason
    outcome: Verdict = "approve"
    comment: str = Field(default="", max_length=20_000)


class AdjudicationOut(BaseModel):
    """A decision."""

    id: str
    question_id: str
    reason_code: Reason
    comment: str
    html: str
    by: PersonOut | None
    created_at: str


def adjudication_out(found: Adjudication, people: Names) -> AdjudicationOut:
    """A decision in JSON."""
    return AdjudicationOut(
        id=found.id,
        question_id=found.question_id,
        reason_code=found.reason_code,
        comment=found.comment,
        html=to_html(found.comment),
        by=person(people, found.account_id),
        created_at=to_text(found.created_at),
    )


class CommentIn(_In):
    """Something to say, in Markdown."""

    subject: Subject
    subject_id: Ulid
    body: str = Field(min_length=1, max_length=20_000)
    about: str | None = Field(default=None, max_length=64, pattern=ABOUT)
    parent_id: Ulid | None = None


class CommentChange(_In):
    """Other words."""

    body: str = Field(min_length=1, max_length=20_000)


class CommentOut(BaseModel):
    """Something said; `html` is its Markdown, safe to show."""

    id: str
    subject: Subject
    subject_id: str
    parent_id: str | None
    about: str | None
    body: str
    html: str
    by: PersonOut | None
    created_at: str
    edited_at: str | None
    resolved_at: str | None
    resolved_by: PersonOut | None
    deleted_at: str | None


class CommentList(BaseModel):
    """All comments about something, the earliest first."""

    comments: list[CommentOut]


def comment_out(found: Comment, people: Names) -> CommentOut:
    """A comment in JSON."""
    return CommentOut(
        id=found.id,
        subject=found.subject,
        subject_id=found.subject_id,
        parent_id=found.parent_id,
        about=found.about,
        body=found.body,
        html=to_html(found.body),
        by=person(people, found.account_id),
        created_at=to_text(found.created_at),
        edited_at=_text(found.edited_at),
        resolved_at=_text(found.resolved_at),
        resolved_by=person(people, found.resolved_by),
        deleted_at=_text(found.deleted_at),
    )


class CoefficientOut(BaseModel):
    """A number with what it rests on, or why it cannot be said."""

    value: float | None
    n: int
    reason: str = ""


def coefficient_out(found: Coefficient) -> CoefficientOut:
    """A number in JSON."""
    return CoefficientOut(value=found.value, n=found.n, reason=found.reason)


def people_of(rows: Iterable[Any]) -> set[str]:
    """The accounts that some rows name."""
    return {row.account_id for row in rows}


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else to_text(moment)
