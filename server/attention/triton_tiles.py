"""What the Triton attention kernels share: one tile of keys, read from pages in any KV format, and its softmax.

Scores are kept in units of log2, so that `exp2` does for `exp`. Quantised elements become float16 whatever the
activations are: their integers (and E4M3) are exact in it, and the conversions are cheaper than bfloat16's.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803, N806

import triton
import triton.language as tl

PLAIN = tl.constexpr(0)
FP8 = tl.constexpr(1)
INT8 = tl.constexpr(2)
INT4 = tl.constexpr(3)

FORMAT_CODES = {"float32": 0, "bfloat16": 0, "float16": 0, "fp8": 1, "int8": 2, "int4": 3}
"""Names of `server.kv.formats.KV_FORMATS` -> how a tile is read."""


INTERPRETED = tl.constexpr(bool(triton.knobs.runtime.interpret))

# Four bytes make four float16 at once. 0x6400 + n is the float16 1024 + n. Conversion instructions, or a byte at a
# time, would bound the kernels.
BYTES_TO_HALVES = tl.constexpr("""{
    .reg .b32 base;
    mov.b32 base, 0x64006400;
    prmt.b32 $0, $2, base, 0x5150;
    prmt.b32 $1, $2, base, 0x5352;
    sub.f16x2 $0, $0, base;
    sub.f16x2 $1, $1, base;
}""")
NIBBLES_TO_HALVES = tl.constexpr("""{
    .reg .b32 base, low, high;
    mov.b32 base, 0x64006400;
    and.b32 low, $4, 0x0f0f0f0f;
    shr.u32 high, $4, 4;
    and.b32 high, high, 0x0f0f0f0f;
    prmt.b32 $0, low, base, 0x5150;
    prmt.b32 $1, low, base, 0x5352;
    prmt.b32 $2, high, base, 0x5150;
    prmt.b32 $3, high, base, 0x5352;
    sub.f16x2 $0, $0, base;
    sub.f16x2 $1, $1, base;
    sub.f16x2 $2, $2, base;
    sub.f16x2 $3, $3, base;
}""")
E4M3_TO_HALVES = tl.constexpr("""{
    .reg .b16 low, high;
    mov.b32 {low, high}, $2;
    cvt.rn.f16x2.e4m3x2 $0, low;
    cvt.rn.f16x2.e4m3x2 $1, high;
}""")


@triton.jit
def widen(stored, dtype: tl.constexpr, FORMAT: tl.constexpr, MOVES: tl.constexpr):
    """Stored elements as numbers of `dtype`, exactly; float16 for quantised formats where that is `dtype`.

    With MOVES, the compiler converts before it lays the numbers out for the matrix instructions. What is read across
    its rows, as values are, would otherwise be read from shared memory byte by byte.
    """
    if INTERPRETED or dtype != tl.float16 or FORMAT == PLAIN:
        numbers = stored.to(dtype)
    elif FORMAT == FP8:
        numbers = tl.inline_asm_elementwise(E4M3_TO_HALVES, "=r,=r,r", [stored], tl.float16, not MOVES, 4)
    else:
        numbers = tl.inline_asm_elementwise(BYTES_TO_HALVES, "=r,=r,r", [stored], tl.float16, not MOVES, 4)
    return numbers


@triton.jit
def widen_nibbles(stored, dtype: tl.constexpr, MOVES: tl.constexpr):
    """The first and the second half of heads stored as INT4, as numbers of `dtype`; MOVES as in `widen`."""
    if INTERPRETED or dtype != tl.float16:
        low = (stored & 15).to(dtype)
        high = (stored >> 4).to(dtype)
    else:
        low, high = tl.inline_asm_elementwise(
            NIBBLES_TO_HALVES, "=r,=r,=r,=r,r", [stored], (tl.float16, tl.float16), not MOVES, 4
        )
    return low, high


@triton.jit
def load_params(params_ptr, places, is_present, MASKED: tl.constexpr):
    """Scales and zeros, float32 [n] each.

    A pair is loaded as one int32: the compiler fetches ahead no loads of less than 32 bits.
    """
    pairs = tl.load(params_ptr + places, mask=is_present, other=0) if MASKED else tl.load(params_ptr + places)
    scale = (pairs & 0xFFFF).to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32)
    zero = (pairs >> 16).to(tl.int16).to(tl.float16, bitcast=True).to(tl.float32)
    return scale, zero


@triton.jit
def load_heads(ptr, places, is_present, STORED_DIM: tl.constexpr, WIDTH: tl.constexpr, MASKED: tl.constexpr):
    """Stored heads [n, WIDTH]; zeros beyond STORED_DIM and where a position is absent."""
    dims = tl.arange(0, WIDTH)
    ptrs = ptr + places[:, None] * STORED_DIM + dims[None, :]
    if MASKED:
        if WIDTH == STORED_DIM:
            heads = tl.load(ptrs, mask=is_present[:, None], other=0.0)
        else:
            heads = tl.load(ptrs, mask=is_present[:, None] & (dims < STORED_DIM)[None, :], other=0.0)
    elif WIDTH == STORED_DIM:
        heads = tl.load(ptrs)
    else:
        heads = tl.load(ptrs, mask=(dims < STORED_DIM)[None, :], other=0.0)
    return heads


@triton.jit
def attend_tile(
    q,
    q_high,
    q_sums,
    acc,
    acc_high,
    peak,
    total,
    positions,
    is_present,
    is_visible,
    k_ptr,
    v_ptr,
    k_params_ptr,
    v_params_ptr,
    table_ptr,
    slot,
    LOG2_SCALE: tl.constexpr,
    PAGE_SIZE: tl.constexpr,
    SLOTS: tl.constexpr,
    STORED_DIM: tl.constexpr,
    WIDTH: tl.constexpr,
    FORMAT: tl.constexpr,
    MASKED: tl.constexpr,
):
    """One step of the online softmax (Milakov and Gimelshein, 2018) over n keys.

    Args:
        q: [m, WIDTH], the queries; of INT4 their first halves, and `q_high` their second.
        q_sums: float32 [m], sums over a query's numbers; read where the format has zeros.
        acc, acc_high: float32 [m, WIDTH], weighted values so far, likewise in halves.
        peak, total: float32 [m], greatest score and sum of weights so far.
        positions: int32 [n], of the keys.
        is_present: bool [n], keys that may be read; all, unless MASKED.
        is_visible: bool [m, n]; all, unless MASKED.
        k_params_ptr, v_params_ptr: int32, pairs of float16 (scale, zero).
        table_ptr: the page table of the row and group.
        slot: index of the KV head in its group.

    Returns:
        acc, acc_high, peak and total with these keys.
    """
    entries = positions // PAGE_SIZE
    pages = tl.load(table_ptr + entries, mask=is_present, other=0) if MASKED else tl.load(table_ptr + entries)
    places = (pages.to(tl.int64) * PAGE_SIZE + positions % PAGE_SIZE) * SLOTS + slot

    k = load_heads(k_ptr, places, is_present, STORED_DIM, WIDTH, MASKED)
    if FORMAT == INT4:
        k, k_high = widen_nibbles(k, q.dtype, False)
        scores = tl.dot(q, tl.trans(k), input_precision="ieee")
        scores = tl.dot(q_high, tl.trans(k_high), scores, input_precision="ieee")
    else:
        scores = tl.dot(q, tl.trans(widen(k, q.dtype, FORMAT, False)), input_precision="ieee")
    # The scale is applied where it costs least: to the scales of keys, or within the exponent's multiply-add.
    UNIT: tl.constexpr = LOG2_SCALE if FORMAT == PLAIN else 1.0
    if FORMAT != PLAIN:
        k_scale, k_zero = load_params(k_params_ptr, places, is_present, MASKED)
        scores = scores * (k_scale * LOG2_SCALE)[None, :]
        if FORMAT != FP8:
            scores += q_sums[:, None] * (k_zero * LOG2_SCALE)[None, :]

    if MASKED:
        scores = tl.where(is_visible, scores, float("-inf"))
    new_peak = tl.maximum(peak, tl.max(scores, 1) * UNIT)
    # Rows that have seen nothing yet keep a peak of -inf, which must not be subtracted from itself.
    base = tl.where(new_peak == float("-inf"), 0.0, new_peak) if MASKED else new_peak
    weights = tl.exp2(scores * UNIT - base[:, None])
    shrink = tl.exp2(peak - base)
    total = total * shrink + tl.sum(weights, 1)
    acc = acc * shrink[:, None]
    if FORMAT == INT4:
        acc_high = acc_high * shrink[:, None]

    v = load_heads(v_ptr, places, is_present, STORED_DIM, WIDTH, MASKED)
    if FORMAT != PLAIN:
        v_scale, v_zero = load_params(v_params_ptr, places, is_present, MASKED)
        if FORMAT != FP8:
            offset = tl.sum(weights * v_zero[None, :], 1)
            acc += offset[:, None]
            if FORMAT == INT4:
                acc_high += offset[:, None]
        weights = weights * v_scale[None, :]
    weights = weights.to(q.dtype)
    if FORMAT == INT4:
        v, v_high = widen_nibbles(v, q.dtype, True)
        acc = tl.dot(weights, v, acc, input_precision="ieee")
        acc_high = tl.dot(weights, v_high, acc_high, input_precision="ieee")
    else:
        acc = tl.dot(weights, widen(v, q.dtype, FORMAT, True), acc, input_precision="ieee")
    return acc, acc_high, new_peak, total
