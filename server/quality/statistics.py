"""Intervals and tests for shares, means and paired differences. Every random draw comes from a seed."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95
NUM_RESAMPLES = 10_000
_RESAMPLES_AT_ONCE = 250


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, both included."""

    low: float
    high: float


def wilson(num_right: int, num_total: int, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of a share, which stays sensible at 0 and 1 and for few trials.

    Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    if num_total == 0:
        return Interval(0.0, 1.0)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = num_right / num_total, z * z / num_total
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * (share * (1 - share) / num_total + spread / (4 * num_total)) ** 0.5
    # At the ends the bound is exactly 0 or 1; floating point would miss it by a hair.
    return Interval(0.0 if num_right == 0 else centre - half, 1.0 if num_right == num_total else centre + half)


def exact_mcnemar(num_only_first: int, num_only_second: int) -> float:
    """Two-sided p of "both are right equally often", from the pairs of which exactly one is right.

    McNemar (1947), with the exact binomial distribution at one half, in whole numbers until the last division.
    """
    num_discordant = num_only_first + num_only_second
    ways = tail = 1
    for k in range(1, min(num_only_first, num_only_second) + 1):
        ways = ways * (num_discordant - k + 1) // k
        tail += ways
    # The distribution is symmetric: both tails are twice the one, which share the middle where they meet.
    return min(1.0, 2 * tail / 2**num_discordant)


def bootstrap_ratio(
    numerators: Sequence[float],
    denominators: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    seed: int,
    confidence: float = CONFIDENCE,
    num_resamples: int = NUM_RESAMPLES,
) -> Interval:
    """Percentile bootstrap interval of sum(numerators) / sum(denominators), drawing whole clusters.

    With denominators of 1 that is the interval of a mean; of a mean difference, if the numerators are paired
    differences. What shares a context is not independent, so questions are drawn context by context; where every
    item is its own cluster this is the ordinary bootstrap.

    Args:
        numerators: one per item.
        denominators: one per item, above 0.
        clusters: which cluster each item belongs to.

    Raises:
        ValueError: there are no items, or the three are not equally long.
    """
    if not numerators or not len(numerators) == len(denominators) == len(clusters):
        raise ValueError("a bootstrap needs items, and a denominator and a cluster for each")
    places = {cluster: index for index, cluster in enumerate(dict.fromkeys(clusters))}
    of_item = [places[cluster] for cluster in clusters]
    sums = np.stack([np.bincount(of_item, weights, minlength=len(places)) for weights in (numerators, denominators)], 1)
    generator = np.random.default_rng(seed)
    ratios: list[np.ndarray] = []
    for start in range(0, num_resamples, _RESAMPLES_AT_ONCE):
        num_now = min(_RESAMPLES_AT_ONCE, num_resamples - start)
        counts = generator.multinomial(len(places), np.full(len(places), 1 / len(places)), size=num_now)
        totals = counts @ sums
        ratios.append(totals[:, 0] / totals[:, 1])
    low, high = np.quantile(np.concatenate(ratios), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def smallest_visible_difference(
    num_pairs: int, num_discordant: int, *, confidence: float = CONFIDENCE, power: float = 0.8
) -> float | None:
    """The smallest true difference of two shares that McNemar's test would have found with probability `power`.

    It depends on how often the two disagree, which is taken from the data, and which is never less than the
    difference itself. Connor, "Sample size for testing differences in proportions for the paired-sample design"
    (1987), solved for the difference.

    Returns:
        None if there are so few pairs that no difference would have been found.
    """
    if num_pairs == 0:
        return None
    z_test, z_power = NormalDist().inv_cdf((1 + confidence) / 2), NormalDist().inv_cdf(power)

    def is_visible(difference: float) -> bool:
        discordant = max(num_discordant / num_pairs, difference)
        needed = z_test * discordant**0.5 + z_power * max(discordant - difference**2, 0.0) ** 0.5
        return difference * num_pairs**0.5 >= needed

    if not is_visible(1.0):
        return None
    hidden, visible = 0.0, 1.0
    for _ in range(40):
        middle = (hidden + visible) / 2
        hidden, visible = (hidden, middle) if is_visible(middle) else (middle, visible)
    return visible
