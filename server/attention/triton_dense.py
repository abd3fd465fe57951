"""What cuDNN needs beside it where a prompt is long: pages as one matrix, and two partial attentions as one.

cuDNN's attention beats any other on Hopper, but knows neither pages nor quantised formats.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803, N806

import triton
import triton.language as tl

from server.attention.triton_tiles import FP8, INT4, PLAIN, load_heads, load_params, widen, widen_nibbles


@triton.jit
def dequantised(numbers, params_ptr, places, is_present, FORMAT: tl.constexpr):
    """Numbers [n, width], as stored, with their scales and zeros."""
    numbers = numbers.to(tl.float32)
    if FORMAT != PLAIN:
        scale, zero = load_params(params_ptr, places, is_present, True)
        numbers = numbers * scale[:, None]
        if FORMAT != FP8:
            numbers += zero[:, None]
    return numbers


@triton.jit(do_not_specialize=["index", "first_position", "num_positions"], do_not_specialize_on_alignment=["rows_ptr"])
def gather_kernel(
    k_out_ptr,
    v_out_ptr,
    k_ptr,
    v_ptr,
    k_params_ptr,
    v_params_ptr,
    pages_ptr,
    groups_ptr,
    slots_ptr,
    rows_ptr,
    index,
    first_position,
    num_positions,
    NUM_GROUPS: tl.constexpr,
    MAX_PAGES: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    SLOTS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WIDTH: tl.constexpr,
    FORMAT: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    """Copy K and V of a row out of its pages. Grid [blocks of positions, KV heads to copy].

    Args:
        k_out_ptr, v_out_ptr: [num_positions, KV heads to copy, HEAD_DIM], from `first_position` on.
        groups_ptr, slots_ptr: of the KV heads to copy.
        index: of the row in the batch.
    """
    STORED_DIM: tl.constexpr = HEAD_DIM // 2 if FORMAT == INT4 else HEAD_DIM
    kv_head = tl.program_id(1)
    row = tl.load(rows_ptr + index)
    group = tl.load(groups_ptr + kv_head)
    slot = tl.load(slots_ptr + kv_head)
    offsets = tl.program_id(0) * BLOCK_N + tl.arange(0, BLOCK_N)
    is_present = offsets < num_positions
    positions = first_position + offsets
    entries = (row * NUM_GROUPS + group) * MAX_PAGES + positions // PAGE_SIZE
    pages = tl.load(pages_ptr + entries, mask=is_present, other=0).to(tl.int64)
    places = (pages * PAGE_SIZE + positions % PAGE_SIZE) * SLOTS + slot
    dims = tl.arange(0, WIDTH)
    outs = ((offsets.to(tl.int64) * tl.num_programs(1) + kv_head) * HEAD_DIM)[:, None] + dims[None, :]
    is_number = is_present[:, None] & (dims < STORED_DIM)[None, :]
    out_type = k_out_ptr.dtype.element_ty
    k = load_heads(k_ptr, places, is_present, STORED_DIM, WIDTH, True)
    v = load_heads(v_ptr, places, is_present, STORED_DIM, WIDTH, True)
    if FORMAT == INT4:
        low, high = widen_nibbles(k, tl.float32, False)
        low = dequantised(low, k_params_ptr, places, is_present, FORMAT)
        high = dequantised(high, k_params_ptr, places, is_present, FORMAT)
        tl.store(k_out_ptr + outs, low.to(out_type), mask=is_number)
        tl.store(k_out_ptr + outs + STORED_DIM, high.to(out_type), mask=is_number)
        low, high = widen_nibbles(v, tl.float32, False)
        low = dequantised(low, v_params_ptr, places, is_present, FORMAT)
        high = dequantised(high, v_params_ptr, places, is_present, FORMAT)
        tl.store(v_out_ptr + outs, low.to(out_type), mask=is_number)
        tl.store(v_out_ptr + outs + STORED_DIM, high.to(out_type), mask=is_number)
    else:
        k = dequantised(widen(k, tl.float32, FORMAT, False), k_params_ptr, places, is_present, FORMAT)
        v = dequantised(widen(v, tl.float32, FORMAT, False), v_params_ptr, places, is_present, FORMAT)
        tl.store(k_out_ptr + outs, k.to(out_type), mask=is_number)
        tl.store(v_out_ptr + outs, v.to(out_type), mask=is_number)


@triton.jit(do_not_specialize=["num_heads"])
def merge_kernel(
    out_ptr,
    lse_ptr,
    other_ptr,
    other_lse_ptr,
    out_token_stride,
    out_head_stride,
    lse_token_stride,
    lse_head_stride,
    other_token_stride,
    other_head_stride,
    other_lse_token_stride,
    other_lse_head_stride,
    num_heads,
    HEAD_DIM: tl.constexpr,
    HEADS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """Join attention over some keys and over others, by the logarithms of their sums. Grid [tokens].

    Args:
        out_ptr, other_ptr: [tokens, num_heads, HEAD_DIM]; the first receives the result.
        lse_ptr, other_lse_ptr: float32 [tokens, num_heads], natural logarithms; the first is updated.
        HEADS, WIDTH: the most heads, and HEAD_DIM, rounded up to powers of two.
    """
    token = tl.program_id(0).to(tl.int64)
    heads = tl.arange(0, HEADS)
    dims = tl.arange(0, WIDTH)
    is_head = heads < num_heads
    is_number = is_head[:, None] & (dims < HEAD_DIM)[None, :]
    lse_ptrs = lse_ptr + token * lse_token_stride + heads * lse_head_stride
    lse = tl.load(lse_ptrs, mask=is_head, other=0.0)
    other_lse_ptrs = other_lse_ptr + token * other_lse_token_stride + heads * other_lse_head_stride
    other_lse = tl.load(other_lse_ptrs, mask=is_head, other=0.0)
    peak = tl.maximum(lse, other_lse)
    share = tl.exp(lse - peak)
    other_share = tl.exp(other_lse - peak)
    total = share + other_share
    out_ptrs = out_ptr + token * out_token_stride + heads[:, None] * out_head_stride + dims[None, :]
    other_ptrs = other_ptr + token * other_token_stride + heads[:, None] * other_head_stride + dims[None, :]
    out = tl.load(out_ptrs, mask=is_number, other=0.0).to(tl.float32)
    other = tl.load(other_ptrs, mask=is_number, other=0.0).to(tl.float32)
    merged = out * (share / total)[:, None] + other * (other_share / total)[:, None]
    tl.store(out_ptrs, merged.to(out_ptr.dtype.element_ty), mask=is_number)
    tl.store(lse_ptrs, peak + tl.log(total), mask=is_head)
