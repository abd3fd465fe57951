"""`Kernels` for CUDA: Triton between the products, and for each product what was measured to be fastest.

The measurements are those of `benchmarks/gpu/check_layers.py`.
"""

import torch

from server.config import WeightFormat
from server.models import triton_layers
from server.models.kernels import Product, TorchKernels
from server.models.quantize import FP8, quantize_rows, stored_dtype
from server.models.triton_products import FloatProduct, Fp8Product, Int8Product, InvariantProduct, MatrixProduct


class TritonKernels:
    """bfloat16 and float16 (float32 too, for tests) on a GPU; under `TRITON_INTERPRET=1` on CPU.

    Args:
        device: where the tensors are.
        weight_format: how the layers' matrices are kept.
        batch_invariant: compute every row with the same arithmetic however many there are.
    """

    def __init__(
        self, device: torch.device, weight_format: WeightFormat = "auto", batch_invariant: bool = False
    ) -> None:
        self._weight_format = weight_format
        self._batch_invariant = batch_invariant
        self._torch = TorchKernels()
        self._overlaps = triton_layers.can_overlap(device)

    def product(
        self, weight: torch.Tensor, bias: torch.Tensor | None, keeps_dtype: bool = False
    ) -> tuple[torch.Tensor, Product]:
        product = self._matrix_product(weight, bias, keeps_dtype)
        return product.weight, product

    def gated_product(
        self, weight: torch.Tensor, bias: torch.Tensor | None, activation: str
    ) -> tuple[torch.Tensor, Product]:
        product = self._matrix_product(weight, bias, keeps_dtype=False)

        def gated(x: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
            result = product.gated(x, activation)
            return self.gated(product(x), activation) if result is None else result

        return product.weight, gated

    def _matrix_product(self, weight: torch.Tensor, bias: torch.Tensor | None, keeps_dtype: bool) -> MatrixProduct:
        stored = None if keeps_dtype else stored_dtype(self._weight_format, weight)
        scale = None
        if stored is not None:
            weight, scale = quantize_rows(weight, stored)
        if weight.is_cuda:
            # Kernels that overlap with the one before them read weights without waiting for it.
            torch.cuda.synchronize(weight.device)
        if self._batch_invariant:
            return InvariantProduct(weight, scale, bias)
        if scale is None:
            return FloatProduct(weight, bias)
        return Fp8Product(weight, scale, bias) if stored == FP8 else Int8Product(weight, scale, bias)

    def add_rms_norm(
        self, x: torch.Tensor, residual: torch.Tensor | None, weight: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if weight.shape[0] > triton_layers.MAX_HIDDEN:
            return self._torch.add_rms_norm(x, residual, weight, eps)
        return triton_layers.add_rms_norm(x.contiguous(), residual, weight, eps, self._overlaps)

    def norm_heads(self, qkv: torch.Tensor, weight: torch.Tensor, eps: float) -> None:
        triton_layers.norm_heads(qkv, weight, eps, self._overlaps)

    def rotate(
        self, qkv: torch.Tensor, num_heads: int, table: torch.Tensor, positions: torch.Tensor | None
    ) -> torch.Tensor:
        # Attention backends for GPUs rotate where they write the keys, so this is for the others.
        return self._torch.rotate(qkv, num_heads, table, positions)

    def gated(self, gate_up: torch.Tensor, activation: str) -> torch.Tensor:
        return triton_layers.gated(gate_up, activation, self._overlaps)
