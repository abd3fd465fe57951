"""Loops compiled by numba for `CpuKernels`. Importing this needs numba; nothing else does.

All arrays are float32 and contiguous, positions int64. The torch twins are in `kernels.TorchKernels`.
"""

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

# Sums may be reordered, so that they vectorise; NaN and infinity keep their meaning.
_FASTMATH = {"contract", "reassoc", "arcp", "nsz"}


def _compiled(function: Callable[..., None]) -> Callable[..., Any]:
    try:
        return numba.njit(function, cache=True, fastmath=_FASTMATH, nogil=True)
    except RuntimeError:
        # No directory can be written to, so every process compiles anew.
        return numba.njit(function, fastmath=_FASTMATH, nogil=True)


@_compiled
def rms_norm(x: np.ndarray, weight: np.ndarray, eps: float, out: np.ndarray) -> None:
    """out = x / rms(x) * weight, row by row; all [n, hidden]."""
    rows, width = x.shape
    for i in range(rows):
        squares = np.float32(0.0)
        for j in range(width):
            squares += x[i, j] * x[i, j]
        scale = np.float32(1.0 / math.sqrt(squares / width + eps))
        for j in range(width):
            out[i, j] = x[i, j] * scale * weight[j]


@_compiled
def add_rms_norm(x: np.ndarray, residual: np.ndarray, weight: np.ndarray, eps: float, out: np.ndarray) -> None:
    """residual += x; out = residual / rms(residual) * weight."""
    rows, width = x.shape
    for i in range(rows):
        squares = np.float32(0.0)
        for j in range(width):
            total = residual[i, j] + x[i, j]
            residual[i, j] = total
            squares += total * total
        scale = np.float32(1.0 / math.sqrt(squares / width + eps))
        for j in range(width):
            out[i, j] = residual[i, j] * scale * weight[j]


@_compiled
def norm_heads(qkv: np.ndarray, weight: np.ndarray, eps: float) -> None:
    """Normalise the first heads of qkv [n, heads, dim] in place by weight [h, dim]."""
    heads, dim = weight.shape
    for i in range(qkv.shape[0]):
        for h in range(heads):
            squares = np.float32(0.0)
            for j in range(dim):
                squares += qkv[i, h, j] * qkv[i, h, j]
            scale = np.float32(1.0 / math.sqrt(squares / dim + eps))
            for j in range(dim):
                qkv[i, h, j] = qkv[i, h, j] * scale * weight[h, j]


@_compiled
def rotate(qkv: np.ndarray, num_heads: int, table: np.ndarray, positions: np.ndarray) -> None:
    """Rotate the first heads of qkv [n, heads, dim] in place by rows of table [length, 2, dim]."""
    half = qkv.shape[2] // 2
    for i in range(qkv.shape[0]):
        position = positions[i]
        if position < 0 or position >= table.shape[0]:
            raise IndexError("position outside the RoPE table")
        for h in range(num_heads):
            for j in range(half):
                cos = table[position, 0, j]
                sin = table[position, 1, half + j]
                first = qkv[i, h, j]
                second = qkv[i, h, half + j]
                qkv[i, h, j] = first * cos - second * sin
                qkv[i, h, half + j] = second * cos + first * sin


@_compiled
def silu_mul(gate_up: np.ndarray, out: np.ndarray) -> None:
    """out [n, width] = silu(gate) * up, of gate_up [n, 2 * width]."""
    rows, width = out.shape
    one = np.float32(1.0)
    for i in range(rows):
        for j in range(width):
            gate = gate_up[i, j]
            out[i, j] = gate / (one + np.exp(-gate)) * gate_up[i, width + j]
