"""Pages: allocation, sharing, dropping and the prefix cache, against plain models of themselves."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.errors import ConfigError
from server.kv.formats import KV_FORMATS
from server.kv.manager import KVManager
from server.kv.plan import Group, plan_by_layer, plan_from_groups
from server.kv.policy import ALL, Retention, window
from server.kv.pool import NULL_PAGE, PagePool
from server.kv.prefix import PrefixCache, extend_chain, prefix_seed
from server.kv.table import PageTables

CPU = torch.device("cpu")
FLOAT32 = KV_FORMATS["float32"]


def make_manager(num_groups=2, num_pages=64, page_size=4, max_rows=6, max_pages=40, caching=True) -> KVManager:
    plan = plan_by_layer(2, [None] * num_groups)
    pool = PagePool(num_pages, page_size, plan.slots_per_group, 3, FLOAT32, CPU)
    tables = PageTables(max_rows, num_groups, max_pages, CPU)
    return KVManager(plan, pool, tables, PrefixCache(pool, num_groups) if caching else None)


def write_positions(manager: KVManager, row: int, start: int, end: int, value: float) -> None:
    """Write K of every slot of `row` at positions [start, end), as an attention backend would."""
    page_size = manager.pool.page_size
    sources, targets = manager.take_copies()
    if sources:
        manager.pool.copy(sources, targets)
    for group in range(manager.plan.num_groups):
        for position in range(start, end):
            page = manager.tables.host[row, group, position // page_size]
            assert page != NULL_PAGE
            manager.pool.storage[:, page, position % page_size] = value + position
    manager.advance(row, end)


def read_position(manager: KVManager, row: int, group: int, position: int) -> float:
    page_size = manager.pool.page_size
    page = manager.tables.host[row, group, position // page_size]
    return float(manager.pool.storage[0, page, position % page_size, 0, 0])


def test_a_pool_hands_out_every_page_once_and_never_the_null_page():
    pool = PagePool(10, 2, 1, 1, FLOAT32, CPU)
    pages = pool.allocate(4) + pool.allocate(5)
    assert sorted(pages) == list(range(1, 10))
    assert pool.num_free == 0
    pool.free(pages)
    assert pool.num_free == pool.capacity == 9


def test_cached_pages_are_reused_oldest_first_and_only_after_blank_ones():
    evicted: list[int] = []
    pool = PagePool(6, 2, 1, 1, FLOAT32, CPU, on_evict=evicted.append)
    pages = pool.allocate(4)
    for page in pages[:3]:
        pool.mark_cached(page)
    pool.free(pages)
    assert pool.num_cached == 3
    first = pool.allocate(2)
    assert not evicted
    assert not set(first) & set(pages[:3])
    pool.allocate(2)
    assert evicted == pages[:2]


@given(
    sinks=st.integers(0, 20),
    recent=st.integers(1, 30),
    page_size=st.integers(1, 8),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=12),
)
def test_a_windowed_group_keeps_exactly_the_pages_that_a_later_query_can_see(sinks, recent, page_size, lengths):
    manager = make_manager(num_groups=1, num_pages=200, page_size=page_size, max_pages=130)
    retention = window(sinks, recent)
    manager.open(0, [retention])
    written = 0
    for length in lengths:
        assert manager.grow(0, written + length)
        manager.advance(0, written + length)
        written += length
        manager.trim(np.array([0]))
        for block in range(-(-written // page_size)):
            positions = range(block * page_size, min((block + 1) * page_size, written))
            # The earliest later query stands at `written`; later ones see less of the past.
            seen = any(j < sinks or j > written - recent for j in positions)
            kept = manager.tables.host[0, 0, block] != NULL_PAGE
            assert kept or not seen
            # Nothing more than the page in which the window or the sinks end is kept needlessly.
            assert seen or not kept or block == (written - recent) // page_size
        manager.check()
    manager.release(0)
    manager.check()
    assert manager.pool.num_free == manager.pool.capacity


def test_a_fork_shares_pages_until_one_side_writes():
    manager = make_manager()
    manager.open(0, [ALL, ALL])
    assert manager.grow(0, 6)
    write_positions(manager, 0, 0, 6, value=0)
    used = manager.pool.capacity - manager.pool.num_free
    manager.fork(0, 1)
    assert manager.pool.capacity - manager.pool.num_free == used
    assert manager.missing_pages(np.array([1]), np.array([7])) == manager.plan.num_groups
    assert manager.grow(1, 7)
    write_positions(manager, 1, 6, 7, value=100)
    assert manager.grow(0, 7)
    write_positions(manager, 0, 6, 7, value=500)
    for group in range(2):
        assert [read_position(manager, 0, group, p) for p in range(7)] == [0, 1, 2, 3, 4, 5, 506]
        assert [read_position(manager, 1, group, p) for p in range(7)] == [0, 1, 2, 3, 4, 5, 106]
    # The full first page is still one page for both.
    assert (manager.tables.host[0, :, 0] == manager.tables.host[1, :, 0]).all()
    manager.check()


def test_growing_beyond_the_pool_changes_nothing():
    manager = make_manager(num_groups=2, num_pages=9)
    manager.open(0, [ALL, ALL])
    assert manager.grow(0, 12)
    before = manager.tables.host.copy()
    assert not manager.grow(0, 20)
    assert (manager.tables.host == before).all()
    assert manager.grow(0, 16)
    manager.check()


def test_chains_differ_by_seed_salt_and_any_earlier_token():
    seeds = [
        prefix_seed("m", "", ""),
        prefix_seed("m", "", "salt"),
        prefix_seed("m", "salt", ""),
        prefix_seed("ms", "alt", ""),
    ]
    chains = []
    for seed in seeds:
        chain: list[bytes] = []
        extend_chain(chain, seed, list(range(8)), 4)
        chains.append(chain)
    changed: list[bytes] = []
    extend_chain(changed, seeds[0], [9, *range(1, 8)], 4)
    assert len({chain[1] for chain in [*chains, changed]}) == 5
    assert len(chains[0]) == 2


def publish(manager: KVManager, row: int, chain: list[bytes]) -> None:
    assert manager.prefix is not None
    for block, key in enumerate(chain):
        manager.prefix.publish(key, manager.block_pages(row, block))


def test_a_windowed_group_hits_only_where_its_window_is_still_cached():
    manager = make_manager(num_groups=2, page_size=4)
    retentions = [ALL, window(sinks=4, recent=6)]
    chain: list[bytes] = []
    extend_chain(chain, prefix_seed("m"), list(range(32)), 4)
    manager.open(0, retentions)
    for end in range(4, 33, 4):
        assert manager.grow(0, end)
        manager.advance(0, end)
        publish(manager, 0, chain[: end // 4])
        manager.trim(np.array([0]))
    manager.release(0)
    assert manager.prefix is not None
    hit = manager.prefix.match(chain, retentions)
    assert len(hit) == 8
    assert [block[1] != NULL_PAGE for block in hit] == [True] + [False] * 5 + [True] * 2
    # Losing the newest windowed page shortens the hit to what the window still covers.
    manager.prefix.withdraw(chain[7], [hit[7][1]])
    assert len(manager.prefix.match(chain, retentions)) == 7
    # A group that keeps all must have every block.
    manager.prefix.withdraw(chain[2], [hit[2][0]])
    assert len(manager.prefix.match(chain, retentions)) == 2
    manager.prefix.reset()
    assert len(manager.prefix.match(chain, retentions)) == 0
    manager.check()


def test_plans_refuse_slots_that_are_missing_doubled_or_of_unequal_groups():
    with pytest.raises(ConfigError, match="one size"):
        plan_from_groups((Group(0, ((0, 0),)), Group(1, ((0, 1), (1, 0)))), 2, 2)
    with pytest.raises(ConfigError, match="two groups"):
        plan_from_groups((Group(0, ((0, 0), (0, 1))), Group(1, ((0, 0), (1, 1)))), 2, 2)
    with pytest.raises(ConfigError, match="leave some"):
        plan_from_groups((Group(0, ((0, 0), (0, 1))),), 2, 2)


class ManagerMachine(RuleBasedStateMachine):
    """Random lives of rows; pages must always add up and every row must read back what it wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = make_manager(num_groups=2, num_pages=40, page_size=3)
        self.expected: dict[int, list[float]] = {}
        self.retentions = [ALL, window(sinks=2, recent=5)]
        self.next_value = 1000.0

    @property
    def free_rows(self) -> list[int]:
        return [row for row in range(6) if row not in self.expected]

    @precondition(lambda self: self.free_rows)
    @rule()
    def open(self) -> None:
        row = self.free_rows[0]
        self.manager.open(row, self.retentions)
        self.expected[row] = []

    @precondition(lambda self: self.expected)
    @rule(pick=st.integers(0, 5), count=st.integers(1, 7))
    def write(self, pick: int, count: int) -> None:
        row = sorted(self.expected)[pick % len(self.expected)]
        values = self.expected[row]
        start, end = len(values), len(values) + count
        missing = self.manager.missing_pages(np.array([row]), np.array([end]))
        fits = missing <= self.manager.pool.num_free
        free_before = self.manager.pool.num_free
        assert self.manager.grow(row, end) == fits
        if not fits:
            assert self.manager.pool.num_free == free_before
            return
        self.next_value += 1000
        write_positions(self.manager, row, start, end, self.next_value)
        values += [self.next_value + position for position in range(start, end)]
        self.manager.trim(np.array([row]))

    @precondition(lambda self: self.expected and self.free_rows)
    @rule(pick=st.integers(0, 5))
    def fork(self, pick: int) -> None:
        parent = sorted(self.expected)[pick % len(self.expected)]
        child = self.free_rows[0]
        self.manager.fork(parent, child)
        self.expected[child] = list(self.expected[parent])

    @precondition(lambda self: self.expected)
    @rule(pick=st.integers(0, 5))
    def release(self, pick: int) -> None:
        row = sorted(self.expected)[pick % len(self.expected)]
        self.manager.release(row)
        del self.expected[row]

    @invariant()
    def pages_add_up(self) -> None:
        self.manager.check()

    @invariant()
    def rows_read_what_they_wrote(self) -> None:
        for row, values in self.expected.items():
            for position, value in enumerate(values):
                assert read_position(self.manager, row, 0, position) == value
                if position < 2 or position > len(values) - 5:
                    assert read_position(self.manager, row, 1, position) == value


TestManagerMachine = ManagerMachine.TestCase
TestManagerMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@given(
    sinks=st.integers(0, 9),
    recent=st.integers(1, 12),
    page_size=st.integers(1, 5),
    position=st.integers(0, 60),
)
def test_droppable_pages_are_those_without_a_visible_position(sinks, recent, page_size, position):
    retention = Retention(sinks, recent)
    for block in range(20):
        is_droppable = retention.first_droppable(page_size) <= block < retention.end_droppable(position, page_size)
        visible = [j < sinks or j > position - recent for j in range(block * page_size, (block + 1) * page_size)]
        assert is_droppable == (not any(visible))
