"""From records to figures: accuracy with intervals, perplexity, what it depends on, and variants side by side."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from server.quality.items import COUNTED, Outcome, Record
from server.quality.overlap import overlap
from server.quality.statistics import (
    Interval,
    bootstrap_ratio,
    exact_mcnemar,
    smallest_visible_difference,
    wilson,
)

Row = dict[str, Any]

LENGTH = "length"
CLOSED = "closed"
"""The form of a map question without its context: what can be guessed."""

_PARTS = {"map": "form", "copy": "kind", "perplexity": "text"}
"""What a task is split by, because its parts are different measurements."""

BROKEN_DOWN_BY: dict[str, tuple[str, ...]] = {
    "map": (LENGTH, "category", "type", "skill", "wording", "position"),
    "passkey": (LENGTH, "depth"),
    "copy": (LENGTH,),
    "tools": ("category", "skill", "num_calls"),
    "describe": ("num_facts",),
    "perplexity": (),
}


def measure_of(record: Record) -> str:
    """The measurement that a record belongs to: `passkey`, `map: text`, `copy: begins`, …"""
    part = _PARTS.get(record.task)
    return record.task if part is None else f"{record.task}: {record.facts[part]}"


def length_of(record: Record) -> int:
    """Tokens of the prompt: as the task set them, or rounded to the nearest power of two (1,024: 725 to 1,448)."""
    if LENGTH in record.facts:
        return int(record.facts[LENGTH])
    return 2 ** round(math.log2(max(record.prompt_tokens, 1)))


def summarise(records: Sequence[Record], seed: int) -> list[Row]:
    """One row for each measurement and variant, in the order in which they first occur."""
    return [
        {"measure": measure, "variant": variant, **_figures(group, seed)}
        for (measure, variant), group in _grouped(records, lambda record: (measure_of(record), record.variant)).items()
    ]


def _figures(group: list[Record], seed: int) -> Row:
    outcomes: dict[Outcome, int] = dict(Counter(record.outcome for record in group))
    row: Row = {"num_items": len(group), "outcomes": outcomes}
    counted = [record for record in group if record.outcome in COUNTED]
    if counted:
        right = [float(record.outcome == "right") for record in counted]
        row |= _accuracy(right) | {
            "by_cluster": asdict(_mean_interval(right, counted, seed)),
            "num_clusters": len({record.cluster for record in counted}),
            "mean_completion_tokens": sum(record.completion_tokens for record in counted) / len(counted),
        }
    if counted and counted[0].task == "copy":
        scores = [record.score or 0.0 for record in counted]
        row["similarity"] = sum(scores) / len(scores)
        row["similarity_interval"] = asdict(_mean_interval(scores, counted, seed))
    if counted and counted[0].task == "describe":
        row["stated"] = sum(record.score or 0.0 for record in counted) / len(counted)
        row |= overlap([record.reply for record in counted], [record.facts["references"] for record in counted])
    scored = scored_windows(group)
    if scored:
        row |= _perplexity(scored, seed)
    return row


def _accuracy(right: Sequence[float]) -> Row:
    num_right = round(sum(right))
    interval = asdict(wilson(num_right, len(right)))
    return {"num_counted": len(right), "accuracy": num_right / len(right), "interval": interval}


def _mean_interval(values: list[float], records: list[Record], seed: int) -> Interval:
    return bootstrap_ratio(values, [1.0] * len(values), [record.cluster for record in records], seed=seed)


def scored_windows(group: Iterable[Record]) -> list[Record]:
    """Windows of text in which some token counted."""
    return [record for record in group if record.outcome == "scored" and record.facts["num_tokens"] > 0]


def _perplexity(scored: list[Record], seed: int) -> Row:
    """Perplexity a token, and bits a byte, which do not depend on how a tokenizer cuts."""
    nats, tokens, num_bytes = (
        [float(record.facts[name]) for record in scored] for name in ("nats", "num_tokens", "num_bytes")
    )
    clusters = [record.cluster for record in scored]
    per_token = bootstrap_ratio(nats, tokens, clusters, seed=seed)
    row: Row = {
        "num_tokens": round(sum(tokens)),
        "num_bytes": round(sum(num_bytes)),
        "perplexity": _exp(sum(nats) / sum(tokens)),
        "perplexity_interval": {"low": _exp(per_token.low), "high": _exp(per_token.high)},
    }
    if sum(num_bytes) > 0:
        row["bits_per_byte"] = sum(nats) / sum(num_bytes) / math.log(2)
    return row


def _exp(nats: float) -> float:
    # A model that rules a token out would give infinity, which JSON cannot hold.
    return math.exp(min(nats, 700.0))


def break_down(records: Sequence[Record]) -> list[Row]:
    """Accuracy by each fact of each measurement: one row for each value and variant."""
    rows: list[Row] = []
    counted = [record for record in records if record.outcome in COUNTED]
    for measure, group in _grouped(counted, measure_of).items():
        for name in _broken_down_by(group[0]):
            by_value: dict[tuple[Any, str], list[Record]] = {}
            for record in group:
                by_value.setdefault((_fact(record, name), record.variant), []).append(record)
            values = sorted({value for value, _ in by_value if value is not None}, key=_in_order)
            for value in values:
                for variant in dict.fromkeys(record.variant for record in group):
                    chosen = by_value.get((value, variant))
                    if chosen:
                        right = [float(record.outcome == "right") for record in chosen]
                        row = {"measure": measure, "by": name, "value": value, "variant": variant}
                        rows.append(row | _accuracy(right))
    return rows


def _broken_down_by(record: Record) -> tuple[str, ...]:
    """Without a context, its length and places in it say nothing."""
    names = BROKEN_DOWN_BY[record.task]
    is_closed = record.facts.get("form") == CLOSED
    return tuple(name for name in names if not (is_closed and name in (LENGTH, "position")))


def _fact(record: Record, name: str) -> Any:
    return length_of(record) if name == LENGTH else record.facts.get(name)


def _in_order(value: Any) -> tuple[float, str]:
    """Numbers by size; words, and shares such as `20-40 %`, by the alphabet after the number they begin with."""
    if isinstance(value, int | float):
        return float(value), ""
    first = str(value).partition("-")[0]
    return (float(first) if first.isdecimal() else -1.0), str(value)


def compare_variants(records: Sequence[Record], variants: Sequence[str], seed: int) -> list[Row]:
    """Every variant against the first, measurement by measurement."""
    by_variant = _grouped(records, lambda record: record.variant)
    first = by_variant.get(variants[0], [])
    return [row for variant in variants[1:] for row in compare(first, by_variant.get(variant, []), seed)]


def compare(first: Sequence[Record], second: Sequence[Record], seed: int) -> list[Row]:
    """Two runs of the same items, pair by pair: one row for each measurement that both have.

    An item that counts in only one of the runs is left out of the pairs, and said to be.

    Args:
        first: of one variant.
        second: of another variant, or of another model.
    """
    rows = []
    second_by_measure = _grouped(second, measure_of)
    for measure, mine in _grouped(first, measure_of).items():
        others = {record.id: record for record in second_by_measure.get(measure, [])}
        shared = [(record, others[record.id]) for record in mine if record.id in others]
        if shared:
            row: Row = {"measure": measure, "first": mine[0].variant, "second": shared[0][1].variant}
            row |= _compared(shared, seed)
            row["num_left_out"] = len(mine) + len(others) - len(shared) - row["num_pairs"]
            rows.append(row)
    return rows


def _compared(shared: list[tuple[Record, Record]], seed: int) -> Row:
    counted = [(a, b) for a, b in shared if a.outcome in COUNTED and b.outcome in COUNTED]
    if counted:
        return _compared_answers(counted, seed)
    # Another tokenizer cuts windows elsewhere: only those of the same text can be compared.
    scored = [(a, b) for a, b in shared if scored_windows([a, b]) == [a, b] and _num_bytes(a) == _num_bytes(b) > 0]
    if scored:
        return _compared_windows(scored, seed)
    return {"num_pairs": 0}


def _compared_answers(pairs: list[tuple[Record, Record]], seed: int) -> Row:
    differences = [float(b.outcome == "right") - float(a.outcome == "right") for a, b in pairs]
    only_first, only_second = differences.count(-1.0), differences.count(1.0)
    row: Row = {
        "num_pairs": len(pairs),
        "difference": sum(differences) / len(pairs),
        "interval": asdict(_mean_interval(differences, [a for a, _ in pairs], seed)),
        "only_first_right": only_first,
        "only_second_right": only_second,
        "p": exact_mcnemar(only_first, only_second),
        "smallest_visible": smallest_visible_difference(len(pairs), only_first + only_second),
    }
    if pairs[0][0].task == "copy":
        alike = [(b.score or 0.0) - (a.score or 0.0) for a, b in pairs]
        row["similarity_difference"] = sum(alike) / len(alike)
        row["similarity_interval"] = asdict(_mean_interval(alike, [a for a, _ in pairs], seed))
    return row


def _compared_windows(pairs: list[tuple[Record, Record]], seed: int) -> Row:
    """The difference in bits a byte, which two models can be compared by."""
    bits = [(b.facts["nats"] - a.facts["nats"]) / math.log(2) for a, b in pairs]
    num_bytes = [float(_num_bytes(a)) for a, _ in pairs]
    return {
        "num_pairs": len(pairs),
        "bits_per_byte_difference": sum(bits) / sum(num_bytes),
        "bits_per_byte_interval": asdict(bootstrap_ratio(bits, num_bytes, [a.cluster for a, _ in pairs], seed=seed)),
    }


def _num_bytes(record: Record) -> int:
    return int(record.facts["num_bytes"])


def common_reasons(records: Sequence[Record]) -> list[str]:
    """Why items were skipped, broke off or failed, most frequent first, as lines for a reader."""
    found = Counter((measure_of(r), r.variant, r.outcome, r.reason) for r in records if r.reason)
    words: Mapping[str, str] = {"skipped": "skipped", "failed": "failed", "invalid": "broken off"}
    return [
        f"{count} of {measure} with {variant} {words[outcome]}: {reason}"
        for (measure, variant, outcome, reason), count in found.most_common(8)
    ]


def _grouped[K](records: Iterable[Record], key: Callable[[Record], K]) -> dict[K, list[Record]]:
    groups: dict[K, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups
