"""Weight formats stay within the error of their grids, and a model's logits stay near those of its own dtype."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from hypothesis import given, settings
from hypothesis import strategies as st

from server.config import WeightFormat
from server.errors import ConfigError
from server.models.decoder import Decoder
from server.models.kernels import CpuKernels, TorchKernels, choose_kernels
from server.models.layers import GatedMLP, Head
from server.models.quantize import FP8, check_weight_format, dequantize_rows, quantize_rows
from tests.models.dense import load, run_sequence

FORMATS: list[WeightFormat] = ["int8", "fp8"]
STORED = {"int8": torch.int8, "fp8": FP8}


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 6),
    columns=st.integers(1, 40),
    magnitude=st.sampled_from([1e-6, 1.0, 3e4]),
    seed=st.integers(0, 2**31),
)
def test_every_weight_is_off_by_half_a_step_at_most(rows: int, columns: int, magnitude: float, seed: int) -> None:
    weight = random(rows, columns, seed=seed) * magnitude
    weight[0] = 0.0
    largest = weight.abs().amax(1, keepdim=True)
    stored, scale = quantize_rows(weight, torch.int8)
    error = (dequantize_rows(stored, scale, torch.float32) - weight).abs()
    assert (error <= scale[:, None] * 0.5001).all()
    assert (stored.abs().amax(1)[1:] == 127).all(), "the grid reaches as far as the channel"

    stored, scale = quantize_rows(weight, FP8)
    error = (dequantize_rows(stored, scale, torch.float32) - weight).abs()
    # Three bits of mantissa; below 2^-6 of the grid, steps of 2^-9.
    assert (error <= weight.abs() * (2**-4 * 1.001) + scale[:, None] * 2**-10).all()
    assert (error[0] == 0).all()
    assert (dequantize_rows(stored, scale, torch.float32).abs() <= largest * 1.0001).all()


@pytest.mark.parametrize("weight_format", FORMATS)
@pytest.mark.parametrize("make", [TorchKernels, CpuKernels])
def test_products_and_gates_are_those_of_the_stored_weights(
    weight_format: WeightFormat, make: type[TorchKernels | CpuKernels]
) -> None:
    kernels = make(weight_format)
    weight, bias, x = random(32, 48, seed=0), random(32, seed=1), random(5, 48, seed=2)
    exact = dequantize_rows(*quantize_rows(weight, STORED[weight_format]), torch.float32)
    expected = F.linear(x, exact, bias)

    stored, product = kernels.product(weight, bias)
    _, gated = kernels.gated_product(weight, bias, "silu")

    assert stored.dtype == STORED[weight_format]
    torch.testing.assert_close(product(x), expected)
    out = torch.empty(5, 32)
    product(x, out)
    torch.testing.assert_close(out, expected)
    gate, up = expected.chunk(2, -1)
    torch.testing.assert_close(gated(x), F.silu(gate) * up)


def test_matrices_that_fp8_instructions_cannot_take_keep_their_dtype() -> None:
    kernels = TorchKernels("fp8")
    for shape in [(32, 40), (40, 32)]:
        weight = random(*shape, seed=0)
        assert kernels.product(weight, None)[0] is weight
    assert TorchKernels("int8").product(random(32, 40, seed=0), None)[0].dtype == torch.int8


def test_a_gpu_that_cannot_do_it_is_refused_with_what_to_do_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda", 0)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA A100")
    with pytest.raises(ConfigError, match=r"compute capability 8\.9 or later, not NVIDIA A100; use int8"):
        choose_kernels(torch.bfloat16, cuda, "fp8")
    with pytest.raises(ConfigError, match="int8 needs bfloat16 or float16 on a GPU"):
        choose_kernels(torch.float32, cuda, "int8")
    for weight_format, dtype in (("int8", torch.bfloat16), ("auto", torch.float32)):
        check_weight_format(weight_format, dtype, cuda)


def relative_error(directory: Path, weight_format: WeightFormat, token_ids: list[int]) -> float:
    """Root mean square difference of logits, in their standard deviations."""
    plain = run_sequence(load(directory), token_ids, len(token_ids) - 4)
    coded = run_sequence(load(directory, weight_format=weight_format), token_ids, len(token_ids) - 4)
    return ((coded - plain).square().mean().sqrt() / plain.std()).item()


@pytest.mark.parametrize(("weight_format", "limit"), [("int8", 0.02), ("fp8", 0.08)])
def test_logits_of_a_trained_model_stay_near(stories260k: Path, weight_format: WeightFormat, limit: float) -> None:
    error = relative_error(stories260k, weight_format, list(range(1, 41)))
    assert 0 < error < limit


@pytest.mark.parametrize("weight_format", FORMATS)
def test_only_the_layers_matrices_are_stored_in_the_format(tiny_llama: Path, weight_format: WeightFormat) -> None:
    model = load(tiny_llama, weight_format=weight_format)
    assert isinstance(model, Decoder)
    dtypes = {name: parameter.data.dtype for parameter in model.weights() for name in parameter.parts}
    for name, dtype in dtypes.items():
        is_matrix = name.startswith("layers.") and "norm" not in name
        assert dtype == (STORED[weight_format] if is_matrix else torch.float32), name
    assert 0 < relative_error(tiny_llama, weight_format, list(range(30))) < 0.2


def test_long_prompts_go_through_the_mlp_in_pieces_with_the_same_result() -> None:
    mlp = GatedMLP("mlp", 8, 12, "silu", True, TorchKernels())
    for seed, parameter in enumerate(mlp.weights()):
        parameter.data = random(*parameter.shape, seed=seed)
    mlp.prepare()
    x = random(GatedMLP.CHUNKED_ROWS + 3, 8, seed=9)
    short = torch.cat([mlp(x[start : start + 1000]) for start in range(0, x.shape[0], 1000)])
    sizes: list[int] = []
    expand = mlp.expand

    def watched(part: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        sizes.append(part.shape[0])
        return expand(part, out)

    mlp.expand = watched
    torch.testing.assert_close(mlp(x), short, atol=1e-4, rtol=1e-4)
    assert max(sizes) == mlp.chunk_rows
    assert sum(sizes) == x.shape[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_come_in_the_dtype_of_the_activations(dtype: torch.dtype) -> None:
    head = Head(None, 8, 5, TorchKernels("int8"))
    head.weight.data = random(5, 8, seed=0).to(dtype)
    head.prepare()
    assert head(random(2, 8, seed=1).to(dtype)).dtype == dtype
