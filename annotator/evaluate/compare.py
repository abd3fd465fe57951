"""Runs against each other over the same frozen items: paired tables, tests, what differs, and the leaderboard.

Variants of one model differ on few items, so that pairs tell far more than two intervals side by side.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from annotator.errors import InputError
from annotator.evaluate.baselines import MemberRun, Reference
from annotator.evaluate.model import RunFacts, Verdict
from annotator.evaluate.statistics import Interval, Power, cluster_interval, holm, mcnemar, smallest_difference, wilson
from annotator.evaluate.summary import Spread, item_scores, spread


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class Row(_Out):
    """A run in the leaderboard.

    Args:
        accuracy: over the items that all of the runs answered.
        num_missing: items of other runs that this one has not answered.
        p_to_best: of the exact McNemar test against the first row, by Holm; None in the first row itself.
        tokens_per_s: completion tokens by the whole time of each item, calls and all.
        kv_bytes: KV cache of each item's largest request; None where the server does not say.
    """

    rank: int
    run: RunFacts
    num: int
    num_missing: int
    num_right: float
    accuracy: float
    wilson: Interval
    clustered: Interval | None
    p_to_best: float | None
    latency_ms: Spread | None
    tokens_per_s: Spread | None
    kv_bytes: Spread | None = None


class Pair(_Out):
    """Two runs over the items that both answered.

    Args:
        a, b: ids of the runs.
        only_a, only_b: items that just this one has right; asked several times, more often than not.
        difference: accuracy of b less that of a, and its interval by drawing contexts again.
        p: of McNemar's exact test; `p_holm` holds for all pairs together.
        visible: the smallest difference that so many items could have shown.
        notes: what else differs between the two, and so may be the cause.
    """

    a: str
    b: str
    num: int
    num_contexts: int
    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    difference: float
    interval: Interval | None
    p: float
    p_holm: float
    visible: Power
    notes: tuple[str, ...]


class Differing(_Out):
    """An item on which the runs do not agree.

    Args:
        verdicts: of each run by its id; of several epochs, the first.
        scores: mean score of each run.
    """

    item_id: str
    number: int
    category: str
    verdicts: dict[str, Verdict]
    scores: dict[str, float]


class Comparison(_Out):
    """Runs over one snapshot, and every pair of them.

    Args:
        references: chance, the commonest answer and people, over the items that all runs answered; none where the items
            were not at hand.
        floors: for each run in another mode, the closed book of its model over these items.
    """

    snapshot: str
    manifest_sha: str
    num: int
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    differing: tuple[Differing, ...]
    references: tuple[Reference, ...] = ()
    floors: dict[str, Reference] = {}


class _Scored(NamedTuple):
    facts: RunFacts
    scores: dict[str, float]
    run: MemberRun


def compare(runs: Sequence[MemberRun], *, seed: int = 0) -> Comparison:
    """Any two or more runs over the same snapshot.

    Only items that all of them answered count for rows, and for a pair those that both did.

    Raises:
        InputError: fewer than two runs, one given twice, different snapshots, or no item in common.
    """
    if len(runs) < 2:
        raise InputError("a comparison needs at least two runs", param="runs")
    _check(runs)
    scored = [_Scored(run.facts, item_scores(run.results), run) for run in runs]
    common = _common(scored)
    pairs = [_pair(a, b, seed) for a, b in combinations(scored, 2)]
    adjusted = holm([pair.p for pair in pairs])
    return Comparison(
        snapshot=runs[0].facts.snapshot,
        manifest_sha=runs[0].facts.manifest_sha,
        num=len(common),
        rows=_rows(scored, common, seed),
        pairs=tuple(pair.model_copy(update={"p_holm": p}) for pair, p in zip(pairs, adjusted, strict=True)),
        differing=_differing(scored),
    )


def leaderboard(runs: Sequence[MemberRun], *, seed: int = 0) -> tuple[Row, ...]:
    """The runs over one snapshot, the best first, over the items that all of them answered; also of a single run.

    Raises:
        InputError: no run, one given twice, different snapshots, or no item in common.
    """
    if not runs:
        raise InputError("a leaderboard needs a run", param="runs")
    _check(runs)
    scored = [_Scored(run.facts, item_scores(run.results), run) for run in runs]
    return _rows(scored, _common(scored), seed)


def _check(runs: Sequence[MemberRun]) -> None:
    first = runs[0].facts
    ids = [run.facts.run_id for run in runs]
    if len(set(ids)) < len(ids):
        raise InputError("a run cannot be compared with itself; name each run once", param="runs")
    for run in runs[1:]:
        if run.facts.manifest_sha != first.manifest_sha:
            raise InputError(
                f"'{first.name}' ran over {first.snapshot} and '{run.facts.name}' over {run.facts.snapshot}; only runs "
                "over the same frozen items can be compared",
                param="runs",
            )


def _common(scored: Sequence[_Scored]) -> list[str]:
    common = set.intersection(*(set(one.scores) for one in scored))
    if not common:
        empty = next((one.facts.name for one in scored if not one.scores), None)
        reason = f"'{empty}' has no results yet" if empty else "no item was answered in all of these runs"
        raise InputError(f"{reason}; let them finish, or compare others", param="runs")
    return sorted(common)


def _rows(scored: Sequence[_Scored], common: Sequence[str], seed: int) -> tuple[Row, ...]:
    everything = {item_id for one in scored for item_id in one.scores}
    ordered = sorted(scored, key=lambda one: (-sum(one.scores[item_id] for item_id in common), one.facts.run_id))
    best = ordered[0]
    to_best = holm([_mcnemar(best, one, common) for one in ordered[1:]])
    contexts = _contexts(best)
    rows: list[Row] = []
    for place, one in enumerate(ordered):
        values = [one.scores[item_id] for item_id in common]
        num_right = sum(values)
        is_tied = bool(rows) and rows[-1].num_right == num_right
        rows.append(
            Row(
                rank=rows[-1].rank if is_tied else place + 1,
                run=one.facts,
                num=len(common),
                num_missing=len(everything - set(one.scores)),
                num_right=num_right,
                accuracy=num_right / len(common),
                wilson=wilson(num_right, len(common)),
                clustered=cluster_interval(values, [contexts[item_id] for item_id in common], seed=seed),
                p_to_best=to_best[place - 1] if place else None,
                latency_ms=spread(result.latency_ms for result in one.run.results),
                tokens_per_s=spread(
                    result.completion_tokens / result.latency_ms * 1000
                    for result in one.run.results
                    if result.completion_tokens is not None and result.latency_ms
                ),
                kv_bytes=spread(result.kv_bytes for result in one.run.results),
            )
        )
    return tuple(rows)


def _pair(a: _Scored, b: _Scored, seed: int) -> Pair:
    common = _common([a, b])
    contexts = _contexts(a)
    sides = [(a.scores[item_id] > 0.5, b.scores[item_id] > 0.5) for item_id in common]
    only_a, only_b = sides.count((True, False)), sides.count((False, True))
    differences = [b.scores[item_id] - a.scores[item_id] for item_id in common]
    p = mcnemar(only_a, only_b)
    return Pair(
        a=a.facts.run_id,
        b=b.facts.run_id,
        num=len(common),
        num_contexts=len({contexts[item_id] for item_id in common}),
        both_right=sides.count((True, True)),
        only_a=only_a,
        only_b=only_b,
        both_wrong=sides.count((False, False)),
        difference=sum(differences) / len(common),
        interval=cluster_interval(differences, [contexts[item_id] for item_id in common], seed=seed),
        p=p,
        p_holm=p,
        visible=smallest_difference(len(common), (only_a + only_b) / len(common)),
        notes=_notes(a.facts, b.facts),
    )


def _mcnemar(a: _Scored, b: _Scored, common: Sequence[str]) -> float:
    sides = [(a.scores[item_id] > 0.5, b.scores[item_id] > 0.5) for item_id in common]
    return mcnemar(sides.count((True, False)), sides.count((False, True)))


def _contexts(one: _Scored) -> dict[str, str]:
    return {result.facts.item_id: result.facts.context_id for result in one.run.results}


def _notes(a: RunFacts, b: RunFacts) -> tuple[str, ...]:
    """What differs beside the model; differences in it are what is compared."""
    notes = []
    if a.template_sha != b.template_sha and a.mode == b.mode:
        notes.append("they were asked with different prompts")
    if a.offers_abstaining != b.offers_abstaining:
        notes.append("only one of them was offered to abstain")
    if a.shuffle_seed != b.shuffle_seed:
        notes.append("they saw the options in different orders")
    if a.decoding != b.decoding:
        notes.append("they were decoded with different settings")
    if a.server_version != b.server_version:
        notes.append("they were served by different versions of the server")
    return tuple(notes)


def _differing(scored: Sequence[_Scored]) -> tuple[Differing, ...]:
    """Items with other scores in one run than in another, by number."""
    found: defaultdict[str, dict[str, Verdict]] = defaultdict(dict)
    facts = {}
    for one in scored:
        for result in sorted(one.run.results, key=lambda result: result.epoch):
            facts[result.facts.item_id] = result.facts
            found[result.facts.item_id].setdefault(one.facts.run_id, result.judgement.verdict)
    differing = []
    for item_id, verdicts in found.items():
        scores = {one.facts.run_id: one.scores[item_id] for one in scored if item_id in one.scores}
        if len(set(scores.values())) > 1:
            about = facts[item_id]
            differing.append(
                Differing(
                    item_id=item_id, number=about.number, category=about.category, verdicts=verdicts, scores=scores
                )
            )
    return tuple(sorted(differing, key=lambda item: item.number))
