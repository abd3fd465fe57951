"""The product that streams its matrix agrees with torch's, however its work is shared; interpreted without a GPU."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from hypothesis import given, settings
from hypothesis import strategies as st

from server.models import triton_products
from server.models.triton_kernels import TritonKernels
from server.models.triton_stream import StreamConfig, StreamProduct

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
IS_ABLE = DEVICE.type == "cpu" or torch.cuda.get_device_capability() >= (9, 0)
pytestmark = [
    pytest.mark.skipif(not IS_ABLE, reason="needs a tensor memory accelerator"),
    # Where there is a GPU, all this is a test of it.
    *([pytest.mark.gpu] if DEVICE.type == "cuda" else []),
]


def random(*shape: int, dtype: torch.dtype = torch.float16, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE, dtype)


def expected_product(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, activation: str | None
) -> torch.Tensor:
    result = F.linear(x.float(), weight.float(), None if bias is None else bias.float())
    if activation is None:
        return result
    gate, up = result.chunk(2, -1)
    return getattr(F, activation)(gate) * up


@settings(deadline=None, max_examples=12)
@given(
    shape=st.sampled_from([(64, 72), (200, 136), (130, 264)]),
    num_rows=st.sampled_from([1, 15, 16]),
    block_k=st.sampled_from([32, 64]),
    num_programs=st.integers(1, 30),
    activation=st.sampled_from([None, "silu", "gelu"]),
    has_bias=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_sums_are_whole_however_many_programs_share_a_tile(
    shape: tuple[int, int], num_rows: int, block_k: int, num_programs: int, activation: str | None, has_bias: bool,
    seed: int,
) -> None:  # fmt: skip
    weight, x = random(*shape, seed=seed), random(num_rows, shape[1], seed=seed + 1)
    bias = random(shape[0], seed=seed + 2) if has_bias else None
    product = StreamProduct(weight, bias, StreamConfig(64, 16, block_k, num_programs, 4, 3))
    num_out = shape[0] if activation is None else shape[0] // 2
    # Room around the result must stay as it is.
    room = torch.full((num_rows, num_out + 7), 5.0, dtype=x.dtype, device=DEVICE)

    first = product(x, room[:, :num_out], activation)
    again = product(x, activation=activation)

    torch.testing.assert_close(first.float(), expected_product(x, weight, bias, activation), atol=0.05, rtol=0.02)
    assert torch.equal(first, again), "what the first call left behind changes the second"
    assert (room[:, num_out:] == 5.0).all()


def test_layers_stream_where_the_table_says_so_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    shape, used = (64, 128), []
    configs = [StreamConfig(64, block_r, 64, 3, 4, 2) for block_r in (32, 64)]
    monkeypatch.setattr(triton_products, "STREAMS", {(*shape, False): configs, (*shape, True): configs[:1]})
    run = StreamProduct.__call__

    def noted(self, x, out=None, activation=None):
        used.append((x.shape[0], self.config.block_r, activation))
        return run(self, x, out, activation)

    monkeypatch.setattr(StreamProduct, "__call__", noted)
    weight = random(*shape)
    _, product = TritonKernels(DEVICE).product(weight, None)
    _, gated = TritonKernels(DEVICE).gated_product(weight, None, "silu")
    for num_rows in (1, 16, 17, 33, 65):
        x = random(num_rows, shape[1], seed=num_rows)
        for result, activation in ((product(x), None), (gated(x), "silu")):
            expected = expected_product(x, weight, None, activation)
            torch.testing.assert_close(result.float(), expected, atol=0.1, rtol=0.03)
    # Gates of 33 rows have no config of their own, so their product comes first.
    assert used == [(17, 32, None), (17, 32, "silu"), (33, 64, None), (33, 64, None)]


def test_a_sum_of_one_step_is_refused() -> None:
    config = StreamConfig(64, 16, 64, 3, 4, 3)
    with pytest.raises(ValueError, match="64 columns"):
        StreamProduct(random(64, 64), None, config)
    StreamProduct(random(64, 72), None, config)


def test_loads_run_ahead_by_as_many_steps_as_there_are_stages() -> None:
    """A barrier or an inner loop among the steps would make the compiler fetch one step at a time, without a word.

    The shortest sums that are not refused have to compile, too.
    """
    script = Path(__file__).with_name("compile_stream.py")
    environment = os.environ | {"TRITON_INTERPRET": "0", "PYTHONPATH": str(script.parents[2])}
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stdout)
    assert facts["shared_bytes"] >= facts["num_stages"] * facts["stage_bytes"]
    assert facts["has_matrix_instructions"]
