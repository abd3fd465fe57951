"""Timing kernels: every part of a step is there, driven as the engine drives it, and the figures hang together.

The figures of a CPU mean nothing; that the same code runs under CUDA graphs is seen on a GPU.
"""

import math

import pytest
import torch

from server.bench.floors import Floors, Rates, layer_products, measure_floors, measure_rates
from server.bench.kernels import KernelBench, measure_kernels
from server.bench.shape import LLAMA_3_8B
from server.bench.timer import Timer
from server.config import EngineConfig
from server.models.config import ModelConfig

TINY = LLAMA_3_8B | {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
TIMER = Timer(torch.device("cpu"), repeats=2)
RATES = Rates(read=2e9, copy=1e9, matmul=4e9)


@pytest.mark.parametrize("kv_format", ["auto", "int8"])
def test_every_kernel_of_a_step_is_timed_at_every_size(kv_format):
    facts = ModelConfig.from_dict(TINY)
    floors = Floors(facts, RATES, {1: 1e-3}, 64)
    bench = KernelBench(facts, EngineConfig("", kv_format=kv_format, attention_backend="torch"), torch.float32, TIMER)
    result = measure_kernels(bench, floors, row_counts=[1, 3], decode=[(2, 40)], prompts=[24])
    found = {(kernel["name"], kernel["num_tokens"], kernel["context"]) for kernel in result["kernels"]}
    products = {"qkv", "out", "gate_up + activation", "down", "norm + residual", "activation * up"}
    assert found == (
        {(name, size, 0) for name in products for size in (1, 3, 24)}
        | {(name, size, 0) for name in ("head", "greedy", "top-p") for size in (1, 3)}
        | {("decode attention", 2, 40), ("RoPE + KV write", 2, 40), ("prefill attention", 24, 24)}
    )
    for kernel in result["kernels"]:
        assert kernel["time_us"] > 0
        assert kernel["tb_per_s"] == pytest.approx(kernel["bytes"] / kernel["time_us"] / 1e6)
        # Either the bytes or the arithmetic is what limits it.
        assert kernel["share_of_floor"] >= 0.99 * kernel["bytes"] / RATES.bandwidth / kernel["time_us"] * 1e6


def test_a_quantised_cache_counts_for_fewer_bytes():
    facts = ModelConfig.from_dict(TINY)

    def kv_bytes(kv_format):
        config = EngineConfig("", kv_format=kv_format, attention_backend="torch")
        attention, _ = KernelBench(facts, config, torch.float32, TIMER).decode(1, 64)
        return attention.num_bytes

    assert kv_bytes("int4") < kv_bytes("int8") < kv_bytes("auto")


def test_the_floors_follow_from_the_shape():
    facts = ModelConfig.from_dict(LLAMA_3_8B)
    assert sum(columns * rows for _, columns, rows in layer_products(facts)) == 218103808
    floors = Floors(facts, Rates(4.2e12, 4.0e12, 790e12, 600e12), {1: 4e-3, 128: 4.6e-3}, 131072)
    # 128 rows of 2,048 positions read 34 GB; the products between two measured counts are interpolated.
    assert floors.decode_s(128, 128 * 2048) == pytest.approx(4.6e-3 + 128 * 2048 * 131072 / 4.2e12)
    assert floors.decode_s(64.5, 0) == pytest.approx(4.3e-3)
    products_s = 2 * 32 * 218103808 * 8192 / 790e12
    assert floors.prefill_s(8192) == pytest.approx(products_s + 2 * 8192**2 * 4096 * 32 / 600e12, rel=1e-3)
    assert floors.prefill_s(1) == pytest.approx(4e-3, rel=1e-3)


def test_requests_that_run_together_take_their_prompts_and_the_steps_of_the_longest():
    floors = Floors(ModelConfig.from_dict(TINY), Rates(1e12, 1e12, 1e12), {1: 1.0, 2: 1.0}, 0)
    prompt_s = floors.prefill_s(4)
    assert floors.requests_s([(4, 11), (4, 6)]) == pytest.approx(2 * prompt_s + 10)
    assert floors.requests_s([(4, 11), (4, 6)], concurrency=1) == pytest.approx(2 * prompt_s + 15)
    assert floors.requests_s([(4, 1)]) == pytest.approx(prompt_s)


def test_floors_are_measured():
    facts = ModelConfig.from_dict(TINY)
    rates = measure_rates(TIMER, torch.float32, stream_bytes=1 << 16, matmul_size=16)
    floors = measure_floors(facts, torch.float32, TIMER, rows=(1, 4), rates=rates)
    assert floors.products_s.keys() == {1, 4}
    assert floors.kv_token_bytes == 2 * 2 * 2 * 8 * 4
    assert all(math.isfinite(value) and value > 0 for value in (rates.read, rates.copy, rates.matmul))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_the_command_says_in_one_line_that_it_needs_cuda(bench):
    run = bench("kernels")
    assert run.exit_code == 2
    assert len(run.errors.strip().splitlines()) == 1
    assert "no CUDA device" in run.errors


@pytest.mark.parametrize(("flag", "value"), [("--rows", "0"), ("--prompts", "a"), ("--decode", "32")])
def test_a_size_that_is_none_is_told(bench, flag, value):
    run = bench("kernels", flag, value)
    assert run.exit_code == 2
    assert flag in run.errors
