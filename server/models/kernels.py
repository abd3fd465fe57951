"""The operations of a model's layers, in plain torch and, on CPU, fused by numba and laid out for its libraries.

`TorchKernels` is the reference: any device, any dtype. `CpuKernels` does the same for float32 on CPU, where
a decode step is mostly the cost of calling torch; it hands large inputs back to torch, which uses all cores.
`triton_kernels.TritonKernels` is for GPUs.
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from server.config import WeightFormat
from server.errors import ConfigError
from server.models.quantize import check_weight_format, dequantize_rows, quantize_rows, stored_dtype


def _gelu_tanh(x: torch.Tensor) -> torch.Tensor:
    return F.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "silu": F.silu,
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_new": _gelu_tanh,
    "gelu_fast": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
}
"""Activations by their names in `config.json`; each returns new memory."""


class Product(Protocol):
    """x Wᵀ + b by a fixed matrix."""

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """[n, in] -> [n, out], in `out` if given, whose rows must be contiguous."""


class Kernels(Protocol):
    """What a decoder layer needs."""

    def product(
        self, weight: torch.Tensor, bias: torch.Tensor | None, keeps_dtype: bool = False
    ) -> tuple[torch.Tensor, Product]:
        """Make x Wᵀ + b ready for many calls.

        Args:
            keeps_dtype: whether the weight is never stored in a weight format.

        Returns:
            The weight [out, in] as it is stored, so that the old memory can go, and the product.
        """

    def gated_product(
        self, weight: torch.Tensor, bias: torch.Tensor | None, activation: str
    ) -> tuple[torch.Tensor, Product]:
        """The same for `gated(x Wᵀ + b)`, [n, in] -> [n, out / 2]; a product whose `out` is not to be given."""

    def add_rms_norm(
        self, x: torch.Tensor, residual: torch.Tensor | None, weight: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """RMS-normalise `x + residual`, [n, hidden]; `residual` may be overwritten.

        Returns:
            The normalised sum, in new memory, and the sum.
        """

    def norm_heads(self, qkv: torch.Tensor, weight: torch.Tensor, eps: float) -> None:
        """RMS-normalise, in place, the first h heads of qkv [n, heads, dim] by weight [h, dim]."""

    def rotate(
        self, qkv: torch.Tensor, num_heads: int, table: torch.Tensor, positions: torch.Tensor | None
    ) -> torch.Tensor:
        """Apply RoPE to the first `num_heads` heads of qkv [n, heads, dim].

        Args:
            table: float32 [length, 2, dim] of `rope.rotation_table`.
            positions: int64 [n], rows of the table; None if the table has one row per token.

        Returns:
            [n, num_heads, dim], new or a view of qkv, which may be overwritten.
        """

    def gated(self, gate_up: torch.Tensor, activation: str) -> torch.Tensor:
        """[n, 2 * width] -> `activation(first half) * second half`, [n, width]."""


class TorchKernels:
    """Plain torch. Stored weights are turned into floats whenever they are used.

    Args:
        weight_format: how the layers' matrices are kept.
    """

    def __init__(self, weight_format: WeightFormat = "auto") -> None:
        self._weight_format = weight_format

    def product(
        self, weight: torch.Tensor, bias: torch.Tensor | None, keeps_dtype: bool = False
    ) -> tuple[torch.Tensor, Product]:
        dtype = None if keeps_dtype else stored_dtype(self._weight_format, weight)
        if dtype is None:
            return weight, _float_product(weight, bias)
        stored, scale = quantize_rows(weight, dtype)

        def product(x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
            result = F.linear(x, dequantize_rows(stored, scale, x.dtype), bias)
            return result if out is None else out.copy_(result)

        return stored, product

    def gated_product(
        self, weight: torch.Tensor, bias: torch.Tensor | None, activation: str
    ) -> tuple[torch.Tensor, Product]:
        return gated_after(self, weight, bias, activation)

    def add_rms_norm(
        self, x: torch.Tensor, residual: torch.Tensor | None, weight: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        total = x if residual is None else residual.add_(x)
        return torch.rms_norm(total, weight.shape, weight, eps), total

    def norm_heads(self, qkv: torch.Tensor, weight: torch.Tensor, eps: float) -> None:
        heads = qkv[:, : weight.shape[0]]
        heads.copy_(torch.rms_norm(heads, weight.shape[1:], None, eps) * weight)

    def rotate(
        self, qkv: torch.Tensor, num_heads: int, table: torch.Tensor, positions: torch.Tensor | None
    ) -> torch.Tensor:
        rotation = table if positions is None else table.index_select(0, positions)
        cos, sin = rotation[:, :1], rotation[:, 1:]
        heads = qkv[:, :num_heads]
        swapped = heads.roll(heads.shape[-1] // 2, -1)
        return (heads * cos + swapped * sin).to(qkv.dtype)

    def gated(self, gate_up: torch.Tensor, activation: str) -> torch.Tensor:
        gate, up = gate_up.chunk(2, -1)
        return ACTIVATIONS[activation](gate).mul_(up)


def _float_product(weight: torch.Tensor, bias: torch.Tensor | None) -> Product:
    transposed = weight.t()

    def product(x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        if out is None:
            return F.linear(x, weight, bias)
        if bias is None:
            return torch.mm(x, transposed, out=out)
        return torch.addmm(bias, x, transposed, out=out)

    return product


def gated_after(
    kernels: Kernels, weight: torch.Tensor, bias: torch.Tensor | None, activation: str
) -> tuple[torch.Tensor, Product]:
    """`Kernels.gated_product` as `gated` of `product`."""
    weight, product = kernels.product(weight, bias)

    def gated_product(x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        return kernels.gated(product(x), activation)

    return weight, gated_product


class CpuKernels:
    """Compiled loops for small float32 inputs on CPU; torch for everything else."""

    MAX_ELEMENTS = 32768
    """Above this torch's threads and vector instructions win over one thread without a call's cost."""

    PACKED_BYTES = range(1 << 22, (1 << 24) + 1)
    """Matrices that get a second, packed form: too big for a core's cache, small enough to have twice."""

    PACKED_ROWS = 4
    """Rows from which the packed form is faster."""

    def __init__(self, weight_format: WeightFormat = "auto") -> None:
        from server.models import cpu_loops

        self._loops = cpu_loops
        self._torch = TorchKernels(weight_format)
        self._weight_format = weight_format

    def product(
        self, weight: torch.Tensor, bias: torch.Tensor | None, keeps_dtype: bool = False
    ) -> tuple[torch.Tensor, Product]:
        if not keeps_dtype and stored_dtype(self._weight_format, weight) is not None:
            return self._torch.product(weight, bias)
        # MKL reads a matrix stored by columns faster, above all for a single row.
        weight = weight.t().contiguous().t()
        if weight.nbytes not in self.PACKED_BYTES or not _has_packed_product():
            return weight, _float_product(weight, bias)
        # MKL packs a large matrix anew in every call; oneDNN is given it packed (half the time on two cores).
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), self.PACKED_ROWS)

        plain = _float_product(weight, bias)

        def product(x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
            if x.shape[0] < self.PACKED_ROWS:
                return plain(x, out)
            result = torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
            return result if out is None else out.copy_(result)

        return weight, product

    def gated_product(
        self, weight: torch.Tensor, bias: torch.Tensor | None, activation: str
    ) -> tuple[torch.Tensor, Product]:
        return gated_after(self, weight, bias, activation)

    def add_rms_norm(
        self, x: torch.Tensor, residual: torch.Tensor | None, weight: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if x.numel() > self.MAX_ELEMENTS:
            return self._torch.add_rms_norm(x, residual, weight, eps)
        out = torch.empty_like(x)
        if residual is None:
            self._loops.rms_norm(x.numpy(), weight.numpy(), eps, out.numpy())
            return out, x
        self._loops.add_rms_norm(x.numpy(), residual.numpy(), weight.numpy(), eps, out.numpy())
        return out, residual

    def norm_heads(self, qkv: torch.Tensor, weight: torch.Tensor, eps: float) -> None:
        if qkv.numel() > self.MAX_ELEMENTS:
            self._torch.norm_heads(qkv, weight, eps)
        else:
            self._loops.norm_heads(qkv.numpy(), weight.numpy(), eps)

    def rotate(
        self, qkv: torch.Tensor, num_heads: int, table: torch.Tensor, positions: torch.Tensor | None
    ) -> torch.Tensor:
        if positions is None or qkv.numel() > self.MAX_ELEMENTS:
            return self._torch.rotate(qkv, num_heads, table, positions)
        self._loops.rotate(qkv.numpy(), num_heads, table.numpy(), positions.numpy())
        return qkv[:, :num_heads]

    def gated(self, gate_up: torch.Tensor, activation: str) -> torch.Tensor:
        if activation != "silu" or gate_up.numel() > self.MAX_ELEMENTS:
            return self._torch.gated(gate_up, activation)
        out = torch.empty(gate_up.shape[0], gate_up.shape[1] // 2)
        self._loops.silu_mul(gate_up.numpy(), out.numpy())
        return out


def _has_packed_product() -> bool:
    """Whether this torch has oneDNN and the operators that its own compiler uses."""
    return torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.mkldnn, name) for name in ("_reorder_linear_weight", "_linear_pointwise")
    )


def choose_kernels(
    dtype: torch.dtype, device: torch.device, weight_format: WeightFormat = "auto", batch_invariant: bool = False
) -> Kernels:
    """The fastest implementation that is there for this dtype and device.

    Raises:
        ConfigError: the device cannot keep weights in this format, or cannot be batch-invariant.
    """
    check_weight_format(weight_format, dtype, device)
    if batch_invariant and device.type != "cuda":
        raise ConfigError("batch-invariant arithmetic is made by GPU kernels; leave --batch-invariant out on CPU")
    if device.type == "cuda":
        try:
            from server.models.triton_kernels import TritonKernels
        except ImportError as error:
            if batch_invariant:
                raise ConfigError(f"batch_invariant needs Triton on a GPU (pip install triton): {error}") from None
            return TorchKernels(weight_format)
        return TritonKernels(device, weight_format, batch_invariant)
    if dtype == torch.float32:
        try:
            return CpuKernels(weight_format)
        except ImportError:
            return TorchKernels(weight_format)
    return TorchKernels(weight_format)
