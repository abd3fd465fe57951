"""A Triton product x Wᵀ + b for some dozens of rows that reads W as one stream, shared evenly by all multiprocessors.

The steps of all sums, tile after tile of W's channels, are one long list, and each of a fixed number of programs takes
an equal part of it (Osama et al., "Stream-K", 2023). So all of them read for the same time, whatever the shape, and
loads run on over the end of a tile. A tile that several programs share is summed in order by the one that comes last.
W's channels are the rows of the matrix instructions, and x's rows their columns: 32 of those fill an instruction.

Tiles are fetched by the tensor memory accelerator, so this needs compute capability 9.0; under `TRITON_INTERPRET=1` it
runs on CPU. W and x are bfloat16 or float16; sums are float32, and no floats are added atomically.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803, N806

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from triton.tools.tensor_descriptor import TensorDescriptor

from server.models.triton_layers import ACTIVATION_CODES, activate, launch_options, wait_for_input
from server.models.triton_matmul import fetch_ahead


@triton.jit
def owner_of(unit, units, programs):
    """The program p with p * units // programs <= unit < (p + 1) * units // programs."""
    return ((unit + 1) * programs - 1) // units


@triton.jit
def write_tile(
    total, up_total, bias_ptr, out_ptr, tile, num_rows, num_out, row_stride, HAS_BIAS: tl.constexpr,
    ACTIVATION: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_R: tl.constexpr,
):  # fmt: skip
    """Add the bias, multiply with the gate, and store float32 [BLOCK_N, BLOCK_R] sums."""
    channels = tile * BLOCK_N + tl.arange(0, BLOCK_N)
    rows = tl.arange(0, BLOCK_R).to(tl.int64)
    is_channel = channels < num_out
    if HAS_BIAS:
        total += tl.load(bias_ptr + channels, mask=is_channel, other=0.0).to(tl.float32)[:, None]
    if ACTIVATION >= 0:
        if HAS_BIAS:
            up_total += tl.load(bias_ptr + num_out + channels, mask=is_channel, other=0.0).to(tl.float32)[:, None]
        total = activate(total, ACTIVATION) * up_total
    places = out_ptr + rows[None, :] * row_stride + channels[:, None]
    tl.store(places, total.to(out_ptr.dtype.element_ty), mask=is_channel[:, None] & (rows < num_rows)[None, :])


@triton.jit(do_not_specialize=["num_rows", "num_out", "row_stride"])
def stream_kernel(
    x_tiles,
    w_tiles,
    w_ptr,
    bias_ptr,
    out_ptr,
    partial_ptr,
    arrivals_ptr,
    num_rows,
    num_out,
    row_stride,
    K: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    ACTIVATION: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_K: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Grid [programs]; x [num_rows, K], num_rows at most BLOCK_R; out [num_rows, num_out].

    Args:
        x_tiles, w_tiles: descriptors of x and W in tiles of [BLOCK_R, BLOCK_K] and [BLOCK_N, BLOCK_K].
        partial_ptr: float32 [programs, 2, BLOCK_N, BLOCK_R] (twice that with an ACTIVATION), scratch: a program's
            part of the tile that others began, and of the tile that others end.
        arrivals_ptr: int32 [tiles], all 0 before and after.
        ACTIVATION: >= 0: W is [2 * num_out, K] and out `activation(first half) * second half`.
    """
    K_STEPS: tl.constexpr = (K + BLOCK_K - 1) // BLOCK_K
    SIZE: tl.constexpr = BLOCK_N * BLOCK_R
    NUM_SUMS: tl.constexpr = 2 if ACTIVATION >= 0 else 1
    program = tl.program_id(0)
    programs = tl.num_programs(0)
    units = tl.cdiv(num_out, BLOCK_N) * K_STEPS
    first = program * units // programs
    end = (program + 1) * units // programs
    if OVERLAPS:
        channels = (first // K_STEPS) * BLOCK_N + tl.arange(0, BLOCK_N)
        w_rows = w_ptr + tl.minimum(channels, num_out - 1).to(tl.int64)[:, None] * K
        fetch_ahead(w_rows, first % K_STEPS * BLOCK_K, K, 64)
        wait_for_input(OVERLAPS)
    inside = tl.arange(0, BLOCK_N)[:, None] * BLOCK_R + tl.arange(0, BLOCK_R)[None, :]
    total = tl.zeros((BLOCK_N, BLOCK_R), tl.float32)
    up_total = tl.zeros((BLOCK_N, BLOCK_R), tl.float32)
    for unit in tl.range(first, end, num_stages=STAGES):
        tile = unit // K_STEPS
        step = unit % K_STEPS
        w = w_tiles.load([tile * BLOCK_N, step * BLOCK_K])
        x = x_tiles.load([0, step * BLOCK_K])
        total = tl.dot(w, x.T, total)
        if ACTIVATION >= 0:
            up = w_tiles.load([num_out + tile * BLOCK_N, step * BLOCK_K])
            up_total = tl.dot(up, x.T, up_total)
        if (step == K_STEPS - 1) | (unit == end - 1):
            is_begun_here = tile * K_STEPS >= first
            if is_begun_here & (step == K_STEPS - 1):
                write_tile(
                    total, up_total, bias_ptr, out_ptr, tile, num_rows, num_out, row_stride, HAS_BIAS, ACTIVATION,
                    BLOCK_N, BLOCK_R,
                )  # fmt: skip
            else:
                place = (program * 2 + is_begun_here.to(tl.int32)) * (NUM_SUMS * SIZE)
                tl.store(partial_ptr + place + inside, total)
                if ACTIVATION >= 0:
                    tl.store(partial_ptr + place + SIZE + inside, up_total)
            total = tl.zeros((BLOCK_N, BLOCK_R), tl.float32)
            up_total = tl.zeros((BLOCK_N, BLOCK_R), tl.float32)
    # Every thread's stores come before this program's arrivals. (A barrier in the loop would keep its loads waiting.)
    tl.debug_barrier()
    for which in tl.static_range(2):
        # The tile that others began, then the one that others end.
        tile = (first if which == 0 else end) // K_STEPS
        is_shared = first % K_STEPS != 0 if which == 0 else (end % K_STEPS != 0) & (tile * K_STEPS >= first)
        if is_shared:
            begins = owner_of(tile * K_STEPS, units, programs)
            ends = owner_of(tile * K_STEPS + K_STEPS - 1, units, programs)
            if tl.atomic_add(arrivals_ptr + tile, 1, sem="acq_rel") == ends - begins:
                tl.store(arrivals_ptr + tile, 0)
                parts = partial_ptr + (begins * 2 + 1) * (NUM_SUMS * SIZE) + inside
                total = tl.load(parts, cache_modifier=".cg")
                if ACTIVATION >= 0:
                    up_total = tl.load(parts + SIZE, cache_modifier=".cg")
                for part in tl.range(begins + 1, ends + 1, num_stages=1):
                    parts = partial_ptr + part * (2 * NUM_SUMS * SIZE) + inside
                    total += tl.load(parts, cache_modifier=".cg")
                    if ACTIVATION >= 0:
                        up_total += tl.load(parts + SIZE, cache_modifier=".cg")
                write_tile(
                    total, up_total, bias_ptr, out_ptr, tile, num_rows, num_out, row_stride, HAS_BIAS, ACTIVATION,
                    BLOCK_N, BLOCK_R,
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class StreamConfig:
    """How `stream_kernel` is cut up.

    Args:
        block_n: channels of a tile: 64 for four warps, 128 for four or eight.
        block_r: rows of a tile; no more rows can be multiplied. A power of two, at least 16.
        block_k: columns of a step.
        num_programs: that share the work: one or two for each multiprocessor.
    """

    block_n: int
    block_r: int
    block_k: int
    num_programs: int
    num_warps: int
    num_stages: int
    overlaps: bool = False


class StreamProduct:
    """x Wᵀ + b by a fixed matrix.

    Args:
        weight: [out, in], contiguous, bfloat16 or float16, `in` a multiple of 8.
        bias: [out].

    Raises:
        ValueError: all of `in` is one step, of which Triton cannot make a stream.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, config: StreamConfig) -> None:
        if weight.shape[1] <= config.block_k:
            raise ValueError(f"a matrix of {weight.shape[1]} columns needs a block_k below that, not {config.block_k}")
        self.config = config
        self._weight, self._bias = weight, bias
        self._w_tiles = TensorDescriptor.from_tensor(weight, [config.block_n, config.block_k])
        self._arrivals = torch.zeros(-(-weight.shape[0] // config.block_n), dtype=torch.int32, device=weight.device)

    def __call__(self, x: torch.Tensor, out: torch.Tensor | None = None, activation: str | None = None) -> torch.Tensor:
        """[n, in] -> [n, out], for 1 to `block_r` rows.

        Args:
            out: where the result goes; its rows are contiguous.
            activation: W and b are those of gate and up, and the result is `activation(gate) * up`, [n, out / 2].
        """
        config, weight = self.config, self._weight
        x = x.contiguous()
        num_rows, num_in = x.shape
        num_sums = 1 if activation is None else 2
        num_out = weight.shape[0] // num_sums
        if out is None:
            out = x.new_empty(num_rows, num_out)
        num_programs = min(config.num_programs, -(-num_out // config.block_n) * -(-num_in // config.block_k))
        num_partials = num_programs * 2 * num_sums * config.block_n * config.block_r
        partial = x.new_empty(num_partials, dtype=torch.float32)
        stream_kernel[(num_programs,)](
            TensorDescriptor.from_tensor(x, [config.block_r, config.block_k]),
            self._w_tiles,
            weight,
            weight if self._bias is None else self._bias,
            out,
            partial,
            self._arrivals,
            num_rows,
            num_out,
            out.stride(0),
            K=num_in,
            HAS_BIAS=self._bias is not None,
            ACTIVATION=-1 if activation is None else ACTIVATION_CODES[activation],
            BLOCK_N=config.block_n,
            BLOCK_R=config.block_r,
            BLOCK_K=config.block_k,
            STAGES=config.num_stages,
            OVERLAPS=config.overlaps,
            num_warps=config.num_warps,
            **launch_options(config.overlaps),
        )
        return out
