"""The sampler against a slow oracle, and what a row may and may not depend on."""

import math
from dataclasses import replace

import pytest
import sampler_oracle as oracle
import torch
from choosing import choose
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.request import SamplingParams
from server.engine.sampler import Sampled, Sampler, unpack_mask

CPU = torch.device("cpu")
VOCAB = 23
GREEDY = SamplingParams(max_tokens=8, temperature=0.0)

token_ids = st.integers(0, VOCAB - 1)
params_strategy = st.builds(
    SamplingParams,
    max_tokens=st.just(16),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 2, 5, 100]),
    top_p=st.sampled_from([1.0, 0.9, 0.35, 0.01]),
    min_p=st.sampled_from([0.0, 0.013, 0.31]),
    repetition_penalty=st.sampled_from([1.0, 1.3, 0.8]),
    presence_penalty=st.sampled_from([0.0, 0.7, -0.4]),
    frequency_penalty=st.sampled_from([0.0, 0.45, -0.2]),
    seed=st.integers(-(2**63), 2**63 - 1),
    min_tokens=st.integers(0, 4),
    stop_token_ids=st.lists(token_ids, max_size=2).map(tuple),
    eos_token_ids=st.lists(token_ids, max_size=2).map(tuple),
    ignore_eos=st.booleans(),
    logprobs=st.sampled_from([None, 0, 3]),
    logit_bias=st.dictionaries(token_ids, st.sampled_from([-100.0, -1.5, 2.0]), max_size=3),
    allowed_token_ids=st.none() | st.sets(token_ids, min_size=12).map(tuple),
)
row_strategy = st.tuples(
    params_strategy,
    st.integers(0, 3),
    st.lists(token_ids, min_size=1, max_size=6),
    st.lists(token_ids, max_size=6),
    st.none() | st.sets(token_ids, min_size=12),
    st.lists(st.integers(-24, 24).map(lambda v: v / 4), min_size=VOCAB, max_size=VOCAB),
)


def mask_of(allowed: list[set[int] | None]) -> torch.Tensor:
    words = torch.full((len(allowed), (VOCAB + 31) // 32), -1, dtype=torch.int32)
    for words_of_row, ids in zip(words, allowed, strict=True):
        if ids is not None:
            words_of_row.fill_(sum(1 << i for i in ids))
    return words


def sample(crowd, order, kernels: str = "torch") -> Sampled:
    """Put `crowd` into rows in `order` and choose one token for each."""
    sampler = Sampler(VOCAB, len(crowd) + 3, CPU, kernels)
    rows = [order[i] for i in range(len(crowd))]
    for row, (params, index, prompt, output, _, _) in zip(rows, crowd, strict=True):
        sampler.add(row, params, index, prompt, output)
    mask = mask_of([c[4] for c in crowd]) if any(c[4] is not None for c in crowd) else None
    return choose(sampler, torch.tensor([c[5] for c in crowd]), rows, [len(c[3]) for c in crowd], mask)


@settings(deadline=None, max_examples=120)
@given(crowd=st.lists(row_strategy, min_size=1, max_size=5))
def test_every_token_is_the_one_the_oracle_draws(crowd):
    check_with_oracle(crowd, sample(crowd, range(len(crowd))))


@settings(deadline=None, max_examples=10)
@given(crowd=st.lists(row_strategy, min_size=1, max_size=3))
def test_triton_kernels_too_give_the_tokens_the_oracle_draws(crowd):
    pytest.importorskip("triton")
    check_with_oracle(crowd, sample(crowd, range(len(crowd)), "triton"))


def check_with_oracle(crowd, sampled: Sampled) -> None:
    for i, (params, index, prompt, output, allowed, logits) in enumerate(crowd):
        x = oracle.edited_logits(logits, params, prompt, output, allowed)
        assert bool(sampled.is_bad[i]) == (max(x) == -math.inf)
        if max(x) > -math.inf:
            u = oracle.uniform(params.seed, index, len(output))
            assert oracle.is_right(int(sampled.token_ids[i]), u, x, params)


@settings(deadline=None, max_examples=150)
@given(crowd=st.lists(row_strategy, min_size=1, max_size=6), data=st.data())
def test_a_request_gets_the_same_token_alone_and_in_any_crowd_and_place(crowd, data):
    together = sample(crowd, range(len(crowd)))
    order = data.draw(st.permutations(range(len(crowd) + 3)))
    shuffled = data.draw(st.permutations(range(len(crowd))))
    again = sample([crowd[i] for i in shuffled], order)
    for i, member in enumerate(crowd):
        alone = sample([member], [0])
        place = shuffled.index(i)
        assert together.token_ids[i] == again.token_ids[place] == alone.token_ids[0]
        assert together.is_bad[i] == again.is_bad[place] == alone.is_bad[0]
        if member[0].logprobs is not None:
            wants = [None] * len(crowd)
            wants[i] = member[0].logprobs
            record = together.logprobs.records(wants)[i]
            assert record == alone.logprobs.records([member[0].logprobs])[0]


@settings(deadline=None, max_examples=60)
@given(row=row_strategy, cut=st.integers(1, 7), seed=st.integers(0, 2**32))
def test_a_preempted_row_goes_on_with_the_tokens_it_would_have_had(row, cut, seed):
    params, index, prompt, _, _, _ = row
    logits = torch.randn(8, 1, VOCAB, generator=torch.Generator().manual_seed(seed)) * 3

    def run(sampler: Sampler, output: list[int], until: int) -> list[int]:
        while len(output) < until:
            step = choose(sampler, logits[len(output)], [0], [len(output)])
            output = [*output, int(step.token_ids[0])]
        return output

    sampler = Sampler(VOCAB, 1, CPU)
    sampler.add(0, params, index, prompt, [])
    whole = run(sampler, [], 8)
    sampler.add(0, params, index, prompt, [])
    before = run(sampler, [], cut)
    sampler.remove(0)
    sampler.add(0, replace(params), index, prompt, before)
    assert run(sampler, before, 8) == whole


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(max_tokens=1, temperature=0.7),
        SamplingParams(max_tokens=1, top_k=6),
        SamplingParams(max_tokens=1, top_p=0.8),
        SamplingParams(max_tokens=1, min_p=0.1, temperature=1.4),
        SamplingParams(max_tokens=1, top_k=9, top_p=0.9, temperature=0.6),
    ],
)
def test_draws_follow_the_distribution(params):
    """Pearson's chi-squared of 30,000 draws at consecutive token indices."""
    x = (torch.randn(VOCAB, generator=torch.Generator().manual_seed(5)) * 1.5).tolist()
    num_rows, num_steps = 300, 100
    sampler = Sampler(VOCAB, num_rows, CPU)
    rows = list(range(num_rows))
    for row in rows:
        sampler.add(row, params, row, [0], [])
    logits = torch.tensor([x] * num_rows)
    drawn = torch.stack([choose(sampler, logits, rows, [step] * num_rows).token_ids for step in range(num_steps)])
    observed = torch.bincount(drawn.flatten(), minlength=VOCAB).tolist()
    expected = [p * num_rows * num_steps for p in oracle.probabilities(x, params, params.top_p)]
    assert all(o == 0 for o, e in zip(observed, expected, strict=True) if e == 0)
    terms = [(o - e) ** 2 / e for o, e in zip(observed, expected, strict=True) if e > 0]
    freedom = len(terms) - 1
    assert freedom > 2
    assert sum(terms) < freedom + 4.5 * math.sqrt(2 * freedom)


def test_samples_of_one_request_differ_and_equal_seeds_repeat():
    sampler = Sampler(VOCAB, 3, CPU)
    params = SamplingParams(max_tokens=64, seed=7)
    for row, index in ((0, 0), (1, 1), (2, 0)):
        sampler.add(row, params, index, [1], [])
    logits = torch.zeros(3, VOCAB)
    drawn = torch.stack([choose(sampler, logits, [0, 1, 2], [i] * 3).token_ids for i in range(64)])
    assert torch.equal(drawn[:, 0], drawn[:, 2])
    assert (drawn[:, 0] == drawn[:, 1]).sum() < 16


@pytest.mark.parametrize("params", [GREEDY, SamplingParams(max_tokens=1, top_k=1)])
def test_greedy_breaks_ties_towards_the_lowest_id(params):
    sampler = Sampler(VOCAB, 2, CPU)
    sampler.add(0, params, 0, [1], [])
    logits = torch.zeros(1, VOCAB)
    logits[0, [20, 4, 11]] = 3.0
    assert choose(sampler, logits, [0], [0]).token_ids.tolist() == [4]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_row_of_bad_logits_is_flagged_and_leaves_its_neighbours_alone(temperature, poison):
    params = SamplingParams(max_tokens=1, temperature=temperature, seed=3, top_p=0.9)
    sampler = Sampler(VOCAB, 3, CPU)
    for row in range(3):
        sampler.add(row, params, row, [1], [])
    logits = torch.randn(3, VOCAB)
    healthy = choose(sampler, logits, [0, 1, 2], [0] * 3)
    logits[1, slice(None) if poison == -math.inf else 9] = poison
    sampled = choose(sampler, logits, [0, 1, 2], [0] * 3)
    assert sampled.is_bad.tolist() == [False, True, False]
    assert sampled.token_ids[[0, 2]].tolist() == healthy.token_ids[[0, 2]].tolist()
    assert sampled.token_ids[1] == 0


def test_a_nan_behind_a_mask_is_still_found():
    sampler = Sampler(VOCAB, 1, CPU)
    sampler.add(0, replace(GREEDY, allowed_token_ids=(1, 2)), 0, [1], [])
    logits = torch.zeros(1, VOCAB)
    logits[0, 9] = math.nan
    assert choose(sampler, logits, [0], [0]).is_bad.tolist() == [True]


def test_a_row_that_may_choose_nothing_is_bad_and_its_neighbour_is_not():
    sampler = Sampler(VOCAB, 2, CPU)
    sampler.add(0, SamplingParams(max_tokens=1), 0, [1], [])
    sampler.add(1, SamplingParams(max_tokens=1), 0, [1], [])
    sampled = choose(sampler, torch.randn(2, VOCAB), [0, 1], [0, 0], mask_of([set(), {5}]))
    assert sampled.is_bad.tolist() == [True, False]
    assert sampled.token_ids.tolist() == [0, 5]


def test_sampling_leaves_the_logits_as_they_were():
    sampler = Sampler(VOCAB, 1, CPU)
    params = SamplingParams(max_tokens=1, logit_bias={3: 5.0}, presence_penalty=1.0, top_p=0.5, logprobs=2)
    sampler.add(0, params, 0, [1], [2])
    logits = torch.randn(1, VOCAB)
    before = logits.clone()
    choose(sampler, logits, [0], [1], mask_of([{1, 2, 3, 4}]))
    assert torch.equal(logits, before)


def test_ids_outside_the_vocabulary_change_nothing():
    params = replace(GREEDY, logit_bias={VOCAB: 5.0, 3: 1.0}, stop_token_ids=(VOCAB + 9,), min_tokens=2)
    sampler = Sampler(VOCAB, 1, CPU)
    sampler.add(0, params, 0, [1], [])
    assert choose(sampler, torch.zeros(1, VOCAB), [0], [0]).token_ids.tolist() == [3]


@given(ids=st.lists(st.sets(st.integers(0, 69)), min_size=1, max_size=4))
def test_a_packed_mask_unpacks_to_its_ids(ids):
    words = torch.zeros(len(ids), 3, dtype=torch.int32)
    for row, allowed in enumerate(ids):
        for word in range(3):
            bits = sum(1 << (i - 32 * word) for i in allowed if i // 32 == word)
            words[row, word] = bits - (1 << 32) if bits >> 31 else bits
    unpacked = unpack_mask(words, 70)
    assert [set(row.nonzero().flatten().tolist()) for row in unpacked] == ids
