"""KV formats: how a cached key or value is stored, and the plain torch twin of what the kernels do.

Quantised formats keep a (scale, zero) pair of float16 for the numbers of one (token, KV head), taken after RoPE:
x ~ q * scale + zero. Pairs of every token make a page self-contained: it is written token by token, copied and shared
without ever being scaled again. Integers with a zero per (token, head) are those of ALISA (Zhao et al., 2024) and
KIVI's values (Liu et al., 2024); fp8 is OCP E4M3.
"""

from dataclasses import dataclass

import torch

from server.errors import ConfigError

FP16_MAX = 65504.0
FP8_MAX = 448.0
"""Largest finite number of E4M3; what is beyond it would become NaN."""
PARAM_BYTES = 4
"""Bytes of one (scale, zero) pair."""


@dataclass(frozen=True, slots=True)
class KVFormat:
    """How K and V of one slot are stored.

    Args:
        name: as in `--kv-format`, never `auto`.
        dtype: of an element of `PagePool.storage`.
        is_quantized: elements come with a (scale, zero) pair for each (token, slot).
        levels: how many integers a number is rounded to, 0..levels-1; 0 if elements are floating point numbers.
        values_per_element: numbers packed in one element.
    """

    name: str
    dtype: torch.dtype
    is_quantized: bool = False
    levels: int = 0
    values_per_element: int = 1

    def reasons_against(self, head_dim: int) -> list[str]:
        """Why heads of this size cannot be stored; empty if they can."""
        if head_dim % self.values_per_element:
            return [f"{self.name} packs {self.values_per_element} numbers in a byte, but a head has {head_dim}"]
        return []

    def stored_dim(self, head_dim: int) -> int:
        """Elements that hold one head of one token.

        Raises:
            ConfigError: heads of this size cannot be stored.
        """
        reasons = self.reasons_against(head_dim)
        if reasons:
            raise ConfigError(f"{reasons[0]}; choose another KV format")
        return head_dim // self.values_per_element

    def bytes_per_token(self, head_dim: int) -> int:
        """Bytes that one token takes in one slot: K and V, with their scales."""
        params = PARAM_BYTES if self.is_quantized else 0
        return 2 * (self.stored_dim(head_dim) * self.dtype.itemsize + params)


KV_FORMATS = {
    "float32": KVFormat("float32", torch.float32),
    "bfloat16": KVFormat("bfloat16", torch.bfloat16),
    "float16": KVFormat("float16", torch.float16),
    "fp8": KVFormat("fp8", torch.float8_e4m3fn, is_quantized=True),
    "int8": KVFormat("int8", torch.uint8, is_quantized=True, levels=256),
    "int4": KVFormat("int4", torch.uint8, is_quantized=True, levels=16, values_per_element=2),
}


def kv_format(name: str, dtype: torch.dtype) -> KVFormat:
    """The format called `name`; `auto` is that of activations of `dtype`.

    Raises:
        ConfigError: there is none.
    """
    wanted = str(dtype).removeprefix("torch.") if name == "auto" else name
    if wanted not in KV_FORMATS:
        raise ConfigError(f"there is no KV format {wanted!r}; choose auto, {', '.join(KV_FORMATS)}")
    return KV_FORMATS[wanted]


def quantize(x: torch.Tensor, fmt: KVFormat) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of (token, head)s as stored elements with their scales, computed in float32.

    The kernels give bitwise the same elements and params for finite `x`. With the rounded float16 params,
    |x - x'| <= scale / 2 for integers; numbers below -65504 (the smallest zero) saturate.

    Args:
        x: [..., head_dim], any floating dtype.
        fmt: a quantised format.

    Returns:
        elements [..., fmt.stored_dim(head_dim)] of `fmt.dtype`, and params float16 [..., 2] = (scale, zero).
    """
    x = x.float()
    if not fmt.levels:
        scale = _scale(x.abs().amax(-1, keepdim=True), FP8_MAX)
        elements = (x / scale.float()).clamp(-FP8_MAX, FP8_MAX).to(fmt.dtype)
        return elements, torch.cat((scale, torch.zeros_like(scale)), -1)
    least, greatest = x.aminmax(dim=-1, keepdim=True)
    zero = _round_down(least)
    scale = _scale(greatest - zero.float(), fmt.levels - 1)
    steps = ((x - zero.float()) / scale.float()).round().clamp(0, fmt.levels - 1).to(torch.uint8)
    if fmt.values_per_element == 2:
        low, high = steps.split(fmt.stored_dim(x.shape[-1]), -1)
        steps = low | high << 4
    return steps, torch.cat((scale, zero), -1)


def dequantize(elements: torch.Tensor, params: torch.Tensor, fmt: KVFormat, dtype: torch.dtype) -> torch.Tensor:
    """The numbers that stored elements stand for: q * scale + zero, computed in float32.

    Args:
        elements: [..., stored_dim] of `fmt.dtype`.
        params: float16 [..., 2] = (scale, zero).

    Returns:
        [..., head_dim] of `dtype`.
    """
    if fmt.values_per_element == 2:
        elements = torch.cat((elements & 15, elements >> 4), -1)
    scale, zero = params.float().split(1, -1)
    return (elements.float() * scale + zero).to(dtype)


def _scale(span: torch.Tensor, num_steps: float) -> torch.Tensor:
    """The smallest float16 of which `num_steps` cover the span; 1 where there is nothing to cover."""
    # Divided by a plain number, CUDA would multiply with its rounded inverse.
    step = span / torch.full_like(span, num_steps)
    return _round_up(torch.where(step <= 0, 1.0, step))


def _round_up(x: torch.Tensor) -> torch.Tensor:
    """The smallest float16 that is not below x >= 0, or the greatest finite one."""
    x = x.clamp(max=FP16_MAX)
    nearest = x.half()
    # Neighbours of the same sign are neighbours as integers too, smaller ones nearer to zero.
    return (nearest.view(torch.int16) + (nearest.float() < x)).to(torch.int16).view(torch.float16)


def _round_down(x: torch.Tensor) -> torch.Tensor:
    """The greatest float16 that is not above x, within the finite ones."""
    # -0 becomes 0: which of the two is the smaller is left to the device.
    x = x.clamp(-FP16_MAX, FP16_MAX) + 0.0
    nearest = x.half()
    step = torch.where(x < 0, 1, -1)
    return (nearest.view(torch.int16) + step * (nearest.float() > x)).to(torch.int16).view(torch.float16)
