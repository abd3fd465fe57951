"""Questions of a project: their revisions, evidence, lint and who has them open."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from annotator.people import accounts
from annotator.questions import evidence as evidences
from annotator.questions import listing, store
from annotator.questions.model import Evidence, QuestionType, Status
from annotator.questions.store import Question
from annotator.store.times import utc_now
from annotator.web.access import ProjectAccess, Reading, Writing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.question_shapes import (
    ContextId,
    EvidenceIn,
    EvidenceList,
    Limit,
    Mismatches,
    NewQuestion,
    QuestionId,
    QuestionList,
    QuestionOut,
    SavedQuestion,
    list_out,
    question_out,
)
from annotator.web.state import State

router = APIRouter(prefix="/api/projects/{project}", tags=["questions"], responses=ERROR_RESPONSES)

_Word = Annotated[str | None, Query(max_length=64)]


@router.get("/questions")
def list_questions(
    access: Reading,
    state: State,
    status: Status | None = None,
    type: QuestionType | None = None,
    category: _Word = None,
    tag: _Word = None,
    author: Annotated[str | None, Query(max_length=64, description="User name of who made them.")] = None,
    context: Annotated[str | None, Query(max_length=26, description="A context's id.")] = None,
    q: Annotated[str | None, Query(max_length=200, description="Words of the body, or a number.")] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=32)] = None,
) -> QuestionList:
    """Questions, those with the highest numbers first."""
    wanted = listing.Filter(
        status=status, type=type, category=category, tag=tag, author=author, context_id=context, text=q
    )
    with state.database.reading() as connection:
        return list_out(connection, listing.page(connection, access.project.id, wanted, limit=limit, cursor=cursor))


@router.get("/contexts/{context_id}/questions")
def list_questions_of_context(access: Reading, state: State, context_id: ContextId) -> list[QuestionOut]:
    """The questions of a context in order, each whole."""
    with state.database.reading() as connection:
        found = store.of_context(connection, access.project.id, context_id)
        return _out(connection, access, found)


@router.post("/contexts/{context_id}/questions", status_code=201)
def create_question(access: Writing, state: State, context_id: ContextId, body: NewQuestion) -> QuestionOut:
    """Makes a draft in a context."""
    with state.database.writing() as connection:
        made = store.create(connection, access.actor, access.project, context_id, content=body.content, now=utc_now())
        return _one(connection, access, made)


@router.get("/questions/{question_id}")
def show_question(access: Reading, state: State, question_id: QuestionId) -> QuestionOut:
    """A question as it is now."""
    with state.database.reading() as connection:
        return _one(connection, access, store.get(connection, access.project.id, question_id))


@router.put("/questions/{question_id}")
def save_question(access: Writing, state: State, question_id: QuestionId, body: SavedQuestion) -> QuestionOut:
    """Writes a revision on `base_n`; what others wrote meanwhile stays where it touches other fields, else 409."""
    with state.database.writing() as connection:
        saved = store.save(
            connection,
            access.actor,
            access.project,
            question_id,
            body.content,
            base_n=body.base_n,
            now=utc_now(),
        )
        return _one(connection, access, saved.now, merged=saved.merged)


@router.post("/evidence")
def attach_evidence(access: Writing, state: State, body: EvidenceIn) -> Evidence:
    """The value at a pointer of a recorded result as evidence, ready to be put into a question.

    An empty pointer takes the whole result of a distance, bearing or opening state that was computed here.
    """
    with state.database.reading() as connection:
        return evidences.attach(
            connection,
            body.tool_call_id,
            body.pointer,
            role=body.role,
            option_key=body.option_key,
            now=utc_now(),
        )


@router.post("/evidence/check")
def check_evidence(access: Reading, state: State, body: EvidenceList) -> Mismatches:
    """Recomputes hashes, pointers and values, and says what no longer matches."""
    with state.database.reading() as connection:
        return Mismatches(mismatches=tuple(evidences.check(connection, body.evidence, utc_now())))


def _one(connection: Connection, access: ProjectAccess, found: Question, *, merged: bool = False) -> QuestionOut:
    return _out(connection, access, [found])[0].model_copy(update={"merged": merged})


def _out(connection: Connection, access: ProjectAccess, found: list[Question]) -> list[QuestionOut]:
    people = accounts.names(connection, (one.created_by for one in found))
    redoable = store.redoable(connection, [one.id for one in found])
    return [question_out(one, people, can_redo=one.id in redoable) for one in found]
