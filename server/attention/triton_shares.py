"""How the programs of a row are shared among its KV heads, in proportion to what each has to read.

A head that streams reads a few tiles of keys and its neighbour a whole context. Were every head given equally many
programs, those of the long ones alone would be left after a moment, too few to keep the memory busy. What heads see is
known on the device only, so that is where programs are shared out: every program works out all shares for itself.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803

import triton
import triton.language as tl

MANY = tl.constexpr(64)
"""Programs of a row from which on one more or less makes no difference."""


@triton.jit
def visible_tiles(kv_len, sinks, recent, since, BLOCK_N: tl.constexpr):
    """What the last of `kv_len` positions sees, of one head or of many; tiles in between are not numbered.

    Returns:
        the sinks, the first position of the window, the number of tiles that hold sinks, the window's first tile that
        does not, and the number of tiles.
    """
    sinks = tl.minimum(sinks, kv_len)
    window = tl.maximum(tl.minimum(kv_len - recent, since), 0)
    num_sink_tiles = tl.cdiv(sinks, BLOCK_N)
    first_tile = tl.maximum(window // BLOCK_N, num_sink_tiles)
    num_tiles = num_sink_tiles + tl.cdiv(kv_len, BLOCK_N) - first_tile
    return sinks, window, num_sink_tiles, first_tile, num_tiles


@triton.jit
def share_programs(tiles, is_head, wanted):
    """Shares of a row's programs.

    A head whose part of the tiles is worth less than one program gets one. The others share `wanted` programs, but for
    as many as the short heads' tiles are worth, and come first: the longest work must not begin last. Equal heads get
    `wanted // heads` each.

    Args:
        tiles: int32 [n], of every head; the products with `wanted` must fit.
        is_head: bool [n]; the others are padding.
        wanted: programs that keep the device busy, at least 1.

    Returns:
        int32 [n] each: how many programs a head has, from 1 to its tiles, and 0 for padding; and its first one. All
        together are fewer than `wanted` + heads.
    """
    tiles = tl.where(is_head, tl.maximum(tiles, 1), 0)
    total = tl.sum(tiles, 0)
    is_long = is_head & (wanted * tiles >= total)
    long_tiles = tl.sum(tl.where(is_long, tiles, 0), 0)
    # A place kept free for short heads costs little where there are many, and short heads that find none begin when
    # long ones end. Where there are few, a long head would lose half of its programs, and other rows' make room.
    spared = (wanted * (total - long_tiles) + tl.where(wanted < MANY, total // 2, total - 1)) // total
    long_counts = tl.maximum((wanted - spared) * tiles // tl.maximum(long_tiles, 1), 1)
    long_counts = tl.where(is_long, tl.minimum(long_counts, tiles), 0)
    short_counts = tl.where(is_head & ~is_long, 1, 0)
    long_firsts = tl.cumsum(long_counts, 0) - long_counts
    short_firsts = tl.sum(long_counts, 0) + tl.cumsum(short_counts, 0) - short_counts
    return long_counts + short_counts, tl.where(is_long, long_firsts, short_firsts)


@triton.jit
def find_share(counts, firsts, heads, program):
    """Whose `program` is: the head, its first program and how many it has; of a program that is nobody's all are 0."""
    is_mine = (firsts <= program) & (program < firsts + counts)
    head = tl.sum(tl.where(is_mine, heads, 0), 0)
    first = tl.sum(tl.where(is_mine, firsts, 0), 0)
    count = tl.sum(tl.where(is_mine, counts, 0), 0)
    return head, first, count
