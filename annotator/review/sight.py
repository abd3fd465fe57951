"""What somebody may see of a question: nothing of its answer while they may still be asked to give it blind."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from annotator.people.actor import Actor
from annotator.people.projects import Project
from annotator.questions.store import Question
from annotator.review import flow, responses
from annotator.review.standing import UNDECIDED, Standing
from annotator.store.tables import assignment, tool_call


def is_hidden_from(
    connection: Connection, actor: Actor, project: Project, found: Question, state: Standing, *, is_reviewer: bool
) -> bool:
    """Whether gold, evidence and explanation are kept from somebody, who is no reviewer and did not write it.

    They see it once they have answered, and once it is decided.
    """
    if is_reviewer or found.status not in UNDECIDED or actor.account_id in flow.authors(connection, found.id):
        return False
    own = responses.latest(connection, found.id, actor.account_id)
    if own is not None and own.status == "submitted":
        return False
    task = select(assignment.c.id).where(
        assignment.c.subject_id == found.id,
        assignment.c.account_id == actor.account_id,
        assignment.c.kind == "answer",
        assignment.c.state == "open",
    )
    return state.num_wanted > 0 or connection.execute(task).first() is not None


@dataclass(frozen=True, slots=True)
class Source:
    """Which call a piece of evidence comes from."""

    tool: str
    provider: str
    created_at: datetime


def sources(connection: Connection, found: Question) -> dict[str, Source]:
    """The calls behind a question's evidence, by id."""
    ids = {item.tool_call_id for item in found.content.evidence}
    rows = connection.execute(
        select(tool_call.c.id, tool_call.c.tool, tool_call.c.provider, tool_call.c.created_at).where(
            tool_call.c.id.in_(ids)
        )
    )
    return {row.id: Source(row.tool, row.provider, row.created_at) for row in rows}
