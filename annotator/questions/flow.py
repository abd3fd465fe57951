"""How a question moves: submitted, reopened, archived, deleted and restored, by whom, and what has to hold before.

draft → submitted → in_review → approved, or changes_requested and back; what lies between is the reviewers' and
moved by `annotator.review`. Everybody who may write may work on a draft. Taking back, archiving and deleting belong to
the author and to reviewers, and what was approved after a look by others belongs to reviewers alone.
"""

from datetime import datetime

from sqlalchemy import Connection

from annotator.errors import ConflictError, ForbiddenError, NotFoundError
from annotator.people.actor import Actor
from annotator.people.projects import Project, ProjectSettings
from annotator.people.roles import Permission, Role, may
from annotator.questions import store
from annotator.questions.findings import Finding
from annotator.questions.linter import findings_of
from annotator.questions.places import places
from annotator.questions.store import Question
from annotator.review.flow import settle

__all__ = ["archive", "isolated_author", "places", "reopen", "see", "set_deleted", "submit"]

SUBMITTABLE = ("draft", "changes_requested")


def isolated_author(settings: ProjectSettings, actor: Actor, role: Role) -> str | None:
    """The account whose questions are the only ones that somebody may see; None where they may see all.

    In an isolated project that is everybody below reviewer.
    """
    return actor.account_id if settings.isolate and not may(role, Permission.REVIEW) else None


def see(
    connection: Connection, actor: Actor, role: Role, project: Project, question_id: str, *, deleted: bool = False
) -> Question:
    """A question that this person may see.

    Raises:
        NotFoundError: there is none, or it is another's in an isolated project.
    """
    found = store.get(connection, project.id, question_id, deleted=deleted)
    if isolated_author(project.settings, actor, role) not in (None, found.created_by):
        raise NotFoundError(f"there is no question {question_id} in this project")
    return found


def submit(
    connection: Connection,
    actor: Actor,
    project: Project,
    question_id: str,
    *,
    n: int | None = None,
    now: datetime,
) -> Question:
    """Hands a question in. Where nobody has to look at it, it is approved at once; where second answers are wanted or
    already there, it goes on as they say.

    Args:
        n: the revision that is meant; None is the current one.

    Raises:
        ConflictError: it is not a draft, was changed since, is what reviewers refused, or lint finds errors; then
            `detail` has `findings`.
    """
    before = store.get(connection, project.id, question_id)
    _require_current(before, n)
    if before.status not in SUBMITTABLE:
        raise ConflictError(f"question {before.number} is {_words(before.status)}; only a draft can be submitted")
    errors = [one for one in findings_of(connection, project, [before], now)[before.id] if one.severity == "error"]
    if errors:
        raise ConflictError(
            _refusal(before, errors), detail={"findings": [one.model_dump(mode="json") for one in errors]}
        )
    store.set_status(connection, actor, project, question_id, "submitted", now=now)
    settled = settle(connection, actor, project, question_id, now=now)
    if settled.status in ("changes_requested", "rejected"):
        # What reviewers said of a revision stands for as long as it is the current one.
        said = "asked for changes of" if settled.status == "changes_requested" else "rejected"
        raise ConflictError(f"a reviewer {said} this very revision of question {before.number}; change it first")
    return settled


def reopen(
    connection: Connection, actor: Actor, role: Role, project: Project, question_id: str, *, now: datetime
) -> Question:
    """Makes a question a draft again.

    Raises:
        ConflictError: it is a draft already.
        ForbiddenError: it is another's, or was approved by reviewers and the actor is none.
    """
    before = store.get(connection, project.id, question_id)
    if before.status in SUBMITTABLE:
        raise ConflictError(f"question {before.number} is open already; just write")
    _require_owner(before, actor, role, project.settings, "reopen")
    return store.set_status(connection, actor, project, question_id, "draft", now=now)


def archive(
    connection: Connection, actor: Actor, role: Role, project: Project, question_id: str, *, now: datetime
) -> Question:
    """Puts a question away: it stays, and is neither worked on nor frozen.

    Raises:
        ConflictError: it is archived already.
        ForbiddenError: it is another's, or was approved by reviewers and the actor is none.
    """
    before = store.get(connection, project.id, question_id)
    if before.status == "archived":
        raise ConflictError(f"question {before.number} is archived already")
    _require_owner(before, actor, role, project.settings, "archive")
    return store.set_status(connection, actor, project, question_id, "archived", now=now)


def set_deleted(
    connection: Connection,
    actor: Actor,
    role: Role,
    project: Project,
    question_id: str,
    *,
    deleted: bool,
    now: datetime,
) -> Question:
    """Deletes a question, or brings it back; neither twice.

    Raises:
        ConflictError: it is approved.
        ForbiddenError: it is another's and the actor is no reviewer.
    """
    before = store.get(connection, project.id, question_id, deleted=True)
    if (before.deleted_at is not None) == deleted:
        return before
    _require_owner(before, actor, role, project.settings, "delete" if deleted else "restore")
    return store.set_deleted(connection, actor, project, question_id, deleted=deleted, now=now)


def _require_current(found: Question, n: int | None) -> None:
    if n is not None and n != found.revision.n:
        raise ConflictError(
            f"question {found.number} was changed since you looked at it; look again",
            detail={"current_n": found.revision.n},
        )


def _require_owner(found: Question, actor: Actor, role: Role, settings: ProjectSettings, verb: str) -> None:
    if may(role, Permission.REVIEW):
        return
    if found.created_by != actor.account_id:
        raise ForbiddenError(f"only its author or a reviewer may {verb} question {found.number}")
    if found.status == "approved" and (settings.min_reviews > 0 or settings.blind_answers > 0):
        raise ForbiddenError(f"question {found.number} was approved by others; only a reviewer may {verb} it")


def _refusal(found: Question, errors: list[Finding]) -> str:
    first = errors[0].message
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"question {found.number} cannot be submitted yet: {first}{more}"


def _words(status: str) -> str:
    return status.replace("_", " ")
