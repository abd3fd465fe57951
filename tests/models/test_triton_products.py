"""Triton's products agree with torch's, in every weight format; interpreted where there is no GPU."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from hypothesis import given, settings
from hypothesis import strategies as st

from server.models.quantize import FP8, dequantize_rows, quantize_rows
from server.models.triton_kernels import TritonKernels
from server.models.triton_matmul import TileConfig, VectorConfig, tiled_product, vector_product
from server.models.triton_quantize import dequantize, quantize_tokens

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
STORED = [None, torch.int8, FP8]
TOLERANCES = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 0.15}


def random(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE, dtype)


def as_stored(
    weight: torch.Tensor, stored: torch.dtype | None
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """A weight in its format, its scales, and the float32 numbers that both stand for."""
    if stored is None:
        return weight, None, weight.float()
    matrix, scale = quantize_rows(weight, stored)
    return matrix, scale, dequantize_rows(matrix, scale, torch.float32)


FACTS = {
    "shape": st.sampled_from([(32, 64), (35, 100), (2, 33)]),
    "stored": st.sampled_from(STORED),
    "dtype": st.sampled_from([torch.float32, torch.float16]),
    "has_bias": st.booleans(),
    "seed": st.integers(0, 2**31),
}


@settings(deadline=None, max_examples=8)
@given(**FACTS, activation=st.sampled_from([None, "silu", "gelu"]))
def test_products_of_one_row_agree_with_and_without_a_gate(
    shape: tuple[int, int], stored: torch.dtype | None, dtype: torch.dtype, has_bias: bool, seed: int,
    activation: str | None,
) -> None:  # fmt: skip
    num_out = shape[0] - shape[0] % 2
    matrix, scale, exact = as_stored(random(num_out, shape[1], dtype=dtype, seed=seed), stored)
    x = random(1, shape[1], dtype=dtype, seed=seed + 1)
    bias = random(num_out, dtype=dtype, seed=seed + 2) if has_bias else None
    expected = F.linear(x.float(), exact, None if bias is None else bias.float())
    if activation is not None:
        gate, up = expected.chunk(2, -1)
        expected = getattr(F, activation)(gate) * up

    result = vector_product(x, matrix, scale, bias, activation, VectorConfig(8, 32, 4))

    torch.testing.assert_close(result.float(), expected, atol=TOLERANCES[dtype], rtol=TOLERANCES[dtype])


@settings(deadline=None, max_examples=8)
@given(**FACTS, num_rows=st.sampled_from([0, 1, 18]), splits=st.sampled_from([1, 3]))
def test_tiles_agree_and_the_number_of_programs_for_a_sum_changes_no_bit(
    shape: tuple[int, int], stored: torch.dtype | None, dtype: torch.dtype, has_bias: bool, seed: int,
    num_rows: int, splits: int,
) -> None:  # fmt: skip
    matrix, scale, exact = as_stored(random(*shape, dtype=dtype, seed=seed), stored)
    x = random(num_rows, shape[1], dtype=dtype, seed=seed + 1)
    bias = random(shape[0], dtype=dtype, seed=seed + 2) if has_bias else None
    arrivals = torch.zeros(20, dtype=torch.int32, device=DEVICE)
    # Room around the result must stay as it is.
    room = torch.full((num_rows, shape[0] + 7), 5.0, dtype=dtype, device=DEVICE)

    spread = tiled_product(x, matrix, scale, bias, TileConfig(16, 16, 32, splits, True, 4, 2), arrivals)
    inside = TileConfig(32, 16, 32, splits, False, 4, 2)
    together = tiled_product(x, matrix, scale, bias, inside, out=room[:, : shape[0]])

    expected = F.linear(x.float(), exact, None if bias is None else bias.float())
    torch.testing.assert_close(spread.float(), expected, atol=TOLERANCES[dtype], rtol=TOLERANCES[dtype])
    assert torch.equal(spread, together)
    assert (room[:, shape[0] :] == 5.0).all()
    assert not arrivals.any(), "ready for the next call"


@pytest.mark.parametrize("weight_format", ["auto", "int8", "fp8"])
@pytest.mark.parametrize("shape", [(48, 1024), (80, 96)])
def test_an_invariant_row_has_the_same_bits_alone_and_in_any_crowd(weight_format: str, shape: tuple[int, int]) -> None:
    dtype = torch.bfloat16 if DEVICE.type == "cuda" else torch.float16
    kernels = TritonKernels(DEVICE, weight_format, batch_invariant=True)  # type: ignore[arg-type]
    weight, bias = random(*shape, dtype=dtype), random(shape[0], dtype=dtype, seed=1)
    _, product = kernels.product(weight, bias)
    x = random(140, shape[1], dtype=dtype, seed=2)
    crowd = product(x)
    for start, stop in [(0, 1), (3, 4), (7, 24), (90, 139)]:
        assert torch.equal(product(x[start:stop]), crowd[start:stop])


@pytest.mark.parametrize("weight_format", ["auto", "int8"])
@pytest.mark.parametrize("batch_invariant", [False, True])
def test_every_number_of_rows_gives_the_same_product(weight_format: str, batch_invariant: bool) -> None:
    kernels = TritonKernels(DEVICE, weight_format, batch_invariant)  # type: ignore[arg-type]
    weight, bias = random(40, 80), random(40, seed=1)
    stored, product = kernels.product(weight, bias)
    _, gated = kernels.gated_product(weight, bias, "silu")
    exact = weight if weight_format == "auto" else dequantize_rows(*quantize_rows(weight, torch.int8), torch.float32)
    assert stored.dtype == (torch.float32 if weight_format == "auto" else torch.int8)
    for num_rows in (1, 17) if batch_invariant else (1, 2, 33, 300):
        x = random(num_rows, 80, seed=num_rows)
        expected = F.linear(x, exact, bias)
        torch.testing.assert_close(product(x), expected, atol=1e-4, rtol=1e-4)
        out = torch.empty_like(expected)
        assert product(x, out) is out
        torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)
        gate, up = expected.chunk(2, -1)
        torch.testing.assert_close(gated(x), F.silu(gate) * up, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("stored", [torch.int8, FP8])
def test_stored_matrices_become_the_floats_of_the_twin(stored: torch.dtype) -> None:
    matrix, scale = quantize_rows(random(5, 70), stored)
    assert torch.equal(dequantize(matrix, scale, torch.float16), dequantize_rows(matrix, scale, torch.float16))


def test_tokens_are_quantised_like_the_twin_does() -> None:
    x = random(6, 100) * torch.tensor([1e-3, 1.0, 50.0, 0.0, 1.0, 1.0], device=DEVICE)[:, None]
    stored, scale = quantize_tokens(x)
    expected, expected_scale = quantize_rows(x, FP8)
    torch.testing.assert_close(scale, expected_scale)
    is_alike = (stored.float() - expected.float()).abs() <= 2**-9 + 0.13 * expected.float().abs()
    # The interpreter's own conversion to fp8 goes wrong where rounding carries into the exponent.
    assert is_alike.float().mean() >= (1.0 if DEVICE.type == "cuda" else 0.95)


@pytest.mark.gpu
@pytest.mark.parametrize("weight_format", ["auto", "int8", "fp8"])
@pytest.mark.parametrize("batch_invariant", [False, True])
@pytest.mark.parametrize("shape", [(6144, 4096), (4096, 14336), (1040, 1040)])
def test_sizes_of_real_models_agree_in_bfloat16(
    weight_format: str, batch_invariant: bool, shape: tuple[int, int]
) -> None:
    if DEVICE.type != "cuda":
        pytest.skip("needs a GPU")
    kernels = TritonKernels(DEVICE, weight_format, batch_invariant)  # type: ignore[arg-type]
    weight = random(*shape, dtype=torch.bfloat16) * 0.02
    stored, product = kernels.product(weight, None)
    exact = weight if weight_format == "auto" else dequantize_rows(*quantize_rows(weight, stored.dtype), torch.float32)
    whole = random(2048, shape[1], dtype=torch.bfloat16, seed=1)
    crowd = product(whole)
    for num_rows in (1, 3, 16, 40, 130, 2048):
        x = whole[:num_rows]
        expected = F.linear(x.float(), exact.float())
        # Activations in fp8 have three mantissa bits.
        tolerance = 0.05 if weight_format == "fp8" and not batch_invariant else 0.01
        assert (product(x).float() - expected).abs().max() < tolerance * expected.abs().max()
        if batch_invariant:
            assert torch.equal(product(x), crowd[:num_rows])
