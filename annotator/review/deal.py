"""Who gets which questions: a plan that is balanced and always the same for the same people and questions."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """What dealing gives.

    Args:
        given: pairs of question and account, in the order of the questions.
        num_short: how many hands are missing, over all questions, because nobody was left to take them.
    """

    given: tuple[tuple[str, str], ...]
    num_short: int


def deal(
    question_ids: Sequence[str],
    account_ids: Collection[str],
    *,
    overlap: int = 1,
    num_per_person: int | None = None,
    taken: Mapping[str, Collection[str]] | None = None,
    barred: Mapping[str, Collection[str]] | None = None,
) -> Plan:
    """Gives every question to `overlap` people, each time to who has least so far.

    Args:
        overlap: people wanted for each question, those who have it already counted.
        num_per_person: most that one person gets in this deal; None for no limit.
        taken: by question, those who have it already.
        barred: by question, those who may not have it, such as its authors.
    """
    load = Counter(dict.fromkeys(account_ids, 0))
    given: list[tuple[str, str]] = []
    num_short = 0
    for question_id in dict.fromkeys(question_ids):
        has = set((taken or {}).get(question_id, ()))
        not_for = has | set((barred or {}).get(question_id, ()))
        free = [
            account_id
            for account_id in load
            if account_id not in not_for and (num_per_person is None or load[account_id] < num_per_person)
        ]
        chosen = sorted(free, key=lambda account_id: (load[account_id], account_id))[: max(0, overlap - len(has))]
        num_short += max(0, overlap - len(has)) - len(chosen)
        for account_id in chosen:
            load[account_id] += 1
            given.append((question_id, account_id))
    return Plan(tuple(given), num_short)
