"""Two GPUs give the tokens of one, with graphs, overlap and mailboxes."""

from pathlib import Path

import pytest
import torch

from server.engine.request import SamplingParams
from tests.engine.conftest import drain, greedy, request
from tests.engine.test_schedules import prompt_of
from tests.oracle import Oracle
from tests.parallel.conftest import opened

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices"),
]


def test_two_gpus_give_the_oracles_tokens_and_draw_those_of_one(tiny_llama: Path):
    oracle = Oracle.from_directory(tiny_llama)
    drawn = SamplingParams(max_tokens=16, temperature=0.9, top_k=40, seed=3, ignore_eos=True, frequency_penalty=0.3)
    runs = []
    for size in (1, 2):
        with opened(tiny_llama, device="cuda", dtype="float32", num_pages=4 * 24 + 1, tensor_parallel=size) as core:
            for index in range(6):
                core.add(request(f"greedy{index}", prompt_of(30, index), greedy(20)))
                core.add(request(f"drawn{index}", prompt_of(9 + index, index), drawn))
            results = drain(core)
            runs.append({key: result.token_ids for key, result in results.items()})
            assert core.stats().num_preemptions > 0
    assert runs[0] == runs[1]
    for index in range(6):
        assert runs[1][f"greedy{index}", 0] == oracle.greedy(prompt_of(30, index), 20)


def test_two_gpus_decode_in_half_precision(tiny_llama: Path):
    with opened(tiny_llama, device="cuda", dtype="bfloat16", tensor_parallel=2) as core:
        core.add(request("r", prompt_of(20, 1), greedy(30), num_samples=2))
        results = drain(core)
    assert len(results["r", 0].token_ids) == 30
    assert results["r", 0].token_ids == results["r", 1].token_ids
