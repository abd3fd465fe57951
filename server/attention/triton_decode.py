"""Decode: one query a row, over pages of groups, split along the keys (Dao et al., "Flash-Decoding", 2023).

A program takes one KV head of one row, with all its query heads, and an even share of the tiles of keys that the
row's retention lets it see; tiles that nobody sees are not visited. Where heads of a layer may see differently, those
that see more have more programs. Programs leave partial results behind, and the last one of a head to arrive puts them
together, which saves a second launch.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803, N806

import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_wait

from server.attention.triton_shares import find_share, share_programs, visible_tiles
from server.attention.triton_tiles import INT4, attend_tile


@triton.jit(
    do_not_specialize=["first_row", "first_token", "num_tokens", "wanted"],
    do_not_specialize_on_alignment=["rows_ptr", "kv_lens_ptr", "query_starts_ptr", "counts_ptr"],
)
def decode_kernel(
    q_ptr,
    out_ptr,
    k_ptr,
    v_ptr,
    k_params_ptr,
    v_params_ptr,
    pages_ptr,
    sinks_ptr,
    recent_ptr,
    since_ptr,
    groups_ptr,
    slots_ptr,
    rows_ptr,
    kv_lens_ptr,
    query_starts_ptr,
    counts_ptr,
    partial_ptr,
    lse_ptr,
    arrivals_ptr,
    first_row,
    first_token,
    num_tokens,
    wanted,
    q_token_stride,
    q_head_stride,
    LOG2_SCALE: tl.constexpr,
    NUM_GROUPS: tl.constexpr,
    MAX_PAGES: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    SLOTS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    PADDED_HEADS: tl.constexpr,
    HEADS_PER_KV: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WIDTH: tl.constexpr,
    FORMAT: tl.constexpr,
    COMPUTE: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    FLAT: tl.constexpr,
    MERGED: tl.constexpr,
    EVEN: tl.constexpr,
    OVERLAPS: tl.constexpr,
):
    """Grid [kv_heads, splits, rows], or unless EVEN [wanted + kv_heads - 1, 1, rows]; decode rows by `counts` from
    `first_row` on.

    Args:
        q_ptr: [num_tokens, heads, HEAD_DIM]; the token of row r is `query_starts[r] - first_token`.
        out_ptr: [num_tokens, heads * HEAD_DIM], contiguous. Tokens of padding rows become 0.
        partial_ptr: float32 [programs, heads per KV head * HEAD_DIM], scratch.
        lse_ptr: float32 [programs, heads per KV head], scratch: log2 of each part's sum of weights.
        arrivals_ptr: int32 [rows * kv_heads], all 0 before and after.
        wanted: programs that the long heads of a row share; read unless EVEN.
        PADDED_HEADS: KV_HEADS rounded up to a power of two.
        WIDTH: numbers of a head (of INT4, of half a head) rounded up to a power of two.
        FLAT: heads per KV head * HEAD_DIM, rounded up likewise.
        MERGED: partial results that are read at once.
        EVEN: all heads see the same, so that each has as many programs.
        OVERLAPS: launched before the kernel before it has ended (programmatic dependent launch), and waits here.
    """
    index = first_row + tl.program_id(2)
    # Loads that wait for each other are what a short context costs, so all that can go together do, and with
    # OVERLAPS they go before the end of the kernel that writes the new keys.
    token = tl.load(query_starts_ptr + index) - first_token
    num_rows = tl.load(counts_ptr)
    num_prefill_rows = tl.load(counts_ptr + 1)
    row = tl.load(rows_ptr + index)
    kv_len = tl.load(kv_lens_ptr + index)
    if EVEN:
        kv_head = tl.program_id(0)
        split = tl.program_id(1)
        num_splits = tl.num_programs(1)
        first_part = (tl.program_id(2) * KV_HEADS + kv_head) * num_splits
    else:
        all_heads = tl.arange(0, PADDED_HEADS)
        is_head = all_heads < KV_HEADS
        all_kept = row * NUM_GROUPS + tl.load(groups_ptr + all_heads, mask=is_head, other=0)
        all_sinks = tl.load(sinks_ptr + all_kept, mask=is_head, other=0)
        all_recent = tl.load(recent_ptr + all_kept, mask=is_head, other=1)
        all_since = tl.load(since_ptr + all_kept, mask=is_head, other=0)
        _, _, _, _, all_tiles = visible_tiles(kv_len, all_sinks, all_recent, all_since, BLOCK_N)
        counts, firsts = share_programs(all_tiles, is_head, wanted)
        kv_head, first, num_splits = find_share(counts, firsts, all_heads, tl.program_id(0))
        # The grid has room for every way to share; what is left of it ends before there is anything to wait for.
        if num_splits == 0:
            return
        split = tl.program_id(0) - first
        first_part = tl.program_id(2) * tl.num_programs(0) + first
    group = tl.load(groups_ptr + kv_head)
    slot = tl.load(slots_ptr + kv_head)
    kept = row * NUM_GROUPS + group
    sinks, recent, since = tl.load(sinks_ptr + kept), tl.load(recent_ptr + kept), tl.load(since_ptr + kept)
    # Tiles are numbered without those between the sinks and the window.
    sinks, window, num_sink_tiles, first_tile, num_tiles = visible_tiles(kv_len, sinks, recent, since, BLOCK_N)
    num_splits = tl.minimum(num_tiles, num_splits)
    table_ptr = pages_ptr + kept * MAX_PAGES
    if OVERLAPS:
        gdc_wait()
    if (token >= num_tokens) | (index < num_prefill_rows):
        return
    flat = tl.arange(0, FLAT)
    is_flat = flat < HEADS_PER_KV * HEAD_DIM
    out_ptrs = out_ptr + (token.to(tl.int64) * KV_HEADS + kv_head) * (HEADS_PER_KV * HEAD_DIM)
    if index >= num_rows:
        if split == 0:
            tl.store(out_ptrs + flat, tl.zeros([FLAT], out_ptr.dtype.element_ty), mask=is_flat)
        return

    if split >= num_splits:
        return
    begin = split * num_tiles // num_splits
    end = (split + 1) * num_tiles // num_splits

    heads = tl.arange(0, BLOCK_M)
    dims = tl.arange(0, WIDTH)
    STORED_DIM: tl.constexpr = HEAD_DIM // 2 if FORMAT == INT4 else HEAD_DIM
    is_number = (heads < HEADS_PER_KV)[:, None] & (dims < STORED_DIM)[None, :]
    q_ptrs = q_ptr + token.to(tl.int64) * q_token_stride
    q_ptrs += (kv_head * HEADS_PER_KV + heads)[:, None] * q_head_stride + dims[None, :]
    q = tl.load(q_ptrs, mask=is_number, other=0.0).to(COMPUTE)
    q_sums = tl.sum(q.to(tl.float32), 1)
    q_high = q
    acc = tl.zeros([BLOCK_M, WIDTH], tl.float32)
    acc_high = acc
    if FORMAT == INT4:
        q_high = tl.load(q_ptrs + STORED_DIM, mask=is_number, other=0.0).to(COMPUTE)
        q_sums += tl.sum(q_high.to(tl.float32), 1)
    peak = tl.full([BLOCK_M], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_M], tl.float32)

    for tile in range(begin, end):
        start = tl.where(tile < num_sink_tiles, tile, tile - num_sink_tiles + first_tile) * BLOCK_N
        positions = start + tl.arange(0, BLOCK_N)
        is_present = (positions < kv_len) & ((positions < sinks) | (positions >= window))
        acc, acc_high, peak, total = attend_tile(
            q,
            q_high,
            q_sums,
            acc,
            acc_high,
            peak,
            total,
            positions,
            is_present,
            is_present[None, :],
            k_ptr,
            v_ptr,
            k_params_ptr,
            v_params_ptr,
            table_ptr,
            slot,
            LOG2_SCALE,
            PAGE_SIZE,
            SLOTS,
            STORED_DIM,
            WIDTH,
            FORMAT,
            True,
        )

    offsets = heads[:, None] * HEAD_DIM + dims[None, :]
    acc = acc / total[:, None]
    if FORMAT == INT4:
        acc_high = acc_high / total[:, None]
    if num_splits == 1:
        tl.store(out_ptrs + offsets, acc.to(out_ptr.dtype.element_ty), mask=is_number)
        if FORMAT == INT4:
            tl.store(out_ptrs + offsets + STORED_DIM, acc_high.to(out_ptr.dtype.element_ty), mask=is_number)
        return

    owner = tl.program_id(2) * KV_HEADS + kv_head
    partial_ptrs = partial_ptr + first_part * (HEADS_PER_KV * HEAD_DIM)
    lse_ptrs = lse_ptr + first_part * HEADS_PER_KV
    mine = partial_ptrs + split * (HEADS_PER_KV * HEAD_DIM)
    tl.store(mine + offsets, acc, mask=is_number)
    if FORMAT == INT4:
        tl.store(mine + offsets + STORED_DIM, acc_high, mask=is_number)
    tl.store(lse_ptrs + split * HEADS_PER_KV + heads, peak + tl.log2(total), mask=heads < HEADS_PER_KV)
    # Every thread's stores come before the one thread's release, and its acquire before every thread's loads.
    tl.debug_barrier()
    arrived = tl.atomic_add(arrivals_ptr + owner, 1, sem="acq_rel", scope="gpu")
    if arrived == num_splits - 1:
        tl.store(arrivals_ptr + owner, 0)
        merged = tl.zeros([FLAT], tl.float32)
        merged_peak = tl.full([FLAT], float("-inf"), tl.float32)
        merged_total = tl.zeros([FLAT], tl.float32)
        for first in tl.range(0, num_splits, MERGED, num_stages=4):
            splits = first + tl.arange(0, MERGED)
            is_there = (splits < num_splits)[:, None] & is_flat[None, :]
            # Around the first-level cache, which other multiprocessors' stores do not reach.
            lses = tl.load(
                lse_ptrs + splits[:, None] * HEADS_PER_KV + (flat // HEAD_DIM)[None, :],
                mask=is_there,
                other=float("-inf"),
                cache_modifier=".cg",
            )
            parts = tl.load(
                partial_ptrs + splits[:, None] * (HEADS_PER_KV * HEAD_DIM) + flat[None, :],
                mask=is_there,
                other=0.0,
                cache_modifier=".cg",
            )
            new_peak = tl.maximum(merged_peak, tl.max(lses, 0))
            # Beyond the last head everything is -inf.
            base = tl.where(new_peak == float("-inf"), 0.0, new_peak)
            shares = tl.exp2(lses - base[None, :])
            shrink = tl.exp2(merged_peak - base)
            merged = merged * shrink + tl.sum(parts * shares, 0)
            merged_total = merged_total * shrink + tl.sum(shares, 0)
            merged_peak = new_peak
        tl.store(out_ptrs + flat, (merged / merged_total).to(out_ptr.dtype.element_ty), mask=is_flat)
