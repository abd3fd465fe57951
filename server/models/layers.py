"""The parts that decoders are made of. Plain objects: each holds its `Parameter`s and is called on tensors.

Every class has `weights()`, which yields its parameters for the loader; some have `prepare()`, to be called once
when the weights are in.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from server.models.kernels import Kernels, Product
from server.models.parameter import Parameter, fused, fused_bias


class Linear:
    """y = x Wᵀ + b, with W stacked from one or more checkpoint matrices. Needs `prepare` once W is in.

    Args:
        names: checkpoint names of the parts, without `.weight` and `.bias`.
        in_features: columns of every part.
        out_features: rows of each part.
    """

    def __init__(
        self, names: Sequence[str], in_features: int, out_features: Sequence[int], has_bias: bool, kernels: Kernels
    ) -> None:
        self.weight = fused([f"{name}.weight" for name in names], out_features, in_features)
        self.bias = fused_bias([f"{name}.bias" for name in names], out_features) if has_bias else None
        self.kernels = kernels
        self.product: Product

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """[n, in] -> [n, sum(out)], in `out` if given."""
        return self.product(x, out)

    def prepare(self) -> None:
        bias = None if self.bias is None else self.bias.data
        self.weight.data, self.product = self.kernels.product(self.weight.data, bias)

    def weights(self) -> Iterator[Parameter]:
        yield self.weight
        if self.bias is not None:
            yield self.bias


class Head:
    """The projection onto the vocabulary: a matrix of its own, or the token embedding (Press and Wolf, 2017).

    Attributes:
        rows: the rows of the embedding that are projected onto; None for all.
        num_rows: how many logits there are; zeros are put in place of rows that the embedding lacks.
    """

    def __init__(self, tied_to: "Embedding | None", width: int, vocab_size: int, kernels: Kernels) -> None:
        self.weight = Embedding("lm_head", vocab_size, width).weight if tied_to is None else tied_to.weight
        self.is_tied = tied_to is not None
        self.rows: range | None = None
        self.num_rows = vocab_size
        self.kernels = kernels
        self.product: Product

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[n, width] -> logits [n, vocab], in the dtype of x."""
        return self.product(x)

    def prepare(self) -> None:
        # Never in a weight format: it is often the embedding's memory, and its errors are the logits' own.
        if self.rows is None:
            self.weight.data, self.product = self.kernels.product(self.weight.data, None, keeps_dtype=True)
            return
        weight = self.weight.data[self.rows.start : self.rows.stop]
        if len(self.rows) < self.num_rows:
            weight = F.pad(weight, (0, 0, 0, self.num_rows - len(self.rows)))
        _, self.product = self.kernels.product(weight, None, keeps_dtype=True)

    def weights(self) -> Iterator[Parameter]:
        if not self.is_tied:
            yield self.weight


class Embedding:
    """A table with one row per id."""

    def __init__(self, name: str, num_rows: int, width: int) -> None:
        self.weight = Parameter((num_rows, width), {f"{name}.weight": num_rows})

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """int64 [n] -> [n, width], in new memory."""
        return F.embedding(ids, self.weight.data)

    def weights(self) -> Iterator[Parameter]:
        yield self.weight


class RMSNorm:
    """x / rms(x) * weight (Zhang and Sennrich, 2019), with the residual's addition fused in front."""

    def __init__(self, name: str, width: int, eps: float, kernels: Kernels) -> None:
        self.weight = Parameter((width,), {f"{name}.weight": width}, fill="ones")
        self.eps = eps
        self.kernels = kernels

    def __call__(self, x: torch.Tensor, residual: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """[n, width] twice -> the normalised sum, in new memory, and the sum, in `residual`'s."""
        return self.kernels.add_rms_norm(x, residual, self.weight.data, self.eps)

    def weights(self) -> Iterator[Parameter]:
        yield self.weight


class QKNorm:
    """RMSNorm of every query and key head (Qwen3); one weight for all query heads, one for all key heads."""

    def __init__(
        self, prefix: str, num_heads: int, num_kv_heads: int, head_dim: int, eps: float, kernels: Kernels
    ) -> None:
        self.q = Parameter((head_dim,), {f"{prefix}.q_norm.weight": head_dim}, fill="ones")
        self.k = Parameter((head_dim,), {f"{prefix}.k_norm.weight": head_dim}, fill="ones")
        self.num_heads = num_heads
        self.num_kv_heads = num_kv_heads
        self.eps = eps
        self.kernels = kernels
        self.spread: torch.Tensor

    def __call__(self, qkv: torch.Tensor) -> None:
        """Normalise the query and key heads of qkv, [n, heads + 2 * kv_heads, head_dim], in place."""
        self.kernels.norm_heads(qkv, self.spread, self.eps)

    def prepare(self) -> None:
        # One weight row per head lets one call normalise queries and keys together.
        spread = (self.q.data.expand(self.num_heads, -1), self.k.data.expand(self.num_kv_heads, -1))
        self.spread = torch.cat(spread).contiguous()

    def weights(self) -> Iterator[Parameter]:
        yield self.q
        yield self.k


class LayerNorm:
    """Layer normalisation, with or without weights."""

    def __init__(self, name: str, width: int, eps: float, has_weights: bool) -> None:
        self.width = (width,)
        self.eps = eps
        self.weight = Parameter((width,), {f"{name}.weight": width}, fill="ones") if has_weights else None
        self.bias = Parameter((width,), {f"{name}.bias": width}, fill="zeros") if has_weights else None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[n, width] -> [n, width], in new memory."""
        weight = None if self.weight is None else self.weight.data
        bias = None if self.bias is None else self.bias.data
        return F.layer_norm(x, self.width, weight, bias, self.eps)

    def weights(self) -> Iterator[Parameter]:
        if self.weight is not None and self.bias is not None:
            yield self.weight
            yield self.bias


class GatedMLP:
    """down(activation(gate(x)) * up(x)), with gate and up in one product (Shazeer, "GLU Variants", 2020).

    Attributes:
        chunk_rows: rows of a long prompt that are computed together, so that what lies between the two products
            stays in cache.
    """

    CHUNKED_ROWS = 16384
    """Rows from which one piece is slower than chunks: measured by `benchmarks/gpu/check_layers.py` on an H200."""

    def __init__(
        self, prefix: str, hidden_size: int, width: int, activation: str, has_bias: bool, kernels: Kernels
    ) -> None:
        self.gate_up = Linear(
            [f"{prefix}.gate_proj", f"{prefix}.up_proj"], hidden_size, [width, width], has_bias, kernels
        )
        self.down = Linear([f"{prefix}.down_proj"], width, [hidden_size], has_bias, kernels)
        self.activation = activation
        self.kernels = kernels
        self.chunk_rows = 2048
        self.expand: Product

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """[n, hidden] -> [n, hidden]."""
        num_rows, size = x.shape[0], self.chunk_rows
        if num_rows < self.CHUNKED_ROWS or num_rows <= size:
            return self.down(self.expand(x))
        out = torch.empty_like(x)
        for start in range(0, num_rows, size):
            self.down(self.expand(x[start : start + size]), out[start : start + size])
        return out

    def prepare(self) -> None:
        gate_up = self.gate_up
        bias = None if gate_up.bias is None else gate_up.bias.data
        gate_up.weight.data, self.expand = self.kernels.gated_product(gate_up.weight.data, bias, self.activation)
        self.down.prepare()

    def weights(self) -> Iterator[Parameter]:
        yield from self.gate_up.weights()
        yield from self.down.weights()
