"""One question, whole: what it says, what speaks for it, what became of it, and what people say about it."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, select

from annotator.contexts import store as contexts
from annotator.contexts.render import render_context
from annotator.contexts.store import Context
from annotator.people import accounts
from annotator.people.roles import Permission
from annotator.questions import store as questions
from annotator.questions.flow import isolated_author, see
from annotator.questions.store import Question, is_in_sight
from annotator.review import adjudicate, comments, compare, flow, responses, reviews, sight, standing
from annotator.review.blind import blind
from annotator.review.markup import to_html
from annotator.review.words import answer_words
from annotator.store import revisions
from annotator.store.tables import question
from annotator.store.times import to_text, utc_now
from annotator.web.access import ProjectAccess, Reading
from annotator.web.comments import comments_out
from annotator.web.render import page
from annotator.web.review import adjudications_out, allows_own, responses_out, reviews_out
from annotator.web.review_shapes import standing_out
from annotator.web.state import State

router = APIRouter(include_in_schema=False)

Number = Annotated[int, Path(ge=1, le=2**53)]
N = Annotated[int | None, Query(ge=1, le=2**53)]


@router.get("/p/{project}/questions/{number}")
def show(
    request: Request,
    state: State,
    access: Reading,
    number: Number,
    old: Annotated[N, Query(alias="from")] = None,
    new: Annotated[N, Query(alias="to")] = None,
) -> HTMLResponse:
    """A question; `from` and `to` choose the revisions that are compared."""
    with state.database.reading() as connection:
        project = access.project
        found = questions.by_number(connection, project.id, number)
        see(connection, access.actor, access.role, project, found.id)
        settled = standing.of_one(connection, project, found.id)
        reviewer = access.may(Permission.REVIEW)
        hidden = sight.is_hidden_from(
            connection, access.actor, project, found, settled, is_reviewer=reviewer or allows_own(access, state)
        )
        values = whole(connection, found)
        if hidden:
            values |= {"evidence": [], "gold": "", "explanation_html": ""}
        return page(
            request,
            state,
            "review/question.html",
            access,
            found=found,
            blind=blind(found),
            is_hidden=hidden,
            is_own=access.actor.account_id in flow.authors(connection, found.id),
            standing=standing_out(found.status, settled, project.settings.min_reviews),
            responses=responses_out(connection, access, responses.of_question(connection, found.id))
            if reviewer
            else [],
            reviews=reviews_out(connection, reviews.of_question(connection, found.id)) if not hidden else [],
            adjudications=adjudications_out(connection, adjudicate.of_question(connection, found.id))
            if not hidden
            else [],
            comments=comments_out(connection, comments.of_subject(connection, project.id, "question", found.id))
            if not hidden
            else [],
            history=None if hidden else history(connection, found, old, new),
            beside=_beside(connection, access, found),
            **values,
        )


def whole(connection: Connection, found: Question) -> dict[str, Any]:
    """What the pages of one question show of it."""
    people = accounts.names(connection, {found.created_by, found.revision.author_id})
    context = contexts.get(connection, found.project_id, found.context_id)
    known = sight.sources(connection, found)
    return {
        "context": context,
        "context_text": context_text(connection, context),
        "people": people,
        "gold": answer_words(found.content.model_dump(mode="json")),
        "explanation_html": to_html(found.content.explanation),
        "evidence": [(item, known.get(item.tool_call_id)) for item in found.content.evidence],
        "to_text": to_text,
    }


def context_text(connection: Connection, context: Context) -> str:
    """A context as text."""
    return render_context(connection, context.content, utc_now())["text"].text


def history(connection: Connection, found: Question, old: int | None, new: int | None) -> dict[str, Any]:
    """Revisions, the latest first, and what changed between two of them: the last two unless said."""
    rows = revisions.history(connection, found.id)
    known = {row.n: row for row in rows}
    new_n = new if new in known else found.revision.n
    before = known[new_n].parent_n if new_n in known else None
    old_n = old if old in known else before if before in known else new_n
    chosen = new_n in known and old_n in known
    return {
        "rows": rows,
        "people": accounts.names(connection, {row.author_id for row in rows}),
        "old": old_n,
        "new": new_n,
        "changes": compare.changes(known[old_n].content, known[new_n].content) if chosen and old_n is not None else [],
    }


def _beside(connection: Connection, access: ProjectAccess, found: Question) -> dict[str, int | None]:
    """Numbers of the questions before and after, among those that this person may see."""
    conditions = [question.c.project_id == access.project.id, *is_in_sight(access.project.id)]
    only = isolated_author(access.project.settings, access.actor, access.role)
    if only is not None:
        conditions.append(question.c.created_by == only)
    numbers = select(question.c.number).where(*conditions).limit(1)
    back = numbers.where(question.c.number < found.number).order_by(question.c.number.desc())
    on = numbers.where(question.c.number > found.number).order_by(question.c.number)
    return {"previous": connection.execute(back).scalar(), "next": connection.execute(on).scalar()}
