"""Intervals and tests against slow, obvious ones."""

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.quality.statistics import bootstrap_ratio, exact_mcnemar, smallest_visible_difference, wilson


@given(st.integers(1, 400), st.data())
def test_a_wilson_bound_is_where_the_score_test_is_just_significant(num_total, data):
    num_right = data.draw(st.integers(0, num_total))
    interval = wilson(num_right, num_total)
    assert 0 <= interval.low <= num_right / num_total <= interval.high <= 1
    for bound in (interval.low, interval.high):
        if 0 < bound < 1:
            z = (num_right / num_total - bound) / (bound * (1 - bound) / num_total) ** 0.5
            assert abs(z) == pytest.approx(1.959964, abs=1e-4)


def test_nothing_tried_says_nothing():
    assert (wilson(0, 0).low, wilson(0, 0).high) == (0.0, 1.0)


def slow_mcnemar(first: int, second: int) -> float:
    """Add up every outcome that is at most as likely as the one seen."""
    num = first + second
    likely = [comb(num, k) for k in range(num + 1)]
    return sum(count for count in likely if count <= likely[first]) / 2**num


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_adds_up_the_outcomes_that_are_no_likelier(first, second):
    assert exact_mcnemar(first, second) == pytest.approx(slow_mcnemar(first, second), rel=1e-9)


def slow_bootstrap(numerators, denominators, clusters, seed, num_resamples):
    """Draw clusters one by one and put their items in a row."""
    random = np.random.default_rng(seed)
    names = list(dict.fromkeys(clusters))
    ratios = []
    for _ in range(num_resamples):
        drawn = [names[i] for i in random.integers(len(names), size=len(names))]
        items = [i for name in drawn for i, cluster in enumerate(clusters) if cluster == name]
        ratios.append(sum(numerators[i] for i in items) / sum(denominators[i] for i in items))
    return np.quantile(ratios, [0.025, 0.975])


@pytest.mark.parametrize("num_clusters", [6, 60])
def test_the_bootstrap_is_that_of_drawing_clusters_one_by_one(num_clusters):
    random = np.random.default_rng(num_clusters)
    numerators, denominators = random.normal(1, 1, 60).tolist(), random.uniform(1, 2, 60).tolist()
    clusters = [f"context {i % num_clusters}" for i in range(60)]
    found = bootstrap_ratio(numerators, denominators, clusters, seed=0, num_resamples=1500)
    slow = slow_bootstrap(numerators, denominators, clusters, 1, 1500)
    # Both are random; the standard error of such a quantile is about 3 hundredths of the interval's width.
    assert [found.low, found.high] == pytest.approx(slow, abs=0.12 * (found.high - found.low))


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(-1, 1), st.integers(0, 3)), min_size=1, max_size=30),
    st.integers(0, 5),
)
def test_an_interval_depends_on_nothing_but_data_and_seed(items, seed):
    differences, clusters = zip(*items, strict=True)
    first, second = (
        bootstrap_ratio(differences, [1.0] * len(items), clusters, seed=seed, num_resamples=300) for _ in range(2)
    )
    assert first == second
    assert min(differences) <= first.low <= first.high <= max(differences)


def test_items_of_one_context_count_as_one_observation():
    values = [0.0] * 50 + [1.0] * 50
    contexts = ["a"] * 50 + ["b"] * 50
    apart = bootstrap_ratio(values, [1.0] * 100, range(100), seed=0)
    together = bootstrap_ratio(values, [1.0] * 100, contexts, seed=0)
    assert (together.low, together.high) == (0.0, 1.0)
    assert apart.high - apart.low < 0.25


def test_a_bootstrap_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs items"):
        bootstrap_ratio([], [], [], seed=0)


def exact_power(num_pairs: int, discordant: float, difference: float) -> float:
    """How often the exact test finds a true difference, over every outcome of every number of discordant pairs."""
    p_first = (discordant + difference) / 2 / discordant
    power = 0.0
    for num in range(num_pairs + 1):
        share = comb(num_pairs, num) * discordant**num * (1 - discordant) ** (num_pairs - num)
        if share < 1e-6:
            continue
        power += share * sum(
            comb(num, k) * p_first**k * (1 - p_first) ** (num - k)
            for k in range(num + 1)
            if slow_mcnemar(k, num - k) < 0.05
        )
    return power


@pytest.mark.parametrize(("num_pairs", "num_discordant"), [(60, 12), (150, 60), (300, 15)])
def test_the_smallest_visible_difference_is_found_about_as_often_as_promised(num_pairs, num_discordant):
    difference = smallest_visible_difference(num_pairs, num_discordant)
    assert difference is not None
    # The exact test is a little more careful than the formula's.
    assert 0.68 < exact_power(num_pairs, max(num_discordant / num_pairs, difference), difference) < 0.85


@given(st.integers(0, 500), st.data())
def test_more_pairs_never_hide_a_difference_and_more_disagreement_never_shows_one(num_pairs, data):
    num_discordant = data.draw(st.integers(0, num_pairs))
    found = smallest_visible_difference(num_pairs, num_discordant)
    if found is None:
        assert num_pairs < 8
        return
    assert 0 < found <= 1
    twice = smallest_visible_difference(2 * num_pairs, 2 * num_discordant)
    assert twice is not None
    assert twice <= found + 1e-9
    calmer = smallest_visible_difference(num_pairs, num_discordant // 2)
    assert calmer is not None
    assert calmer <= found + 1e-9
