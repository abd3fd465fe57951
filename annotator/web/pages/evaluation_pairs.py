"""What pages say of runs against each other: whether a difference can be seen, by category, question by question."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from annotator.datasets.exports.answers import answer_texts, open_texts, right_indices
from annotator.datasets.native import NativeItem
from annotator.errors import InputError
from annotator.evaluate.baselines import MemberRun
from annotator.evaluate.compare import Comparison, Differing, Pair, Row, compare, leaderboard
from annotator.evaluate.model import Given, ItemResult, RunFacts, Verdict
from annotator.evaluate.statistics import holm

ALPHA = 0.05
ABSTAINS = "cannot be answered"


@dataclass(frozen=True, slots=True)
class ToldPair:
    """Two runs, with what their difference is worth in words.

    Args:
        is_seen: whether the difference is significant, all pairs counted together.
    """

    pair: Pair
    a: RunFacts
    b: RunFacts
    is_seen: bool
    words: str


@dataclass(frozen=True, slots=True)
class Category:
    """Runs over the questions of one category.

    Args:
        rows: by run; none where the runs share no question of it.
        pair: of exactly two runs.
        p: of the pair, by Holm over all categories.
    """

    name: str
    num: int
    rows: Mapping[str, Row]
    pair: Pair | None
    p: float | None

    @property
    def is_seen(self) -> bool:
        """Whether the difference of the two runs is significant."""
        return self.p is not None and self.p < ALPHA


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run answered to a question, of several epochs the first.

    Args:
        score: mean over the epochs.
    """

    verdict: Verdict
    words: str
    score: float


@dataclass(frozen=True, slots=True)
class DifferingItem:
    """A question on which runs do not agree.

    Args:
        question, gold: None for those who may not see what is right.
        answers: by run; a run that did not ask it has none.
    """

    number: int
    category: str
    question: str | None
    gold: str | None
    answers: Mapping[str, Answer]


def told(pair: Pair, facts: Mapping[str, RunFacts], names: Mapping[str, str]) -> ToldPair:
    """A pair in words.

    Args:
        names: of runs by id, as the page calls them.
    """
    is_seen = pair.p_holm < ALPHA
    return ToldPair(pair, facts[pair.a], facts[pair.b], is_seen, _seen(pair, names) if is_seen else _unseen(pair))


def told_pairs(comparison: Comparison, names: Mapping[str, str]) -> list[ToldPair]:
    """Every pair of a comparison in words."""
    facts = {row.run.run_id: row.run for row in comparison.rows}
    return [told(pair, facts, names) for pair in comparison.pairs]


def against(baseline: MemberRun, others: Sequence[MemberRun]) -> dict[str, Pair]:
    """Each run against one of them, by id; p values hold for all of these together.

    Runs that share no question with it have none.
    """
    pairs: dict[str, Pair] = {}
    for other in others:
        try:
            pairs[other.facts.run_id] = compare([baseline, other]).pairs[0]
        except InputError:
            continue
    adjusted = holm([pair.p for pair in pairs.values()])
    return {
        run_id: pair.model_copy(update={"p_holm": p}) for (run_id, pair), p in zip(pairs.items(), adjusted, strict=True)
    }


def names_of(runs: Sequence[RunFacts]) -> dict[str, str]:
    """What to call runs beside each other: the model, or the variant where the model is the same, and what else tells
    them apart, down to the end of the id.
    """
    is_one_model = all(run.variant for run in runs) and len({run.model.partition(":")[0] for run in runs}) == 1
    names = {run.run_id: run.variant if is_one_model else run.model for run in runs}
    if len({run.mode for run in runs}) > 1:
        names = {run.run_id: f"{names[run.run_id]}, {run.mode.replace('_', ' ')}" for run in runs}
    for more in (lambda run: run.name, lambda run: run.run_id[-6:]):
        used = list(names.values())
        names = {
            run.run_id: f"{name} ({more(run)})" if used.count(name) > 1 and more(run) != name else name
            for run in runs
            for name in (names[run.run_id],)
        }
    return names


def by_category(members: Sequence[MemberRun]) -> list[Category]:
    """Runs against each other by category; only of questions that all of them answered."""
    found = []
    for name in sorted({result.facts.category for one in members for result in one.results}):
        some = [
            MemberRun(one.facts, [result for result in one.results if result.facts.category == name]) for one in members
        ]
        try:
            pair = compare(some).pairs[0] if len(some) == 2 else None
            rows = {row.run.run_id: row for row in leaderboard(some)}
        except InputError:
            pair, rows = None, {}
        num = next(iter(rows.values())).num if rows else 0
        found.append(Category(name or "none", num, rows, pair, None))
    adjusted = iter(holm([one.pair.p for one in found if one.pair is not None]))
    return [
        one if one.pair is None else Category(one.name, one.num, one.rows, one.pair, next(adjusted)) for one in found
    ]


def differing_items(
    some: Sequence[Differing], members: Sequence[MemberRun], frozen: Mapping[str, NativeItem]
) -> list[DifferingItem]:
    """Questions on which runs differ, with what each answered.

    Args:
        frozen: the questions by id; empty for those who may not see what is right.
    """
    wanted = {one.item_id for one in some}
    first = {one.facts.run_id: _first(one.results, wanted) for one in members}
    return [
        DifferingItem(
            number=one.number,
            category=one.category,
            question=frozen[one.item_id].question if frozen else None,
            gold=gold_words(frozen[one.item_id]) if frozen else None,
            answers={
                run_id: Answer(
                    verdict=verdict,
                    words=given_words(frozen[one.item_id], first[run_id][one.item_id].judgement.given)
                    if frozen
                    else "",
                    score=one.scores[run_id],
                )
                for run_id, verdict in one.verdicts.items()
            },
        )
        for one in some
    ]


def given_words(item: NativeItem, given: Given | None) -> str:
    """What was read of a reply, in the words of the question; empty where nothing could be."""
    if given is None:
        return ""
    if given.abstains:
        return ABSTAINS
    if given.open is not None:
        return answer_texts(given.open)[0]
    return ", ".join(option.text for option in item.options if option.key in (given.option_keys or ()))


def gold_words(item: NativeItem) -> str:
    """What is right, in the words of the question."""
    if item.type == "unanswerable":
        return ABSTAINS
    if item.options:
        return ", ".join(item.options[index].text for index in right_indices(item))
    return next(iter(open_texts(item)), "")


def _first(results: Sequence[ItemResult], wanted: Collection[str]) -> dict[str, ItemResult]:
    found: dict[str, ItemResult] = {}
    for result in sorted(results, key=lambda result: result.epoch):
        if result.facts.item_id in wanted:
            found.setdefault(result.facts.item_id, result)
    return found


def _seen(pair: Pair, names: Mapping[str, str]) -> str:
    better, worse = (pair.b, pair.a) if pair.difference > 0 else (pair.a, pair.b)
    return (
        f"{names[better]} is right on {100 * abs(pair.difference):.1f} points more of the questions than "
        f"{names[worse]}; chance alone would rarely do this."
    )


def _unseen(pair: Pair) -> str:
    num_differing = pair.only_a + pair.only_b
    if not num_differing:
        return "Both are right on the same questions, so there is no difference to see."
    smallest = pair.visible.smallest
    if smallest is None:
        disagree = f"{num_differing} of {pair.num} questions"
        return f"Not seen: they disagree on {disagree}, and so few cannot show a difference of any size."
    if abs(pair.difference) < smallest:
        return f"Too small to see: with these {pair.num} questions a difference shows from {100 * smallest:.1f} points."
    return "May be chance: it does not hold when all pairs are counted together."
