"""Products by one matrix on a GPU: which way is taken for how many rows."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Protocol

import torch

from server.models import triton_quantize
from server.models.blas import multiplied_by
from server.models.quantize import FP8
from server.models.triton_layers import can_overlap
from server.models.triton_matmul import TileConfig, VectorConfig, tiled_product, vector_product
from server.models.triton_stream import StreamConfig, StreamProduct

FEW_ROWS = 16
"""Most rows that one narrow tile takes."""

STREAMS: Mapping[tuple[int, int, bool], Sequence[StreamConfig]] = {}
"""Where `StreamProduct` takes more than `FEW_ROWS` rows, up to `block_r` of its last config, from cuBLAS.

By outputs and inputs of the matrix, and whether the gate is computed with it; configs by ascending `block_r`. Only what
`benchmarks/gpu/try_products.py` has seen to be faster belongs here.
"""

LT_ROWS: Mapping[tuple[int, int], Sequence[range]] = {}
"""Numbers of rows, by outputs and inputs of a matrix, for which cuBLASLt takes the product from cuBLAS.

As for `STREAMS`, `benchmarks/gpu/try_products.py` says what belongs here.
"""

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
    """For one row: enough bytes on their way, few enough registers; measured by `benchmarks/gpu/check_layers.py`."""
    overlaps = can_overlap(weight.device)
    if weight.dtype == torch.int8:
        return VectorConfig(2, 2048, 4, overlaps)
    if weight.dtype == FP8:
        return VectorConfig(4, 512, 2, overlaps) if weight.shape[0] > 4096 else VectorConfig(8, 1024, 4, overlaps)
    return VectorConfig(4, 2048, 8, overlaps)


def num_parts(num_out: int, num_in: int) -> int:
    """Parts of the columns that give about two programs to each of 132 multiprocessors, 64 channels to a program."""
    splits = 1
    while -(-num_out // 64) * splits < 192 and splits < 8 and num_in // splits >= 1024:
        splits *= 2
    return splits


def few_rows_config(weight: torch.Tensor) -> TileConfig:
    """For up to `FEW_ROWS` rows."""
    return TileConfig(64, FEW_ROWS, 128, num_parts(*weight.shape), True, 4, 4, can_overlap(weight.device))


def prefers_tiles(weight: torch.Tensor) -> bool:
    """Whether `few_rows_config` is faster than cuBLAS for 2 to `FEW_ROWS` rows of a matrix of floats on Hopper."""
    num_out, num_in = weight.shape
    return can_overlap(weight.device) and (num_out >= 16384 or max(num_out, num_in) <= 4096)


def int8_config(num_rows: int, weight: torch.Tensor) -> TileConfig:
    """For up to `INT8_TILED_ROWS` rows of an int8 matrix."""
    if num_rows <= FEW_ROWS:
        return few_rows_config(weight)
    block_r = 32 if num_rows <= 32 else 64 if num_rows <= 64 else 128
    return TileConfig(64, block_r, 128, num_parts(*weight.shape), True, 4, 3, can_overlap(weight.device))


def invariant_config(num_rows: int, num_out: int, num_in: int) -> TileConfig:
    """The parts and steps of a sum follow from the matrix alone; only their distribution follows from the rows."""
    splits = 4 if num_out < 16384 and num_in >= 1024 else 1
    if num_rows <= FEW_ROWS:
        return TileConfig(64, FEW_ROWS, INVARIANT_BLOCK_K, splits, True, 4, 6)
    if num_rows <= 128:
        return TileConfig(64, 64, INVARIANT_BLOCK_K, splits, True, 4, 5)
    return TileConfig(128, 128, INVARIANT_BLOCK_K, splits, False, 8, 3)


def streams_for(weight: torch.Tensor, bias: torch.Tensor | None, is_gated: bool) -> list[StreamProduct]:
    """What `STREAMS` has for a contiguous matrix of floats, by ascending `block_r`."""
    is_able = weight.dtype != torch.float32 and (weight.device.type == "cpu" or can_overlap(weight.device))
    configs = STREAMS.get((*weight.shape, is_gated), ()) if is_able else ()
    return [StreamProduct(weight, bias, config) for config in configs]


def stream_of(streams: Sequence[StreamProduct], num_rows: int) -> StreamProduct | None:
    """The first that takes so many rows, if they are more than a few."""
    if num_rows <= FEW_ROWS:
        return None
    return next((stream for stream in streams if num_rows <= stream.config.block_r), None)


class FloatProduct:
    """W in the activations' dtype: read by our own kernels for few rows, by cuBLAS or cuBLASLt for more."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight = weight.contiguous()
        self._bias = bias
        self._transposed = self.weight.t()
        self._config = vector_config(weight)
        self._tiled_rows = FEW_ROWS if weight.dtype != torch.float32 and prefers_tiles(weight) else 0
        self._arrivals = _arrivals(weight)
        self._streams = streams_for(self.weight, bias, is_gated=False)
        self._gated_streams = streams_for(self.weight, bias, is_gated=True)
        num_out, num_in = weight.shape
        self._lt_rows = LT_ROWS.get((num_out, num_in), ())

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        num_rows = x.shape[0]
        if num_rows == 1 and out is None:
            return vector_product(x, self.weight, None, self._bias, None, self._config)
        if num_rows <= self._tiled_rows:
            config = few_rows_config(self.weight)
            return tiled_product(x, self.weight, None, self._bias, config, self._arrivals, out)
        stream = stream_of(self._streams, num_rows)
        if stream is not None:
            return stream(x, out)
        is_lt = any(num_rows in rows for rows in self._lt_rows)
        with multiplied_by("cublaslt") if is_lt else nullcontext():
            if self._bias is not None:
                return torch.addmm(self._bias, x, self._transposed, out=out)
            return torch.mm(x, self._transposed, out=out)

    def gated(self, x: torch.Tensor, activation: str) -> torch.Tensor | None:
        if x.shape[0] != 1:
            stream = stream_of(self._gated_streams, x.shape[0])
            return None if stream is None else stream(x, activation=activation)
        return vector_product(x, self.weight, None, self._bias, activation, self._config)


class Int8Product:
    """W in int8: turned into floats in registers for few rows, once for all rows otherwise."""

    def __init__(self, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None) -> None:
        self.weight, self._scale, self._bias = weight, scale, bias
        self._vector = vector_config(weight)
        self._arrivals = _arrivals(weight)

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        num_rows = x.shape[0]
        if num_rows == 1 and out is None:
            return vector_product(x, self.weight, self._scale, self._bias, None, self._vector)
        if num_rows <= INT8_TILED_ROWS:
            config = int8_config(num_rows, self.weight)
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
        self._arrivals = _arrivals(weight)
        self._scale_row = scale[None, :]
        self._transposed = weight.t()

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        num_rows = x.shape[0]
        if num_rows == 1 and out is None:
            return vector_product(x, self.weight, self._scale, self._bias, None, self._vector)
        if num_rows <= FEW_ROWS:
            config = few_rows_config(self.weight)
            return tiled_product(x, self.weight, self._scale, self._bias, config, self._arrivals, out)
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
    """Counters for `tiled_product` with 64 channels to a tile and at most four tiles of rows."""
    return torch.zeros(4 * -(-weight.shape[0] // 64), dtype=torch.int32, device=weight.device)
