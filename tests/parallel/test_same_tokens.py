"""An engine of two ranks gives the tokens of one, whatever its scheduler does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.engine.core import EngineCore
from server.engine.request import SamplingParams
from tests.engine.conftest import Results, drain, greedy, request
from tests.engine.test_schedules import prompt_of
from tests.oracle import Oracle
from tests.parallel.conftest import opened

TIGHT = {"num_pages": 4 * 24 + 1}
"""Fewer pages than the rows of these tests want, so that some are preempted."""


@pytest.fixture(scope="module")
def pair(tiny_llama: Path) -> Iterator[EngineCore]:
    with opened(tiny_llama, tensor_parallel=2, **TIGHT) as core:
        yield core


@pytest.fixture(scope="module")
def single(tiny_llama: Path) -> Iterator[EngineCore]:
    with opened(tiny_llama, **TIGHT) as core:
        yield core


def test_greedy_rows_get_the_oracles_tokens_through_preemptions_and_forks(pair: EngineCore, tiny_llama: Path):
    oracle = Oracle.from_directory(tiny_llama)
    lengths = [1, 30, 33, 17, 31, 30]
    for index, length in enumerate(lengths):
        pair.add(request(f"r{index}", prompt_of(length, index), greedy(20), num_samples=1 + index % 2))
    results = drain(pair)
    for index, length in enumerate(lengths):
        expected = oracle.greedy(prompt_of(length, index), 20)
        for sample in range(1 + index % 2):
            assert results[f"r{index}", sample].token_ids == expected, (index, sample)
    assert pair.stats().num_preemptions > 0


def test_a_cached_prompt_gets_the_same_tokens(pair: EngineCore):
    runs = []
    for _ in range(2):
        pair.add(request("again", prompt_of(30, 9), greedy(12)))
        runs.append(drain(pair)["again", 0])
    assert runs[0].token_ids == runs[1].token_ids
    assert runs[1].last is not None
    assert runs[1].last.cached_tokens == 28


def test_drawn_tokens_their_logprobs_and_prompt_logprobs_are_those_of_one_rank(pair: EngineCore, single: EngineCore):
    def run(core: EngineCore) -> Results:
        for index in range(5):
            params = SamplingParams(
                max_tokens=14,
                temperature=0.9,
                top_k=40,
                seed=3 + index,
                ignore_eos=True,
                frequency_penalty=0.4,
                repetition_penalty=1.2,
                logit_bias={7: 2.0},
                logprobs=2,
                prompt_logprobs=1 if index == 0 else None,
            )
            core.add(request(f"r{index}", prompt_of(9 + index, index), params, num_samples=1 + index // 4))
        return drain(core)

    alone, together = run(single), run(pair)
    assert alone.keys() == together.keys()
    for key, expected in alone.items():
        result = together[key]
        assert result.token_ids == expected.token_ids, key
        for ours, theirs in zip(result.logprobs, expected.logprobs, strict=True):
            assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-4)
    scores = [results["r0", 0].prompt_logprobs for results in (together, alone)]
    assert scores[0] is not None
    assert scores[1] is not None
    assert [score and score.logprob for score in scores[0][1:]] == pytest.approx(
        [score and score.logprob for score in scores[1][1:]], abs=1e-4
    )


def test_what_the_engine_tells_of_its_model_is_of_the_whole(pair: EngineCore, single: EngineCore):
    for name in ("num_parameters", "kv_token_bytes", "num_groups", "vocab_size"):
        assert getattr(pair.info, name) == getattr(single.info, name), name
