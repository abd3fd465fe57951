"""The Triton kernels between products compute what plain torch does; interpreted where there is no GPU."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.models.kernels import ACTIVATIONS, TorchKernels
from server.models.triton_kernels import TritonKernels
from server.models.triton_layers import ACTIVATION_CODES, MAX_HIDDEN

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PLAIN, FUSED = TorchKernels(), TritonKernels(DEVICE)
TOLERANCES = {
    torch.float32: {"atol": 2e-5, "rtol": 2e-5},
    torch.float16: {"atol": 4e-3, "rtol": 4e-3},
    torch.bfloat16: {"atol": 3e-2, "rtol": 3e-2},
}
FACTS = {
    "num_tokens": st.sampled_from([0, 1, 3]),
    "width": st.sampled_from([2, 18, 64, 100]),
    "dtype": st.sampled_from([torch.float32, torch.float16]),
    "seed": st.integers(0, 2**31),
}


def random(*shape: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE, dtype)


def check_norms(num_tokens: int, width: int, dtype: torch.dtype, seed: int, has_residual: bool) -> None:
    x, weight = random(num_tokens, width, dtype=dtype, seed=seed), random(width, dtype=dtype, seed=seed + 1)
    # Rows that exited early stand behind those that go on, in the same memory, and must stay as they are.
    whole = random(num_tokens + 2, width, dtype=dtype, seed=seed + 2)
    behind = whole[num_tokens:].clone()
    residual = whole[:num_tokens] if has_residual else None
    expected = PLAIN.add_rms_norm(x.clone(), None if residual is None else residual.clone(), weight, 1e-5)

    normed, total = FUSED.add_rms_norm(x, residual, weight, 1e-5)

    torch.testing.assert_close((normed, total), expected, **TOLERANCES[dtype])
    assert torch.equal(total, expected[1]), "what later layers add to is rounded alike"
    assert torch.equal(whole[num_tokens:], behind)
    assert total.data_ptr() == (x if residual is None else residual).data_ptr()


@settings(deadline=None, max_examples=15)
@given(**FACTS, has_residual=st.booleans())
def test_norms_agree_and_leave_the_same_residual(
    num_tokens: int, width: int, dtype: torch.dtype, seed: int, has_residual: bool
) -> None:
    check_norms(num_tokens, width, dtype, seed, has_residual)


def test_rows_wider_than_one_program_takes_are_normalised_too() -> None:
    check_norms(2, MAX_HIDDEN + 2, torch.float32, 1, has_residual=True)


@settings(deadline=None, max_examples=15)
@given(**FACTS, heads=st.sampled_from([1, 5, 11]), heads_left_alone=st.integers(0, 2))
def test_head_norms_agree_and_leave_the_values_alone(
    num_tokens: int, width: int, dtype: torch.dtype, seed: int, heads: int, heads_left_alone: int
) -> None:
    weight = random(heads, width, dtype=dtype, seed=seed)
    plain = random(num_tokens, heads + heads_left_alone, width, dtype=dtype, seed=seed + 1)
    fused, values = plain.clone(), plain[:, heads:].clone()

    PLAIN.norm_heads(plain, weight, 1e-6)
    FUSED.norm_heads(fused, weight, 1e-6)

    torch.testing.assert_close(fused, plain, **TOLERANCES[dtype])
    assert torch.equal(fused[:, heads:], values)


@settings(deadline=None, max_examples=15)
@given(**FACTS, activation=st.sampled_from(sorted(ACTIVATIONS)), scale=st.sampled_from([1.0, 30.0]))
def test_gates_agree_for_every_activation(
    num_tokens: int, width: int, dtype: torch.dtype, seed: int, activation: str, scale: float
) -> None:
    gate_up = random(num_tokens, 2 * width, dtype=dtype, seed=seed) * scale
    # Torch rounds the activation before it multiplies, so it is asked in float32.
    expected = PLAIN.gated(gate_up.float(), activation).to(dtype)
    # GELU's tail is a difference of nearly equal numbers, whose error grows with what it is multiplied by.
    tolerance = TOLERANCES[dtype]["atol"]
    torch.testing.assert_close(FUSED.gated(gate_up, activation), expected, atol=tolerance * scale, rtol=tolerance)


def test_every_activation_has_a_kernel() -> None:
    assert ACTIVATION_CODES.keys() == ACTIVATIONS.keys()


@pytest.mark.parametrize("activation", ["silu", "relu", "gelu", "gelu_new"])
def test_nan_is_passed_on(activation: str) -> None:
    x = torch.tensor([[1.0, torch.nan, 2.0, 3.0]], device=DEVICE)
    normed, _ = FUSED.add_rms_norm(x, torch.zeros_like(x), torch.ones(4, device=DEVICE), 1e-5)
    assert normed.isnan().all()
    assert FUSED.gated(torch.tensor([[torch.nan, 1.0]], device=DEVICE), activation).isnan().all()


@pytest.mark.gpu
@pytest.mark.parametrize(("num_tokens", "width"), [(1, 4096), (64, 16384), (4099, 5120)])
def test_sizes_of_real_models_agree_in_bfloat16(num_tokens: int, width: int) -> None:
    if DEVICE.type != "cuda":
        pytest.skip("needs a GPU")
    check_norms(num_tokens, width, torch.bfloat16, 0, has_residual=True)
    gate_up = random(num_tokens, 2 * width, dtype=torch.bfloat16, seed=1)
    expected = PLAIN.gated(gate_up.float(), "silu").bfloat16()
    torch.testing.assert_close(FUSED.gated(gate_up, "silu"), expected, **TOLERANCES[torch.bfloat16])
    plain = random(num_tokens, 48, 128, dtype=torch.bfloat16, seed=2)
    fused, weight = plain.clone(), random(40, 128, dtype=torch.bfloat16, seed=3)
    PLAIN.norm_heads(plain, weight, 1e-6)
    FUSED.norm_heads(fused, weight, 1e-6)
    torch.testing.assert_close(fused, plain, **TOLERANCES[torch.bfloat16])
