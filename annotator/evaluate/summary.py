"""A run in numbers: accuracy overall and by group with intervals and references, verdicts, time, tokens, tools.

An item that is asked several times counts once, with the mean of its scores. Errors and limits count as not right.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from annotator.evaluate.baselines import ItemBaseline, MemberRun, Reference, references
from annotator.evaluate.model import VERDICTS, ItemFacts, ItemResult, Mode, Verdict
from annotator.evaluate.statistics import Interval, Power, cluster_interval, smallest_difference, wilson

TOKEN_BUCKETS = (250, 500, 1000, 2000, 4000, 8000)
"""Where lengths of contexts are parted, in tokens."""


class _Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class Group(_Out):
    """Items that have something in common, or all of them.

    Args:
        name: of the category, type or length; `all`.
        num: items; `num_asked` counts each epoch.
        num_right: sum of the items' mean scores.
        accuracy: None of no items.
        wilson: its interval where items are independent.
        clustered: by drawing contexts again; None where there are too few, or all are alike.
        partial: mean partial score.
        references: chance, the commonest answer, people, the closed book and the oracle's evidence over these items.
    """

    name: str
    num: int
    num_asked: int
    num_contexts: int
    num_right: float
    accuracy: float | None
    wilson: Interval
    clustered: Interval | None
    partial: float | None
    verdicts: dict[Verdict, int]
    references: tuple[Reference, ...]


class Share(_Out):
    """So many of so many, with its interval."""

    num: int
    of: int
    share: float | None
    wilson: Interval


class Abstention(_Out):
    """How well the model knows what cannot be answered.

    Args:
        precision: of its abstentions, those on items that cannot be answered.
        recall: of what cannot be answered, that on which it abstained.
    """

    precision: Share
    recall: Share


class Spread(_Out):
    """Percentiles of what was measured; `num` is how often it was."""

    num: int
    mean: float
    p10: float
    p50: float
    p90: float
    p99: float
    max: float


class Tools(_Out):
    """What the model called.

    Args:
        by_name: calls of each tool, the most called first.
        evidence: supporting values that its calls brought to light, of all that the items have.
        num_answers: that were given to items with supporting values, `num_citing` of them cite a result.
        cited_precision: of all results that these cite, those that show a supporting value.
        cited_recall: of the supporting values of all items, those that a cited result shows.
    """

    num_calls: int
    num_errors: int
    num_offline_misses: int
    by_name: dict[str, int]
    evidence: Share
    num_answers: int
    num_citing: int
    cited_precision: Share
    cited_recall: Share


class Summary(_Out):
    """A run in numbers.

    Args:
        groups: by `category`, `type`, `context_length` and `answerable`.
        kv_bytes: KV cache of a question's largest request, where the server says so.
        tokens_per_s: completion tokens after the first by the time that they took, of replies in one turn.
        visible: the smallest difference that another run over these items could have shown, if it were as often right
            and answered independently.
    """

    overall: Group
    groups: dict[str, tuple[Group, ...]]
    abstention: Abstention
    latency_ms: Spread | None
    first_token_ms: Spread | None
    prompt_tokens: Spread | None
    completion_tokens: Spread | None
    tokens_per_s: Spread | None
    num_turns: Spread | None
    kv_bytes: Spread | None
    tools: Tools
    visible: Power


def summarise(
    results: Sequence[ItemResult],
    baselines: Mapping[str, ItemBaseline],
    runs: Mapping[Mode, MemberRun] | None = None,
    *,
    seed: int = 0,
) -> Summary:
    """A run in numbers; also one that has hardly begun.

    Args:
        results: in any order.
        baselines: of `item_baselines`, for every item that occurs.
        runs: the same model's other modes; see `annotator.evaluate.baselines.sibling`.
    """
    make = _Grouping(baselines, runs or {}, seed)
    overall = make.group("all", results)
    accuracy = overall.accuracy or 0.0
    return Summary(
        overall=overall,
        groups={
            "category": make.groups(results, lambda facts: facts.category or "none"),
            "type": make.groups(results, lambda facts: facts.type),
            "context_length": make.groups(results, lambda facts: length_bucket(facts.context_tokens), _bucket_order),
            "answerable": make.groups(results, lambda facts: "answerable" if facts.is_answerable else "unanswerable"),
        },
        abstention=abstention(results),
        latency_ms=spread(one.latency_ms for one in results),
        first_token_ms=spread(one.first_token_ms for one in results),
        prompt_tokens=spread(one.prompt_tokens for one in results),
        completion_tokens=spread(one.completion_tokens for one in results),
        tokens_per_s=spread(_tokens_per_s(one) for one in results),
        num_turns=spread(one.num_turns for one in results),
        kv_bytes=spread(one.kv_bytes for one in results),
        tools=_tools(results),
        visible=smallest_difference(overall.num, 2 * accuracy * (1 - accuracy)),
    )


def length_bucket(num_tokens: int | None) -> str:
    """The name of the range of lengths in which a context is."""
    if num_tokens is None:
        return "not known"
    below = next((end for end in TOKEN_BUCKETS if num_tokens < end), None)
    if below is None:
        return f"{TOKEN_BUCKETS[-1]} and more"
    at = TOKEN_BUCKETS.index(below)
    return f"{TOKEN_BUCKETS[at - 1]} to {below - 1}" if at else f"below {below}"


def item_scores(results: Iterable[ItemResult]) -> dict[str, float]:
    """The mean score of every item over its epochs."""
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for result in results:
        scores[result.facts.item_id].append(result.judgement.score)
    return {item_id: sum(values) / len(values) for item_id, values in scores.items()}


def abstention(results: Iterable[ItemResult]) -> Abstention:
    """Precision and recall of abstaining. Every epoch counts."""
    num_abstained = num_unanswerable = num_both = 0
    for result in results:
        given = result.judgement.given
        abstained = given is not None and given.abstains
        num_abstained += abstained
        num_unanswerable += not result.facts.is_answerable
        num_both += abstained and not result.facts.is_answerable
    return Abstention(precision=share_of(num_both, num_abstained), recall=share_of(num_both, num_unanswerable))


def share_of(num: int, of: int) -> Share:
    """A share with its interval; None of none."""
    return Share(num=num, of=of, share=num / of if of else None, wilson=wilson(num, of))


def spread(values: Iterable[float | None]) -> Spread | None:
    """Percentiles of the values that there are; None where there is none."""
    known = np.asarray([value for value in values if value is not None], dtype=np.float64)
    if not len(known):
        return None
    p10, p50, p90, p99 = (float(value) for value in np.percentile(known, [10, 50, 90, 99]))
    return Spread(num=len(known), mean=float(known.mean()), p10=p10, p50=p50, p90=p90, p99=p99, max=float(known.max()))


class _Grouping:
    def __init__(self, baselines: Mapping[str, ItemBaseline], runs: Mapping[Mode, MemberRun], seed: int) -> None:
        self._baselines = baselines
        self._runs = runs
        self._seed = seed

    def groups(
        self,
        results: Sequence[ItemResult],
        name_of: Callable[[ItemFacts], str],
        order: Callable[[str], int] | None = None,
    ) -> tuple[Group, ...]:
        """Groups by name, in their own order or that of the names."""
        found: defaultdict[str, list[ItemResult]] = defaultdict(list)
        for result in results:
            found[name_of(result.facts)].append(result)
        return tuple(self.group(name, found[name]) for name in sorted(sorted(found), key=order or (lambda name: 0)))

    def group(self, name: str, results: Sequence[ItemResult]) -> Group:
        scores = item_scores(results)
        contexts = {result.facts.item_id: result.facts.context_id for result in results}
        num_right = sum(scores.values())
        verdicts = Counter(result.judgement.verdict for result in results)
        return Group(
            name=name,
            num=len(scores),
            num_asked=len(results),
            num_contexts=len(set(contexts.values())),
            num_right=num_right,
            accuracy=num_right / len(scores) if scores else None,
            wilson=wilson(num_right, len(scores)),
            clustered=cluster_interval(
                list(scores.values()), [contexts[item_id] for item_id in scores], seed=self._seed
            ),
            partial=sum(result.judgement.partial for result in results) / len(results) if results else None,
            verdicts={verdict: verdicts[verdict] for verdict in VERDICTS},
            references=references(list(scores), self._baselines, self._runs),
        )


def _bucket_order(name: str) -> int:
    names = [length_bucket(end - 1) for end in TOKEN_BUCKETS]
    return names.index(name) if name in names else len(names) + (name == "not known")


def _tokens_per_s(result: ItemResult) -> float | None:
    if result.completion_tokens is None or result.first_token_ms is None or result.num_turns != 1:
        return None
    seconds = (result.latency_ms - result.first_token_ms) / 1000
    return (result.completion_tokens - 1) / seconds if seconds > 0 and result.completion_tokens > 1 else None


def _tools(results: Sequence[ItemResult]) -> Tools:
    by_name: Counter[str] = Counter()
    for result in results:
        by_name.update(result.tools)
    # Where nothing supports the answer, nothing that is cited can be held against it.
    citable = [result for result in results if result.evidence_wanted]
    cited = [result.judgement.citing for result in citable if result.judgement.citing is not None]
    num_wanted = sum(result.evidence_wanted for result in citable)
    # Runs from before citations were read say nothing of them, which is not that nothing was cited.
    num_to_cite = num_wanted if cited else 0
    return Tools(
        num_calls=sum(result.num_tool_calls for result in results),
        num_errors=sum(result.num_tool_errors for result in results),
        num_offline_misses=sum(result.num_offline_misses for result in results),
        by_name=dict(by_name.most_common()),
        evidence=share_of(sum(result.evidence_found for result in citable), num_wanted),
        num_answers=len(cited),
        num_citing=sum(bool(one.refs) for one in cited),
        cited_precision=share_of(sum(one.num_supporting for one in cited), sum(len(one.refs) for one in cited)),
        cited_recall=share_of(sum(one.num_values for one in cited), num_to_cite),
    )
