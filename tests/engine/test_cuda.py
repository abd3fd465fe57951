"""The same engine on a CUDA device: tokens on the device, a step launched before the last one is read."""

import pytest
import torch

from server.engine.request import SamplingParams
from tests.engine.conftest import drain, greedy, request
from tests.engine.test_schedules import prompt_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def cuda_core(make_core, **overrides):
    return make_core(device="cuda", dtype="float32", **overrides)


def test_tokens_on_cuda_are_the_oracles(make_core, oracle):
    core = cuda_core(make_core)
    assert core.info.device.startswith("cuda")
    for index, length in enumerate([1, 3, 17, 33, 70]):
        core.add(request(f"r{index}", prompt_of(length, index), greedy(20), num_samples=2))
    results = drain(core)
    for index, length in enumerate([1, 3, 17, 33, 70]):
        expected = oracle.greedy(prompt_of(length, index), 20)
        assert results[f"r{index}", 0].token_ids == results[f"r{index}", 1].token_ids == expected


@pytest.mark.parametrize("overlap", [False, True])
def test_sampled_tokens_on_cuda_are_those_of_the_cpu(make_core, overlap):
    params = SamplingParams(
        max_tokens=20, temperature=0.9, top_k=40, seed=3, ignore_eos=True, frequency_penalty=0.3, logprobs=2
    )
    runs = []
    for core in (make_core(), cuda_core(make_core, overlap=overlap)):
        for index in range(6):
            core.add(request(f"r{index}", prompt_of(10 + index, index), params))
        results = drain(core)
        runs.append([results[f"r{index}", 0].token_ids for index in range(6)])
    assert runs[0] == runs[1]


def test_preemption_and_prefix_hits_on_cuda_change_no_token(make_core, oracle):
    core = cuda_core(make_core, num_pages=4 * 24 + 1, page_size=4)
    for index in range(6):
        core.add(request(f"r{index}", prompt_of(30, index), greedy(30)))
    results = drain(core)
    for index in range(6):
        assert results[f"r{index}", 0].token_ids == oracle.greedy(prompt_of(30, index), 30)
    assert core.stats().num_preemptions > 0
    for _ in range(2):
        core.add(request("again", prompt_of(30, 9), greedy(30)))
        again = drain(core)["again", 0]
        assert again.token_ids == oracle.greedy(prompt_of(30, 9), 30)
    assert again.last.cached_tokens == 28


def test_half_precision_runs_on_cuda(make_core):
    for dtype in ("bfloat16", "float16"):
        core = make_core(device="cuda", dtype=dtype)
        core.add(request("r", prompt_of(40), greedy(10)))
        assert len(drain(core)["r", 0].token_ids) == 10


def test_a_loaded_engine_compiles_nothing_more(make_core, monkeypatch):
    """Compiling takes seconds in which every other request would wait."""
    import triton

    core = make_core(device="cuda", dtype="bfloat16", max_rows=8, max_step_tokens=1024, num_pages=2000)
    compiled = []
    monkeypatch.setattr(
        triton.knobs.runtime, "jit_post_compile_hook", lambda **facts: compiled.append(facts["fn"].name)
    )
    for index, length in enumerate([1, 5, 40, 300, 450]):
        params = SamplingParams(max_tokens=12, temperature=0.8, top_p=0.9, seed=index, ignore_eos=True)
        core.add(request(f"greedy{index}", prompt_of(length, index), greedy(12), num_samples=2))
        core.add(request(f"drawn{index}", prompt_of(length, index + 9), params))
        core.step()
    drain(core)
    assert compiled == []
