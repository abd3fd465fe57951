"""Second looks at the demo's questions, by colleagues who do not exist: blind answers, reviews and comments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Connection

from annotator.people import accounts
from annotator.people.actor import Actor
from annotator.people.projects import Project
from annotator.questions.answers import TextAnswer
from annotator.questions.flow import submit
from annotator.questions.model import QuestionContent
from annotator.questions.store import Question
from annotator.review import comments, responses, reviews, standing
from annotator.review.given import Given, Keys, Unanswerable, gold_of
from annotator.store.tables import account, membership
from annotator.store.times import utc_now

End = Literal["draft", "submitted", "disputed", "changes_requested", "rejected", "approved"]
ENDS: tuple[End, ...] = get_args(End)[:-1]
"""Where a question may be on its way, besides approved."""

COLLEAGUES = (("robin", "Robin (made up)"), ("kim", "Kim (made up)"))
"""Their accounts have no password and are switched off: nobody can use them."""

ANSWERED = 3
"""Every third question has blind answers, and every one that the project wants one of."""


def make_colleagues(connection: Connection, project: Project, now: datetime) -> list[Actor]:
    """Makes the colleagues, who are reviewers of the project."""
    actors = []
    for username, display_name in COLLEAGUES:
        made = accounts.create(connection, None, username=username, display_name=display_name, now=now)
        connection.execute(account.update().where(account.c.id == made.id).values(is_active=False))
        connection.execute(
            membership.insert(),
            {"project_id": project.id, "account_id": made.id, "role": "reviewer", "created_at": now},
        )
        actors.append(Actor(made.id, made.username, made.display_name))
    return actors


def look_at(
    connection: Connection, author: Actor, colleagues: Sequence[Actor], project: Project, question: Question, end: End
) -> None:
    """Takes a question to `end` by what people do: submit, answer, review, comment."""
    if end == "draft":
        return
    submit(connection, author, project, question.id, now=utc_now())
    if end == "submitted":
        return
    robin, kim = colleagues
    content = question.content
    wants = standing.of_one(connection, project, question.id).num_missing > 0
    if wants or end == "disputed" or question.number % ANSWERED == 0:
        answer = _wrong(content) if end == "disputed" else gold_of(content)
        responses.respond(connection, kim, project, question.id, answer, confidence=4, now=utc_now())
        if question.number % (2 * ANSWERED) == 0 and end != "disputed":
            responses.respond(connection, robin, project, question.id, gold_of(content), confidence=5, now=utc_now())
    if end == "disputed":
        return
    n = question.revision.n
    checklist = project.settings.checklist
    if end == "approved":
        reviews.give(connection, robin, project, question.id, "approve", n=n, checklist=checklist, now=utc_now())
        return
    words = {
        "changes_requested": "Say in the question what is measured, and from where.",
        "rejected": "Two options can be defended; this cannot be put right by other words.",
    }[end]
    verdict: standing.Verdict = "request_changes" if end == "changes_requested" else "reject"
    reviews.give(connection, robin, project, question.id, verdict, n=n, comment=words, now=utc_now())
    comments.add(connection, robin, project, "question", question.id, words, about="body", now=utc_now())


def _wrong(content: QuestionContent) -> Given:
    """An answer that is not gold."""
    others = [option.key for option in content.options if option.key not in content.gold_keys]
    if others:
        return Keys(keys=(others[0],))
    return TextAnswer(value="About twelve dollars") if content.type == "unanswerable" else Unanswerable()
