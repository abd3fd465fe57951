"""The counter-based draw: SplitMix64, integer weights, inverse CDF."""

import math

import numpy as np
import pytest
import sampler_oracle as oracle
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.draw import GOLDEN, lowest_kept, mix64, pick, stream_key, uniform, weigh

INT64 = st.integers(-(2**63), 2**63 - 1)


def test_the_hash_gives_the_published_outputs_of_splitmix64():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [mix64((1234567 + n * GOLDEN) % 2**64) for n in range(1, 5)] == published


@settings(deadline=None)
@given(seed=INT64, sample_index=st.integers(0, 127), generated=st.lists(st.integers(0, 2**31), min_size=1, max_size=9))
def test_array_and_plain_integer_arithmetic_give_the_same_uniform_numbers(seed, sample_index, generated):
    keys = np.full(len(generated), stream_key(seed, sample_index), dtype=np.uint64)
    drawn = uniform(keys, np.array(generated, dtype=np.uint64)).tolist()
    assert drawn == [oracle.uniform(seed, sample_index, n) for n in generated]


def test_uniform_numbers_fill_the_unit_interval_evenly_and_neighbours_are_unrelated():
    num = 200_000

    def stream(seed: int, sample_index: int) -> np.ndarray:
        return uniform(np.full(num, stream_key(seed, sample_index), np.uint64), np.arange(num, dtype=np.uint64))

    u = stream(0, 0)
    assert u.min() >= 0
    assert u.max() < 1
    counts, _ = np.histogram(u, bins=100, range=(0, 1))
    chi2 = float(((counts - num / 100) ** 2 / (num / 100)).sum())
    assert chi2 < 99 + 5 * math.sqrt(2 * 99)
    for a, b in ((u[:-1], u[1:]), (u, stream(1, 0)), (u, stream(0, 1))):
        assert abs(float(np.corrcoef(a, b)[0, 1])) < 5 / math.sqrt(num)


def weights_of(z: torch.Tensor) -> torch.Tensor:
    return weigh(z.clone(), torch.empty_like(z, dtype=torch.int64))


@pytest.mark.parametrize("vocab_size", [7, 131, 50_257])
def test_weights_of_a_row_are_bitwise_the_same_alone_and_in_a_crowd(vocab_size):
    z = -torch.rand(33, vocab_size) * 30
    assert torch.equal(weights_of(z), torch.cat([weights_of(row.unsqueeze(0)) for row in z]))


@settings(deadline=None)
@given(
    z=st.lists(st.integers(-40, 0).map(lambda v: v / 4), min_size=1, max_size=40),
    k=st.integers(1, 40),
    p=st.sampled_from([0.05, 0.3, 0.5, 0.9, 0.999, 1.0]),
)
def test_top_k_and_top_p_keep_what_a_loop_over_integers_keeps_by_cut_or_by_sort(z, k, p):
    padded = torch.tensor([z + [-math.inf] * (40 * 16 - len(z))], dtype=torch.float32)
    padded -= padded.max()
    values = padded[0].tolist()
    weights = dict(enumerate(weights_of(padded)[0].tolist()))
    kth = sorted(values, reverse=True)[k - 1]
    inside = {i: w for i, w in weights.items() if values[i] >= kth}
    total = sum(inside.values())
    expected = min(values[i] for i, w in inside.items() if sum(v for v in inside.values() if v > w) < total * p)

    limits = torch.tensor([k]), torch.tensor([p], dtype=torch.float64)
    for max_k in (k, padded.shape[1]):
        lowest = lowest_kept(padded, *limits, max_k, torch.empty(1, padded.shape[1], dtype=torch.int64))
        kept = {i for i, v in enumerate(values) if v >= lowest and weights[i] > 0}
        assert kept == {i for i, v in enumerate(values) if v >= expected and weights[i] > 0}


@settings(deadline=None)
@given(
    weights=st.lists(st.integers(0, 2) | st.integers(0, 2**40), min_size=1, max_size=30).filter(any),
    u=st.sampled_from([0.0, 0.25, 0.5]) | st.floats(0, 1, exclude_max=True),
)
def test_a_pick_lies_in_its_own_interval_of_the_cumulative_weights(weights, u):
    token_id = int(pick(torch.tensor([weights]), torch.tensor([u], dtype=torch.float64)))
    assert weights[token_id] > 0
    target = min(int(u * sum(weights)), sum(weights) - 1)
    assert sum(weights[:token_id]) <= target < sum(weights[: token_id + 1])
