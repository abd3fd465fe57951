"""What an accuracy must be seen beside: chance, the commonest answer, people, and the same model without the context.

The first three follow from the items alone, one value an item, so that they can be had for every group of them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from annotator.datasets.native import NativeItem
from annotator.evaluate.judge import gold_of
from annotator.evaluate.model import Form, ItemResult, Mode, RunFacts, form_of
from annotator.review import match
from annotator.review.given import Given, Keys, Unanswerable

_OfRun = Literal["closed_book", "oracle_evidence"]
ReferenceName = Literal["chance", "majority", "human"] | _OfRun
_MAX_COMPARISONS = 50_000
"""Of answers with each other in search of the commonest; of very many only the most frequent ones are tried."""


class ItemBaseline(NamedTuple):
    """What can be had of an item without a model.

    Args:
        chance: the share of ways to answer, as the item looks, that are right; 0 for open questions, which have none to
            pick from.
        majority: 1 where always giving the commonest answer is right here, else 0.
        num_answers: people's blind answers that can be compared, `num_right` how many of them are right.
    """

    chance: float
    majority: float
    num_answers: int
    num_right: float


class Reference(BaseModel):
    """A share to be seen beside an accuracy.

    Args:
        share: of items; None where there is none.
        num: of items, or for people of answers, that it is from.
        detail: one sentence for people, also on why there is none.
    """

    model_config = ConfigDict(frozen=True)

    name: ReferenceName
    share: float | None
    num: int
    detail: str


class MemberRun(NamedTuple):
    """A run and what came of its items.

    Args:
        results: of each item and epoch, as far as there are any.
    """

    facts: RunFacts
    results: Sequence[ItemResult]


def item_baselines(items: Iterable[NativeItem], *, offers_abstaining: bool) -> dict[str, ItemBaseline]:
    """Of every item, by id.

    The commonest answer is found among these same items, for each form of question: a key or a set of keys, for each
    kind of open answer one answer, or abstaining where it is offered. It may not know which items cannot be answered,
    since that does not show.
    """
    seen = [(item.id, form_of(item), gold_of(item), len(item.options), item.responses) for item in items]
    majority: dict[str, float] = {}
    by_form: defaultdict[Form, dict[str, Given]] = defaultdict(dict)
    for item_id, form, gold, _, _ in seen:
        by_form[form][item_id] = gold
    for golds in by_form.values():
        majority |= _majority(golds, offers_abstaining=offers_abstaining)
    return {
        item_id: ItemBaseline(
            chance=_chance(form, gold, num_options, offers_abstaining=offers_abstaining),
            majority=majority[item_id],
            num_answers=0 if responses.agreement is None else responses.n,
            num_right=responses.n * (responses.agreement or 0.0),
        )
        for item_id, form, gold, num_options, responses in seen
    }


def references(
    item_ids: Sequence[str],
    baselines: Mapping[str, ItemBaseline],
    runs: Mapping[Mode, MemberRun],
) -> tuple[Reference, ...]:
    """What to show beside the accuracy over these items.

    Args:
        item_ids: each once.
        baselines: of all of them.
        runs: the same model's by mode, as far as there are; see `sibling`.
    """
    mine = [baselines[item_id] for item_id in item_ids]
    num_answers = sum(one.num_answers for one in mine)
    num_answered = sum(bool(one.num_answers) for one in mine)
    human = sum(one.num_right for one in mine) / num_answers if num_answers else None
    return (
        Reference(
            name="chance",
            share=_mean([one.chance for one in mine]),
            num=len(mine),
            detail="expected of answers drawn by lot among those shown; open questions count 0",
        ),
        Reference(
            name="majority",
            share=_mean([one.majority for one in mine]),
            num=len(mine),
            detail="always the answer that is right most often in this dataset, for each form of question",
        ),
        Reference(
            name="human",
            share=human,
            num=num_answers,
            detail=f"blind answers of people to {num_answered} of {len(mine)} items"
            if num_answers
            else "no item has blind answers of people",
        ),
        _of_run("closed_book", item_ids, runs.get("closed_book")),
        _of_run("oracle_evidence", item_ids, runs.get("oracle_evidence")),
    )


def sibling(facts: RunFacts, runs: Iterable[MemberRun], mode: Mode) -> MemberRun | None:
    """The latest finished run of the same model, endpoint and items in another mode; a run is not its own."""
    found = [
        run
        for run in runs
        if run.facts.mode == mode
        and run.facts.finished_at is not None
        and run.facts.run_id != facts.run_id
        and _asked(run.facts) == _asked(facts)
    ]
    return max(found, key=lambda run: run.facts.finished_at or "", default=None)


def _asked(facts: RunFacts) -> tuple[object, ...]:
    return facts.manifest_sha, facts.endpoint, facts.model, facts.variant, facts.offers_abstaining


def _of_run(
    name: Literal["closed_book", "oracle_evidence"], item_ids: Sequence[str], run: MemberRun | None
) -> Reference:
    what = "without any context" if name == "closed_book" else "with nothing but the evidence"
    if run is None:
        mode = name.replace("_", " ")
        return Reference(name=name, share=None, num=0, detail=f"there is no finished {mode} run of this model, {what}")
    by_item: defaultdict[str, list[float]] = defaultdict(list)
    wanted = set(item_ids)
    for result in run.results:
        if result.facts.item_id in wanted:
            by_item[result.facts.item_id].append(result.judgement.score)
    shares = [sum(scores) / len(scores) for scores in by_item.values()]
    return Reference(name=name, share=_mean(shares), num=len(shares), detail=f"the same model {what}: {run.facts.name}")


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _chance(form: Form, gold: Given, num_options: int, *, offers_abstaining: bool) -> float:
    if form == "open_ended":
        return 0.0
    num_ways = (2**num_options - 1 if form == "multiple_choice" else num_options) + offers_abstaining
    is_possible = offers_abstaining or not isinstance(gold, Unanswerable)
    return 1 / num_ways if is_possible and num_ways else 0.0


def _majority(golds: Mapping[str, Given], *, offers_abstaining: bool) -> dict[str, float]:
    """Of each item of one form, whether the best constant answer is right there."""
    groups: defaultdict[str, list[Given]] = defaultdict(list)
    for gold in golds.values():
        if not isinstance(gold, Unanswerable):
            groups["keys" if isinstance(gold, Keys) else gold.kind].append(gold)
    constant = {name: _commonest(group) for name, group in groups.items()}
    right = {
        item_id: not isinstance(gold, Unanswerable)
        and match.is_right(gold, constant["keys" if isinstance(gold, Keys) else gold.kind])
        for item_id, gold in golds.items()
    }
    num_unanswerable = sum(isinstance(gold, Unanswerable) for gold in golds.values())
    if offers_abstaining and num_unanswerable > sum(right.values()):
        return {item_id: float(isinstance(gold, Unanswerable)) for item_id, gold in golds.items()}
    return {item_id: float(is_right) for item_id, is_right in right.items()}


def _commonest(golds: Sequence[Given]) -> Given:
    by_text = {gold.model_dump_json(): gold for gold in golds}
    counts = Counter(gold.model_dump_json() for gold in golds)
    candidates = [by_text[text] for text, _ in counts.most_common(max(10, _MAX_COMPARISONS // len(golds)))]
    return max(candidates, key=lambda candidate: sum(match.is_right(gold, candidate) for gold in golds))
