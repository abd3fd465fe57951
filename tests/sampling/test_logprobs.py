"""Log probabilities are of the raw distribution and always fit into JSON."""

import math

import pytest
import torch
from choosing import choose

from server.engine.logprobs import LOWEST_LOGPROB, compute_logprobs, prompt_logprobs
from server.engine.request import SamplingParams
from server.engine.sampler import Sampler


def test_logprobs_are_of_the_raw_distribution_whatever_the_sampling():
    sampler = Sampler(11, 2, torch.device("cpu"))
    params = SamplingParams(max_tokens=1, temperature=0.2, logit_bias={4: 100.0}, logprobs=3, top_k=2)
    sampler.add(0, params, 0, [1], [])
    sampler.add(1, SamplingParams(max_tokens=1, temperature=0.0, logprobs=5), 0, [1], [])
    logits = torch.randn(2, 11)
    sampled = choose(sampler, logits, [0, 1], [0, 0])
    first, second = sampled.logprobs.records([3, 5])
    raw = logits.log_softmax(1)
    assert first.token_id == 4
    assert first.logprob == pytest.approx(float(raw[0, 4]))
    assert first.rank == 1 + int((logits[0] > logits[0, 4]).sum())
    assert first.top_ids == logits[0].argsort(descending=True)[:3].tolist()
    assert first.top_logprobs == pytest.approx(raw[0].sort(descending=True).values[:3].tolist())
    assert second.rank == 1
    assert len(second.top_ids) == 5


def test_rows_that_want_no_logprobs_get_none():
    sampler = Sampler(11, 3, torch.device("cpu"))
    for row, wanted in enumerate((None, 0, None)):
        sampler.add(row, SamplingParams(max_tokens=1, logprobs=wanted), 0, [1], [])
    logits = torch.randn(3, 11)
    sampled = choose(sampler, logits, [0, 1, 2], [0] * 3)
    records = sampled.logprobs.records([None, 0, None])
    assert records[0] is records[2] is None
    assert records[1].token_id == int(sampled.token_ids[1])
    assert records[1].top_ids == records[1].top_logprobs == []
    assert records[1].logprob == pytest.approx(float(logits[1].log_softmax(0)[sampled.token_ids[1]]))
    assert choose(sampler, logits[[0, 2]], [0, 2], [0] * 2).logprobs is None


def test_prompt_logprobs_score_the_token_that_follows():
    logits = torch.randn(4, 9)
    next_ids = torch.tensor([3, 0, 8, 8])
    records = prompt_logprobs(logits, next_ids, 2).records([2] * 4)
    for i, record in enumerate(records):
        assert record.token_id == int(next_ids[i])
        assert record.logprob == pytest.approx(float(logits[i].log_softmax(0)[next_ids[i]]))
        assert record.top_logprobs == sorted(record.top_logprobs, reverse=True)


def test_asking_for_more_than_the_vocabulary_gives_the_vocabulary():
    assert compute_logprobs(torch.randn(1, 5), torch.tensor([0]), 20).top_ids.shape == (1, 5)


def test_impossible_tokens_and_nan_are_clamped_so_that_json_can_hold_them():
    logits = torch.tensor([[0.0, -math.inf, 1.0], [math.nan, 0.0, 0.0]])
    records = compute_logprobs(logits, torch.tensor([1, 1]), 3).records([3, 3])
    for record in records:
        assert all(math.isfinite(v) and v >= LOWEST_LOGPROB for v in [record.logprob, *record.top_logprobs])
    assert records[0].logprob == LOWEST_LOGPROB
