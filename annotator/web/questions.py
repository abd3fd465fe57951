"""Questions of a project: listed, written, undone, submitted, looked at by lint, and their evidence."""

from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from annotator.assist.suggest import origin_of
from annotator.contexts import store as contexts
from annotator.errors import ForbiddenError
from annotator.people import accounts
from annotator.people.roles import Permission
from annotator.questions import evidence as evidences
from annotator.questions import flow, history, listing, store
from annotator.questions.linter import Linter, findings_of
from annotator.questions.model import Evidence, QuestionType, Status
from annotator.questions.store import Question
from annotator.review import standing
from annotator.review.sight import is_hidden_from
from annotator.review.standing import UNDECIDED
from annotator.store.times import utc_now
from annotator.web.access import ProjectAccess, Reading, Writing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.question_shapes import (
    ContentIn,
    ContextId,
    EvidenceIn,
    EvidenceList,
    Findings,
    Limit,
    Mismatches,
    NewQuestion,
    QuestionId,
    QuestionList,
    QuestionOut,
    RevisionOut,
    RevisionPath,
    RevisionRow,
    SavedQuestion,
    Wanted,
    blinded,
    list_out,
    question_out,
    revision_out,
    revision_row,
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
    """Questions, those with the highest numbers first; in an isolated project annotators find their own."""
    wanted = listing.Filter(
        status=status,
        type=type,
        category=category,
        tag=tag,
        author=author,
        author_id=_only_author(access),
        context_id=context,
        text=q,
    )
    with state.database.reading() as connection:
        page = listing.page(connection, access.project.id, wanted, limit=limit, cursor=cursor)
        return list_out(connection, page, lambda row: _may_be_asked(access, row.status, row.author_id))


@router.get("/contexts/{context_id}/questions")
def list_questions_of_context(access: Reading, state: State, context_id: ContextId) -> list[QuestionOut]:
    """The questions of a context in order, each whole."""
    with state.database.reading() as connection:
        contexts.get(connection, access.project.id, context_id)
        found = store.of_context(connection, access.project.id, context_id)
        only = _only_author(access)
        return _out(connection, access, [one for one in found if only in (None, one.created_by)])


@router.post("/contexts/{context_id}/questions", status_code=201)
def create_question(access: Writing, state: State, context_id: ContextId, body: NewQuestion) -> QuestionOut:
    """Makes a draft in a context."""
    with state.database.writing() as connection:
        made = store.create(connection, access.actor, access.project, context_id, content=body.content, now=utc_now())
    return _respond(state, access, made)


@router.get("/questions/{question_id}")
def show_question(access: Reading, state: State, question_id: QuestionId) -> QuestionOut:
    """A question as it is now, with what lint says of it."""
    with state.database.reading() as connection:
        return _out(connection, access, [_see(connection, access, question_id)])[0]


@router.put("/questions/{question_id}")
def save_question(access: Writing, state: State, question_id: QuestionId, body: SavedQuestion) -> QuestionOut:
    """Writes a revision on `base_n`; what others wrote meanwhile stays where it touches other fields, else 409.

    Saving the same again is no change, so whoever is not sure that it arrived may send it once more.
    """
    with state.database.writing() as connection:
        _see_whole(connection, access, question_id)
        origin = None
        if body.suggestion_id is not None:
            origin = origin_of(connection, access.project.id, body.suggestion_id)
        saved = store.save(
            connection,
            access.actor,
            access.project,
            question_id,
            body.content,
            base_n=body.base_n,
            origin=origin,
            now=utc_now(),
        )
    return _respond(state, access, saved.now, merged=saved.merged)


@router.delete("/questions/{question_id}")
def delete_question(access: Writing, state: State, question_id: QuestionId) -> QuestionOut:
    """Deletes a question; `restore` brings it back."""
    return _set_deleted(access, state, question_id, deleted=True)


@router.post("/questions/{question_id}/restore")
def restore_question(access: Writing, state: State, question_id: QuestionId) -> QuestionOut:
    """Brings a deleted question back."""
    return _set_deleted(access, state, question_id, deleted=False)


@router.post("/questions/{question_id}/undo")
def undo(access: Writing, state: State, question_id: QuestionId) -> QuestionOut:
    """Goes back to the revision that the current one was written on."""
    return _step(access, state, question_id, back=True)


@router.post("/questions/{question_id}/redo")
def redo(access: Writing, state: State, question_id: QuestionId) -> QuestionOut:
    """Goes forward to the latest revision that was written on the current one."""
    return _step(access, state, question_id, back=False)


@router.post("/questions/{question_id}/submit")
def submit(access: Writing, state: State, question_id: QuestionId, body: Wanted | None = None) -> QuestionOut:
    """Hands a question in. Lint's errors refuse it: 409 with `findings`."""
    with state.database.writing() as connection:
        _see(connection, access, question_id)
        n = None if body is None else body.n
        moved = flow.submit(connection, access.actor, access.project, question_id, n=n, now=utc_now())
    return _respond(state, access, moved)


@router.post("/questions/{question_id}/reopen")
def reopen(access: Writing, state: State, question_id: QuestionId) -> QuestionOut:
    """Makes a question a draft again; the author may, and reviewers."""
    with state.database.writing() as connection:
        _see(connection, access, question_id)
        moved = flow.reopen(connection, access.actor, access.role, access.project, question_id, now=utc_now())
    return _respond(state, access, moved)


@router.post("/questions/{question_id}/archive")
def archive(access: Writing, state: State, question_id: QuestionId) -> QuestionOut:
    """Puts a question away; the author may, and reviewers."""
    with state.database.writing() as connection:
        _see(connection, access, question_id)
        moved = flow.archive(connection, access.actor, access.role, access.project, question_id, now=utc_now())
    return _respond(state, access, moved)


@router.get("/questions/{question_id}/history")
def show_history(access: Reading, state: State, question_id: QuestionId) -> list[RevisionRow]:
    """The revisions of a question, the latest first, with the fields that each changed."""
    with state.database.reading() as connection:
        _see_whole(connection, access, question_id)
        changes = history.history(connection, question_id)
        people = accounts.names(connection, (one.revision.author_id for one in changes))
    return [revision_row(one, people) for one in changes]


@router.get("/questions/{question_id}/revisions/{n}")
def show_revision(access: Reading, state: State, question_id: QuestionId, n: RevisionPath) -> RevisionOut:
    """A question as it was."""
    with state.database.reading() as connection:
        _see_whole(connection, access, question_id)
        found = history.one(connection, question_id, n)
        return revision_out(found, accounts.names(connection, [found.revision.author_id]))


@router.post("/questions/{question_id}/check")
def check_question(access: Reading, state: State, question_id: QuestionId, body: ContentIn) -> Findings:
    """What lint says of a question as it stands in the editor; nothing is kept."""
    with state.database.reading() as connection:
        found = _see(connection, access, question_id)
        linter = Linter(connection, access.project, utc_now())
        return Findings(findings=tuple(linter.findings(body.content, found.context_id, found.id)))


@router.post("/evidence")
def attach_evidence(access: Writing, state: State, body: EvidenceIn) -> Evidence:
    """The value at a pointer of a recorded result as evidence, ready to be put into a question.

    An empty pointer takes the whole result, as for a distance, a bearing or an opening state that was computed here.
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


def _only_author(access: ProjectAccess) -> str | None:
    return flow.isolated_author(access.project.settings, access.actor, access.role)


def _see(connection: Connection, access: ProjectAccess, question_id: str, *, deleted: bool = False) -> Question:
    return flow.see(connection, access.actor, access.role, access.project, question_id, deleted=deleted)


def _see_whole(connection: Connection, access: ProjectAccess, question_id: str) -> Question:
    """A question with its answer.

    Raises:
        ForbiddenError: the account may still be asked to answer it blind.
    """
    found = _see(connection, access, question_id)
    if _is_blind(connection, access, found):
        raise ForbiddenError(
            f"question {found.number} waits for answers of people who have not seen it; answer it first"
        )
    return found


def _may_be_asked(access: ProjectAccess, status: Status, author_id: str) -> bool:
    """Whether somebody may get a question to answer, as far as that can be told from the question alone."""
    is_other = author_id != access.actor.account_id and not access.may(Permission.REVIEW)
    return is_other and status in UNDECIDED and access.project.settings.blind_answers > 0


def _is_blind(connection: Connection, access: ProjectAccess, found: Question) -> bool:
    if found.status not in UNDECIDED or access.may(Permission.REVIEW):
        return False
    state = standing.of_one(connection, access.project, found.id)
    return is_hidden_from(connection, access.actor, access.project, found, state, is_reviewer=False)


def _step(access: ProjectAccess, state: State, question_id: str, *, back: bool) -> QuestionOut:
    with state.database.writing() as connection:
        _see_whole(connection, access, question_id)
        moved = store.step(connection, access.actor, access.project, question_id, back=back, now=utc_now())
    return _respond(state, access, moved)


def _set_deleted(access: ProjectAccess, state: State, question_id: str, *, deleted: bool) -> QuestionOut:
    with state.database.writing() as connection:
        _see(connection, access, question_id, deleted=True)
        moved = flow.set_deleted(
            connection, access.actor, access.role, access.project, question_id, deleted=deleted, now=utc_now()
        )
    return _respond(state, access, moved)


def _respond(state: State, access: ProjectAccess, written: Question, *, merged: bool = False) -> QuestionOut:
    """A question as it was just written. Lint reads much, so it is kept out of the transaction that others wait for."""
    with state.database.reading() as connection:
        return _out(connection, access, [written], merged=merged)[0]


def _out(
    connection: Connection, access: ProjectAccess, found: list[Question], *, merged: bool = False
) -> list[QuestionOut]:
    people = accounts.names(connection, (one.created_by for one in found))
    redoable = store.redoable(connection, [one.id for one in found])
    blind = {one.id for one in found if _is_blind(connection, access, one)}
    findings = findings_of(connection, access.project, [one for one in found if one.id not in blind], utc_now())
    return [
        question_out(one, people, can_redo=one.id in redoable, findings=findings[one.id], merged=merged)
        if one.id not in blind
        else blinded(question_out(one, people, can_redo=False))
        for one in found
    ]
