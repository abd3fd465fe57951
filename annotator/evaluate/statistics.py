"""Intervals, tests and what a number of items could have shown. Pure arithmetic, seeded where it draws.

Wilson (1927) for shares; the cluster bootstrap (Field and Welsh, 2007) where questions share contexts; McNemar's test
(1947) by its exact binomial; Holm (1979) for several comparisons. Every interval is at 95 %.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
NUM_DRAWS = 4000
MIN_CLUSTERS = 5
"""Below this many contexts, drawing them again says next to nothing about others."""
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
_MAX_CELLS = 2_000_000
"""Of drawn clusters in memory at once."""


class Interval(NamedTuple):
    """Where a value lies, at 95 %."""

    low: float
    high: float


class Power(NamedTuple):
    """What a paired comparison could have shown.

    Args:
        smallest: difference of shares that would be significant in 80 of 100 such comparisons; None where none would.
        disagreement: share of items on which the two differ, which it was worked out for.
    """

    smallest: float | None
    disagreement: float


def wilson(right: float, num: int) -> Interval:
    """The interval of a share.

    Args:
        right: how many are right; a fraction where items were asked several times and their means are summed.
        num: of how many independent ones; of none, the share may be anything.
    """
    if not num:
        return Interval(0.0, 1.0)
    share, square = right / num, _Z * _Z / num
    middle = (share + square / 2) / (1 + square)
    half = _Z * math.sqrt(share * (1 - share) / num + square / (4 * num)) / (1 + square)
    # Rounding must not leave out what was seen.
    return Interval(min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def cluster_interval(
    values: ArrayLike, clusters: Sequence[str], *, seed: int = 0, num_draws: int = NUM_DRAWS
) -> Interval | None:
    """The interval of a mean by drawing whole clusters again, for instance all questions of a context.

    Also that of a difference of two runs, whose `values` are the items' differences.

    Args:
        values: one for each item, shape [items].
        clusters: the cluster of each item.

    Returns:
        None below `MIN_CLUSTERS` clusters, and where all have the same mean: drawing again would then show nothing, and
        an interval without width would claim to know.
    """
    names, numbers = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    sums = np.bincount(numbers, weights=np.asarray(values, dtype=np.float64), minlength=len(names))
    sizes = np.bincount(numbers, minlength=len(names)).astype(np.float64)
    if len(names) < MIN_CLUSTERS or np.ptp(sums / sizes) == 0:
        return None
    generator = np.random.default_rng(seed)
    at_once = max(1, _MAX_CELLS // len(names))
    means = []
    for start in range(0, num_draws, at_once):
        num = min(at_once, num_draws - start)
        drawn = generator.integers(0, len(names), size=(num, len(names)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.quantile(np.concatenate(means), [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(low), float(high))


def mcnemar(num_only_a: int, num_only_b: int) -> float:
    """The two-sided p value of so many items that only one of two runs has right: the exact binomial with one half."""
    num, fewer = num_only_a + num_only_b, min(num_only_a, num_only_b)
    term, total = 1, 1
    for k in range(1, fewer + 1):
        term = term * (num - k + 1) // k
        total += term
    # Whole numbers of any size divide exactly, where floats would overflow beyond a thousand items.
    return min(1.0, 2 * total / 2**num)


def holm(p_values: Sequence[float]) -> list[float]:
    """p values that hold for all comparisons together, in the order given."""
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = highest
    return adjusted


def smallest_difference(num_pairs: int, disagreement: float, *, power: float = 0.8, alpha: float = 0.05) -> Power:
    """The smallest difference of shares that McNemar's exact test would have found, at that power.

    Items count as independent; where they share contexts, a little more is needed.

    Args:
        num_pairs: items that both answered.
        disagreement: share of them that just one of the two has right, in [0, 1].
    """
    chances = _Rejections(num_pairs, disagreement, alpha)
    if chances.power(disagreement) < power:
        return Power(None, disagreement)
    low, high = 0.0, disagreement
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (low, middle) if chances.power(middle) >= power else (middle, high)
    return Power(high, disagreement)


class _Rejections:
    """How often McNemar's exact test rejects, of so many pairs."""

    def __init__(self, num_pairs: int, disagreement: float, alpha: float) -> None:
        self._disagreement = disagreement
        self._log_factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, max(2, num_pairs + 1))))])
        weights = self._pmf(num_pairs, disagreement)
        # Counts of differing items that all but never occur cost time and change no digit.
        self._weights = [(num, float(weights[num])) for num in np.flatnonzero(weights > 1e-9)]
        self._critical = {num: self._last_rejected(int(num), alpha) for num, _ in self._weights}

    def power(self, difference: float) -> float:
        """The chance of a significant result where the shares differ by that much."""
        if not self._disagreement:
            return 0.0
        share = min(1.0, (1 + difference / self._disagreement) / 2)
        total = 0.0
        for num, weight in self._weights:
            last = self._critical[num]
            if last >= 0:
                pmf = self._pmf(int(num), share)
                total += weight * float(pmf[: last + 1].sum() + pmf[num - last :].sum())
        return total

    def _last_rejected(self, num: int, alpha: float) -> int:
        """The largest smaller count that is still significant; -1 where none is."""
        tails = 2 * np.cumsum(self._pmf(num, 0.5))
        return int(np.searchsorted(tails[: (num + 1) // 2], alpha, side="right")) - 1

    def _pmf(self, num: int, share: float) -> NDArray[np.float64]:
        """The binomial distribution, shape [num + 1]."""
        found = np.zeros(num + 1)
        if share <= 0 or share >= 1:
            found[0 if share <= 0 else num] = 1.0
            return found
        k = np.arange(num + 1)
        logs = self._log_factorials[num] - self._log_factorials[k] - self._log_factorials[num - k]
        return np.exp(logs + k * math.log(share) + (num - k) * math.log1p(-share))
