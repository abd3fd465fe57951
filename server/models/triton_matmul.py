"""Triton products x Wᵀ + b for a few rows, for quantised matrices, and with the same arithmetic for any number of rows.

`vector_product` multiplies one row by reading W once, as fast as memory gives it. `tiled_product` cuts W's columns
into `splits` fixed parts, sums each part by matrix instructions and adds the parts in order: the parts of few rows are
computed by different programs, those of many rows by one after the other, with the same result. Sums are float32; no
floats are added atomically. W is in x's dtype, int8 or float8_e4m3fn; the last two have one scale per output channel.

Importing this needs Triton; under `TRITON_INTERPRET=1` the kernels run on CPU.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803, SIM108

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from server.models.triton_layers import ACTIVATION_CODES, activate, launch_options, wait_for_input


@triton.jit
def load_columns(pointers, ks, K: tl.constexpr, BLOCK_K: tl.constexpr):
    """A tile of W that is read once, [channels, BLOCK_K], or a piece of x that is read by everybody, [BLOCK_K]."""
    if K % BLOCK_K == 0:
        tile = tl.load(pointers)
    else:
        tile = tl.load(pointers, mask=ks < K, other=0.0)
    return tile


@triton.jit
def as_floats(w, DTYPE: tl.constexpr):
    """Stored weights in DTYPE, without their scales."""
    if w.dtype == tl.int8:
        # Converting integers takes eight times as long as other arithmetic: a number from 0 to 255 in the last bits
        # of 2^23 is a float at once.
        bits = w.to(tl.uint8, bitcast=True).to(tl.uint32) ^ 0x4B000080
        result = (bits.to(tl.float32, bitcast=True) - 8388736.0).to(DTYPE)
    else:
        result = w.to(DTYPE)
    return result


@triton.jit
def fetch_ahead(w_rows, first, K: tl.constexpr, LINE: tl.constexpr):
    """Ask for the first lines of 128 bytes of each row of W, at most eight, to be brought to L2."""
    ks = first + tl.arange(0, 8) * LINE
    places = w_rows + tl.minimum(ks, K - 1)[None, :]
    tl.inline_asm_elementwise(
        "prefetch.global.L2 [$1]; mov.u32 $0, 0;",
        "=r,l",
        [places.to(tl.int64)],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )


@triton.jit(do_not_specialize=["num_out"])
def vector_kernel(
    x_ptr,
    w_ptr,
    scale_ptr,
    bias_ptr,
    out_ptr,
    num_out,
    K: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    ACTIVATION: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_K: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Grid [blocks of num_out]; x [K], w [num_out, K] and out [num_out].

    With an ACTIVATION >= 0, w is [2 * num_out, K] and out `activation(first half) * second half`.
    With OVERLAPS, the kernel starts while the one before it ends, and reads weights before it waits for x.
    """
    channels = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_channel = channels < num_out
    columns = tl.arange(0, BLOCK_K)
    # Reading the last channel again is simpler than a mask.
    first = w_ptr + tl.minimum(channels, num_out - 1).to(tl.int64)[:, None] * K + columns[None, :]
    second = first + num_out.to(tl.int64) * K
    w = load_columns(first, columns[None, :], K, BLOCK_K)
    if ACTIVATION >= 0:
        up_w = load_columns(second, columns[None, :], K, BLOCK_K)
    wait_for_input(OVERLAPS)
    x = load_columns(x_ptr + columns, columns, K, BLOCK_K).to(tl.float32)
    total = as_floats(w, tl.float32) * x[None, :]
    if ACTIVATION >= 0:
        up_total = as_floats(up_w, tl.float32) * x[None, :]
    for start in tl.range(BLOCK_K, K, BLOCK_K):
        ks = start + columns
        w = load_columns(first + start, ks[None, :], K, BLOCK_K)
        if ACTIVATION >= 0:
            up_w = load_columns(second + start, ks[None, :], K, BLOCK_K)
        x = load_columns(x_ptr + ks, ks, K, BLOCK_K).to(tl.float32)
        total += as_floats(w, tl.float32) * x[None, :]
        if ACTIVATION >= 0:
            up_total += as_floats(up_w, tl.float32) * x[None, :]
    result = finish(tl.sum(total, axis=1), scale_ptr, bias_ptr, channels, is_channel, HAS_SCALE, HAS_BIAS)
    if ACTIVATION >= 0:
        up = tl.sum(up_total, axis=1)
        up = finish(up, scale_ptr + num_out, bias_ptr + num_out, channels, is_channel, HAS_SCALE, HAS_BIAS)
        result = activate(result, ACTIVATION) * up
    tl.store(out_ptr + channels, result.to(out_ptr.dtype.element_ty), mask=is_channel)


@triton.jit
def finish(total, scale_ptr, bias_ptr, channels, is_channel, HAS_SCALE: tl.constexpr, HAS_BIAS: tl.constexpr):
    """Scale sums of quantised weights and add the bias; all float32 [channels]."""
    if HAS_SCALE:
        total *= tl.load(scale_ptr + channels, mask=is_channel, other=0.0)
    if HAS_BIAS:
        total += tl.load(bias_ptr + channels, mask=is_channel, other=0.0).to(tl.float32)
    return total


@triton.jit
def sum_part(
    w_rows, x_rows, part, K: tl.constexpr, PART_K: tl.constexpr, SPLITS: tl.constexpr, BLOCK_N: tl.constexpr,
    BLOCK_R: tl.constexpr, BLOCK_K: tl.constexpr, COMPUTE: tl.constexpr, PRECISION: tl.constexpr,
    STAGES: tl.constexpr,
):  # fmt: skip
    """W xᵀ over the columns of one part: float32 [BLOCK_N, BLOCK_R]."""
    total = tl.zeros((BLOCK_N, BLOCK_R), tl.float32)
    first = part * PART_K
    for start in tl.range(0, PART_K, BLOCK_K, num_stages=STAGES):
        ks = first + start + tl.arange(0, BLOCK_K)
        if PART_K * SPLITS == K:
            w = tl.load(w_rows + ks[None, :])
            x = tl.load(x_rows + ks[:, None])
        else:
            w = tl.load(w_rows + ks[None, :], mask=(ks < K)[None, :], other=0.0)
            x = tl.load(x_rows + ks[:, None], mask=(ks < K)[:, None], other=0.0)
        total = tl.dot(as_floats(w, COMPUTE), x.to(COMPUTE), total, input_precision=PRECISION)
    return total


@triton.jit(do_not_specialize=["num_rows", "num_out"])
def tiled_kernel(
    x_ptr,
    w_ptr,
    scale_ptr,
    bias_ptr,
    out_ptr,
    partial_ptr,
    arrivals_ptr,
    num_rows,
    num_out,
    row_stride,
    K: tl.constexpr,
    PART_K: tl.constexpr,
    SPLITS: tl.constexpr,
    IS_SPREAD: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_BIAS: tl.constexpr,
    COMPUTE: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_K: tl.constexpr,
    GROUP: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Grid [tiles of rows and channels, parts if IS_SPREAD]; x [num_rows, K] and out [num_rows, num_out].

    Args:
        row_stride: elements between rows of out.
        partial_ptr: float32 [tiles, SPLITS, BLOCK_N, BLOCK_R], scratch, if IS_SPREAD.
        arrivals_ptr: int32 [tiles], all 0 before and after, if IS_SPREAD.
        PART_K: columns of a part, a multiple of BLOCK_K.
        GROUP: tiles of rows that are visited together, so that L2 keeps their columns of W.
    """
    tile = tl.program_id(0)
    channel_tiles = tl.cdiv(num_out, BLOCK_N)
    row_tiles = tl.cdiv(num_rows, BLOCK_R)
    band = tile // (GROUP * channel_tiles)
    first_in_band = band * GROUP
    in_band = tl.minimum(row_tiles - first_in_band, GROUP)
    place = tile % (GROUP * channel_tiles)
    row_tile = first_in_band + place % in_band
    channels = (place // in_band) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_channel = channels < num_out
    rows = (row_tile * BLOCK_R + tl.arange(0, BLOCK_R)).to(tl.int64)
    is_row = rows < num_rows
    # Reading the last channel and row again is simpler than masks.
    w_rows = w_ptr + tl.minimum(channels, num_out - 1).to(tl.int64)[:, None] * K
    x_rows = x_ptr + tl.minimum(rows, num_rows - 1)[None, :] * K
    if OVERLAPS:
        first = tl.program_id(1) * PART_K if IS_SPREAD else 0
        fetch_ahead(w_rows, first, K, 128 // (w_ptr.dtype.element_ty.primitive_bitwidth // 8))
        wait_for_input(OVERLAPS)
    is_last = True
    if IS_SPREAD:
        part = tl.program_id(1)
        total = sum_part(w_rows, x_rows, part, K, PART_K, SPLITS, BLOCK_N, BLOCK_R, BLOCK_K, COMPUTE, PRECISION, STAGES)
        inside = tl.arange(0, BLOCK_N)[:, None] * BLOCK_R + tl.arange(0, BLOCK_R)[None, :]
        partials = partial_ptr + (tile.to(tl.int64) * SPLITS) * (BLOCK_N * BLOCK_R) + inside
        tl.store(partials + part * (BLOCK_N * BLOCK_R), total)
        # Every thread's stores come before this program's arrival.
        tl.debug_barrier()
        is_last = tl.atomic_add(arrivals_ptr + tile, 1, sem="acq_rel") == SPLITS - 1
        if is_last:
            tl.store(arrivals_ptr + tile, 0)
            total = tl.load(partials, cache_modifier=".cg")
            for index in tl.static_range(1, SPLITS):
                total += tl.load(partials + index * (BLOCK_N * BLOCK_R), cache_modifier=".cg")
    else:
        total = sum_part(w_rows, x_rows, 0, K, PART_K, SPLITS, BLOCK_N, BLOCK_R, BLOCK_K, COMPUTE, PRECISION, STAGES)
        for index in tl.range(1, SPLITS, num_stages=1):
            total += sum_part(
                w_rows, x_rows, index, K, PART_K, SPLITS, BLOCK_N, BLOCK_R, BLOCK_K, COMPUTE, PRECISION,
                STAGES,
            )  # fmt: skip
    if is_last:
        if HAS_SCALE:
            total *= tl.load(scale_ptr + channels, mask=is_channel, other=0.0)[:, None]
        if HAS_BIAS:
            total += tl.load(bias_ptr + channels, mask=is_channel, other=0.0).to(tl.float32)[:, None]
        places = out_ptr + rows[None, :] * row_stride + channels[:, None]
        tl.store(places, total.to(out_ptr.dtype.element_ty), mask=is_channel[:, None] & is_row[None, :])


TRITON_TYPES = {torch.float32: tl.float32, torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}


@dataclass(frozen=True, slots=True)
class VectorConfig:
    """How `vector_kernel` is cut up: channels and columns of a program's tile, warps."""

    block_n: int
    block_k: int
    num_warps: int
    overlaps: bool = False


@dataclass(frozen=True, slots=True)
class TileConfig:
    """How `tiled_kernel` is cut up.

    Args:
        block_n: channels of a tile.
        block_r: rows of a tile, at least 16.
        block_k: columns of a step.
        splits: parts of the columns.
        is_spread: whether programs of their own compute the parts.
    """

    block_n: int
    block_r: int
    block_k: int
    splits: int
    is_spread: bool
    num_warps: int
    num_stages: int
    overlaps: bool = False


def vector_product(
    x: torch.Tensor,
    weight: torch.Tensor,
    scale: torch.Tensor | None,
    bias: torch.Tensor | None,
    activation: str | None,
    config: VectorConfig,
) -> torch.Tensor:
    """x Wᵀ + b for one row, [1, in]; with an activation, W and b are those of gate and up.

    Args:
        weight: [out, in], contiguous.
        scale: float32 [out] of an int8 or fp8 weight.

    Returns:
        [1, out]; with an activation, `activation(gate) * up`, [1, out / 2].
    """
    num_out = weight.shape[0] if activation is None else weight.shape[0] // 2
    out = x.new_empty(1, num_out)
    x = x.contiguous()
    vector_kernel[(-(-num_out // config.block_n),)](
        x,
        weight,
        weight if scale is None else scale,
        weight if bias is None else bias,
        out,
        num_out,
        K=weight.shape[1],
        HAS_SCALE=scale is not None,
        HAS_BIAS=bias is not None,
        ACTIVATION=-1 if activation is None else ACTIVATION_CODES[activation],
        BLOCK_N=config.block_n,
        BLOCK_K=min(config.block_k, triton.next_power_of_2(weight.shape[1])),
        OVERLAPS=config.overlaps,
        num_warps=config.num_warps,
        **launch_options(config.overlaps),
    )
    return out


def tiled_product(
    x: torch.Tensor,
    weight: torch.Tensor,
    scale: torch.Tensor | None,
    bias: torch.Tensor | None,
    config: TileConfig,
    arrivals: torch.Tensor | None = None,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """x Wᵀ + b for any number of rows, [n, in]; arguments as in `vector_product`.

    Args:
        arrivals: int32 zeros, one per tile at least, kept from call to call; needed by a config that is spread.
        out: [n, out] with contiguous rows, to be written.
    """
    x = x.contiguous()
    num_rows, num_in = x.shape
    num_out = weight.shape[0]
    if out is None:
        out = x.new_empty(num_rows, num_out)
    num_tiles = -(-num_rows // config.block_r) * -(-num_out // config.block_n)
    is_spread = config.is_spread and config.splits > 1
    partial = out
    if is_spread:
        size = num_tiles * config.splits * config.block_n * config.block_r
        partial = torch.empty(size, dtype=torch.float32, device=x.device)
    blocks_per_part = -(-num_in // (config.block_k * config.splits))
    if num_rows:
        tiled_kernel[(num_tiles, config.splits if is_spread else 1)](
            x,
            weight,
            weight if scale is None else scale,
            weight if bias is None else bias,
            out,
            partial,
            partial if arrivals is None else arrivals,
            num_rows,
            num_out,
            out.stride(0),
            K=num_in,
            PART_K=blocks_per_part * config.block_k,
            SPLITS=config.splits,
            IS_SPREAD=is_spread,
            HAS_SCALE=scale is not None,
            HAS_BIAS=bias is not None,
            COMPUTE=TRITON_TYPES[x.dtype],
            PRECISION="ieee" if x.dtype == torch.float32 else "tf32",
            BLOCK_N=config.block_n,
            BLOCK_R=config.block_r,
            BLOCK_K=config.block_k,
            GROUP=8,
            STAGES=config.num_stages,
            OVERLAPS=config.overlaps,
            num_warps=config.num_warps,
            **launch_options(config.overlaps),
        )
    return out
