"""Lint of questions in the database: their contexts, evidence and neighbours read once for all of them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from annotator.contexts import store as contexts
from annotator.people.projects import Project
from annotator.questions.evidence import Recordings, check
from annotator.questions.findings import Finding
from annotator.questions.lint import lint
from annotator.questions.model import QuestionContent
from annotator.questions.store import Question, is_in_sight
from annotator.questions.surroundings import Other, Surroundings, surroundings
from annotator.store.tables import question

MAX_COMPARED = 2_000
"""Questions of a project, the latest first, among which a near duplicate is looked for."""


class Linter:
    """Judges questions of one project inside one transaction.

    Args:
        connection: a transaction that lives as long.
        now: when recorded content counts as expired.
    """

    def __init__(self, connection: Connection, project: Project, now: datetime) -> None:
        self._connection = connection
        self._project = project
        self._now = now
        self._recordings = Recordings(connection, now)
        self._contexts: dict[str, tuple[Surroundings, tuple[str, ...]]] = {}
        self._bodies: list[tuple[str, Other]] | None = None

    def findings(self, content: QuestionContent, context_id: str, question_id: str | None = None) -> list[Finding]:
        """What lint says of a question.

        Args:
            question_id: its own, so that it is no duplicate of itself; None for one that is not kept.

        Raises:
            NotFoundError: there is no such context.
        """
        around, calls = self._around(context_id)
        cited = [item.tool_call_id for item in content.evidence]
        results = {one.tool_call_id: one for one in self._recordings.found([*calls, *cited])}
        others = [other for own_id, other in self._others() if own_id != question_id]
        mismatches = check(self._connection, content.evidence, self._now, self._recordings)
        context = replace(around, results=results, others=others)
        return lint(content, self._project.settings, context=context, mismatches=mismatches)

    def _around(self, context_id: str) -> tuple[Surroundings, tuple[str, ...]]:
        if context_id not in self._contexts:
            content = contexts.get(self._connection, self._project.id, context_id, deleted=True).content
            results = {one.tool_call_id: one for one in self._recordings.found(content.tool_call_ids)}
            self._contexts[context_id] = surroundings(content, results), content.tool_call_ids
        return self._contexts[context_id]

    def _others(self) -> list[tuple[str, Other]]:
        if self._bodies is None:
            latest = (
                select(question.c.id, question.c.number, question.c.body)
                .where(question.c.project_id == self._project.id, *is_in_sight(self._project.id))
                .order_by(question.c.updated_at.desc())
                .limit(MAX_COMPARED)
            )
            rows = self._connection.execute(latest).all()
            self._bodies = [(own_id, Other(number, body)) for own_id, number, body in rows]
        return self._bodies


def findings_of(
    connection: Connection, project: Project, questions: Iterable[Question], now: datetime
) -> dict[str, list[Finding]]:
    """What lint says of questions as they are, by id."""
    linter = Linter(connection, project, now)
    return {one.id: linter.findings(one.content, one.context_id, one.id) for one in questions}
