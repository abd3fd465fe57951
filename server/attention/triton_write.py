"""RoPE and the write into pages, in one pass over the projections of a layer.

Rotated queries and keys replace the unrotated ones; keys and values go to the pages of their row and group, quantised
as `server.kv.formats.quantize` does it, to the byte.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803, N806

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

from server.attention.triton_tiles import FP8, INT4, PLAIN

FP16_MAX = tl.constexpr(65504.0)
FP8_MAX = tl.constexpr(448.0)
ROUNDER = tl.constexpr(12582912.0)
"""1.5 * 2**23: adding and subtracting it rounds a small float32 to an integer, halves to even."""


@triton.jit
def round_up(x):
    """The smallest float16 that is not below x >= 0, or the greatest finite one."""
    x = tl.minimum(x, FP16_MAX)
    nearest = x.to(tl.float16)
    bits = nearest.to(tl.int16, bitcast=True)
    return (bits + (nearest.to(tl.float32) < x).to(tl.int16)).to(tl.float16, bitcast=True)


@triton.jit
def round_down(x):
    """The greatest float16 that is not above x, within the finite ones."""
    x = tl.minimum(tl.maximum(x, -FP16_MAX), FP16_MAX)
    # -0 becomes 0, as in the twin.
    x = tl.where(x == 0, 0.0, x)
    nearest = x.to(tl.float16)
    bits = nearest.to(tl.int16, bitcast=True)
    is_above = (nearest.to(tl.float32) > x).to(tl.int16)
    return tl.where(x < 0, bits + is_above, bits - is_above).to(tl.float16, bitcast=True)


@triton.jit
def store_heads(
    low,
    high,
    is_number,
    is_head,
    pages_ptr,
    params_ptr,
    places,
    dims,
    HALF: tl.constexpr,
    STORED_DIM: tl.constexpr,
    LEVELS: tl.constexpr,
    FORMAT: tl.constexpr,
):
    """Store heads, given as halves [h, width], at `places`, int64 [h]."""
    ptrs = pages_ptr + places[:, None] * STORED_DIM + dims[None, :]
    stored = pages_ptr.dtype.element_ty
    if FORMAT == PLAIN:
        tl.store(ptrs, low.to(stored), mask=is_number)
        tl.store(ptrs + HALF, high.to(stored), mask=is_number)
    else:
        low = low.to(tl.float32)
        high = high.to(tl.float32)
        if FORMAT == FP8:
            # What is masked is 0 and does not make a maximum of magnitudes greater.
            amax = tl.maximum(tl.max(tl.abs(low), 1), tl.max(tl.abs(high), 1))
            scale = round_up(tl.where(amax == 0, 1.0, tl.div_rn(amax, tl.full(amax.shape, FP8_MAX, tl.float32))))
            zero = tl.zeros(scale.shape, tl.float16)
            step = scale.to(tl.float32)[:, None]
            low = tl.minimum(tl.maximum(tl.div_rn(low, step + tl.zeros_like(low)), -FP8_MAX), FP8_MAX)
            high = tl.minimum(tl.maximum(tl.div_rn(high, step + tl.zeros_like(high)), -FP8_MAX), FP8_MAX)
            tl.store(ptrs, low.to(stored), mask=is_number)
            tl.store(ptrs + HALF, high.to(stored), mask=is_number)
        else:
            inf = float("inf")
            least = tl.minimum(tl.min(tl.where(is_number, low, inf), 1), tl.min(tl.where(is_number, high, inf), 1))
            greatest = tl.maximum(tl.max(tl.where(is_number, low, -inf), 1), tl.max(tl.where(is_number, high, -inf), 1))
            zero = round_down(least)
            span = greatest - zero.to(tl.float32)
            steps = tl.div_rn(span, tl.full(span.shape, LEVELS - 1.0, tl.float32))
            scale = round_up(tl.where(span <= 0, 1.0, steps))
            base = zero.to(tl.float32)[:, None]
            step = scale.to(tl.float32)[:, None]
            low = tl.div_rn(low - base, step + tl.zeros_like(low))
            high = tl.div_rn(high - base, step + tl.zeros_like(high))
            low = tl.minimum(tl.maximum((low + ROUNDER) - ROUNDER, 0.0), LEVELS - 1.0).to(tl.int32)
            high = tl.minimum(tl.maximum((high + ROUNDER) - ROUNDER, 0.0), LEVELS - 1.0).to(tl.int32)
            if FORMAT == INT4:
                tl.store(ptrs, (low | (high << 4)).to(stored), mask=is_number)
            else:
                tl.store(ptrs, low.to(stored), mask=is_number)
                tl.store(ptrs + HALF, high.to(stored), mask=is_number)
        tl.store(params_ptr + 2 * places, scale, mask=is_head)
        tl.store(params_ptr + 2 * places + 1, zero, mask=is_head)


@triton.jit(do_not_specialize_on_alignment=["table_ptr", "positions_ptr", "token_rows_ptr"])
def write_kernel(
    q_ptr,
    k_ptr,
    v_ptr,
    table_ptr,
    positions_ptr,
    token_rows_ptr,
    pages_ptr,
    groups_ptr,
    slots_ptr,
    k_pages_ptr,
    v_pages_ptr,
    k_params_ptr,
    v_params_ptr,
    token_stride,
    head_stride,
    NUM_HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    HALF_WIDTH: tl.constexpr,
    NUM_GROUPS: tl.constexpr,
    MAX_PAGES: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    SLOTS: tl.constexpr,
    LEVELS: tl.constexpr,
    FORMAT: tl.constexpr,
    ROTATED: tl.constexpr,
    BY_TOKEN: tl.constexpr,
    QUERY_BLOCKS: tl.constexpr,
    QUERY_BLOCK: tl.constexpr,
    KV_BLOCK: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Grid [tokens, QUERY_BLOCKS + blocks of KV heads].

    Args:
        q_ptr, k_ptr, v_ptr: [tokens, heads, HEAD_DIM] with the given strides; q, k are rotated in place if ROTATED.
        table_ptr: float32 [length, 2, HEAD_DIM] of cos and sin.
        BY_TOKEN: the table has one row per token, and not per position.
        QUERY_BLOCKS: blocks of query heads, 0 unless ROTATED.
        QUERY_BLOCK, KV_BLOCK: heads of a block, powers of two.
        HALF_WIDTH: HEAD_DIM / 2 rounded up to a power of two.
        OVERLAPS: launched before the kernel before it has ended, and lets the next one start (programmatic dependent
            launch).
    """
    HALF: tl.constexpr = HEAD_DIM // 2
    STORED_DIM: tl.constexpr = HALF if FORMAT == INT4 else HEAD_DIM
    token = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    position = tl.load(positions_ptr + token)
    dims = tl.arange(0, HALF_WIDTH)
    is_dim = dims < HALF
    # What has no RoPE is as if turned by nothing.
    cos_low = tl.full([HALF_WIDTH], 1.0, tl.float32)
    cos_high = cos_low
    sin_low = tl.zeros([HALF_WIDTH], tl.float32)
    sin_high = sin_low
    if ROTATED:
        angles_ptr = table_ptr + (token if BY_TOKEN else position) * (2 * HEAD_DIM) + dims
        cos_low = tl.load(angles_ptr, mask=is_dim, other=0.0)
        cos_high = tl.load(angles_ptr + HALF, mask=is_dim, other=0.0)
        sin_low = tl.load(angles_ptr + HEAD_DIM, mask=is_dim, other=0.0)
        sin_high = tl.load(angles_ptr + HEAD_DIM + HALF, mask=is_dim, other=0.0)

    kv_heads = (block - QUERY_BLOCKS) * KV_BLOCK + tl.arange(0, KV_BLOCK)
    is_head = (kv_heads >= 0) & (kv_heads < KV_HEADS)
    row = tl.load(token_rows_ptr + token)
    groups = tl.load(groups_ptr + kv_heads, mask=is_head, other=0)
    slots = tl.load(slots_ptr + kv_heads, mask=is_head, other=0)
    entries = (row * NUM_GROUPS + groups) * MAX_PAGES + position // PAGE_SIZE
    pages = tl.load(pages_ptr + entries, mask=is_head, other=0).to(tl.int64)
    places = (pages * PAGE_SIZE + position % PAGE_SIZE) * SLOTS + slots

    if OVERLAPS:
        gdc_launch_dependents()
        gdc_wait()
    if block < QUERY_BLOCKS:
        heads = block * QUERY_BLOCK + tl.arange(0, QUERY_BLOCK)
        is_query = (heads < NUM_HEADS)[:, None] & is_dim[None, :]
        ptrs = q_ptr + token * token_stride + heads[:, None] * head_stride + dims[None, :]
        low = tl.load(ptrs, mask=is_query, other=0.0).to(tl.float32)
        high = tl.load(ptrs + HALF, mask=is_query, other=0.0).to(tl.float32)
        tl.store(ptrs, (low * cos_low + high * sin_low).to(q_ptr.dtype.element_ty), mask=is_query)
        tl.store(ptrs + HALF, (high * cos_high + low * sin_high).to(q_ptr.dtype.element_ty), mask=is_query)
    else:
        is_number = is_head[:, None] & is_dim[None, :]
        offsets = token * token_stride + kv_heads[:, None] * head_stride + dims[None, :]
        k_low = tl.load(k_ptr + offsets, mask=is_number, other=0.0)
        k_high = tl.load(k_ptr + offsets + HALF, mask=is_number, other=0.0)
        v_low = tl.load(v_ptr + offsets, mask=is_number, other=0.0)
        v_high = tl.load(v_ptr + offsets + HALF, mask=is_number, other=0.0)
        if ROTATED:
            old_low = k_low.to(tl.float32)
            old_high = k_high.to(tl.float32)
            k_low = (old_low * cos_low + old_high * sin_low).to(k_ptr.dtype.element_ty)
            k_high = (old_high * cos_high + old_low * sin_high).to(k_ptr.dtype.element_ty)
            tl.store(k_ptr + offsets, k_low, mask=is_number)
            tl.store(k_ptr + offsets + HALF, k_high, mask=is_number)
        store_heads(
            k_low,
            k_high,
            is_number,
            is_head,
            k_pages_ptr,
            k_params_ptr,
            places,
            dims,
            HALF,
            STORED_DIM,
            LEVELS,
            FORMAT,
        )
        store_heads(
            v_low,
            v_high,
            is_number,
            is_head,
            v_pages_ptr,
            v_params_ptr,
            places,
            dims,
            HALF,
            STORED_DIM,
            LEVELS,
            FORMAT,
        )
