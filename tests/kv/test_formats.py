"""KV formats: error bounds, exact grids, packing and sizes of the plain twin that every kernel must equal."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.errors import ConfigError
from server.kv.formats import FP8_MAX, FP16_MAX, KV_FORMATS, KVFormat, dequantize, kv_format, quantize
from server.kv.pool import PagePool

INTEGERS = [KV_FORMATS["int8"], KV_FORMATS["int4"]]
FP8 = KV_FORMATS["fp8"]
QUANTIZED = [*INTEGERS, FP8]

HALF_A_STEP = 0.5 * (1 + 2**-14)
"""Half a step, and what rounding to float32 may add to it in 255 steps."""

formats = st.sampled_from(QUANTIZED)
integers = st.sampled_from(INTEGERS)
anything = st.floats(-FP16_MAX, FP16_MAX, width=32)


@st.composite
def spread(draw: st.DrawFn) -> list[float]:
    """A head's numbers: of any size, about any offset, down to spans that float16 cannot tell apart."""
    offset = draw(st.sampled_from([0.0, 1.0, -3.3, 1000.1, -60000.0, 60000.0]))
    size = 10.0 ** draw(st.integers(-30, 3))
    numbers = draw(st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=16).filter(lambda x: len(x) % 2 == 0))
    return [offset + size * number for number in numbers]


heads = st.one_of(spread(), st.lists(anything, min_size=2, max_size=16).filter(lambda x: len(x) % 2 == 0))


def steps_of(elements: torch.Tensor, fmt: KVFormat) -> torch.Tensor:
    """The integers in the elements, read off the layout: low nibbles first, then high ones."""
    return elements if fmt.name == "int8" else torch.cat((elements % 16, elements // 16), -1)


def exact(elements: torch.Tensor, params: torch.Tensor, fmt: KVFormat) -> torch.Tensor:
    """q * scale + zero in float64."""
    numbers = elements if fmt is FP8 else steps_of(elements, fmt)
    # Not every float8 conversion to float64 exists; all of them are exact in float32.
    return numbers.float().double() * params[..., :1].double() + params[..., 1:].double()


@settings(max_examples=150)
@given(fmt=integers, numbers=heads)
@example(fmt=INTEGERS[0], numbers=[0.0, 0.0])
@example(fmt=INTEGERS[0], numbers=[0.0, 1e-45])
@example(fmt=INTEGERS[0], numbers=[-FP16_MAX, FP16_MAX])
@example(fmt=INTEGERS[1], numbers=[-1e-9, 1e-9])
@example(fmt=INTEGERS[1], numbers=[60000.1, 60000.1])
def test_an_integer_is_within_half_a_step_of_its_number(fmt, numbers):
    x = torch.tensor(numbers, dtype=torch.float32)
    elements, params = quantize(x, fmt)
    error = (exact(elements, params, fmt) - x.double()).abs()
    assert (error <= params[..., :1].double() * HALF_A_STEP).all()


@settings(max_examples=150)
@given(numbers=heads)
@example(numbers=[0.0, 0.0])
@example(numbers=[0.0, 1e-45])
@example(numbers=[-1e-9, 1e-9])
@example(numbers=[FP16_MAX, -FP16_MAX])
def test_an_fp8_number_keeps_its_three_bits_of_fraction(numbers):
    x = torch.tensor(numbers, dtype=torch.float32)
    elements, params = quantize(x, FP8)
    scale = params[..., :1].double()
    # Normal numbers of E4M3 are rounded by 2^-4 of themselves at most; subnormal ones are 2^-9 apart.
    bound = torch.maximum(x.double().abs() * 2**-4, scale * 2**-10)
    assert ((exact(elements, params, FP8) - x.double()).abs() <= bound * (1 + 1e-6)).all()
    assert (params[..., 1] == 0).all()


@settings(max_examples=100)
@given(
    fmt=formats, numbers=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=4, max_size=4)
)
@example(fmt=INTEGERS[0], numbers=[-3e38, 3e38, 0.0, 1.0])
@example(fmt=INTEGERS[1], numbers=[-3e38, -3e38, -3e38, -3e38])
@example(fmt=FP8, numbers=[3e38, -3e38, 1.0, 1e-45])
def test_numbers_beyond_float16_saturate_and_nothing_finite_becomes_nan(fmt, numbers):
    x = torch.tensor(numbers, dtype=torch.float32)
    elements, params = quantize(x, fmt)
    result = dequantize(elements, params, fmt, torch.float32)
    assert params.isfinite().all()
    assert result.isfinite().all()
    assert (params[..., 0] > 0).all()
    # Saturation keeps the order.
    assert (result[x.argsort()].diff() >= 0).all()


@settings(max_examples=100)
@given(fmt=integers, data=st.data(), exponent=st.integers(-12, 4), significand=st.integers(1024, 2047))
def test_numbers_on_the_grid_come_back_exactly(fmt, data, exponent, significand):
    """A grid that float16 params can name, used from end to end."""
    top = fmt.levels - 1
    steps = [0, *data.draw(st.lists(st.integers(0, top), min_size=6, max_size=6)), top]
    steps = data.draw(st.permutations(steps))
    scale = torch.tensor(significand * 2.0 ** (exponent - 10)).half()
    zero = (scale.double() * data.draw(st.integers(-300, 300))).half()
    x = (torch.tensor(steps).double() * scale.double() + zero.double()).float()
    elements, params = quantize(x, fmt)
    assert steps_of(elements, fmt).tolist() == steps
    assert params.tolist() == [float(scale), float(zero)]
    assert torch.equal(dequantize(elements, params, fmt, torch.float32), x)


@given(numbers=st.lists(st.integers(0, 126), min_size=8, max_size=8), exponent=st.integers(-10, 6))
def test_fp8_numbers_come_back_exactly(numbers, exponent):
    codes = torch.tensor([126, *numbers], dtype=torch.uint8)
    x = codes.view(torch.float8_e4m3fn).float() * 2.0**exponent
    elements, params = quantize(x, FP8)
    assert torch.equal(elements.view(torch.uint8), codes)
    assert float(params[0]) == 2.0**exponent
    assert torch.equal(dequantize(elements, params, FP8, torch.float32), x)


@settings(max_examples=150)
@given(fmt=formats, seed=st.integers(0, 2**32), size=st.integers(-3, 2), offset=st.sampled_from([0.0, 0.7, -20.0]))
def test_storing_what_was_read_stores_the_same_again(fmt, seed, size, offset):
    """Holds where the numbers use the format's ends, as the second time their least and greatest are these."""
    x = offset + torch.randn(4, 32, generator=torch.Generator().manual_seed(seed)) * 10.0**size
    elements, params = quantize(x, fmt)
    if fmt is FP8:
        uses_ends = elements.float().abs().amax(-1) == FP8_MAX
    else:
        steps = steps_of(elements, fmt)
        uses_ends = (steps.amin(-1) == 0) & (steps.amax(-1) == fmt.levels - 1)
    again, _ = quantize(dequantize(elements, params, fmt, torch.float32), fmt)
    assert torch.equal(again.view(torch.uint8)[uses_ends], elements.view(torch.uint8)[uses_ends])


def test_a_constant_head_that_float16_can_name_is_exact():
    x = torch.tensor([[0.0] * 4, [-2.5] * 4, [60000.0] * 4])
    for fmt in INTEGERS:
        assert torch.equal(dequantize(*quantize(x, fmt), fmt, torch.float32), x)


def test_int4_puts_the_first_half_of_a_head_into_low_nibbles_and_the_second_into_high_ones():
    fmt = KV_FORMATS["int4"]
    x = torch.tensor([0.0, 1, 2, 3, 15, 14, 13, 12])
    elements, params = quantize(x, fmt)
    assert params.tolist() == [1.0, 0.0]
    assert elements.tolist() == [0xF0, 0xE1, 0xD2, 0xC3]
    assert torch.equal(dequantize(elements, params, fmt, torch.float32), x)


def test_every_token_and_head_has_params_of_its_own():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(3, 5, 8, generator=generator) * torch.logspace(-3, 3, 15).view(3, 5, 1)
    for fmt in QUANTIZED:
        elements, params = quantize(x, fmt)
        assert elements.shape == (3, 5, fmt.stored_dim(8))
        assert elements.dtype == fmt.dtype
        assert (params.shape, params.dtype) == ((3, 5, 2), torch.float16)
        alone, its_params = quantize(x[1, 2], fmt)
        assert torch.equal(alone.view(torch.uint8), elements[1, 2].view(torch.uint8))
        assert torch.equal(its_params, params[1, 2])
        assert (dequantize(elements, params, fmt, torch.float32) - x).abs().max() < x.abs().max() / 15


def test_activations_of_16_bits_are_quantised_as_their_exact_numbers():
    x = torch.randn(4, 16, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.bfloat16, torch.float16):
        for fmt in QUANTIZED:
            short, params = quantize(x.to(dtype), fmt)
            exact_elements, exact_params = quantize(x.to(dtype).float(), fmt)
            assert torch.equal(short.view(torch.uint8), exact_elements.view(torch.uint8))
            assert torch.equal(params, exact_params)
            assert dequantize(short, params, fmt, dtype).dtype == dtype


def test_an_odd_head_size_is_refused_for_int4_with_the_reason():
    fmt = KV_FORMATS["int4"]
    assert fmt.reasons_against(80) == []
    assert any("a head has 5" in reason for reason in fmt.reasons_against(5))
    with pytest.raises(ConfigError, match="a head has 5"):
        PagePool(4, 2, 1, 5, fmt, torch.device("cpu"))
    assert KV_FORMATS["int8"].reasons_against(5) == []


def test_auto_is_the_activations_own_format_and_unknown_names_list_the_known_ones():
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        fmt = kv_format("auto", dtype)
        assert fmt.dtype == dtype
        assert not fmt.is_quantized
        assert kv_format("int4", dtype) is KV_FORMATS["int4"]
    assert kv_format("float16", torch.bfloat16).dtype == torch.float16
    with pytest.raises(ConfigError, match="fp8, int8, int4"):
        kv_format("int2", torch.float32)


@pytest.mark.parametrize(
    ("name", "num_bytes"), [("float32", 1024), ("bfloat16", 512), ("fp8", 264), ("int8", 264), ("int4", 136)]
)
def test_bytes_count_both_k_and_v_with_their_scales(name, num_bytes):
    fmt = KV_FORMATS[name]
    assert fmt.bytes_per_token(128) == num_bytes
    pool = PagePool(3, 16, 8, 128, fmt, torch.device("cpu"))
    assert pool.page_bytes == 16 * 8 * num_bytes
    assert (
        math.prod(pool.storage.shape) * pool.storage.element_size()
        + (0 if pool.params is None else pool.params.numel() * 2)
        == 3 * pool.page_bytes
    )


@pytest.mark.parametrize("fmt", QUANTIZED, ids=lambda fmt: fmt.name)
def test_copied_pages_are_byte_identical_params_included(fmt):
    pool = PagePool(6, 4, 3, 8, fmt, torch.device("cpu"))
    elements, params = quantize(torch.randn(2, 6, 4, 3, 8, generator=torch.Generator().manual_seed(1)), fmt)
    pool.storage.copy_(elements)
    pool.params.copy_(params)
    before = pool.storage.view(torch.uint8).clone(), pool.params.clone()
    pool.copy([1, 2], [4, 5])
    assert torch.equal(pool.storage.view(torch.uint8)[:, 4:], before[0][:, 1:3])
    assert torch.equal(pool.params[:, 4:], before[1][:, 1:3])
    assert torch.equal(pool.storage.view(torch.uint8)[:, :4], before[0][:, :4])
    assert torch.equal(pool.params[:, :4], before[1][:, :4])


@pytest.mark.parametrize("fmt", QUANTIZED, ids=lambda fmt: fmt.name)
def test_pages_that_nobody_wrote_read_as_zeros(fmt):
    pool = PagePool(2, 4, 1, 8, fmt, torch.device("cpu"))
    assert (dequantize(pool.storage, pool.params, fmt, torch.float32) == 0).all()
