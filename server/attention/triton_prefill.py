"""Prefill: many queries a row, over pages of groups, whatever of the prompt is in them already.

A program takes a tile of queries of one row (FlashAttention-2: Dao, 2023). Tiles of keys that none of its queries
sees are not visited, and only those at the borders of what they see are masked.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803, N806

import triton
import triton.language as tl

from server.attention.triton_tiles import INT4, attend_tile


@triton.jit(
    do_not_specialize=["first_row", "end_row", "skipped", "windows_only"],
    do_not_specialize_on_alignment=["rows_ptr", "kv_lens_ptr", "query_starts_ptr", "count_ptr"],
)
def prefill_kernel(
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
    count_ptr,
    first_row,
    end_row,
    skipped,
    windows_only,
    q_token_stride,
    q_head_stride,
    LOG2_SCALE: tl.constexpr,
    NUM_GROUPS: tl.constexpr,
    MAX_PAGES: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    SLOTS: tl.constexpr,
    NUM_HEADS: tl.constexpr,
    HEADS_PER_KV: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WIDTH: tl.constexpr,
    FORMAT: tl.constexpr,
    COMPUTE: tl.constexpr,
    PACKED: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    ALWAYS_MASKED: tl.constexpr,
    MAX_ROWS: tl.constexpr,
):
    """Grid [heads / PACKED, tiles]: tiles >= tokens // tokens per tile + rows, of rows [first_row, end_row).

    Args:
        q_ptr: [tokens, heads, HEAD_DIM], of the whole batch.
        out_ptr: [tokens, heads * HEAD_DIM], contiguous, of the whole batch.
        count_ptr: int32; rows from it on do not count either.
        skipped: leading tokens of `first_row` that are not computed.
        windows_only: not 0 to leave out heads whose group keeps everything.
        WIDTH: numbers of a head (of INT4, of half a head) rounded up to a power of two.
        PACKED: query heads of one KV head that share a tile: 1, or all of them.
        ALWAYS_MASKED: one loop for all tiles, so that a query's arithmetic does not depend on its neighbours.
        MAX_ROWS: a power of two; no batch has more rows.
    """
    TOKENS: tl.constexpr = BLOCK_M // PACKED
    end_row = tl.minimum(end_row, tl.load(count_ptr))
    if end_row <= first_row:
        return
    # Late tiles see the most keys, so they go first.
    tile = tl.num_programs(1) - 1 - tl.program_id(1)
    candidates = first_row + tl.arange(0, MAX_ROWS)
    is_row = candidates < end_row
    # Row r's tiles are numbered from `start // TOKENS + r`; each row has at least as many numbers as tiles.
    all_starts = tl.load(query_starts_ptr + candidates, mask=is_row, other=0)
    origin = tl.load(query_starts_ptr + first_row) + skipped
    first_tiles = tl.maximum(all_starts - origin, 0) // TOKENS + tl.arange(0, MAX_ROWS)
    index = first_row + tl.sum((is_row & (first_tiles <= tile)).to(tl.int32), 0) - 1
    begin = tl.maximum(tl.load(query_starts_ptr + index), origin)
    query_len = tl.load(query_starts_ptr + index + 1) - begin
    offset = (tile - (begin - origin) // TOKENS - (index - first_row)) * TOKENS
    if offset >= query_len:
        return

    first_head = tl.program_id(0) * PACKED
    kv_head = first_head // HEADS_PER_KV
    row = tl.load(rows_ptr + index)
    group = tl.load(groups_ptr + kv_head)
    slot = tl.load(slots_ptr + kv_head)
    sinks = tl.load(sinks_ptr + row * NUM_GROUPS + group)
    recent = tl.load(recent_ptr + row * NUM_GROUPS + group)
    since = tl.load(since_ptr + row * NUM_GROUPS + group)
    if (windows_only != 0) & ((recent == 2147483647) | (since == 0)):
        return
    table_ptr = pages_ptr + (row * NUM_GROUPS + group) * MAX_PAGES

    first_query = tl.load(kv_lens_ptr + index) - query_len + offset
    last_query = first_query + tl.minimum(TOKENS, query_len - offset) - 1
    # Where the sinks hold all that the window leaves out, everything is seen.
    sees_all = sinks >= tl.minimum(last_query - recent + 1, since)
    sinks = tl.where(sees_all, 0, sinks)
    since = tl.where(sees_all, 0, since)
    num_sink_tiles = tl.cdiv(sinks, BLOCK_N)
    end_tile = tl.cdiv(last_query + 1, BLOCK_N)
    # A query sees the sinks, and what comes from its own window on.
    first_window = tl.maximum(tl.minimum(first_query - recent + 1, since), 0)
    last_window = tl.maximum(tl.minimum(last_query - recent + 1, since), 0)
    first_tile = tl.maximum(first_window // BLOCK_N, num_sink_tiles)
    # Tiles [full_begin, full_end) are seen by all queries.
    full_begin = tl.maximum(tl.cdiv(last_window, BLOCK_N), first_tile)
    full_begin = tl.minimum(full_begin, end_tile)
    full_end = tl.maximum((first_query + 1) // BLOCK_N, full_begin)

    rows = tl.arange(0, BLOCK_M)
    tokens = rows // PACKED
    dims = tl.arange(0, WIDTH)
    queries = first_query + tokens
    windows = tl.minimum(queries - recent + 1, since)
    STORED_DIM: tl.constexpr = HEAD_DIM // 2 if FORMAT == INT4 else HEAD_DIM
    is_number = ((queries <= last_query) & (tokens < TOKENS))[:, None] & (dims < STORED_DIM)[None, :]
    places = (begin + offset + tokens).to(tl.int64)
    heads = first_head + rows % PACKED
    q_ptrs = q_ptr + (places * q_token_stride + heads * q_head_stride)[:, None] + dims[None, :]
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

    masked_end = end_tile if ALWAYS_MASKED else full_begin
    for tile in range(0, num_sink_tiles + masked_end - first_tile):
        start = tl.where(tile < num_sink_tiles, tile, tile - num_sink_tiles + first_tile) * BLOCK_N
        positions = start + tl.arange(0, BLOCK_N)
        is_seen = (positions < sinks) | (positions >= first_window)
        keys = positions[None, :]
        is_visible = (keys <= queries[:, None]) & ((keys < sinks) | (keys >= windows[:, None]))
        acc, acc_high, peak, total = attend_tile(
            q,
            q_high,
            q_sums,
            acc,
            acc_high,
            peak,
            total,
            positions,
            is_seen & (positions <= last_query),
            is_visible,
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
    if not ALWAYS_MASKED:
        for tile in range(full_begin, full_end):
            positions = tile * BLOCK_N + tl.arange(0, BLOCK_N)
            acc, acc_high, peak, total = attend_tile(
                q,
                q_high,
                q_sums,
                acc,
                acc_high,
                peak,
                total,
                positions,
                positions >= 0,
                positions[None, :] >= 0,
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
                False,
            )
        for tile in range(full_end, end_tile):
            positions = tile * BLOCK_N + tl.arange(0, BLOCK_N)
            is_seen = (positions < sinks) | (positions >= first_window)
            keys = positions[None, :]
            is_visible = (keys <= queries[:, None]) & ((keys < sinks) | (keys >= windows[:, None]))
            acc, acc_high, peak, total = attend_tile(
                q,
                q_high,
                q_sums,
                acc,
                acc_high,
                peak,
                total,
                positions,
                is_seen & (positions <= last_query),
                is_visible,
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

    out_ptrs = out_ptr + ((places * NUM_HEADS + heads) * HEAD_DIM)[:, None] + dims[None, :]
    tl.store(out_ptrs, (acc / total[:, None]).to(out_ptr.dtype.element_ty), mask=is_number)
    if FORMAT == INT4:
        high = (acc_high / total[:, None]).to(out_ptr.dtype.element_ty)
        tl.store(out_ptrs + STORED_DIM, high, mask=is_number)
