"""The operations of a model's layers, in plain torch and, on CPU, fused by numba and laid out for its libraries.

`TorchKernels` is the reference: any device, any dtype. `CpuKernels` does the same for float32 on CPU, where
a decode step is mostly the cost of calling torch; it hands large inputs back to torch, which uses all cores.
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows


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


Product = Callable[[torch.Tensor], torch.Tensor]
"""[n, in] -> [n, out], by a fixed matrix."""


class Kernels(Protocol):
    """What a decoder layer needs."""

    def product(self, weight: torch.Tensor, bias: torch.Tensor | None) -> tuple[torch.Tensor, Product]:
        """Make x Wᵀ + b ready for many calls.

        Returns:
            The weight [out, in], possibly moved to other memory so that the old can go, and the product.
        """

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
    """Plain torch."""

    def product(self, weight: torch.Tensor, bias: torch.Tensor | None) -> tuple[torch.Tensor, Product]:
        return weight, lambda x: F.linear(x, weight, bias)

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


class CpuKernels:
    """Compiled loops for small float32 inputs on CPU; torch for everything else."""

    MAX_ELEMENTS = 32768
    """Above this torch's threads and vector instructions win over one thread without a call's cost."""

    PACKED_BYTES = range(1 << 22, (1 << 24) + 1)
    """Matrices that get a second, packed form: too big for a core's cache, small enough to have twice."""

    PACKED_ROWS = 4
    """Rows from which the packed form is faster."""

    def __init__(self) -> None:
        from server.models import cpu_loops

        self._loops = cpu_loops
        self._torch = TorchKernels()

    def product(self, weight: torch.Tensor, bias: torch.Tensor | None) -> tuple[torch.Tensor, Product]:
        # MKL reads a matrix stored by columns faster, above all for a single row.
        weight = weight.t().contiguous().t()
        if weight.nbytes not in self.PACKED_BYTES or not _has_packed_product():
            return weight, lambda x: F.linear(x, weight, bias)
        # MKL packs a large matrix anew in every call; oneDNN is given it packed (half the time on two cores).
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), self.PACKED_ROWS)

        def product(x: torch.Tensor) -> torch.Tensor:
            if x.shape[0] < self.PACKED_ROWS:
                return F.linear(x, weight, bias)
            return torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")

        return weight, product

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


def choose_kernels(dtype: torch.dtype, device: torch.device) -> Kernels:
    """The fastest implementation that is there for this dtype and device."""
    if device.type == "cpu" and dtype == torch.float32:
        try:
            return CpuKernels()
        except ImportError:
            return TorchKernels()
    return TorchKernels()
