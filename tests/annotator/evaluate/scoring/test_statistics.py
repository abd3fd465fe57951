"""Statistics, against tables and against what counting everything gives."""

from fractions import Fraction
from itertools import combinations, product
from math import comb, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.evaluate.statistics import cluster_interval, holm, mcnemar, smallest_difference, wilson


@pytest.mark.parametrize(
    ("right", "num", "low", "high"),
    [(0, 10, 0.0, 0.2775), (1, 1, 0.2065, 1.0), (8, 10, 0.4902, 0.9433), (50, 100, 0.4038, 0.5962), (0, 0, 0.0, 1.0)],
)
def test_wilson_intervals_are_those_of_the_tables(right, num, low, high) -> None:
    assert wilson(right, num) == pytest.approx((low, high), abs=5e-5)


@given(num=st.integers(1, 5000), share=st.floats(0, 1))
@settings(max_examples=50)
def test_a_wilson_bound_is_where_the_score_test_just_rejects(num, share) -> None:
    right = round(share * num)
    seen, interval = right / num, wilson(right, num)
    assert 0 <= interval.low <= seen <= interval.high <= 1
    for bound in interval:
        if 0 < bound < 1:
            assert abs(seen - bound) / sqrt(bound * (1 - bound) / num) == pytest.approx(1.959964, rel=1e-4)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [(0, 0, 1.0), (5, 15, 0.0414), (1, 9, 0.0215), (0, 5, 0.0625), (0, 6, 0.03125), (10, 10, 1.0), (2, 12, 0.0129)],
)
def test_mcnemar_is_the_tabulated_binomial(only_a, only_b, p) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(p, abs=5e-5)
    assert mcnemar(only_a, only_b) == mcnemar(only_b, only_a)


@given(only_a=st.integers(0, 60), only_b=st.integers(0, 60))
@settings(max_examples=50)
def test_mcnemar_sums_every_outcome_as_unlikely(only_a, only_b) -> None:
    num = only_a + only_b
    unlikely = sum(comb(num, k) for k in range(num + 1) if abs(2 * k - num) >= abs(only_a - only_b))
    assert mcnemar(only_a, only_b) == pytest.approx(float(Fraction(unlikely, 2**num)), rel=1e-12)


def test_mcnemar_takes_many_items() -> None:
    assert mcnemar(4_000, 4_200) == pytest.approx(0.02797, abs=5e-5)
    assert mcnemar(0, 5_000) == 0.0


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=6))
@settings(max_examples=50)
def test_holm_is_what_testing_every_intersection_by_bonferroni_gives(p_values) -> None:
    indices = range(len(p_values))
    groups = [group for size in range(1, len(p_values) + 1) for group in combinations(indices, size)]
    closed = [
        max(min(1.0, len(group) * min(p_values[one] for one in group)) for group in groups if index in group)
        for index in indices
    ]
    assert holm(p_values) == pytest.approx(closed)


@given(
    sums=st.lists(st.integers(0, 4), min_size=5, max_size=5),
    sizes=st.lists(st.integers(1, 4), min_size=5, max_size=5),
)
@settings(max_examples=10)
def test_the_cluster_interval_is_that_of_all_ways_to_draw_clusters(sums, sizes) -> None:
    sizes = [max(size, right) for size, right in zip(sizes, sums, strict=True)]
    values, clusters = [], []
    for name, (right, size) in enumerate(zip(sums, sizes, strict=True)):
        values += [1.0] * right + [0.0] * (size - right)
        clusters += [str(name)] * size
    means = [sum(sums[i] for i in drawn) / sum(sizes[i] for i in drawn) for drawn in product(range(5), repeat=5)]
    # Draws are a sample of all 3,125 ways, so a bound is between their neighbouring quantiles.
    (low_a, low_b), (high_a, high_b) = np.quantile(means, [[0.017, 0.033], [0.967, 0.983]])
    found = cluster_interval(values, clusters, num_draws=8000)
    if found is None:
        assert len(set(np.array(sums) / sizes)) == 1
        return
    low, high = found
    assert low_a - 1e-9 <= low <= low_b + 1e-9
    assert high_a - 1e-9 <= high <= high_b + 1e-9


def test_clusters_that_agree_within_make_the_interval_wider_than_single_items_do() -> None:
    values = [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0] * 8
    wide = cluster_interval(values, [str(at // 4) for at in range(64)])
    narrow = cluster_interval(values, [str(at) for at in range(64)])
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_the_cluster_interval_depends_on_nothing_but_values_and_seed() -> None:
    values, clusters = [0.03, 0.97, 0.71, 0.5, 0.11, 0.83], list("aabcde")
    shuffled = [3, 0, 5, 1, 4, 2]
    first = cluster_interval(values, clusters, seed=3)
    again = cluster_interval([values[at] for at in shuffled], [clusters[at] for at in shuffled], seed=3)
    assert first == pytest.approx(again)
    assert cluster_interval(values, clusters, seed=4) != first
    assert cluster_interval(values[:4], clusters[:4]) is None
    assert cluster_interval([], []) is None
    assert cluster_interval([1.0] * 6, clusters) is None


def power_by_counting(num: int, disagreement: float, difference: float) -> float:
    """The chance of a significant result, by every way in which pairs may fall out."""
    only_b, only_a = (disagreement + difference) / 2, (disagreement - difference) / 2
    total = 0.0
    for b in range(num + 1):
        for a in range(num + 1 - b):
            if mcnemar(a, b) <= 0.05:
                ways = comb(num, b) * comb(num - b, a)
                total += ways * only_b**b * only_a**a * (1 - disagreement) ** (num - a - b)
    return total


@pytest.mark.parametrize(("num", "disagreement"), [(12, 1.0), (20, 0.6), (30, 0.5)])
def test_the_smallest_visible_difference_is_seen_in_80_of_100_comparisons(num, disagreement) -> None:
    smallest = smallest_difference(num, disagreement).smallest
    assert smallest is not None
    assert power_by_counting(num, disagreement, smallest) >= 0.8 - 1e-6
    assert power_by_counting(num, disagreement, smallest - 0.001) < 0.8


@pytest.mark.parametrize(("num", "disagreement"), [(0, 0.5), (1, 1.0), (5, 1.0), (300, 0.0), (300, 0.01)])
def test_few_or_equal_pairs_show_no_difference_at_all(num, disagreement) -> None:
    assert smallest_difference(num, disagreement).smallest is None


def test_more_pairs_show_smaller_differences() -> None:
    seen = [smallest_difference(num, 0.3).smallest for num in (50, 100, 300, 1000)]
    assert seen == sorted(seen, reverse=True)
    assert seen[2] == pytest.approx(0.09, abs=0.005)
