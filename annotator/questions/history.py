"""A question's revisions as a history: who changed what when."""

from dataclasses import dataclass

from sqlalchemy import Connection

from annotator.store import revisions
from annotator.store.revisions import Revision

MAX_REVISIONS = 1000


@dataclass(frozen=True, slots=True)
class Change:
    """A revision and the fields in which it differs from the one that it was written on; all fields of the first."""

    revision: Revision
    changed: tuple[str, ...]


def history(connection: Connection, question_id: str) -> list[Change]:
    """The revisions of a question, the latest first."""
    found = revisions.history(connection, question_id, limit=MAX_REVISIONS)
    by_n = {one.n: one for one in found}
    return [_change(connection, one, by_n) for one in found]


def one(connection: Connection, question_id: str, n: int) -> Change:
    """One revision of a question.

    Raises:
        NotFoundError: it has no such revision.
    """
    return _change(connection, revisions.get(connection, "question", question_id, n), {})


def _change(connection: Connection, made: Revision, known: dict[int, Revision]) -> Change:
    before: dict[str, object] = {}
    if made.parent_n is not None:
        parent = known.get(made.parent_n) or revisions.get(connection, "question", made.subject_id, made.parent_n)
        before = parent.content
    fields = dict.fromkeys([*before, *made.content])
    return Change(made, tuple(name for name in fields if before.get(name) != made.content.get(name)))
