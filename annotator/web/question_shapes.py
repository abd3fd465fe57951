"""Questions as JSON: what the routes of `web/questions.py` take and give."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from annotator.contexts.model import Ulid
from annotator.people import accounts
from annotator.questions import history, listing
from annotator.questions.evidence import Mismatch
from annotator.questions.findings import Finding
from annotator.questions.model import Evidence, EvidenceRole, OptionKey, Pointer, QuestionContent
from annotator.questions.store import Question
from annotator.store.times import to_text

QuestionId = Annotated[str, Path(pattern="^[0-9A-HJKMNP-TV-Z]{26}$", description="The question's id.")]
ContextId = Annotated[str, Path(pattern="^[0-9A-HJKMNP-TV-Z]{26}$", description="The context's id.")]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at once.")]
RevisionPath = Annotated[int, Path(ge=1, le=2**53, description="The number of a revision.")]
RevisionN = Annotated[int, Field(ge=1, le=2**53)]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PersonOut(_Shape):
    """Somebody as others see them."""

    username: str
    display_name: str


class QuestionOut(_Shape):
    """A question with what lint says of it.

    Args:
        n: the current revision; saving names it as `base_n`.
        by: who made the question.
        merged: whether somebody else's changes came in with this saving.
        is_blind: whether answer, evidence, explanation and author are left out, because whoever asks may still be
            asked to answer it.
    """

    id: str
    number: int
    context_id: str
    status: str
    n: int
    content: QuestionContent
    can_undo: bool
    can_redo: bool
    created_at: str
    updated_at: str
    submitted_at: str | None
    by: PersonOut
    merged: bool = False
    is_blind: bool = False
    findings: tuple[Finding, ...] = ()


class QuestionRow(_Shape):
    """A question in a list; `body` is its beginning."""

    id: str
    number: int
    context_id: str
    status: str
    type: str
    answer_kind: str | None
    category: str
    body: str
    tags: tuple[str, ...]
    by: PersonOut
    updated_at: str


class QuestionList(_Shape):
    """A page of questions; `total` counts all that fit."""

    questions: tuple[QuestionRow, ...]
    next: str | None
    total: int


class NewQuestion(_Shape):
    """A question to be made; everything may still be missing."""

    content: QuestionContent = QuestionContent()


class SavedQuestion(_Shape):
    """A question as it shall be, the revision that it was made from, and the model's suggestion that it takes up."""

    base_n: RevisionN
    content: QuestionContent
    suggestion_id: Ulid | None = None


class Wanted(_Shape):
    """What to do only if nothing has changed meanwhile; without `n` it is done on whatever is current."""

    n: RevisionN | None = None


class ContentIn(_Shape):
    """A question that is looked at and not kept."""

    content: QuestionContent


class Findings(_Shape):
    """What lint says, errors first."""

    findings: tuple[Finding, ...]


class RevisionRow(_Shape):
    """One state in a question's history.

    Args:
        parent_n: the state that it was written on.
        changed: fields in which it differs from its parent.
    """

    n: int
    parent_n: int | None
    at: str
    by: PersonOut
    origin: dict[str, Any] | None
    content_sha: str
    changed: tuple[str, ...]


class RevisionOut(RevisionRow):
    """One state with its content, as it was written then."""

    content: dict[str, Any]


class EvidenceIn(_Shape):
    """A value of a recorded result, to be attached.

    Args:
        pointer: JSON Pointer into the result; empty is the whole of it.
    """

    tool_call_id: Ulid
    pointer: Pointer = ""
    role: EvidenceRole = "supports"
    option_key: OptionKey | None = None


class EvidenceList(_Shape):
    """Evidence to be checked."""

    evidence: tuple[Evidence, ...] = Field(max_length=200)


class Mismatches(_Shape):
    """Evidence that no longer matches, and why."""

    mismatches: tuple[Mismatch, ...]


def person(people: Mapping[str, accounts.Person], account_id: str | None) -> PersonOut:
    """Somebody by account; who is no longer known has no name."""
    found = people.get(account_id or "")
    return PersonOut(username="", display_name="") if found is None else PersonOut(**_names(found))


def question_out(
    found: Question,
    people: Mapping[str, accounts.Person],
    *,
    can_redo: bool,
    findings: Sequence[Finding] = (),
    merged: bool = False,
) -> QuestionOut:
    """A question as JSON."""
    return QuestionOut(
        id=found.id,
        number=found.number,
        context_id=found.context_id,
        status=found.status,
        n=found.revision.n,
        content=found.content,
        can_undo=found.revision.parent_n is not None,
        can_redo=can_redo,
        created_at=to_text(found.created_at),
        updated_at=to_text(found.updated_at),
        submitted_at=None if found.submitted_at is None else to_text(found.submitted_at),
        by=person(people, found.created_by),
        merged=merged,
        findings=tuple(findings),
    )


def blinded(shown: QuestionOut) -> QuestionOut:
    """A question without all that would tell its answer, for somebody who may be asked for it."""
    hidden = {"gold_keys": (), "gold": None, "explanation": "", "evidence": ()}
    return shown.model_copy(
        update={
            "content": shown.content.model_copy(update=hidden),
            "can_undo": False,
            "can_redo": False,
            "by": person({}, None),
            "is_blind": True,
            "findings": (),
        }
    )


def list_out(connection: Connection, page: listing.Page, hides_author: Callable[[listing.Row], bool]) -> QuestionList:
    """A page of questions as JSON."""
    people = accounts.names(connection, (row.author_id for row in page.questions))
    rows = tuple(
        QuestionRow(
            **{name: getattr(row, name) for name in listing.Row.__slots__ if name not in ("author_id", "updated_at")},
            by=person({} if hides_author(row) else people, row.author_id),
            updated_at=to_text(row.updated_at),
        )
        for row in page.questions
    )
    return QuestionList(questions=rows, next=page.next, total=page.total)


def revision_row(change: history.Change, people: Mapping[str, accounts.Person]) -> RevisionRow:
    """A state in a question's history as JSON."""
    made = change.revision
    return RevisionRow(
        n=made.n,
        parent_n=made.parent_n,
        at=to_text(made.created_at),
        by=person(people, made.author_id),
        origin=made.origin,
        content_sha=made.content_sha,
        changed=change.changed,
    )


def revision_out(change: history.Change, people: Mapping[str, accounts.Person]) -> RevisionOut:
    """A state with its content as JSON."""
    return RevisionOut(**revision_row(change, people).model_dump(), content=change.revision.content)


def _names(found: accounts.Person) -> dict[str, str]:
    return {"username": found.username, "display_name": found.display_name}
