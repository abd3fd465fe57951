"""Triton kernels between floats and weight formats: quantise tokens to fp8, turn a stored matrix into floats.

The torch twins are in `quantize.py`.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803

import torch
import triton
import triton.language as tl

from server.models.quantize import FP8, FP8_MAX


@triton.jit
def quantize_tokens_kernel(x_ptr, stored_ptr, scale_ptr, K: tl.constexpr, LIMIT: tl.constexpr, BLOCK_K: tl.constexpr):
    """Grid [n]; x [n, K] -> stored [n, K] and float32 scales [n]."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.arange(0, BLOCK_K)
    mask = offsets < K
    x = tl.load(x_ptr + row * K + offsets, mask=mask, other=0.0).to(tl.float32)
    largest = tl.max(tl.abs(x), axis=0)
    scale = tl.where(largest > 0, largest / LIMIT, 1.0)
    stored = tl.clamp(x / scale, -LIMIT, LIMIT)
    tl.store(stored_ptr + row * K + offsets, stored.to(stored_ptr.dtype.element_ty), mask=mask)
    tl.store(scale_ptr + row, scale)


@triton.jit
def dequantize_kernel(stored_ptr, scale_ptr, out_ptr, K: tl.constexpr, BLOCK_K: tl.constexpr):
    """Grid [rows, blocks of K]; stored and out [rows, K], float32 scales [rows]."""
    row = tl.program_id(0).to(tl.int64)
    offsets = tl.program_id(1) * BLOCK_K + tl.arange(0, BLOCK_K)
    mask = offsets < K
    values = tl.load(stored_ptr + row * K + offsets, mask=mask, other=0.0).to(tl.float32) * tl.load(scale_ptr + row)
    tl.store(out_ptr + row * K + offsets, values.to(out_ptr.dtype.element_ty), mask=mask)


def quantize_tokens(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`quantize_rows` to fp8 of contiguous activations: [n, k] -> (float8_e4m3fn [n, k], float32 [n])."""
    num_rows, width = x.shape
    stored = torch.empty(num_rows, width, dtype=FP8, device=x.device)
    scale = torch.empty(num_rows, dtype=torch.float32, device=x.device)
    if num_rows:
        block = triton.next_power_of_2(width)
        quantize_tokens_kernel[(num_rows,)](
            x, stored, scale, K=width, LIMIT=FP8_MAX, BLOCK_K=block, num_warps=max(1, min(16, block // 512))
        )
    return stored, scale


def dequantize(stored: torch.Tensor, scale: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """`dequantize_rows` of a contiguous matrix."""
    num_rows, width = stored.shape
    out = torch.empty(num_rows, width, dtype=dtype, device=stored.device)
    block = min(4096, triton.next_power_of_2(width))
    dequantize_kernel[(num_rows, -(-width // block))](stored, scale, out, K=width, BLOCK_K=block, num_warps=4)
    return out
