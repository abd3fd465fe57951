"""KVManager: which pages each row holds, in which group, at which positions.

It grows rows, shares pages between forks and with the prefix cache, copies a shared page before it is
written, and drops what a group's retention no longer shows to anyone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from server.kv.plan import KVPlan
from server.kv.policy import Retention
from server.kv.pool import NULL_PAGE, PagePool
from server.kv.prefix import PrefixCache
from server.kv.table import PageTables


@dataclass(slots=True)
class RowPages:
    """Page state of one row.

    Args:
        retentions: one per group.
        windowed: groups that do not keep everything.
        dropped: per windowed group, entries below this are dropped, sinks excepted.
        forked_block: the block in which the row was last forked, the only one that may be both partly
            written and shared; -1 if it never was.
    """

    retentions: list[Retention]
    windowed: list[int]
    dropped: dict[int, int] = field(default_factory=dict)
    forked_block: int = -1


class KVManager:
    """Bookkeeping of pages for all rows of one engine.

    Attributes:
        num_blocks: int64 per row, leading table entries that are in use (page or dropped), equal for all groups.
        written: int64 per row, positions below this are written, or launched to be.
        is_windowed: bool per row, some group does not keep everything.
        may_share_tail: bool per row, it was forked in the block that it writes to next.
    """

    def __init__(self, plan: KVPlan, pool: PagePool, tables: PageTables, prefix: PrefixCache | None) -> None:
        self.plan = plan
        self.pool = pool
        self.tables = tables
        self.prefix = prefix
        self._rows: dict[int, RowPages] = {}
        max_rows = tables.null_row
        self.num_blocks = np.zeros(max_rows, dtype=np.int64)
        self.written = np.zeros(max_rows, dtype=np.int64)
        self.is_windowed = np.zeros(max_rows, dtype=np.bool_)
        self.may_share_tail = np.zeros(max_rows, dtype=np.bool_)
        # Copies of pages wait for the next step: target -> source, so that a page that is copied to twice has the last.
        self._copies: dict[int, int] = {}

    def open(self, row: int, retentions: list[Retention], prefix_pages: Sequence[Sequence[int]] = ()) -> None:
        """Start a row, on top of `prefix_pages` [blocks][groups] that `PrefixCache.match` returned."""
        windowed = [group for group, retention in enumerate(retentions) if not retention.keeps_all]
        state = RowPages(retentions, windowed)
        self._rows[row] = state
        self.num_blocks[row] = self.written[row] = 0
        self.is_windowed[row] = bool(windowed)
        self.may_share_tail[row] = False
        self.tables.set_retention(row, retentions)
        if prefix_pages:
            pages = np.asarray(prefix_pages, dtype=np.int32)
            self.pool.acquire(pages.ravel().tolist())
            num_blocks = len(prefix_pages)
            written = num_blocks * self.pool.page_size
            self.num_blocks[row], self.written[row] = num_blocks, written
            self.tables.host[row, :, :num_blocks] = pages.T
            self.tables.touch(row, 0, num_blocks)
            for group in windowed:
                state.dropped[group] = retentions[group].end_droppable(written, self.pool.page_size)

    def blocks_for(self, end: int) -> int:
        """Blocks that hold positions below `end`."""
        return -(-end // self.pool.page_size)

    def missing_pages(self, rows: np.ndarray, ends: np.ndarray) -> int:
        """Pages that `grow(row, end)` would allocate for all these rows, copies of shared pages included."""
        fresh = np.maximum(-(-ends // self.pool.page_size) - self.num_blocks[rows], 0).sum() * self.plan.num_groups
        sharing = rows[self.may_share_tail[rows]].tolist()
        return int(fresh) + sum(len(self._shared_tail(row, self._rows[row])) for row in sharing)

    def needs_growth(self, rows: np.ndarray) -> np.ndarray:
        """Those of `rows` whose next position needs a page, or stands in a page that may be shared."""
        is_full = self.written[rows] >= self.num_blocks[rows] * self.pool.page_size
        return rows[is_full | self.may_share_tail[rows]]

    def grow(self, row: int, end: int) -> bool:
        """Make positions from the row's first unwritten one to `end` writable.

        Returns:
            False, with nothing changed, if the pool has too few free pages.
        """
        state = self._rows[row]
        shared = self._shared_tail(row, state)
        num_blocks = int(self.num_blocks[row])
        num_fresh = max(0, self.blocks_for(end) - num_blocks)
        if not num_fresh and not shared:
            self.may_share_tail[row] = False
            return True
        num_groups = self.plan.num_groups
        if num_fresh * num_groups + len(shared) > self.pool.num_free:
            return False
        host = self.tables.host
        if num_fresh:
            pages = np.asarray(self.pool.allocate(num_fresh * num_groups), dtype=np.int32)
            host[row, :, num_blocks : num_blocks + num_fresh] = pages.reshape(num_fresh, num_groups).T
            self.num_blocks[row] += num_fresh
            self.tables.touch(row, num_blocks, num_blocks + num_fresh)
        if shared:
            block = int(self.written[row]) // self.pool.page_size
            sources = [int(host[row, group, block]) for group in shared]
            copies = self.pool.allocate(len(shared))
            self._copies.update(zip(copies, sources, strict=True))
            self.pool.free(sources)
            host[row, shared, block] = copies
            self.tables.touch(row, block, block + 1)
        self.may_share_tail[row] = False
        return True

    def take_copies(self) -> tuple[list[int], list[int]]:
        """Sources and targets of the page copies that the next step must begin with."""
        copies, self._copies = self._copies, {}
        return list(copies.values()), list(copies)

    def _shared_tail(self, row: int, state: RowPages) -> list[int]:
        """Groups whose partly written last page is shared, and must be copied before it is written."""
        block, offset = divmod(int(self.written[row]), self.pool.page_size)
        if block != state.forked_block or offset == 0:
            return []
        column = self.tables.host[row, :, block].tolist()
        refs = self.pool.refs
        return [group for group, page in enumerate(column) if page != NULL_PAGE and refs(page) > 1]

    def advance(self, row: int, end: int) -> None:
        """Positions below `end` are written by steps launched so far."""
        self.written[row] = end

    def trim(self, row: int) -> None:
        """Drop the pages that no later query of the row can see."""
        state = self._rows[row]
        page_size = self.pool.page_size
        for group in state.windowed:
            retention = state.retentions[group]
            start = max(state.dropped.get(group, 0), retention.first_droppable(page_size))
            end = min(retention.end_droppable(int(self.written[row]), page_size), int(self.num_blocks[row]))
            if end <= start:
                continue
            entries = self.tables.host[row, group, start:end]
            self.pool.free(entries.tolist())
            # Nobody can see these entries any more, so the device may keep its own until the row ends.
            entries[:] = NULL_PAGE
            state.dropped[group] = end

    def fork(self, parent: int, child: int) -> None:
        """Start `child` with the parent's pages, shared; whoever writes a shared page first copies it."""
        source = self._rows[parent]
        self.open(child, list(source.retentions))
        state = self._rows[child]
        num_blocks, written = int(self.num_blocks[parent]), int(self.written[parent])
        self.num_blocks[child], self.written[child] = num_blocks, written
        state.dropped = dict(source.dropped)
        state.forked_block = source.forked_block = written // self.pool.page_size
        self.may_share_tail[parent] = self.may_share_tail[child] = True
        pages = self.tables.host[parent, :, :num_blocks]
        self.pool.acquire(pages.ravel().tolist())
        self.tables.host[child, :, :num_blocks] = pages
        self.tables.touch(child, 0, num_blocks)

    def release(self, row: int) -> None:
        """Give all pages of the row back, its tail first, so that tails are reused before shared beginnings."""
        del self._rows[row]
        entries = self.tables.host[row, :, : self.num_blocks[row]]
        self.pool.free(entries[:, ::-1].T.ravel().tolist())
        entries[:] = NULL_PAGE

    def block_pages(self, row: int, block: int) -> list[int]:
        """The block's page in every group."""
        return self.tables.host[row, :, block].tolist()

    def num_pages(self, row: int) -> int:
        """Pages the row holds, shared ones included."""
        return int(np.count_nonzero(self.tables.host[row, :, : self.num_blocks[row]]))

    def check(self) -> None:
        """Assert that pages held, cached and free add up, and that references match the tables."""
        held: dict[int, int] = {}
        for row in self._rows:
            for page in self.tables.host[row, :, : self.num_blocks[row]].ravel().tolist():
                if page != NULL_PAGE:
                    held[page] = held.get(page, 0) + 1
        for page, count in held.items():
            if self.pool.refs(page) != count:
                raise AssertionError(f"page {page} has {self.pool.refs(page)} references but stands in {count} tables")
        if self.pool.num_references != sum(held.values()):
            raise AssertionError(f"{self.pool.num_references} page references, but {sum(held.values())} table entries")
        if self.pool.num_free + len(held) != self.pool.capacity:
            raise AssertionError(
                f"{self.pool.num_free} free + {len(held)} held pages are not the pool's {self.pool.capacity}"
            )
