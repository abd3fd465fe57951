"""Products by one matrix on a GPU: which way is taken for how many rows."""

from typing import Protocol

import torch

from server.models import triton_quantize
from server.models.triton_layers import can_overlap
from server.models.triton_matmul import TileConfig, VectorConfig, tiled_product, vector_product

INVARIANT_BLOCK_N = 64
INVARIANT_BLOCK_K = 64
INT8_TILED_ROWS = 256
"""Most rows for which int8 weights are turned into floats tile by tile; above, once for all rows."""


class MatrixProduct(Protocol):
    """x Wᵀ + b by a fixed matrix; `weight` is W as it is kept."""

    weight: torch.Tensor

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """[n, in] -> [n, out], in `out` if given."""

    def gated(self, x: torch.Tensor, activation: str) -> torch.Tensor | None:
        """`activation(gate) * up` in the same kernel, [n, out / 2]; None where that is not faster."""


def vector_config(weight: torch.Tensor) -> VectorConfig:
    """Tiles of 8 KiB for one row; see `benchmarks/gpu/check_layers.py`."""
    return VectorConfig(4, 2048 // weight.element_size(), 4, can_overlap(weight.device))


def skinny_config(num_out: int, num_in: int) -> TileConfig:
    """For up to 16 rows: enough programs to keep every multiprocessor loading."""
    tiles = -(-num_out // 64)
    splits = 1
    while tiles * splits < 512 and splits < 8 and num_in // (splits * 2) >= 512:
        splits *= 2
    return TileConfig(64, 16, 128, splits, True, 4, 4)


def int8_config(num_rows: int, num_out: int, num_in: int) -> TileConfig:
    """For more than 16 rows of an int8 matrix."""
    if num_rows <= 64:
        return TileConfig(64, 64, 64, 1, False, 4, 4)
    return TileConfig(128, 128, 64, 1, False, 8, 3)


def invariant_config(num_rows: int, num_out: int, num_in: int) -> TileConfig:
    """The parts and steps of a sum follow from the matrix alone; only their distribution follows from the rows."""
    splits = 4 if num_out < 16384 and num_in >= 1024 else 1
    if num_rows <= 16:
        return TileConfig(64, 16, INVARIANT_BLOCK_K, splits, True, 4, 4)
    if num_rows <= 128:
        return TileConfig(64, 64, INVARIANT_BLOCK_K, splits, False, 4, 4)
    return TileConfig(128, 128, INVARIANT_BLOCK_K, splits, False, 8, 3)


class FloatProduct:
    """W in the activations' dtype: read by our own kernel for one row, by cuBLAS for more."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight = weight.contiguous()
        self._bias = bias
        self._transposed = self.weight.t()
        self._config = vector_config(weight)

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        if x.shape[0] == 1 and out is None:
            return vector_product(x, self.weight, None, self._bias, None, self._config)
        if self._bias is not None:
            return torch.addmm(self._bias, x, self._transposed, out=out)
        return torch.mm(x, self._transposed, out=out)

    def gated(self, x: torch.Tensor, activation: str) -> torch.Tensor | None:
        if x.shape[0] != 1:
            return None
        return vector_product(x, self.weight, None, self._bias, activation, self._config)


class Int8Product:
    """W in int8: turned into floats in registers for few rows, once for all rows otherwise."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight, self._scale, self._bias = weight, scale, bias
        self._vector = vector_config(weight)
        self._skinny = skinny_config(*weight.shape)
        self._arrivals = _arrivals(weight)

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        num_rows = x.shape[0]
        if num_rows == 1 and out is None:
            return vector_product(x, self.weight, self._scale, self._bias, None, self._vector)
        if num_rows <= INT8_TILED_ROWS:
            config = self._skinny if num_rows <= 16 else int8_config(num_rows, *self.weight.shape)
            return tiled_product(x, self.weight, self._scale, self._bias, config, self._arrivals, out)
        weight = triton_quantize.dequantize(self.weight, self._scale, x.dtype)
        if self._bias is not None:
            return torch.addmm(self._bias, x, weight.t(), out=out)
        return torch.mm(x, weight.t(), out=out)

    def gated(self, x: torch.Tensor, activation: str) -> torch.Tensor | None:
        if x.shape[0] != 1:
            return None
        return vector_product(x, self.weight, self._scale, self._bias, activation, self._vector)


class Fp8Product:
    """W in fp8: turned into floats in registers for few rows; for more, activations are quantised per token too."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight, self._scale, self._bias = weight, scale, bias
        self._vector = vector_config(weight)
        self._skinny = skinny_config(*weight.shape)
        self._arrivals = _arrivals(weight)
        self._scale_row = scale[None, :]
        self._transposed = weight.t()

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        num_rows = x.shape[0]
        if num_rows == 1 and out is None:
            return vector_product(x, self.weight, self._scale, self._bias, None, self._vector)
        if num_rows <= 16:
            return tiled_product(x, self.weight, self._scale, self._bias, self._skinny, self._arrivals, out)
        stored, scale = triton_quantize.quantize_tokens(x)
        # Row-wise scales come with bfloat16 results only.
        result = torch._scaled_mm(
            stored, self._transposed, scale[:, None], self._scale_row, out_dtype=torch.bfloat16
        ).to(x.dtype)
        if self._bias is not None:
            result += self._bias
        return result if out is None else out.copy_(result)

    def gated(self, x: torch.Tensor, activation: str) -> torch.Tensor | None:
        if x.shape[0] != 1:
            return None
        return vector_product(x, self.weight, self._scale, self._bias, activation, self._vector)


class InvariantProduct:
    """Every row by the same arithmetic, whatever the number of rows; W in any format, activations in their dtype."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor | None, bias: torch.Tensor | None) -> None:
        self.weight, self._scale, self._bias = weight.contiguous(), scale, bias
        self._arrivals = _arrivals(weight)

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        config = invariant_config(x.shape[0], *self.weight.shape)
        return tiled_product(x, self.weight, self._scale, self._bias, config, self._arrivals, out)

    def gated(self, x: torch.Tensor, activation: str) -> torch.Tensor | None:
        return None


def _arrivals(weight: torch.Tensor) -> torch.Tensor:
    """Counters for `tiled_product` with up to 16 rows and 64 channels to a tile."""
    return torch.zeros(-(-weight.shape[0] // 64), dtype=torch.int32, device=weight.device)
