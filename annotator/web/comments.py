"""What people say about contexts, questions and datasets."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection

from annotator.people import accounts
from annotator.people.roles import Permission
from annotator.review import comments
from annotator.review.comments import Comment, Subject
from annotator.store.times import utc_now
from annotator.web.access import Commenting, ProjectAccess, Reading
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.review import is_kept_from
from annotator.web.review_shapes import CommentChange, CommentIn, CommentList, CommentOut, comment_out
from annotator.web.state import AppState, State

router = APIRouter(prefix="/api/projects/{project}", tags=["review"], responses=ERROR_RESPONSES)

CommentId = Annotated[str, Path(max_length=26, description="A comment's id.")]


@router.get("/comments")
def list_comments(
    access: Reading, state: State, subject: Subject, subject_id: Annotated[str, Query(max_length=26)]
) -> CommentList:
    """Everything said about something, the earliest first; nothing for who may still be asked to answer it blind."""
    with state.database.reading() as connection:
        if subject == "question" and is_kept_from(connection, access, state, subject_id):
            return CommentList(comments=[])
        found = comments.of_subject(connection, access.project.id, subject, subject_id)
        return CommentList(comments=comments_out(connection, found))


@router.post("/comments", status_code=201)
def add_comment(access: Commenting, state: State, body: CommentIn) -> CommentOut:
    """Says something, or answers a comment."""
    with state.database.writing() as connection:
        made = comments.add(
            connection,
            access.actor,
            access.project,
            body.subject,
            body.subject_id,
            body.body,
            about=body.about,
            parent_id=body.parent_id,
            now=utc_now(),
        )
        return comments_out(connection, [made])[0]


@router.patch("/comments/{comment_id}")
def edit_comment(access: Commenting, state: State, comment_id: CommentId, body: CommentChange) -> CommentOut:
    """Changes one's own words."""
    with state.database.writing() as connection:
        made = comments.edit(connection, access.actor, access.project, comment_id, body.body, now=utc_now())
        return comments_out(connection, [made])[0]


@router.post("/comments/{comment_id}/resolve")
def resolve_comment(access: Commenting, state: State, comment_id: CommentId) -> CommentOut:
    """Settles the thread."""
    return _set_resolved(access, state, comment_id, resolved=True)


@router.post("/comments/{comment_id}/reopen")
def reopen_comment(access: Commenting, state: State, comment_id: CommentId) -> CommentOut:
    """Opens a settled thread again."""
    return _set_resolved(access, state, comment_id, resolved=False)


@router.delete("/comments/{comment_id}")
def delete_comment(access: Commenting, state: State, comment_id: CommentId) -> CommentOut:
    """Deletes one's own comment; an admin of the project deletes anybody's."""
    return _set_deleted(access, state, comment_id, deleted=True)


@router.post("/comments/{comment_id}/restore")
def restore_comment(access: Commenting, state: State, comment_id: CommentId) -> CommentOut:
    """Brings a deleted comment back."""
    return _set_deleted(access, state, comment_id, deleted=False)


def comments_out(connection: Connection, found: list[Comment]) -> list[CommentOut]:
    """Comments in JSON."""
    ids = {one.account_id for one in found} | {one.resolved_by for one in found}
    people = accounts.names(connection, ids)
    return [comment_out(one, people) for one in found]


def _set_resolved(access: ProjectAccess, state: AppState, comment_id: str, *, resolved: bool) -> CommentOut:
    with state.database.writing() as connection:
        made = comments.set_resolved(
            connection, access.actor, access.project, comment_id, resolved=resolved, now=utc_now()
        )
        return comments_out(connection, [made])[0]


def _set_deleted(access: ProjectAccess, state: AppState, comment_id: str, *, deleted: bool) -> CommentOut:
    with state.database.writing() as connection:
        made = comments.set_deleted(
            connection,
            access.actor,
            access.project,
            comment_id,
            deleted=deleted,
            may_manage=access.may(Permission.MANAGE),
            now=utc_now(),
        )
        return comments_out(connection, [made])[0]
