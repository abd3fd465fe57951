"""Weight formats: int8 and fp8 (e4m3), symmetric, one scale per output channel.

w ~ q * scale. The scale maps the channel's largest magnitude to the format's: 127 and 448 (Micikevicius et al., "FP8
Formats for Deep Learning", 2022).
"""

import torch

from server.config import WeightFormat
from server.errors import ConfigError

FP8 = torch.float8_e4m3fn
FP8_MAX = 448.0
INT8_MAX = 127.0
FP8_ALIGNMENT = 16
"""Matrix instructions of fp8 want both sides of a matrix to be multiples of this."""


def quantize_rows(x: torch.Tensor, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """[n, k] -> (int8 or float8_e4m3fn [n, k], float32 scales [n]); rows of zeros get scale 1."""
    values = x.float()
    largest = values.abs().amax(1)
    limit = INT8_MAX if dtype == torch.int8 else FP8_MAX
    scale = torch.where(largest > 0, largest / limit, torch.ones_like(largest))
    values = values.div_(scale[:, None]) if values is not x else values / scale[:, None]
    if dtype == torch.int8:
        values = values.round_()
    return values.clamp_(-limit, limit).to(dtype), scale


def dequantize_rows(stored: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The matrix that `quantize_rows` stored: [n, k] in `dtype`."""
    return (stored.float() * scale[:, None]).to(dtype)


def stored_dtype(weight_format: WeightFormat, weight: torch.Tensor) -> torch.dtype | None:
    """The dtype that `weight` [out, in] is to be kept in; None: its own."""
    if weight_format == "int8":
        return torch.int8
    if weight_format == "fp8" and all(size % FP8_ALIGNMENT == 0 for size in weight.shape):
        return FP8
    return None


def check_weight_format(weight_format: WeightFormat, dtype: torch.dtype, device: torch.device) -> None:
    """Refuse what cannot work.

    Raises:
        ConfigError: the GPU has no fp8 arithmetic, or activations are float32 on a GPU.
    """
    if weight_format == "auto" or device.type == "cpu":
        return
    if dtype == torch.float32:
        raise ConfigError(f"weight_format {weight_format} needs bfloat16 or float16 on a GPU; set dtype to one of them")
    if weight_format == "fp8" and torch.cuda.get_device_capability(device) < (8, 9):
        name = torch.cuda.get_device_name(device)
        raise ConfigError(f"weight_format fp8 needs a GPU of compute capability 8.9 or later, not {name}; use int8")
