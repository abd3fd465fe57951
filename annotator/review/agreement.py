"""How well blind answers agree: percent, Cohen's kappa for each pair of people, Krippendorff's alpha for all.

Percent is over pairs of answers to one question. The two coefficients take chance into account and are nominal. For
them an answer's category is the options marked, or "unanswerable"; an open answer's category is what it says, which
only answers to the same question can share. Where a coefficient cannot be said, a reason stands in its place.

Cohen, "A coefficient of agreement for nominal scales" (1960); Krippendorff, "Content Analysis" (2004), chapter 11.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import krippendorff
import numpy as np
from sqlalchemy import Connection, select

from annotator.people.projects import Project
from annotator.questions.store import is_in_sight
from annotator.review.given import Given, Keys, Unanswerable, gold_in, read_given
from annotator.review.match import classes, is_right
from annotator.review.standing import asks_the_same
from annotator.store.tables import question, response, revision

type Units = Mapping[str, Mapping[str, str]]
"""By question and account: the category of an answer."""


@dataclass(frozen=True, slots=True)
class Coefficient:
    """A number, or why there is none.

    Args:
        n: what it rests on: questions for coefficients, pairs of answers for percent, answers for gold.
    """

    value: float | None
    n: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PairKappa:
    """Cohen's kappa of two people over the questions that both answered."""

    accounts: tuple[str, str]
    kappa: Coefficient
    percent: Coefficient


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of a project's blind answers.

    Args:
        num_questions: questions with an answer that counts.
        num_answers: answers that count.
        percent: share of pairs of answers to one question that say the same.
        alpha: Krippendorff's, nominal.
        gold: share of answers equal to gold.
        pairs: for every two people who answered a question in common.
        people: share of each one's answers equal to gold, by account.
    """

    num_questions: int
    num_answers: int
    percent: Coefficient
    alpha: Coefficient
    gold: Coefficient
    pairs: tuple[PairKappa, ...]
    people: dict[str, Coefficient]


def of_project(connection: Connection, project: Project) -> Agreement:
    """Agreement over all answers that count: not withdrawn, and to what the question asks now."""
    rows = connection.execute(
        select(response.c.question_id, response.c.account_id, response.c.answer_json, response.c.revision_id)
        .join(question, question.c.id == response.c.question_id)
        .where(response.c.project_id == project.id, response.c.status == "submitted", *is_in_sight(project.id))
        .order_by(response.c.question_id, response.c.created_at, response.c.id)
    ).all()
    contents = {
        question_id: (revision_id, json.loads(text))
        for question_id, revision_id, text in connection.execute(
            select(question.c.id, revision.c.id, revision.c.content_json)
            .join(revision, (revision.c.subject_id == question.c.id) & (revision.c.n == question.c.current_n))
            .where(question.c.id.in_(select(response.c.question_id).where(response.c.project_id == project.id)))
        )
    }
    older = {
        revision_id: json.loads(text)
        for revision_id, text in connection.execute(
            select(revision.c.id, revision.c.content_json).where(
                revision.c.id.in_(
                    select(response.c.revision_id)
                    .join(question, question.c.id == response.c.question_id)
                    .join(revision, revision.c.id == response.c.revision_id)
                    .where(response.c.project_id == project.id, revision.c.n != question.c.current_n)
                )
            )
        )
    }
    answers: dict[str, dict[str, Given]] = {}
    golds: dict[str, Given | None] = {}
    for question_id, account_id, text, revision_id in rows:
        current_id, current = contents[question_id]
        if revision_id == current_id or asks_the_same(older[revision_id], current):
            answers.setdefault(question_id, {})[account_id] = read_given(json.loads(text))
            if question_id not in golds:
                golds[question_id] = gold_in(current)
    return of_answers(answers, golds)


def of_answers(answers: Mapping[str, Mapping[str, Given]], golds: Mapping[str, Given | None]) -> Agreement:
    """Agreement of answers by question and account."""
    units = {name: categories(name, given, golds.get(name)) for name, given in answers.items()}
    right: dict[str, list[bool]] = {}
    for name, given in answers.items():
        gold = golds.get(name)
        for account_id, answer in given.items():
            if gold is not None:
                right.setdefault(account_id, []).append(is_right(gold, answer))
    together = [ok for marks in right.values() for ok in marks]
    return Agreement(
        num_questions=len(answers),
        num_answers=sum(len(given) for given in answers.values()),
        percent=percent(units),
        alpha=alpha(units),
        gold=_share(together, "no question with a gold answer has been answered"),
        pairs=_pairs(units),
        people={account_id: _share(marks, "") for account_id, marks in sorted(right.items())},
    )


def categories(name: str, given: Mapping[str, Given], gold: Given | None) -> dict[str, str]:
    """The category of each answer to the question `name`, by account."""
    opened = {one: answer for one, answer in given.items() if not isinstance(answer, Keys | Unanswerable)}
    numbers = dict(zip(opened, classes(list(opened.values()), gold), strict=True)) if opened else {}
    return {account_id: _category(name, answer, numbers.get(account_id)) for account_id, answer in given.items()}


def percent(units: Units) -> Coefficient:
    """Share of pairs of answers to one question that are the same."""
    same = [one == other for given in units.values() for one, other in combinations(given.values(), 2)]
    return _share(same, "no question has two answers yet")


def alpha(units: Units) -> Coefficient:
    """Krippendorff's alpha for nominal categories, over the questions with two answers or more."""
    paired = [given for given in units.values() if len(given) > 1]
    if len(paired) < 2:
        return Coefficient(None, len(paired), "it needs two questions with two answers each")
    codes = {
        category: code for code, category in enumerate(sorted({one for given in paired for one in given.values()}))
    }
    if len(codes) < 2:
        return Coefficient(None, len(paired), "everybody always gave the same answer, so chance cannot be told apart")
    people = {account_id: row for row, account_id in enumerate(sorted({one for given in paired for one in given}))}
    data = np.full((len(people), len(paired)), np.nan)
    for column, given in enumerate(paired):
        for account_id, category in given.items():
            data[people[account_id], column] = codes[category]
    value = float(krippendorff.alpha(reliability_data=data, level_of_measurement="nominal"))
    return Coefficient(value, len(paired))


def kappa(pairs: Sequence[tuple[str, str]]) -> Coefficient:
    """Cohen's kappa over the categories that two people gave to the same questions."""
    n = len(pairs)
    if n < 2:
        return Coefficient(None, n, "it needs two questions that both answered")
    observed = sum(one == other for one, other in pairs) / n
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    expected = sum(first[category] * second[category] for category in first) / n**2
    if expected == 1.0:
        return Coefficient(None, n, "both always gave the same answer, so chance cannot be told apart")
    return Coefficient((observed - expected) / (1.0 - expected), n)


def _category(name: str, answer: Given, number: int | None) -> str:
    if isinstance(answer, Keys):
        return f"keys {' '.join(sorted(set(answer.keys)))}"
    return "unanswerable" if isinstance(answer, Unanswerable) else f"{name} {number}"


def _pairs(units: Units) -> tuple[PairKappa, ...]:
    common: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for given in units.values():
        for one, other in combinations(sorted(given), 2):
            common.setdefault((one, other), []).append((given[one], given[other]))
    return tuple(
        PairKappa(accounts, kappa(pairs), _share([one == other for one, other in pairs], ""))
        for accounts, pairs in sorted(common.items())
    )


def _share(marks: Sequence[bool], reason: str) -> Coefficient:
    return Coefficient(sum(marks) / len(marks), len(marks)) if marks else Coefficient(None, 0, reason)
