"""The compiled loops for CPU compute what plain torch does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.models.kernels import CpuKernels, TorchKernels, choose_kernels
from server.models.rope import rotation_table
from server.models.triton_kernels import TritonKernels

pytest.importorskip("numba", reason="the loops are compiled by numba")

SIZES = {
    "num_tokens": st.sampled_from([0, 1, 2, 5, 33]),
    "width": st.integers(1, 24).map(lambda half: 2 * half),
    "heads": st.integers(1, 5),
    "seed": st.integers(0, 2**31),
}
PLAIN, FUSED = TorchKernels(), CpuKernels()


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=60)
@given(**SIZES, has_residual=st.booleans(), rows_skipped=st.integers(0, 2))
def test_norms_agree_and_leave_the_same_residual(
    num_tokens: int, width: int, heads: int, seed: int, has_residual: bool, rows_skipped: int
) -> None:
    x, weight = random(num_tokens, width, seed=seed), random(width, seed=seed + 1)
    # Rows that exited early stand behind those that go on, in the same memory, and must stay as they are.
    whole = random(num_tokens + rows_skipped, width, seed=seed + 2)
    behind = whole[num_tokens:].clone()
    residual = whole[:num_tokens] if has_residual else None
    expected = PLAIN.add_rms_norm(x.clone(), None if residual is None else residual.clone(), weight, 1e-5)

    normed, total = FUSED.add_rms_norm(x, residual, weight, 1e-5)

    torch.testing.assert_close((normed, total), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(whole[num_tokens:], behind)
    assert total.data_ptr() == (x if residual is None else residual).data_ptr()


@settings(deadline=None, max_examples=60)
@given(**SIZES, heads_left_alone=st.integers(0, 3))
def test_rotations_and_head_norms_agree_and_leave_the_values_alone(
    num_tokens: int, width: int, heads: int, seed: int, heads_left_alone: int
) -> None:
    table = rotation_table(random(11, width // 2, seed=seed), 1.25)
    positions = torch.randint(0, 11, (num_tokens,), generator=torch.Generator().manual_seed(seed))
    weight = random(heads, width, seed=seed + 1)
    plain = random(num_tokens, heads + heads_left_alone, width, seed=seed + 2)
    fused, values = plain.clone(), plain[:, heads:].clone()

    PLAIN.norm_heads(plain, weight, 1e-6)
    FUSED.norm_heads(fused, weight, 1e-6)
    torch.testing.assert_close(fused, plain, atol=1e-5, rtol=1e-5)
    expected = PLAIN.rotate(plain, heads, table, positions)
    torch.testing.assert_close(PLAIN.rotate(plain, heads, table[positions], None), expected, atol=0, rtol=0)
    rotated = FUSED.rotate(fused, heads, table, positions)

    torch.testing.assert_close(rotated, expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(fused[:, heads:], values)


@settings(deadline=None, max_examples=60)
@given(**SIZES, scale=st.sampled_from([1.0, 30.0, 200.0]))
def test_gates_agree_even_where_the_exponential_overflows(
    num_tokens: int, width: int, heads: int, seed: int, scale: float
) -> None:
    gate_up = random(num_tokens, 2 * width, seed=seed) * scale
    torch.testing.assert_close(
        FUSED.gated(gate_up.clone(), "silu"), PLAIN.gated(gate_up.clone(), "silu"), atol=1e-4, rtol=1e-5
    )


def test_nan_and_infinity_are_passed_on() -> None:
    x = torch.tensor([[1.0, torch.nan, 2.0, 3.0], [torch.inf, 1.0, 2.0, 3.0]])
    normed, _ = FUSED.add_rms_norm(x, torch.zeros(2, 4), torch.ones(4), 1e-5)
    assert normed[0].isnan().all()
    assert normed[1, 0].isnan()
    assert FUSED.gated(torch.tensor([[torch.nan, 1.0]]), "silu").isnan().all()


def test_a_position_outside_the_table_is_an_error_and_not_a_stray_read() -> None:
    with pytest.raises(IndexError):
        FUSED.rotate(torch.zeros(1, 1, 4), 1, torch.zeros(3, 2, 4), torch.tensor([3]))


def test_the_loops_are_chosen_for_float32_on_cpu_and_triton_on_gpus() -> None:
    assert isinstance(choose_kernels(torch.float32, torch.device("cpu")), CpuKernels)
    assert isinstance(choose_kernels(torch.bfloat16, torch.device("cpu")), TorchKernels)
    assert isinstance(choose_kernels(torch.bfloat16, torch.device("cuda")), TritonKernels)


@settings(deadline=None, max_examples=25)
@given(
    num_tokens=st.sampled_from([0, 1, 3, 4, 5, 40]),
    shape=st.sampled_from([(24, 10), (1100, 1000), (1301, 900)]),
    has_bias=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_products_agree_in_every_layout_of_the_matrix(
    num_tokens: int, shape: tuple[int, int], has_bias: bool, seed: int
) -> None:
    weight, x = random(*shape, seed=seed), random(num_tokens, shape[1], seed=seed + 1)
    bias = random(shape[0], seed=seed + 2) if has_bias else None
    assert (weight.nbytes in FUSED.PACKED_BYTES) == (shape != (24, 10)), "both layouts are tried"

    kept, product = FUSED.product(weight, bias)

    assert torch.equal(kept, weight)
    torch.testing.assert_close(product(x), PLAIN.product(weight, bias)[1](x), atol=1e-3, rtol=1e-4)
