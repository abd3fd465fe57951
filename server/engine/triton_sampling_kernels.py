"""Choosing tokens on the GPU without a sort: argmax, thresholds and draws over integer weights.

The arithmetic is that of `draw.py`, which judges these kernels. Weights are integers, so sums split over programs
in any way are exact, and thresholds are found by bisection over the order-preserving integer form of float32.

What makes it fast: argmax leaves the maximum of every group of 128 logits behind. The k-th largest of these maxima
bounds the k-th largest logit from below, and maxima whose weights sum to the share p bound top-p's threshold; so few
logits are candidates, and one program looks at them. Rows too flat for that are bisected over the whole vocabulary.
"""

# Triton's own types stand for no Python ones, and compile-time constants are in capitals, as everywhere in Triton.
# mypy: disable-error-code="no-untyped-def, untyped-decorator, no-untyped-call"
# ruff: noqa: N803

import triton
import triton.language as tl
from triton.language.extra import libdevice

IS_INTERPRETED = tl.constexpr(bool(triton.knobs.runtime.interpret))

GROUP = tl.constexpr(128)
"""Logits whose maximum is kept."""

TILE = tl.constexpr(1024)
"""Logits whose integer mass is kept."""

BLOCK_TILES = tl.constexpr(4)
"""Tiles that one program of the mass kernel takes."""

ROW_PIVOTS = tl.constexpr(8)
"""Thresholds tried in one pass over a flat row."""

LIST_PIVOTS = tl.constexpr(4)
"""Thresholds tried together on a list in registers."""

PASS_BLOCK = tl.constexpr(1024)
"""Logits looked at together in such a pass."""

GATHER_GROUPS = tl.constexpr(32)
"""Groups whose candidates are gathered together."""

MIN_KEY = tl.constexpr(-2139095041)
"""The integer form of -inf."""

ABOVE_ALL = tl.constexpr(1)
"""Above the integer form of 0, the largest scaled logit."""

LIGHTEST = tl.constexpr(-28.0)
"""Whatever is below weighs nothing."""

WEIGHT_SCALE = tl.constexpr(2.0**40)
GOLDEN = tl.constexpr(0x9E3779B97F4A7C15)
FIRST_MULTIPLIER = tl.constexpr(0xBF58476D1CE4E5B9)
SECOND_MULTIPLIER = tl.constexpr(0x94D049BB133111EB)


@triton.jit
def _larger_or_nan(a, b):
    return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)


@triton.jit
def _group_maxima(x):
    """Largest of each line of float32 [n, GROUP]; infinity where there is a NaN."""
    # The interpreter takes a reduction of ours element by element.
    largest = tl.max(tl.where(x != x, float("inf"), x), 1) if IS_INTERPRETED else tl.reduce(x, 1, _larger_or_nan)
    return tl.where(largest != largest, float("inf"), largest)


@triton.jit(do_not_specialize_on_alignment=["found_groups"])
def best_kernel(
    logits, row_stride, maxima, found_values, found_groups, counters, best, token_ids, is_bad, vocab_size, num_groups,
    num_blocks, NUM_BLOCKS: tl.constexpr, BLOCK_GROUPS: tl.constexpr,
):  # fmt: skip
    """Largest logit of each row, the lowest id that has it, and the maxima of groups.

    The last program of a row joins what the others found.
    """
    block = tl.program_id(0)
    row = tl.program_id(1)
    groups = block * BLOCK_GROUPS + tl.arange(0, BLOCK_GROUPS)
    places = groups[:, None] * GROUP + tl.arange(0, GROUP)[None, :]
    start = logits + row.to(tl.int64) * row_stride
    x = tl.load(start + places, mask=places < vocab_size, other=float("-inf")).to(tl.float32)
    by_group = _group_maxima(x)
    tl.store(maxima + row.to(tl.int64) * num_groups + groups, by_group, mask=groups < num_groups)
    largest = tl.max(by_group, axis=0)
    found_values += row * num_blocks
    found_groups += row * num_blocks
    tl.store(found_values + block, largest)
    tl.store(found_groups + block, tl.min(tl.where(by_group == largest, groups, num_groups), axis=0))
    if tl.atomic_add(counters + row, 1, sem="acq_rel") == num_blocks - 1:
        blocks = tl.arange(0, NUM_BLOCKS)
        is_block = blocks < num_blocks
        # Past the first-level cache, which does not know what other processors wrote.
        found = tl.load(found_values + blocks, mask=is_block, other=float("-inf"), cache_modifier=".cg")
        in_groups = tl.load(found_groups + blocks, mask=is_block, other=num_groups, cache_modifier=".cg")
        top = tl.max(found, axis=0)
        group = tl.min(tl.where(found == top, in_groups, num_groups), axis=0)
        ids = group * GROUP + tl.arange(0, GROUP)
        in_group = tl.load(start + ids, mask=ids < vocab_size, other=float("-inf")).to(tl.float32)
        lowest = tl.min(tl.where(in_group == top, ids, vocab_size), axis=0)
        bad = (top == float("inf")) | (top == float("-inf"))
        tl.store(best + row, top)
        tl.store(token_ids + row, tl.where(bad, 0, lowest).to(tl.int64))
        tl.store(is_bad + row, bad)
        # Ready for the next launch.
        tl.store(counters + row, 0)


@triton.jit
def _scale(x, best, temperature):
    z = tl.div_rn(x - best, temperature)
    # Minus zero equals zero, but its bits do not.
    return tl.where(z == 0.0, 0.0, z)


@triton.jit
def _weigh(z, log_min_p):
    """int64, floor(2^40 exp(z)); 0 below `log_min_p`."""
    # The interpreter has no libdevice; `tl.exp` on the GPU is an approximation that torch does not use.
    e = tl.exp(z) if IS_INTERPRETED else libdevice.exp(z)
    return tl.where(z >= log_min_p, (e * WEIGHT_SCALE).to(tl.int64), 0)


@triton.jit
def _key(z):
    """int32 in the order of float32."""
    bits = z.to(tl.int32, bitcast=True)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


@triton.jit
def _value(key):
    """float32 of a key."""
    return (key ^ ((key >> 31) & 0x7FFFFFFF)).to(tl.float32, bitcast=True)


@triton.jit
def _uniform(key, index):
    """float64 in [0, 1) from the bits of an int64 stream key and the index of the token."""
    x = key.to(tl.uint64) + (index + 1).to(tl.uint64) * GOLDEN
    x = (x ^ (x >> 30)) * FIRST_MULTIPLIER
    x = (x ^ (x >> 27)) * SECOND_MULTIPLIER
    x = x ^ (x >> 31)
    return (x >> 11).to(tl.float64) * (2.0**-53)


@triton.jit
def _target(total, uniform):
    """The draw's place in the cumulative weights; a product of 60 bits may round up to the sum itself."""
    return tl.minimum((uniform * total.to(tl.float64)).to(tl.int64), total - 1)


@triton.jit
def _share(total, top_p):
    """int64, the mass that top-p wants: ceil(total * top_p)."""
    share = total.to(tl.float64) * top_p
    floor = share.to(tl.int64)
    return floor + (floor.to(tl.float64) < share).to(tl.int64)


@triton.jit
def uniform_kernel(keys, indices, out):
    """float64 [n]: the draws' uniform numbers, for tests."""
    i = tl.program_id(0)
    tl.store(out + i, _uniform(tl.load(keys + i), tl.load(indices + i)))


@triton.jit
def _store_masses(
    start, best, temperature, log_min_p, lowest, first_tile, masses, vocab_size, num_tiles
):  # fmt: skip
    """The weights of keys >= `lowest`, summed over each of the next BLOCK_TILES tiles."""
    tiles = first_tile + tl.arange(0, BLOCK_TILES)
    places = tiles[:, None] * TILE + tl.arange(0, TILE)[None, :]
    x = tl.load(start + places, mask=places < vocab_size, other=float("-inf")).to(tl.float32)
    z = _scale(x, best, temperature)
    weights = tl.where(_key(z) >= lowest, _weigh(z, log_min_p), 0)
    tl.store(masses + tiles, tl.sum(weights, axis=1), mask=tiles < num_tiles)


@triton.jit(do_not_specialize=["num_rows"], do_not_specialize_on_alignment=["index"])
def mass_kernel(
    logits, row_stride, best, is_bad, index, num_rows, table, masses, vocab_size, num_tiles, NUM_FIELDS: tl.constexpr
):
    """Sum of the weights of every tile of every random row, int64 [num_rows, num_tiles]."""
    r = tl.program_id(1)
    line = tl.load(index + r)
    if tl.load(is_bad + line) == 0:
        fields = table + tl.load(index + num_rows + r) * NUM_FIELDS
        temperature = tl.load(fields).to(tl.int32).to(tl.float32, bitcast=True)
        log_min_p = tl.load(fields + 1).to(tl.int32).to(tl.float32, bitcast=True)
        _store_masses(
            logits + line * row_stride, tl.load(best + line), temperature, log_min_p, MIN_KEY,
            tl.program_id(0) * BLOCK_TILES, masses + r * num_tiles, vocab_size, num_tiles,
        )  # fmt: skip


@triton.jit
def _load_masses(masses, num_tiles, NUM_TILES: tl.constexpr):
    tiles = tl.arange(0, NUM_TILES)
    return tl.load(masses + tiles, mask=tiles < num_tiles, other=0)


@triton.jit
def _pick_by_tiles(
    start, best, temperature, log_min_p, lowest, masses, uniform, vocab_size, num_tiles, NUM_TILES: tl.constexpr
):
    """The drawn id among the keys >= `lowest`, whose masses are known: first the tile, then the place in it."""
    mass = _load_masses(masses, num_tiles, NUM_TILES)
    target = _target(tl.sum(mass, axis=0), uniform)
    tile = tl.sum((tl.cumsum(mass, axis=0) <= target).to(tl.int32), axis=0)
    left = target - tl.sum(tl.where(tl.arange(0, NUM_TILES) < tile, mass, 0), axis=0)
    places = tile * TILE + tl.arange(0, TILE)
    x = tl.load(start + places, mask=places < vocab_size, other=float("-inf")).to(tl.float32)
    z = _scale(x, best, temperature)
    cumulative = tl.cumsum(tl.where(_key(z) >= lowest, _weigh(z, log_min_p), 0), axis=0)
    return tile * TILE + tl.sum((cumulative <= left).to(tl.int32), axis=0)


@triton.jit
def _highest(keys, amounts, wanted, low, high):
    """The highest key in [low, high) such that the amounts of keys at or above it sum to `wanted`; else `low`."""
    steps = tl.arange(0, LIST_PIVOTS).to(tl.int64) + 1
    while high - low > 1:
        pivots = low + (((high - low).to(tl.int64) * steps + LIST_PIVOTS) // (LIST_PIVOTS + 1)).to(tl.int32)
        sums = tl.sum(tl.where(keys[None, :] >= pivots[:, None], amounts[None, :], 0), axis=1)
        is_enough = sums >= wanted
        new_low = tl.max(tl.where(is_enough, pivots, low), axis=0)
        high = tl.min(tl.where(is_enough, high, pivots), axis=0)
        low = new_low
    return low


@triton.jit
def _gather(start, best, temperature, low, high, maxima_keys, group_list, list_z, list_ids, vocab_size,
            NUM_GROUPS: tl.constexpr, CAPACITY: tl.constexpr):  # fmt: skip
    """List all logits with keys in [low, high), in the order of ids; returns how many, or more than CAPACITY."""
    groups = tl.arange(0, NUM_GROUPS)
    is_wanted = maxima_keys >= low
    # What an earlier call listed may still be read.
    tl.debug_barrier()
    tl.store(group_list + tl.cumsum(is_wanted.to(tl.int32), axis=0) - 1, groups, mask=is_wanted)
    num_wanted = tl.sum(is_wanted.to(tl.int32), axis=0)
    tl.debug_barrier()
    num = tl.full((), 0, tl.int32)
    next_group = tl.full((), 0, tl.int32)
    while (next_group < num_wanted) & (num <= CAPACITY):
        lanes = next_group + tl.arange(0, GATHER_GROUPS)
        chosen = tl.load(group_list + lanes, mask=lanes < num_wanted, other=NUM_GROUPS)
        ids = tl.reshape(chosen[:, None] * GROUP + tl.arange(0, GROUP)[None, :], (GATHER_GROUPS * GROUP,))
        x = tl.load(start + ids, mask=ids < vocab_size, other=float("-inf")).to(tl.float32)
        z = _scale(x, best, temperature)
        is_kept = (_key(z) >= low) & (_key(z) < high) & (ids < vocab_size)
        where = num + tl.cumsum(is_kept.to(tl.int32), axis=0) - 1
        tl.store(list_z + where, z, mask=is_kept & (where < CAPACITY))
        tl.store(list_ids + where, ids, mask=is_kept & (where < CAPACITY))
        num += tl.sum(is_kept.to(tl.int32), axis=0)
        next_group += GATHER_GROUPS
    tl.debug_barrier()
    return num


@triton.jit
def _pivots(low, high, num_passes, NUM_PIVOTS: tl.constexpr):
    """Keys in [low + 1, high] to try: evenly spaced as numbers, and when that did not do, as keys."""
    steps = tl.arange(0, NUM_PIVOTS) + 1
    bottom = tl.maximum(_value(low), LIGHTEST)
    evenly = bottom + (_value(tl.minimum(high, 0)) - bottom) * (steps.to(tl.float32) / (NUM_PIVOTS + 1))
    by_key = ((high - low).to(tl.int64) * steps + NUM_PIVOTS) // (NUM_PIVOTS + 1)
    return tl.where(num_passes < 4, tl.minimum(tl.maximum(_key(evenly), low + 1), high), low + by_key.to(tl.int32))


@triton.jit
def _narrow(
    start, best, temperature, log_min_p, by_count, wanted, low, high, above, num_low, num_high, num_passes, vocab_size
):
    """One pass over a row that moves `low` and `high` together; [low, high) holds the key sought.

    Also brings up to date the amount at or above `high`, and how many logits are at or above either.
    """
    pivots = _pivots(low, high, num_passes, ROW_PIVOTS)
    by_lane = tl.zeros((ROW_PIVOTS, PASS_BLOCK), tl.int64)
    counts_by_lane = tl.zeros((ROW_PIVOTS, PASS_BLOCK), tl.int32)
    for first in tl.range(0, vocab_size, PASS_BLOCK, num_stages=3):
        places = first + tl.arange(0, PASS_BLOCK)
        x = tl.load(start + places, mask=places < vocab_size, other=float("-inf")).to(tl.float32)
        z = _scale(x, best, temperature)
        amounts = tl.where(by_count, (places < vocab_size).to(tl.int64), _weigh(z, log_min_p))
        is_above = _key(z)[None, :] >= pivots[:, None]
        by_lane += tl.where(is_above, amounts[None, :], 0)
        counts_by_lane += is_above.to(tl.int32)
    sums, counts = tl.sum(by_lane, axis=1), tl.sum(counts_by_lane, axis=1)
    is_enough = sums >= wanted
    return (
        tl.max(tl.where(is_enough, pivots, low), axis=0),
        tl.min(tl.where(is_enough, high, pivots), axis=0),
        tl.maximum(above, tl.max(tl.where(is_enough, 0, sums), axis=0)),
        tl.minimum(num_low, tl.min(tl.where(is_enough, counts, vocab_size), axis=0)),
        tl.maximum(num_high, tl.max(tl.where(is_enough, 0, counts), axis=0)),
    )


@triton.jit
def _threshold(start, best, temperature, log_min_p, top_k, top_p, masses, maxima, group_list, list_z, list_ids,
               vocab_size, num_tiles, num_groups, NUM_TILES: tl.constexpr, NUM_GROUPS: tl.constexpr,
               CAPACITY: tl.constexpr):  # fmt: skip
    """The lowest key that top-k and then top-p keep.

    Returns also how many logits are listed: if at most CAPACITY, all that are kept are among them; else `masses`,
    which are of all logits at first, are of those that are kept.
    """
    total = tl.sum(_load_masses(masses, num_tiles, NUM_TILES), axis=0)
    groups = tl.arange(0, NUM_GROUPS)
    tops = tl.load(maxima + groups, mask=groups < num_groups, other=float("-inf"))
    tops = _scale(tops, best, temperature)
    group_keys = _key(tops)
    lowest = tl.maximum(tl.full((), MIN_KEY, tl.int32), _key(log_min_p))
    num = tl.full((), CAPACITY + 1, tl.int32)
    for phase in range(2):
        by_count = phase == 0
        if tl.where(by_count, top_k < vocab_size, top_p < 1.0):
            wanted = tl.where(by_count, top_k, _share(total, top_p))
            low = lowest
            high = tl.full((), ABOVE_ALL, tl.int32)
            above = tl.full((), 0, tl.int64)
            num_passes = tl.full((), 0, tl.int32)
            # What top-k listed serves top-p too.
            if num > CAPACITY:
                amounts = tl.where(by_count, (groups < num_groups).to(tl.int64), _weigh(tops, log_min_p))
                low = _highest(group_keys, amounts, wanted, low, high)
                num_low = tl.full((), 0, tl.int32) + vocab_size
                num_high = tl.full((), 0, tl.int32)
                is_promising = True
                while (num > CAPACITY) & (is_promising | (high - low > 1)):
                    if is_promising:
                        num = _gather(
                            start, best, temperature, low, high, group_keys, group_list, list_z, list_ids, vocab_size,
                            NUM_GROUPS, CAPACITY,
                        )  # fmt: skip
                        is_promising = False
                    else:
                        low, high, above, num_low, num_high = _narrow(
                            start, best, temperature, log_min_p, by_count, wanted, low, high, above, num_low, num_high,
                            num_passes, vocab_size,
                        )  # fmt: skip
                        is_promising = num_low - num_high <= CAPACITY
                        num_passes += 1
            if num <= CAPACITY:
                lanes = tl.arange(0, CAPACITY)
                z = tl.load(list_z + lanes, mask=lanes < num, other=float("-inf"))
                keys, weights = _key(z), _weigh(z, log_min_p)
                amounts_listed = tl.where(by_count, (lanes < num).to(tl.int64), weights)
                low = _highest(keys, amounts_listed, wanted - above, low, high)
                total = tl.sum(tl.where(keys >= low, weights, 0), axis=0)
            lowest = low
            if (num > CAPACITY) | (num_passes > 0):
                # At most the range that was in doubt is listed, not all that is kept.
                num = tl.full((), CAPACITY + 1, tl.int32)
                tl.debug_barrier()
                for tile in range(0, num_tiles, BLOCK_TILES):
                    _store_masses(start, best, temperature, log_min_p, lowest, tile, masses, vocab_size, num_tiles)
                tl.debug_barrier()
                total = tl.sum(_load_masses(masses, num_tiles, NUM_TILES), axis=0)
    return lowest, num


@triton.jit
def _pick_listed(lowest, num, log_min_p, list_z, list_ids, uniform, CAPACITY: tl.constexpr):
    """The drawn id among those listed whose keys are >= `lowest`."""
    lanes = tl.arange(0, CAPACITY)
    z = tl.load(list_z + lanes, mask=lanes < num, other=float("-inf"))
    weights = tl.where(_key(z) >= lowest, _weigh(z, log_min_p), 0)
    target = _target(tl.sum(weights, axis=0), uniform)
    place = tl.sum((tl.cumsum(weights, axis=0) <= target).to(tl.int32), axis=0)
    return tl.load(list_ids + tl.minimum(place, CAPACITY - 1))


@triton.jit(
    do_not_specialize=["num_rows"], do_not_specialize_on_alignment=["index", "generated", "lists_z", "lists_ids"]
)
def draw_kernel(
    logits, row_stride, best, is_bad, index, num_rows, table, generated, masses, maxima, group_lists, lists_z,
    lists_ids,
    list_stride, chosen, vocab_size, num_tiles, num_groups, NUM_TILES: tl.constexpr, NUM_GROUPS: tl.constexpr,
    CAPACITY: tl.constexpr, NUM_FIELDS: tl.constexpr,
):  # fmt: skip
    """One token id for each random row, int64 [num_rows]; 0 where the row is bad."""
    r = tl.program_id(0).to(tl.int64)
    line = tl.load(index + r)
    token_id = tl.full((), 0, tl.int32)
    if tl.load(is_bad + line) == 0:
        fields = table + tl.load(index + num_rows + r) * NUM_FIELDS
        temperature = tl.load(fields).to(tl.int32).to(tl.float32, bitcast=True)
        log_min_p = tl.load(fields + 1).to(tl.int32).to(tl.float32, bitcast=True)
        top_k = tl.load(fields + 2)
        top_p = tl.load(fields + 3).to(tl.float64, bitcast=True)
        uniform = _uniform(tl.load(fields + 4), tl.load(generated + tl.load(index + 2 * num_rows + r)))
        start = logits + line * row_stride
        largest = tl.load(best + line)
        row_masses = masses + r * num_tiles
        lowest = tl.full((), MIN_KEY, tl.int32)
        num_listed = tl.full((), CAPACITY + 1, tl.int32)
        lists_z += r * list_stride
        lists_ids += r * list_stride
        if (top_k < vocab_size) | (top_p < 1.0):
            lowest, num_listed = _threshold(
                start, largest, temperature, log_min_p, top_k, top_p, row_masses, maxima + line * num_groups,
                group_lists + r * list_stride, lists_z, lists_ids, vocab_size, num_tiles, num_groups,
                NUM_TILES, NUM_GROUPS, CAPACITY,
            )  # fmt: skip
        if num_listed <= CAPACITY:
            token_id = _pick_listed(lowest, num_listed, log_min_p, lists_z, lists_ids, uniform, CAPACITY)
        else:
            token_id = _pick_by_tiles(
                start, largest, temperature, log_min_p, lowest, row_masses, uniform, vocab_size, num_tiles, NUM_TILES
            )
    tl.store(chosen + r, token_id.to(tl.int64))
