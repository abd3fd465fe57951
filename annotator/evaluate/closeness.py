"""How near a wrong open answer is, in [0, 1]; what is right counts 1 and is none of this module's business.

| kind | closeness |
| --- | --- |
| number, duration, distance | falls from 1 at the tolerance's edge to 0 where the answer is off by the whole value |
| time | falls from 1 at the tolerance's edge to 0 an hour beyond it |
| point, place with a radius | the radius by the distance |
| set | Jaccard: what both hold of what either holds |
| ordered list | longest common subsequence by the longer list |
| text, place by name | 0 |
"""

from collections.abc import Sequence

from annotator.questions.answers import (
    DistanceAnswer,
    DurationAnswer,
    NumberAnswer,
    OpenAnswer,
    OrderedListAnswer,
    PlaceAnswer,
    PointAnswer,
    SetAnswer,
    TimeAnswer,
)
from annotator.review.match import apart_m, loose_items, time_apart_s

HOUR_S = 3600.0


def closeness(gold: OpenAnswer, given: OpenAnswer) -> float:
    """How near an answer is that is not right."""
    match gold, given:
        case NumberAnswer(value=float(want)), NumberAnswer(value=float(said)):
            comparable = not given.unit or given.unit == gold.unit
            return _beyond(want, said, gold.abs_tol, gold.rel_tol) if comparable else 0.0
        case DurationAnswer(value_s=float(want)), DurationAnswer(value_s=float(said)):
            return _beyond(want, said, gold.abs_tol_s, gold.rel_tol)
        case DistanceAnswer(value_m=float(want)), DistanceAnswer(value_m=float(said)):
            return _beyond(want, said, gold.abs_tol_m, gold.rel_tol)
        case TimeAnswer(), TimeAnswer():
            return _clipped(1 - (time_apart_s(gold.value, given.value) - gold.abs_tol_s) / HOUR_S)
        case PointAnswer(), PointAnswer():
            return _clipped(gold.max_m / max(apart_m(gold, given), gold.max_m, 1e-9))
        case PlaceAnswer(max_m=float(radius)), PlaceAnswer():
            return _clipped(radius / max(apart_m(gold, given), radius, 1e-9))
        case SetAnswer(), SetAnswer():
            return jaccard(set(loose_items(gold.items)), set(loose_items(given.items)))
        case OrderedListAnswer(), OrderedListAnswer():
            return _in_order(loose_items(gold.items), loose_items(given.items))
    return 0.0


def jaccard(a: set[str], b: set[str]) -> float:
    """What both hold of what either holds; 1 where both are empty."""
    return len(a & b) / len(a | b) if a | b else 1.0


def _beyond(want: float, said: float, abs_tol: float, rel_tol: float) -> float:
    tolerance = max(abs_tol, rel_tol * abs(want))
    over = abs(said - want) - tolerance
    return _clipped(1 - over / abs(want)) if want else 0.0


def _in_order(a: Sequence[str], b: Sequence[str]) -> float:
    row = [0] * (len(b) + 1)
    for one in a:
        before = row
        row = [0]
        for index, other in enumerate(b):
            row.append(before[index] + 1 if one == other else max(row[-1], before[index + 1]))
    return row[-1] / max(len(a), len(b), 1)


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))
