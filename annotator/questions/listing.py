"""Lists of a project's questions: filtered, counted and paged from the table alone, without reading a revision."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from annotator.errors import InputError
from annotator.questions.model import QuestionType, Status
from annotator.questions.store import is_in_sight
from annotator.store.tables import account, question, question_tag

LISTED_CHARACTERS = 300
"""How much of a body a list shows."""

MAX_WORDS = 20
"""Words that are looked for; each costs a look at every body."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which questions; None is any.

    Args:
        author: user name of who made it.
        author_id: account of who made it; what isolated annotators are held to.
        text: words that must all stand in the body, in any order and whatever their case; a number also finds the
            question of that number.
    """

    status: Status | None = None
    type: QuestionType | None = None
    category: str | None = None
    tag: str | None = None
    author: str | None = None
    author_id: str | None = None
    context_id: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A question in a list; `body` is its beginning."""

    id: str
    number: int
    context_id: str
    status: Status
    type: QuestionType
    answer_kind: str | None
    category: str
    body: str
    tags: tuple[str, ...]
    author_id: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list.

    Args:
        next: cursor of the part after it; None at the end.
        total: questions that fit, on all pages.
    """

    questions: tuple[Row, ...]
    next: str | None
    total: int


def page(
    connection: Connection, project_id: str, wanted: Filter, *, limit: int = 50, cursor: str | None = None
) -> Page:
    """The questions that fit, those with the highest numbers first.

    Raises:
        InputError: the cursor is not one that a page gave.
    """
    conditions = _conditions(connection, project_id, wanted)
    total = connection.execute(select(func.count()).select_from(question).where(*conditions)).scalar_one()
    if cursor is not None:
        if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 15:
            raise InputError("this cursor came from no page; start without one", param="cursor")
        conditions.append(question.c.number < int(cursor))
    if total == 0:
        return Page((), None, 0)
    # One more than wanted says whether there is another page.
    found = (
        connection.execute(
            select(
                question.c.id,
                question.c.number,
                question.c.context_id,
                question.c.status,
                question.c.type,
                question.c.answer_kind,
                question.c.category,
                func.substr(question.c.body, 1, LISTED_CHARACTERS).label("body"),
                question.c.created_by,
                question.c.updated_at,
            )
            .where(*conditions)
            .order_by(question.c.number.desc())
            .limit(limit + 1)
        )
        .mappings()
        .all()
    )
    shown = found[:limit]
    tags = _tags(connection, [row["id"] for row in shown])
    rows = tuple(
        Row(
            **{name: row[name] for name in Row.__slots__ if name not in ("tags", "author_id")},
            tags=tags.get(row["id"], ()),
            author_id=row["created_by"],
        )
        for row in shown
    )
    return Page(rows, str(rows[-1].number) if len(found) > limit else None, total)


def _conditions(connection: Connection, project_id: str, wanted: Filter) -> list[ColumnElement[bool]]:
    conditions = [question.c.project_id == project_id, *is_in_sight(project_id)]
    columns = {
        question.c.status: wanted.status,
        question.c.type: wanted.type,
        question.c.category: wanted.category,
        question.c.created_by: wanted.author_id,
        question.c.context_id: wanted.context_id,
    }
    conditions += [column == value for column, value in columns.items() if value is not None]
    if wanted.author is not None:
        made_by = select(account.c.id).where(account.c.username == wanted.author).scalar_subquery()
        conditions.append(question.c.created_by == made_by)
    if wanted.tag is not None:
        tagged = select(question_tag.c.question_id).where(question_tag.c.tag == wanted.tag)
        conditions.append(question.c.id.in_(tagged))
    words = (wanted.text or "").replace("\x00", " ").split()[:MAX_WORDS]
    if words:
        in_body = and_(*(_holds(connection, word) for word in words))
        number = words[0].removeprefix("#")
        is_number = len(words) == 1 and number.isascii() and number.isdigit() and len(number) < 16
        conditions.append(or_(in_body, question.c.number == int(number)) if is_number else in_body)
    return conditions


def _holds(connection: Connection, word: str) -> ColumnElement[bool]:
    if connection.dialect.name != "sqlite":
        return question.c.body.icontains(word, autoescape=True)
    # SQLite's LIKE knows the case of ASCII letters only, so the forms of other words are looked for one by one.
    forms = {word} if word.isascii() else {word, word.lower(), word.upper(), word.capitalize()}
    return or_(*(question.c.body.contains(form, autoescape=True) for form in sorted(forms)))


def _tags(connection: Connection, question_ids: list[str]) -> dict[str, tuple[str, ...]]:
    rows = connection.execute(
        select(question_tag.c.question_id, question_tag.c.tag)
        .where(question_tag.c.question_id.in_(question_ids))
        .order_by(question_tag.c.question_id, question_tag.c.tag)
    )
    found: dict[str, tuple[str, ...]] = {}
    for question_id, tag in rows:
        found[question_id] = (*found.get(question_id, ()), tag)
    return found
