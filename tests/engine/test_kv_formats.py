"""Quantised KV, judged by a dense oracle whose keys and values went through the same rounding, and nothing else.

The engine computes K in float32 and the oracle in float64, so that a number may now and then be rounded to the other
side of a tie. TOLERANCE is above what one such number does to a logit, and below what quantisation itself does.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.engine.request import SamplingParams
from server.errors import ConfigError
from server.kv.formats import KV_FORMATS, dequantize, quantize
from tests.engine.conftest import CoreFactory, Result, Results, collect, drain, greedy, request
from tests.engine.test_schedules import prompt_of, prompts
from tests.oracle import Oracle

TOLERANCE = {"float16": 0.01, "bfloat16": 0.01, "fp8": 0.03, "int8": 0.01, "int4": 0.05}

QuantisedOracle = Callable[[str], Oracle]
every_format = pytest.mark.parametrize("name", ["fp8", "int8", "int4"])


GPU = pytest.param(
    "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
)


@pytest.fixture(params=["cpu", GPU], scope="module")
def any_core(request: pytest.FixtureRequest, make_core: CoreFactory) -> CoreFactory:
    """Builds a core on each device that is here, in float32."""
    return partial(make_core, device=request.param, dtype="float32")


def rounded(oracle: Oracle, name: str) -> Oracle:
    """The oracle whose K and V are rounded as the named format rounds them."""
    fmt = KV_FORMATS[name]

    def through_cache(x: torch.Tensor) -> torch.Tensor:
        if fmt.is_quantized:
            return dequantize(*quantize(x, fmt), fmt, torch.float32).double()
        return x.to(fmt.dtype).double()

    return replace(oracle, kv_transform=through_cache)


@pytest.fixture(scope="module")
def quantised(oracle) -> QuantisedOracle:
    return partial(rounded, oracle)


def assert_follows(oracle: Oracle, prompt: list[int], result: Result, tolerance: float) -> None:
    """Every token has the oracle's log probability, after the tokens that the engine chose before it."""
    logprobs = oracle.logits(prompt + result.token_ids)[len(prompt) - 1 : -1].log_softmax(-1)
    expected = logprobs.gather(1, torch.tensor(result.token_ids)[:, None])[:, 0]
    found = torch.tensor([entry.logprob for entry in result.logprobs], dtype=torch.float64)
    assert (found - expected).abs().max() < tolerance


def assert_greedy(oracle: Oracle, prompt: list[int], result: Result, tolerance: float) -> None:
    """Every token is the oracle's best, or one as good."""
    assert_follows(oracle, prompt, result, tolerance)
    logits = oracle.logits(prompt + result.token_ids)[len(prompt) - 1 : -1]
    chosen = logits.gather(1, torch.tensor(result.token_ids)[:, None])[:, 0]
    assert (logits.amax(1) - chosen).max() < tolerance


@pytest.mark.parametrize("name", ["float16", "bfloat16", "fp8", "int8", "int4"])
def test_logits_are_those_of_the_rounded_cache_and_not_of_the_exact_one(any_core, oracle, quantised, name):
    """Prompt and generated positions alike: a prompt's own queries read what was stored, too."""
    core = any_core(kv_format=name)
    prompt = prompt_of(60)
    core.add(request("r", prompt, greedy(16, logprobs=0, prompt_logprobs=0)))
    result = drain(core)["r", 0]
    ids = prompt + result.token_ids
    found = [entry.logprob for entry in [*result.prompt_logprobs[1:], *result.logprobs]]

    def error(judge: Oracle) -> float:
        expected = judge.logits(ids)[:-1].log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
        return float((torch.tensor(found, dtype=torch.float64) - expected).abs().max())

    assert error(quantised(name)) < min(TOLERANCE[name], error(oracle) / 2)


# The same examples in every run: which of them meet a tie is a matter of luck.
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@every_format
@given(
    arrivals=st.lists(st.tuples(prompts, st.integers(1, 12), st.integers(1, 3)), min_size=1, max_size=4),
    page_size=st.sampled_from([1, 3, 4, 16]),
    max_step_tokens=st.sampled_from([4, 7, 32, 200]),
    spare_pages=st.integers(0, 12),
    overlap=st.booleans(),
    prefix_caching=st.booleans(),
)
def test_tokens_are_the_rounded_oracles_for_any_chunks_pages_preemptions_and_forks(
    any_core, quantised, name, arrivals, page_size, max_step_tokens, spare_pages, overlap, prefix_caching
):
    longest = max(len(prompt) + num_tokens for prompt, num_tokens, _ in arrivals)
    core = any_core(
        kv_format=name,
        page_size=page_size,
        max_step_tokens=max_step_tokens,
        num_pages=(-(-longest // page_size) + 2) * 4 + spare_pages + 1,
        max_model_len=longest,
        overlap=overlap,
        prefix_caching=prefix_caching,
    )
    for index, (prompt, num_tokens, num_samples) in enumerate(arrivals):
        core.add(request(f"r{index}", prompt, greedy(num_tokens, logprobs=0), num_samples=num_samples))
    results = drain(core)
    for index, (prompt, _, num_samples) in enumerate(arrivals):
        for sample in range(num_samples):
            assert_greedy(quantised(name), prompt, results[f"r{index}", sample], TOLERANCE[name])


@every_format
def test_forks_that_part_ways_copy_numbers_and_scales(any_core, quantised, name):
    """Samples of one prompt share its last, half-full page until they write to it."""
    core = any_core(kv_format=name, page_size=8)
    prompt = prompt_of(21)
    params = SamplingParams(max_tokens=12, temperature=1.2, seed=5, ignore_eos=True, logprobs=0)
    core.add(request("r", prompt, params, num_samples=3))
    results = drain(core)
    assert len({tuple(results["r", sample].token_ids) for sample in range(3)}) == 3
    for sample in range(3):
        assert_follows(quantised(name), prompt, results["r", sample], TOLERANCE[name])


@every_format
def test_a_prefix_hit_reads_what_the_first_request_stored(any_core, quantised, name):
    core = any_core(kv_format=name)
    prompt = prompt_of(40)
    for tail in ([], [5, 6, 7]):
        core.add(request("r", prompt + tail, greedy(10, logprobs=0)))
        result = drain(core)["r", 0]
        assert_greedy(quantised(name), prompt + tail, result, TOLERANCE[name])
    assert result.last.cached_tokens == 40


@every_format
def test_preempting_at_any_step_loses_nothing(any_core, quantised, name):
    prompt = prompt_of(30)
    for when in range(1, 12, 3):
        core = any_core(kv_format=name, max_step_tokens=8)
        results: Results = {}
        core.add(request("r", prompt, greedy(12, logprobs=0)))
        for _ in range(when):
            collect(results, core.step())
        core.scheduler.preempt(core.scheduler.running[0])
        drain(core, results)
        assert results["r", 0].last.timings.preemptions == 1
        assert_greedy(quantised(name), prompt, results["r", 0], TOLERANCE[name])


def test_an_engine_says_how_it_stores_kv_and_counts_its_real_bytes(make_core):
    """Four layers, two KV heads of 16 numbers: K and V, and four bytes of params for each quantised head."""
    num_bytes = {"auto": 2 * 64, "bfloat16": 2 * 32, "fp8": 2 * (16 + 4), "int8": 2 * (16 + 4), "int4": 2 * (8 + 4)}
    for name, slot_bytes in num_bytes.items():
        core = make_core(kv_format=name, page_size=4)
        assert core.info.kv_format == ("float32" if name == "auto" else name)
        assert core.info.kv_token_bytes == 4 * 2 * slot_bytes
        core.add(request("r", prompt_of(11), greedy(2)))
        timings = drain(core)["r", 0].last.timings
        # Twelve computed positions are three full pages.
        assert timings.kv_bytes == 12 * core.info.kv_token_bytes


def test_pages_of_one_memory_hold_more_positions_the_fewer_bytes_a_position_has(make_core):
    memory = 40 * 4 * 16 * 128
    pages = {
        name: make_core(kv_format=name, num_pages=None, kv_memory_bytes=memory, page_size=16).info
        for name in ("auto", "int8", "int4")
    }
    for info in pages.values():
        assert info.num_pages == memory * info.num_groups // (info.page_size * info.kv_token_bytes)
    assert pages["auto"].num_pages < pages["int8"].num_pages < pages["int4"].num_pages


def test_formats_never_share_a_cached_prefix(make_core):
    """The format is part of what names a cached page, wherever pages of two engines may one day meet."""
    prompt = prompt_of(12)
    seeds = set()
    for name in ("auto", "fp8", "int8", "int4"):
        core = make_core(kv_format=name)
        core.add(request("r", prompt, greedy(1)))
        (sequence,) = core.scheduler.waiting()
        seeds.add(sequence.cache_seed)
    assert len(seeds) == 4


def test_the_cpu_loops_say_why_they_leave_quantised_kv_to_the_reference(make_core):
    info = make_core(kv_format="int8", device="cpu").info
    assert info.attention_backend == "torch"
    assert info.backend_refusals == {"cpu": ["needs K and V in float32, not in int8"]}
    with pytest.raises(ConfigError, match="not in int4"):
        make_core(kv_format="int4", attention_backend="cpu", device="cpu")


@pytest.mark.parametrize("device", [GPU])
def test_long_prompts_in_half_precision_read_the_rounded_cache_too(
    make_core, oracle, quantised, tiny_llama, tmp_path, device
):
    """Long enough for whatever a GPU has for long prompts; int4, since its rounding stands out from bfloat16's."""
    longer = tmp_path / "longer"
    shutil.copytree(tiny_llama, longer)
    config = json.loads((longer / "config.json").read_text())
    (longer / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 2048}))
    core = make_core(
        model=longer, device=device, dtype="bfloat16", kv_format="int4", page_size=16, max_step_tokens=1200
    )
    prompt = prompt_of(1100)
    core.add(request("r", prompt, greedy(1, prompt_logprobs=0)))
    entries = drain(core)["r", 0].prompt_logprobs[1:]
    found = torch.tensor([entry.logprob for entry in entries], dtype=torch.float64)

    def error(judge: Oracle) -> float:
        expected = judge.logits(prompt)[:-1].log_softmax(-1).gather(1, torch.tensor(prompt[1:])[:, None])[:, 0]
        return float((found - expected).abs().mean())

    # On a CPU: 0.032, all of it bfloat16's, and 0.074.
    assert error(quantised("int4")) < 0.75 * error(oracle)
