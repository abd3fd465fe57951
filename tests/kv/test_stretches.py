"""Rows whose retentions change as they go: their pages, what they are promised, and cached runs to start from."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from server.kv.formats import KV_FORMATS
from server.kv.manager import KVManager
from server.kv.plan import plan_by_layer
from server.kv.policy import ALL, UNLIMITED, Retention
from server.kv.pool import NULL_PAGE, PagePool
from server.kv.prefix import PrefixCache, extend_chain, prefix_seed
from server.kv.table import PageTables

CPU = torch.device("cpu")

windows = st.builds(Retention, sinks=st.integers(0, 9), recent=st.integers(1, 14))


def make_manager(num_groups: int, page_size: int, num_pages: int = 900, max_rows: int = 3) -> KVManager:
    plan = plan_by_layer(1, [None] * num_groups)
    pool = PagePool(num_pages, page_size, plan.slots_per_group, 2, KV_FORMATS["float32"], CPU)
    return KVManager(plan, pool, PageTables(max_rows, num_groups, 300, CPU), PrefixCache(pool, num_groups))


@st.composite
def lives(draw):
    """Retentions of two groups, stretches as (end, since), and chunks that end where stretches do."""
    retentions = [draw(windows), draw(st.just(ALL) | windows)]
    ends = sorted(draw(st.sets(st.integers(1, 60), max_size=4)))
    sinces = sorted(draw(st.lists(st.integers(0, 50), min_size=len(ends), max_size=len(ends))))
    stretches = [(end, min(since, start)) for start, end, since in zip([0, *ends], ends, sinces, strict=False)]
    return retentions, [*stretches, (UNLIMITED, UNLIMITED)], draw(st.lists(st.integers(1, 12), min_size=1, max_size=12))


@settings(max_examples=80, deadline=None)
@given(life=lives(), page_size=st.sampled_from([1, 3, 4, 8]), is_forked=st.booleans())
def test_a_row_holds_what_its_stretch_shows_and_never_more_than_was_promised(life, page_size, is_forked):
    retentions, stretches, chunks = life
    manager = make_manager(2, page_size)
    rows = np.array([0])
    left = list(stretches)

    def keep_next() -> list[Retention]:
        end, since = left[0]
        kept = [r if r.keeps_all else Retention(r.sinks, r.recent, since) for r in retentions]
        for row in rows.tolist():
            manager.keep(row, kept, end)
        return kept

    manager.open(0, retentions)
    kept = keep_next()
    written, last = 0, sum(chunks)
    # What is promised for the whole way, once the last stretch has begun.
    promised: int | None = None
    for chunk in chunks:
        end = min(written + chunk, left[0][0])
        for row in rows.tolist():
            assert manager.grow(row, end)
        if promised is not None:
            assert sum(manager.num_pages(row) for row in rows.tolist()) <= promised
        manager.take_copies()
        for row in rows.tolist():
            manager.advance(row, end)
        written = end
        if written == left[0][0]:
            left.pop(0)
            kept = keep_next()
        manager.trim(rows)
        manager.check()
        for group, retention in enumerate(kept):
            # The rest of the last page is there to be written.
            positions = np.arange(-(-written // page_size) * page_size)
            start = min(written - retention.recent + 1, retention.since)
            seen = np.unique(positions[(positions < retention.sinks) | (positions >= start)] // page_size)
            for row in rows.tolist():
                held = np.flatnonzero(manager.tables.host[row, group])
                assert np.array_equal(held, seen)
        if is_forked and rows.size == 1:
            manager.fork(0, 2)
            rows = np.array([0, 2])
        if len(left) == 1 and promised is None:
            held_now = sum(manager.num_pages(row) for row in rows.tolist())
            promised = held_now + manager.promised_pages(rows, np.full(rows.size, last), max(chunks))
    for row in rows.tolist():
        manager.release(row)
    manager.check()
    assert manager.pool.num_free == manager.pool.capacity


def slow_match(blocks: list[list[int]], retentions: list[Retention], page_size: int) -> list[list[int]]:
    """The longest run of blocks after which the next query finds all that it can see."""
    for length in range(len(blocks), 0, -1):
        position = length * page_size
        needed = [
            [
                any(
                    j < r.sinks or j > position - r.recent or j >= r.since
                    for j in range(block * page_size, (block + 1) * page_size)
                )
                for r in retentions
            ]
            for block in range(length)
        ]
        if all(blocks[b][g] != NULL_PAGE for b in range(length) for g in range(len(retentions)) if needed[b][g]):
            return [
                [page if is_needed else NULL_PAGE for page, is_needed in zip(blocks[b], needed[b], strict=True)]
                for b in range(length)
            ]
    return []


@settings(max_examples=80, deadline=None)
@given(data=st.data(), page_size=st.sampled_from([1, 3, 4]), num_blocks=st.integers(0, 14))
def test_a_cached_run_is_the_longest_that_shows_the_next_query_all_it_can_see(data, page_size, num_blocks):
    stretched = st.builds(Retention, st.integers(0, 5), st.integers(1, 9), st.integers(0, 20))
    retentions = data.draw(st.lists(st.just(ALL) | windows | stretched, min_size=3, max_size=3))
    manager = make_manager(3, page_size)
    assert manager.prefix is not None
    chain: list[bytes] = []
    extend_chain(chain, prefix_seed("m"), list(range(num_blocks * page_size)), page_size)
    lost = data.draw(st.sets(st.tuples(st.integers(0, 13), st.integers(0, 2)), max_size=6))
    blocks = []
    for index, key in enumerate(chain):
        pages = manager.pool.allocate(3)
        blocks.append([NULL_PAGE if (index, group) in lost else page for group, page in enumerate(pages)])
        manager.prefix.publish(key, blocks[-1])
    assert manager.prefix.match(chain, retentions).tolist() == slow_match(blocks, retentions, page_size)
