"""Which questions: a filter that exports and freezing share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from annotator.people.projects import Word
from annotator.questions.model import QuestionType, Status
from annotator.store.tables import context, question, question_tag

Number = Annotated[int, Field(ge=1)]


class ItemFilter(BaseModel):
    """Questions that fit all of what is given; nothing given is no condition.

    Args:
        status: any of these; empty takes every status but `archived` and `rejected`.
        type: any of these.
        category: any of these.
        tag: any of these.
        number: these alone.
        context: numbers of contexts: theirs alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: tuple[Status, ...] = Field(default=("approved",), max_length=10)
    type: tuple[QuestionType, ...] = Field(default=(), max_length=10)
    category: tuple[Word, ...] = Field(default=(), max_length=50)
    tag: tuple[Word, ...] = Field(default=(), max_length=50)
    number: tuple[Number, ...] = Field(default=(), max_length=10_000)
    context: tuple[Number, ...] = Field(default=(), max_length=10_000)


def question_ids(connection: Connection, project_id: str, wanted: ItemFilter) -> list[str]:
    """Ids of the questions of a project that fit, by number; none that is deleted or whose context is."""
    query = (
        select(question.c.id, question.c.number, context.c.number)
        .join(context, context.c.id == question.c.context_id)
        .where(
            question.c.project_id == project_id,
            question.c.deleted_at.is_(None),
            context.c.deleted_at.is_(None),
        )
        .order_by(question.c.number)
    )
    if wanted.status:
        query = query.where(question.c.status.in_(wanted.status))
    else:
        query = query.where(question.c.status.not_in(("archived", "rejected")))
    if wanted.type:
        query = query.where(question.c.type.in_(wanted.type))
    if wanted.category:
        query = query.where(question.c.category.in_(wanted.category))
    if wanted.tag:
        tagged = select(question_tag.c.question_id).where(question_tag.c.tag.in_(wanted.tag))
        query = query.where(question.c.id.in_(tagged))
    # Numbers are sifted here: there may be more than a statement takes.
    numbers, contexts = set(wanted.number), set(wanted.context)
    return [
        row[0]
        for row in connection.execute(query)
        if (not numbers or row[1] in numbers) and (not contexts or row[2] in contexts)
    ]
