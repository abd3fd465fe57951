"""KVManager: which pages each row holds, in which group, at which positions.

It grows rows, shares pages between forks and with the prefix cache, copies a shared page before it is
written, and drops what a group's retention no longer shows to anyone. What it does in every step, it does for
all rows at once, and only to those that reached a page's border.
"""

from collections.abc import Sequence

import numpy as np

from server.kv.demand import most_pages
from server.kv.plan import KVPlan
from server.kv.policy import UNLIMITED, Retention
from server.kv.pool import NULL_PAGE, PagePool
from server.kv.prefix import PrefixCache
from server.kv.table import PageTables


class KVManager:
    """Bookkeeping of pages for all rows of one engine.

    Attributes:
        num_blocks: int64 per row, leading table entries that are in use (page or dropped), equal for all groups.
        written: int64 per row, positions below this are written, or launched to be.
        next_trim: int64 per row, how many written positions let a page go; UNLIMITED or more if nothing ever does.
        may_share_tail: bool per row, it was forked in the block that it writes to next.
    """

    def __init__(self, plan: KVPlan, pool: PagePool, tables: PageTables, prefix: PrefixCache | None) -> None:
        self.plan = plan
        self.pool = pool
        self.tables = tables
        self.prefix = prefix
        self._open: set[int] = set()
        max_rows, by_group = tables.null_row, (tables.null_row, plan.num_groups)
        self.num_blocks = np.zeros(max_rows, dtype=np.int64)
        self.written = np.zeros(max_rows, dtype=np.int64)
        self.next_trim = np.full(max_rows, UNLIMITED, dtype=np.int64)
        self.may_share_tail = np.zeros(max_rows, dtype=np.bool_)
        # The block in which the row was last forked, the only one that may be both partly written and shared.
        self._forked_block = np.full(max_rows, -1, dtype=np.int64)
        self._is_windowed = np.zeros(max_rows, dtype=np.bool_)
        # Retentions, and how many trailing positions they keep within the row's stretch.
        self._sinks = np.zeros(by_group, dtype=np.int64)
        self._recent = np.full(by_group, UNLIMITED, dtype=np.int64)
        self._since = np.full(by_group, UNLIMITED, dtype=np.int64)
        self._reach = np.full(by_group, UNLIMITED, dtype=np.int64)
        # Entries from the sinks' end up to this are dropped.
        self._dropped = np.zeros(by_group, dtype=np.int64)
        # Copies of pages wait for the next step: target -> source, so that a page that is copied to twice has the last.
        self._copies: dict[int, int] = {}

    def open(
        self,
        row: int,
        retentions: Sequence[Retention],
        prefix_pages: np.ndarray | None = None,
        stretch_end: int = UNLIMITED,
    ) -> None:
        """Start a row, on top of `prefix_pages` [blocks, groups] that `PrefixCache.match` returned."""
        self._open.add(row)
        self.num_blocks[row] = self.written[row] = 0
        self.may_share_tail[row] = False
        self._forked_block[row] = -1
        self._dropped[row] = 0
        num_blocks = 0 if prefix_pages is None else prefix_pages.shape[0]
        if prefix_pages is not None and num_blocks:
            self.pool.acquire(prefix_pages.ravel())
            self.num_blocks[row], self.written[row] = num_blocks, num_blocks * self.pool.page_size
            self.tables.host[row, :, :num_blocks] = prefix_pages.T
            self.tables.touch(row, 0, num_blocks)
        self.keep(row, retentions, stretch_end)
        if num_blocks:
            # What the windows do not show was never taken.
            self._dropped[row] = np.maximum(self._dropped[row], self._end_droppable(np.array([row]))[0])
            self._look_ahead(np.array([row]))

    def keep(self, row: int, retentions: Sequence[Retention], stretch_end: int = UNLIMITED) -> None:
        """From now on the row keeps this; `trim` drops the rest.

        Args:
            retentions: one per group. Nothing comes back that others have let go.
            stretch_end: the position at which these retentions end.
        """
        self.tables.set_retention(row, retentions)
        columns = np.array([(kept.sinks, kept.recent, kept.since) for kept in retentions], dtype=np.int64)
        self._sinks[row], self._recent[row], self._since[row] = columns.T
        # A stretch lets nothing go that came since its beginning.
        self._reach[row] = np.maximum(self._recent[row], np.maximum(stretch_end - self._since[row], 0))
        self._is_windowed[row] = bool((self._recent[row] < UNLIMITED).any())
        self._dropped[row] = np.maximum(self._dropped[row], -(-self._sinks[row] // self.pool.page_size))
        self._look_ahead(np.array([row]))

    def _end_droppable(self, rows: np.ndarray) -> np.ndarray:
        """int64 [rows, groups]: end (exclusive) of the pages that no later query can see, of those in use."""
        start = np.minimum(self.written[rows, None] - self._recent[rows] + 1, self._since[rows])
        return np.minimum(np.maximum(start, 0) // self.pool.page_size, self.num_blocks[rows, None])

    def _look_ahead(self, rows: np.ndarray) -> None:
        """Find out when these rows let their next page go."""
        page_ends = (self._dropped[rows] + 1) * self.pool.page_size
        when = np.where(page_ends <= self._since[rows], page_ends + self._recent[rows] - 1, UNLIMITED)
        self.next_trim[rows] = when.min(1)

    def blocks_for(self, end: int) -> int:
        """Blocks that hold positions below `end`."""
        return -(-end // self.pool.page_size)

    def missing_pages(self, rows: np.ndarray, ends: np.ndarray) -> int:
        """Pages that `grow(row, end)` would allocate for all these rows, copies of shared pages included."""
        fresh = np.maximum(-(-ends // self.pool.page_size) - self.num_blocks[rows], 0).sum() * self.plan.num_groups
        return int(fresh) + self._num_shared(rows)

    def promised_pages(self, rows: np.ndarray, ends: np.ndarray, chunk: int) -> int:
        """Pages that these rows still need, at most, to get to `ends` in chunks of up to `chunk` positions.

        What windows let go on the way is not counted.
        """
        windowed = self._is_windowed[rows]
        if not windowed.any():
            return self.missing_pages(rows, ends)
        promised = self.missing_pages(rows[~windowed], ends[~windowed])
        rows, ends = rows[windowed], ends[windowed]
        chunks = np.minimum(ends - self.written[rows], chunk)
        most = most_pages(self._sinks[rows], self._reach[rows], ends[:, None], chunks[:, None], self.pool.page_size)
        return promised + int(np.maximum(most - self._held(rows), 0).sum()) + self._num_shared(rows)

    def _num_shared(self, rows: np.ndarray) -> int:
        return sum(len(self._shared_tail(row)) for row in rows[self.may_share_tail[rows]].tolist())

    def _held(self, rows: np.ndarray) -> np.ndarray:
        """int64 [rows, groups]: pages held, shared ones included."""
        first = -(-self._sinks[rows] // self.pool.page_size)
        return self.num_blocks[rows, None] - np.maximum(self._dropped[rows] - first, 0)

    def needs_growth(self, rows: np.ndarray) -> np.ndarray:
        """Those of `rows` whose next position needs a page, or stands in a page that may be shared."""
        is_full = self.written[rows] >= self.num_blocks[rows] * self.pool.page_size
        return rows[is_full | self.may_share_tail[rows]]

    def grow(self, row: int, end: int) -> bool:
        """Make positions from the row's first unwritten one to `end` writable.

        Returns:
            False, with nothing changed, if the pool has too few free pages.
        """
        shared = self._shared_tail(row)
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

    def put_back_copies(self, sources: Sequence[int], targets: Sequence[int]) -> None:
        """The step that took these copies did not run: they are the next one's, before any that came since."""
        self._copies = dict(zip(targets, sources, strict=True)) | self._copies

    def _shared_tail(self, row: int) -> list[int]:
        """Groups whose partly written last page is shared, and must be copied before it is written."""
        block, offset = divmod(int(self.written[row]), self.pool.page_size)
        if block != self._forked_block[row] or offset == 0:
            return []
        column = self.tables.host[row, :, block].tolist()
        refs = self.pool.refs
        return [group for group, page in enumerate(column) if page != NULL_PAGE and refs(page) > 1]

    def advance(self, row: int, end: int) -> None:
        """Positions below `end` are written by steps launched so far."""
        self.written[row] = end

    def trim(self, rows: np.ndarray) -> None:
        """Drop the pages that no later query of these rows, int64, can see."""
        rows = rows[self.written[rows] >= self.next_trim[rows]]
        if not rows.size:
            return
        starts, ends = self._dropped[rows], self._end_droppable(rows)
        places, groups = np.nonzero(ends > starts)
        counts = (ends - starts)[places, groups]
        # Of every (row, group) in turn, the blocks from its start on.
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        blocks = np.repeat(starts[places, groups], counts) + offsets
        where = np.repeat(rows[places], counts), np.repeat(groups, counts), blocks
        self._free(self.tables.host[where], is_one_row=rows.size == 1)
        # Nobody can see these entries any more, so the device may keep its own until the row ends.
        self.tables.host[where] = NULL_PAGE
        self._dropped[rows] = np.maximum(starts, ends)
        self._look_ahead(rows)

    def _free(self, pages: np.ndarray, is_one_row: bool) -> None:
        """Drop a reference for each time that a page stands here; forks that go on together let go together."""
        if is_one_row:
            self.pool.free(pages)
            return
        different, counts = np.unique(pages, return_counts=True)
        for already in range(int(counts.max(initial=0))):
            self.pool.free(different[counts > already])

    def fork(self, parent: int, child: int) -> None:
        """Start `child` with the parent's pages, shared; whoever writes a shared page first copies it."""
        self.open(child, [Retention()] * self.plan.num_groups)
        for numbers in (
            self.num_blocks, self.written, self.next_trim, self._is_windowed, self._sinks, self._recent, self._since,
            self._reach, self._dropped,
        ):  # fmt: skip
            numbers[child] = numbers[parent]
        self.tables.set_retention(child, self._retentions(parent))
        num_blocks = int(self.num_blocks[parent])
        self._forked_block[child] = self._forked_block[parent] = self.written[parent] // self.pool.page_size
        self.may_share_tail[parent] = self.may_share_tail[child] = True
        pages = self.tables.host[parent, :, :num_blocks]
        self.pool.acquire(pages.ravel())
        self.tables.host[child, :, :num_blocks] = pages
        self.tables.touch(child, 0, num_blocks)

    def _retentions(self, row: int) -> list[Retention]:
        columns = zip(self._sinks[row].tolist(), self._recent[row].tolist(), self._since[row].tolist(), strict=True)
        return [Retention(*numbers) for numbers in columns]

    def release(self, row: int) -> None:
        """Give all pages of the row back, its tail first, so that tails are reused before shared beginnings."""
        self._open.remove(row)
        entries = self.tables.host[row, :, : self.num_blocks[row]]
        self.pool.free(entries[:, ::-1].T.ravel())
        entries[:] = NULL_PAGE

    def block_pages(self, row: int, block: int) -> list[int]:
        """The block's page in every group."""
        return self.tables.host[row, :, block].tolist()

    def num_pages(self, row: int) -> int:
        """Pages the row holds, shared ones included."""
        return int(self._held(np.array([row])).sum())

    def check(self) -> None:
        """Assert that pages held, cached and free add up, and that references match the tables."""
        held: dict[int, int] = {}
        for row in self._open:
            entries = self.tables.host[row, :, : self.num_blocks[row]]
            if np.count_nonzero(entries) != self.num_pages(row):
                raise AssertionError(f"row {row} is said to hold {self.num_pages(row)} pages, not what its table has")
            for page in entries.ravel().tolist():
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
