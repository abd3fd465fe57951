"""What the Triton backend adds to the contract: captured graphs, quantised pages, fused RoPE, batch invariance, cuDNN.

Shapes are tiny where the kernels are interpreted; those marked `gpu` run compiled.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from attention_scenario import RowSpec, Scenario, Setting, Shape

from server.attention import dense_prefill
from server.attention.dense_prefill import DensePrefill
from server.attention.registry import backend_class
from server.attention.triton import TritonAttention
from server.kv.formats import quantize
from server.kv.policy import ALL, Retention, window
from server.models.kernels import TorchKernels
from server.models.rope import RopeConfig, RotaryEmbedding

SMALL = Shape(1, 2, 2, 16, 16, ((0,), (1,)))
ONE_HEAD = Shape(1, 1, 2, 16, 4, ((0,),))
MIXED_ROWS = [
    RowSpec(0, 5, (ALL, window(2, 3))),
    RowSpec(21, 3, (window(3, 6), Retention(3, 6, since=9))),
    RowSpec(40, 1, (Retention(2, 5, since=30), window(4, 20))),
    RowSpec(0, 1, (ALL, ALL)),
]


@pytest.fixture(scope="module", autouse=True)
def _needs_triton() -> None:
    reasons = TritonAttention.supports(SMALL.spec())
    if reasons and not torch.cuda.is_available():
        pytest.skip(", ".join(reasons))


def here(**changes: object) -> Setting:
    """Float32, on the GPU where there is one and in the interpreter otherwise."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Setting(device=device, **changes)  # type: ignore[arg-type]


def assert_close(result: torch.Tensor, expected: torch.Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(result.double(), expected, rtol=5 * tolerance, atol=tolerance)


def test_reasons_name_what_is_not_served() -> None:
    spec = Shape(1, 1, 1, 20, 16, ((0,),)).spec(Setting(dtype=torch.float64, kv_format="float32"))
    reasons = ", ".join(TritonAttention.supports(spec))
    assert "20" in reasons
    assert "float64" in reasons


@pytest.mark.parametrize("head_dim", [64, 80, 96, 128, 256])
def test_head_sizes_of_real_models_equal_dense_attention(head_dim: int) -> None:
    shape = Shape(1, 1, 2, head_dim, 16, ((0,),))
    scenario = Scenario.random(shape, [RowSpec(18, 2, (window(3, 8),)), RowSpec(33, 1, (ALL,))], 1, here())
    assert_close(scenario.attend(TritonAttention)[0], scenario.expected(0))


def test_a_static_batch_of_prompts_and_decodes_gives_what_the_eager_one_gives() -> None:
    scenario = Scenario.random(SMALL, MIXED_ROWS, 2, here())
    static = scenario.static_batch(num_rows=7, num_tokens=16, max_prefill_rows=4)
    result = scenario.attend(TritonAttention, batch=static)[0]
    assert_close(result[:10], scenario.expected(0))


def test_a_static_decode_gives_zeros_to_padding_rows_and_the_same_to_others() -> None:
    scenario = Scenario.random(SMALL, MIXED_ROWS[2:], 3, here())
    static = scenario.static_batch(num_rows=4, num_tokens=4, max_prefill_rows=0)
    result = scenario.attend(TritonAttention, batch=static)[0]
    assert_close(result[:2], scenario.expected(0))
    assert result[2:].eq(0).all()


def test_parts_of_split_rows_are_merged_and_their_counters_left_at_zero() -> None:
    rows = [RowSpec(150, 1, (ALL,)), RowSpec(90, 1, (window(5, 60),)), RowSpec(3, 1, (ALL,))]
    scenario = Scenario.random(ONE_HEAD, rows, 4, here())
    attention = TritonAttention(
        scenario.spec, scenario.plan.to(scenario.setting.device), scenario.pool, scenario.tables
    )
    assert attention.launcher.num_splits(len(rows)) > 1
    for _ in range(2):
        result = attention.attend(0, *scenario.new(0), scenario.batch())
        assert_close(result.cpu(), scenario.expected(0))


def exact_in_fp8(x: torch.Tensor) -> torch.Tensor:
    """Numbers near x that E4M3 holds exactly with a scale of 2**-8: Triton's interpreter rounds others differently."""
    x = (x.clamp(-1.75, 1.75) * 256).to(torch.float8_e4m3fn).float() / 256
    x[x.abs() < 2**-14] = 0
    x[..., 0] = 1.75
    return x


@pytest.mark.parametrize("fmt", ["fp8", "int8", "int4"])
def test_quantised_pages_hold_the_twins_bytes_and_are_read_as_they_stand_for(fmt: str) -> None:
    scenario = Scenario.random(SMALL, MIXED_ROWS[:3], 5)
    k, v = scenario.k, scenario.v
    if fmt == "fp8":
        k, v = ([exact_in_fp8(x) for x in numbers] for numbers in (k, v))
    scenario = Scenario(SMALL, MIXED_ROWS[:3], scenario.q, k, v, 5, here(kv_format=fmt))
    assert scenario.pool.params is not None
    storage, params = scenario.pool.storage.cpu().view(torch.uint8), scenario.pool.params.cpu()
    for index, row in enumerate(scenario.row_specs):
        for group in scenario.plan.groups:
            positions = torch.arange(row.history, row.history + row.num_new)
            scenario.store(storage.view(scenario.setting.fmt.dtype), params, index, group, positions)
    result = scenario.attend(TritonAttention)[0]
    assert torch.equal(scenario.pool.storage.cpu().view(torch.uint8), storage)
    torch.testing.assert_close(scenario.pool.params.cpu(), params, rtol=0, atol=0, equal_nan=True)
    assert_close(result, scenario.expected(0))


@pytest.mark.parametrize("fmt", ["fp8", "int8", "int4"])
def test_heads_of_extreme_numbers_are_quantised_as_the_twin_does_it(fmt: str) -> None:
    setting = here(kv_format=fmt)
    if fmt == "fp8" and setting.device.type == "cpu":
        pytest.skip("Triton's interpreter does not round to E4M3 as torch and GPUs do")
    shape = Shape(1, 1, 1, 8, 4, ((0,),))
    heads = torch.tensor(
        [
            [0.0] * 8,
            [3.0] * 8,
            [-1e5, 1e5, 0, 1, 2, 3, 4, 5],
            [1e-7, -1e-7, 0, 0, 2e-8, 0, 0, 1e-6],
            [0.5, 1.5, 2.5, 3.5, -0.5, -1.5, 14.5, 15],
        ]
    )
    k = heads[None, :, None]
    scenario = Scenario(shape, [RowSpec(0, 5, (ALL,))], k.clone(), [k], [k.flip(-1)], 1, setting)
    scenario.attend(TritonAttention)
    assert scenario.pool.params is not None
    pages = torch.from_numpy(scenario.tables.host)[scenario.row_ids[0], 0, torch.arange(5) // 4].long()
    for kind, numbers in ((0, heads), (1, heads.flip(-1))):
        elements, params = quantize(numbers, setting.fmt)
        stored = scenario.pool.storage[kind].cpu()[pages, torch.arange(5) % 4, 0]
        assert torch.equal(stored.view(torch.uint8), elements.view(torch.uint8))
        assert torch.equal(scenario.pool.params[kind].cpu()[pages, torch.arange(5) % 4, 0], params)


@pytest.mark.parametrize("rope_type", ["default", "dynamic"])
def test_fused_rope_and_write_equal_rope_and_then_a_write(rope_type: str) -> None:
    scenario = Scenario.random(SMALL, MIXED_ROWS[:3], 6, here())
    rope = RotaryEmbedding(RopeConfig(rope_type, 16, 100.0, 32, factor=2.0), TorchKernels(), scenario.setting.device)
    if rope_type == "default":
        rope = RotaryEmbedding(RopeConfig(rope_type, 16, 100.0, 64), TorchKernels(), scenario.setting.device)
    attention = TritonAttention(
        scenario.spec, scenario.plan.to(scenario.setting.device), scenario.pool, scenario.tables
    )
    batch, qkv = scenario.batch(), torch.cat(scenario.new(0), 1)
    rotated = rope(qkv.clone(), 6, batch)
    expected = attention.attend(0, rotated[:, :4], rotated[:, 4:], qkv[:, 6:], batch)
    pages = scenario.pool.storage.clone()
    result = attention.attend_rotating(0, qkv, 4, rope, batch)
    torch.testing.assert_close(result, expected, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(scenario.pool.storage, pages, rtol=1e-5, atol=1e-6, equal_nan=True)


def parts_of(whole: Scenario, sizes: list[int], setting: Setting) -> list[torch.Tensor]:
    """Results of the first row's tokens, computed alone in chunks of these sizes."""
    results, done = [], 0
    retentions = whole.row_specs[0].retentions
    for size in sizes:
        end = done + size
        k, v = whole.k[0][:, :end], whole.v[0][:, :end]
        chunk = Scenario(whole.shape, [RowSpec(done, size, retentions)], whole.q[:, done:end], [k], [v], end, setting)
        results.append(chunk.attend(TritonAttention)[0])
        done = end
    return results


def test_batch_invariant_results_are_bitwise_the_same_alone_in_chunks_and_in_a_crowd() -> None:
    setting = here(is_invariant=True)
    shape = Shape(1, 2, 2, 16, 4, ((0,), (1,)))
    since = Retention(1, 4, since=9)
    rows = [RowSpec(0, 21, (since, window(2, 6))), RowSpec(3, 6, (ALL, ALL)), RowSpec(30, 1, (ALL, since))]
    crowd = Scenario.random(shape, rows, 7, setting)
    result = crowd.attend(TritonAttention)[0]
    assert_close(result, crowd.expected(0))
    static = crowd.attend(TritonAttention, batch=crowd.static_batch(5, 32, 3))[0]
    assert torch.equal(static[:28], result)
    for sizes in ([21], [1, 1, 13, 6]):
        alone = torch.cat(parts_of(crowd, sizes, setting))
        assert torch.equal(alone, result[: len(alone)])


class PlainDense(DensePrefill):
    """cuDNN's part played by torch, so that what is around it runs without a GPU."""

    calls = 0

    def _attention(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, is_causal: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        PlainDense.calls += 1
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
        scores = torch.einsum("qhd,khd->qhk", q, k) * self.spec.scale
        if is_causal:
            hidden = torch.ones(q.shape[0], k.shape[0], dtype=torch.bool, device=q.device).triu(1)
            scores = scores.masked_fill(hidden[:, None], float("-inf"))
        return torch.einsum("qhk,khd->qhd", scores.softmax(-1), v), scores.logsumexp(-1)


@pytest.mark.parametrize("fmt", ["auto", "int4"])
def test_long_rows_are_cut_between_cudnn_and_the_kernel(fmt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_prefill, "STEP", 4)
    monkeypatch.setattr(dense_prefill, "PIECE", 8)
    since, few = Retention(2, 3, since=0), window(2, 5)
    shape = Shape(1, 2, 2, 16, 4, ((1,), (0,)))
    rows = [
        RowSpec(0, 3, (ALL, ALL)),
        RowSpec(12, 6, (since, ALL)),
        RowSpec(5, 5, (ALL, ALL)),
        RowSpec(4, 5, (few, ALL)),
        RowSpec(0, 8, (ALL, ALL)),
        RowSpec(8, 4, (few, few)),
        RowSpec(16, 8, (ALL, few)),
        RowSpec(9, 1, (few, ALL)),
    ]
    scenario = Scenario.random(shape, rows, 8, here(kv_format=fmt))
    attention = TritonAttention(
        scenario.spec, scenario.plan.to(scenario.setting.device), scenario.pool, scenario.tables
    )
    attention.dense = PlainDense(attention.launcher)
    attention.dense.is_refused = False
    chosen = [
        (part.index, part.num_tokens, None if part.heads.keys is None else part.heads.keys.tolist())
        for part in attention.dense.chosen(0, scenario.batch())
    ]
    assert chosen == [(1, 4, None), (3, 4, [0]), (4, 8, None), (6, 8, [1])]
    # Where the batch's rows are known on the device alone, one window anywhere is one too many.
    assert attention.dense.chosen(0, replace(scenario.batch(), host_rows=None)) == []
    PlainDense.calls = 0
    result = attention.attend(0, *scenario.new(0), scenario.batch()).cpu()
    # Rows 1 and 6 have a prefix of two pieces, row 3 of one.
    assert PlainDense.calls == 3 + 2 + 1 + 3
    assert_close(result, scenario.expected(0))


def test_where_cudnn_refuses_the_kernel_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no engine for this")

    monkeypatch.setattr(dense_prefill, "STEP", 4)
    monkeypatch.setattr(DensePrefill, "_attention", refuse)
    scenario = Scenario.random(ONE_HEAD, [RowSpec(0, 3, (ALL,)), RowSpec(0, 5, (ALL,))], 9, here())
    attention = TritonAttention(
        scenario.spec, scenario.plan.to(scenario.setting.device), scenario.pool, scenario.tables
    )
    attention.dense.is_refused = False
    assert_close(attention.attend(0, *scenario.new(0), scenario.batch()).cpu(), scenario.expected(0))
    assert attention.dense.is_refused


def test_the_kernels_are_compiled_though_there_is_no_gpu() -> None:
    """The interpreter takes what the compiler refuses, such as a variable that changes its shape."""
    script = Path(__file__).with_name("compile_attention.py")
    environment = os.environ | {"TRITON_INTERPRET": "0", "PYTHONPATH": str(script.parents[2])}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    shared_bytes = json.loads(done.stdout)
    # Loads run ahead as far where programs are shared out as where they are not.
    for name in ("bfloat16", "int4"):
        assert shared_bytes[f"{name}, unequal"] == shared_bytes[f"{name}, equal"] > 64 * 1024


GPU_ROWS = [
    RowSpec(0, 1300, (ALL, window(20, 300))),
    RowSpec(1024, 1100, (ALL, window(0, 7))),
    RowSpec(500, 200, (window(64, 256), Retention(64, 100, since=310))),
    RowSpec(0, 5, (ALL, ALL)),
    RowSpec(3000, 1, (Retention(20, 300, since=1000), window(20, 300))),
    RowSpec(0, 1, (ALL, ALL)),
]
GPU_TOLERANCES = {torch.bfloat16: 2e-2, torch.float16: 3e-3}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", list(GPU_TOLERANCES), ids=["bf16", "fp16"])
@pytest.mark.parametrize(
    ("head_dim", "fmt"),
    [(64, "auto"), (80, "auto"), (96, "auto"), (128, "auto"), (256, "auto"), (128, "fp8"), (128, "int8"), (80, "int4")],
)
def test_compiled_kernels_equal_dense_attention(dtype: torch.dtype, head_dim: int, fmt: str) -> None:
    shape = Shape(1, 2, 4, head_dim, 16, ((0,), (1,)))
    scenario = Scenario.random(shape, GPU_ROWS, 11, here(dtype=dtype, kv_format=fmt))
    eager = scenario.attend(TritonAttention)[0]
    assert_close(eager, scenario.expected(0), GPU_TOLERANCES[dtype])
    num_tokens = eager.shape[0]
    static = scenario.static_batch(num_rows=8, num_tokens=num_tokens + 20, max_prefill_rows=6)
    padded = scenario.attend(TritonAttention, batch=static)[0][:num_tokens]
    assert_close(padded, scenario.expected(0), GPU_TOLERANCES[dtype])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_compiled_batch_invariant_results_are_bitwise_the_same() -> None:
    setting = here(dtype=torch.bfloat16, is_invariant=True)
    shape = Shape(1, 2, 4, 128, 16, ((0,), (1,)))
    rows = [RowSpec(0, 700, (ALL, window(20, 300))), RowSpec(40, 90, (ALL, ALL)), RowSpec(800, 1, (ALL, ALL))]
    crowd = Scenario.random(shape, rows, 7, setting)
    result = crowd.attend(TritonAttention)[0]
    for sizes in ([700], [64, 1, 1, 333, 301]):
        assert torch.equal(torch.cat(parts_of(crowd, sizes, setting)), result[:700])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("is_even", [True, False], ids=["one group", "two groups"])
def test_a_captured_decode_follows_lengths_that_change_after_the_capture(is_even: bool) -> None:
    setting = here(dtype=torch.bfloat16)
    shape = Shape(1, 2, 4, 128, 16, ((0, 1),) if is_even else ((1,), (0,)))
    few = window(4, 40)
    rows = [RowSpec(2000, 1, (ALL,) if is_even else (few, ALL)), RowSpec(90, 1, (few,) * len(shape.groups))]
    scenario = Scenario.random(shape, rows, 12, setting)
    attention = TritonAttention(scenario.spec, scenario.plan.to(setting.device), scenario.pool, scenario.tables)
    static, new = scenario.static_batch(4, 4, 0), scenario.new(0)
    q, k, v = (torch.nn.functional.pad(x, (0, 0, 0, 0, 0, 2)) for x in new)
    true_lens = static.kv_lens.clone()
    static.kv_lens.fill_(1)
    attention.attend(0, q, k, v, static)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = attention.attend(0, q, k, v, static)
    static.kv_lens.copy_(true_lens)
    graph.replay()
    assert_close(result[:2].cpu(), scenario.expected(0), 2e-2)


def test_the_backend_is_registered_first_for_cuda() -> None:
    assert backend_class("triton") is TritonAttention
