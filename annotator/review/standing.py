"""How a question stands: second answers that are in or missing, verdicts, and whether somebody has to decide.

Everything is computed from what people did, never stored. A blind answer counts for as long as the question asks the
same; a verdict counts for the very revision that it was given on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Select, select

from annotator.cache.json_text import sha256_hex
from annotator.people.projects import Project, ProjectSettings
from annotator.questions.model import Status
from annotator.questions.store import is_in_sight
from annotator.review.given import gold_in, read_given
from annotator.review.match import is_right
from annotator.store.tables import adjudication, question, response, review, revision

Verdict = Literal["approve", "request_changes", "reject"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

UNDECIDED: tuple[Status, ...] = ("submitted", "in_review")
"""A question in one of these waits for others than its author."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What others have said about a question.

    Args:
        num_wanted: second answers that the project wants of it.
        num_answers: people who answered what it asks now.
        num_right: those whose answer equals gold.
        verdicts: the latest of each reviewer on the current revision, by account.
        is_adjudicated: whether somebody decided what gold is, for what stands there now.
        threshold: least share of answers equal to gold.
    """

    num_wanted: int = 0
    num_answers: int = 0
    num_right: int = 0
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    is_adjudicated: bool = False
    threshold: float = 0.0

    @property
    def num_missing(self) -> int:
        """Second answers still to come."""
        return max(0, self.num_wanted - self.num_answers)

    @property
    def num_approvals(self) -> int:
        """Reviewers who approved."""
        return sum(verdict == "approve" for verdict in self.verdicts.values())

    @property
    def agreement(self) -> float | None:
        """Share of answers equal to gold; None without answers."""
        return self.num_right / self.num_answers if self.num_answers else None

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why somebody has to adjudicate; none where nobody has to."""
        if self.is_adjudicated:
            return ()
        found = []
        if self.agreement is not None and not self.num_missing and self.agreement < self.threshold:
            found.append(f"{self.num_right} of {self.num_answers} blind answers equal gold")
        if len(set(self.verdicts.values())) > 1:
            found.append("the reviewers differ")
        return tuple(found)

    @property
    def is_disputed(self) -> bool:
        """Whether it needs adjudication."""
        return bool(self.reasons)


def is_chosen(question_id: str, overlap: float) -> bool:
    """Whether a question is among the share that gets second answers; by its id, so that it never changes."""
    return int(sha256_hex(question_id.encode())[:8], 16) / 2**32 < overlap


def decided(standing: Standing, settings: ProjectSettings) -> Status:
    """The status that follows from what others have said."""
    given = set(standing.verdicts.values())
    if standing.is_disputed:
        return "in_review"
    if given == {"reject"}:
        return "rejected"
    if given == {"request_changes"}:
        return "changes_requested"
    if not standing.num_missing and standing.num_approvals >= settings.min_reviews:
        return "approved"
    return "in_review" if standing.verdicts or standing.num_answers or standing.num_wanted else "submitted"


def of_one(connection: Connection, project: Project, question_id: str) -> Standing:
    """The standing of one question."""
    return of_scope(connection, project, select(question.c.id).where(question.c.id == question_id))[question_id]


def of_undecided(connection: Connection, project: Project) -> dict[str, Standing]:
    """Standings of all questions of a project that wait for others, by number."""
    return of_scope(connection, project, undecided(project.id).order_by(question.c.number))


def undecided(project_id: str) -> Select[Any]:
    """Selects ids of the questions of a project that wait for others than their author."""
    return select(question.c.id).where(
        question.c.project_id == project_id, question.c.status.in_(UNDECIDED), *is_in_sight(project_id)
    )


def of_scope(connection: Connection, project: Project, scope: Select[Any]) -> dict[str, Standing]:
    """Standings of the questions whose ids `scope` selects.

    Contents are read only of questions that somebody answered or adjudicated.
    """
    settings = project.settings
    ids = list(connection.execute(scope).scalars())
    answers = _answers(connection, scope)
    verdicts = _verdicts(connection, scope)
    judged = _adjudicated_revisions(connection, scope)
    contents = _contents(connection, scope, {*answers, *judged})
    behind = {revision_id for rows in answers.values() for revision_id, _ in rows.values()}
    behind |= {revision_id for rows in judged.values() for revision_id in rows}
    older = _by_revision(connection, behind - {revision_id for revision_id, _ in contents.values()})
    older |= dict(contents.values())
    found = {}
    for question_id in ids:
        given, right, is_adjudicated = 0, 0, False
        if question_id in contents:
            current_id, current = contents[question_id]
            counted = [
                read_given(json.loads(text))
                for revision_id, text in answers.get(question_id, {}).values()
                if revision_id == current_id or asks_the_same(older[revision_id], current)
            ]
            gold = gold_in(current)
            given, right = len(counted), sum(gold is not None and is_right(gold, answer) for answer in counted)
            is_adjudicated = any(_is_judged_the_same(older[n], current) for n in judged.get(question_id, ()))
        found[question_id] = Standing(
            num_wanted=settings.blind_answers if is_chosen(question_id, settings.overlap) else 0,
            num_answers=given,
            num_right=right,
            verdicts=verdicts.get(question_id, {}),
            is_adjudicated=is_adjudicated,
            threshold=settings.agreement_threshold,
        )
    return found


def asks_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two contents ask the same, whatever their gold answer, so that an answer to one answers the other."""
    kinds = {content["gold"]["kind"] for content in (one, other) if content["gold"] and content["type"] == "open_ended"}
    return len(kinds) < 2 and _asked(one) == _asked(other)


def _is_judged_the_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return _asked(one) == _asked(other) and all(one[name] == other[name] for name in ("type", "gold", "gold_keys"))


def _asked(content: Mapping[str, Any]) -> tuple[Any, ...]:
    return content["body"], [(option["key"], option["text"]) for option in content["options"]]


def _answers(connection: Connection, scope: Select[Any]) -> dict[str, dict[str, tuple[str, str]]]:
    """By question and account: the revision that was answered and the answer, the latest of each."""
    rows = connection.execute(
        select(response.c.question_id, response.c.account_id, response.c.revision_id, response.c.answer_json)
        .where(response.c.question_id.in_(scope), response.c.status == "submitted")
        .order_by(response.c.created_at, response.c.id)
    )
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for question_id, account_id, revision_id, text in rows:
        found.setdefault(question_id, {})[account_id] = revision_id, text
    return found


def _verdicts(connection: Connection, scope: Select[Any]) -> dict[str, dict[str, Verdict]]:
    rows = connection.execute(
        select(review.c.question_id, review.c.account_id, review.c.verdict)
        .join(revision, revision.c.id == review.c.revision_id)
        .join(question, question.c.id == review.c.question_id)
        .where(review.c.question_id.in_(scope), review.c.withdrawn_at.is_(None), revision.c.n == question.c.current_n)
        .order_by(review.c.created_at, review.c.id)
    )
    found: dict[str, dict[str, Verdict]] = {}
    for question_id, account_id, verdict in rows:
        found.setdefault(question_id, {})[account_id] = verdict
    return found


def _adjudicated_revisions(connection: Connection, scope: Select[Any]) -> dict[str, list[str]]:
    rows = connection.execute(
        select(adjudication.c.question_id, adjudication.c.revision_id).where(adjudication.c.question_id.in_(scope))
    )
    found: dict[str, list[str]] = {}
    for question_id, revision_id in rows:
        found.setdefault(question_id, []).append(revision_id)
    return found


def _contents(connection: Connection, scope: Select[Any], wanted: set[str]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Current revision and content of those questions of `scope` that are wanted."""
    if not wanted:
        return {}
    rows = connection.execute(
        select(question.c.id, revision.c.id, revision.c.content_json)
        .join(revision, (revision.c.subject_id == question.c.id) & (revision.c.n == question.c.current_n))
        .where(question.c.id.in_(scope))
    )
    return {row[0]: (row[1], json.loads(row[2])) for row in rows if row[0] in wanted}


def _by_revision(connection: Connection, revision_ids: set[str]) -> dict[str, dict[str, Any]]:
    ids: Sequence[str] = sorted(revision_ids)
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        rows = connection.execute(select(revision.c.id, revision.c.content_json).where(revision.c.id.in_(part)))
        found.update((revision_id, json.loads(text)) for revision_id, text in rows)
    return found
