"""What differs between two snapshots, question by question."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, select
from sqlalchemy.orm import aliased

from annotator.store.tables import context, question, revision

type ItemState = tuple[int, str, str]
"""Number of a question, hash of its content, hash of its context's content."""


class Changed(BaseModel):
    """A question that both have, with what differs: `question`, `context`, or both."""

    model_config = ConfigDict(frozen=True)

    id: str
    number: int
    what: tuple[str, ...]


class Named(BaseModel):
    """A question that only one of them has."""

    model_config = ConfigDict(frozen=True)

    id: str
    number: int


class Difference(BaseModel):
    """From an older to a newer snapshot, each list by number."""

    model_config = ConfigDict(frozen=True)

    added: tuple[Named, ...] = ()
    removed: tuple[Named, ...] = ()
    changed: tuple[Changed, ...] = ()


def compare_items(old: Mapping[str, ItemState], new: Mapping[str, ItemState]) -> Difference:
    """What differs between two sets of questions by id."""
    changed = []
    for question_id in old.keys() & new.keys():
        what = tuple(
            name
            for name, before, after in zip(
                ("question", "context"), old[question_id][1:], new[question_id][1:], strict=True
            )
            if before != after
        )
        if what:
            changed.append(Changed(id=question_id, number=new[question_id][0], what=what))
    return Difference(
        added=_named(new, new.keys() - old.keys()),
        removed=_named(old, old.keys() - new.keys()),
        changed=tuple(sorted(changed, key=lambda item: item.number)),
    )


def states_of(connection: Connection, question_ids: Sequence[str]) -> dict[str, ItemState]:
    """Questions as they are now."""
    own, around = aliased(revision), aliased(revision)
    found: dict[str, ItemState] = {}
    for start in range(0, len(question_ids), 500):
        rows = connection.execute(
            select(question.c.id, question.c.number, own.c.content_sha, around.c.content_sha)
            .join(context, context.c.id == question.c.context_id)
            .join(own, (own.c.subject_id == question.c.id) & (own.c.n == question.c.current_n))
            .join(around, (around.c.subject_id == context.c.id) & (around.c.n == context.c.current_n))
            .where(question.c.id.in_(question_ids[start : start + 500]))
        )
        found.update((row[0], (row[1], row[2], row[3])) for row in rows)
    return found


def _named(states: Mapping[str, ItemState], ids: set[str]) -> tuple[Named, ...]:
    return tuple(
        Named(id=question_id, number=states[question_id][0])
        for question_id in sorted(ids, key=lambda question_id: states[question_id][0])
    )
