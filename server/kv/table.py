"""Page tables in position space, per (row, group), and the rows' retention descriptors.

Entry `position // page_size` is a page or the null page. The device tensors are what kernels read; the
host mirror is what the scheduler reads and writes. What changed travels with a step's inputs, so that every
device that follows the same steps has the same tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from server.engine.upload import upload_together
from server.kv.policy import UNLIMITED, Retention

FIELDS = ("sinks", "recent", "since")
"""Of a retention."""


@dataclass(slots=True)
class TableUpdates:
    """What changed in the tables since the last step; plain numbers.

    Args:
        rows, blocks: int64 [U], whose entries changed.
        pages: int64 [U, groups], the entries.
        retention_rows: int64 [V], rows with new descriptors.
        sinks, recent, since: int64 [V, groups].
    """

    rows: np.ndarray
    blocks: np.ndarray
    pages: np.ndarray
    retention_rows: np.ndarray
    sinks: np.ndarray
    recent: np.ndarray
    since: np.ndarray


class PageTables:
    """Tables for `max_rows` rows, and one more, the null row, that stays null: padding points at it.

    Args:
        is_followed: whether other devices have the same tables.

    Attributes:
        null_row: index of the null row.
        pages: int32 [max_rows + 1, groups, max_pages] on the device. Entries that no query can see any more, and
            those of ended rows, may be stale there.
        sinks: int32 [max_rows + 1, groups] on the device.
        recent: int32 [max_rows + 1, groups] on the device.
        since: int32 [max_rows + 1, groups] on the device.
        host: int32 [max_rows + 1, groups, max_pages], numpy; shares memory with `pages` on CPU.
        keeps_all: bool [max_rows + 1, groups], numpy: whether the group keeps all positions of the row.
    """

    def __init__(
        self, max_rows: int, num_groups: int, max_pages: int, device: torch.device, is_followed: bool = False
    ) -> None:
        shape = (max_rows + 1, num_groups, max_pages)
        self.null_row = max_rows
        self.pages = torch.zeros(shape, dtype=torch.int32, device=device)
        self.sinks = torch.zeros(shape[:2], dtype=torch.int32, device=device)
        self.recent = torch.full(shape[:2], UNLIMITED, dtype=torch.int32, device=device)
        self.since = torch.full(shape[:2], UNLIMITED, dtype=torch.int32, device=device)
        self.host = self.pages.numpy() if device.type == "cpu" else np.zeros(shape, dtype=np.int32)
        self.keeps_all = np.ones(shape[:2], dtype=np.bool_)
        # Shared memory needs no updates, but then other devices hear of none.
        self._is_shared = device.type == "cpu" and not is_followed
        self._num_groups = num_groups
        self._touched: list[tuple[int, int, int]] = []
        self._retentions: dict[int, Sequence[Retention]] = {}

    def set_retention(self, row: int, retentions: Sequence[Retention]) -> None:
        """Set the row's descriptor for every group."""
        self.keeps_all[row] = [retention.keeps_all for retention in retentions]
        if self._is_shared:
            for field in FIELDS:
                numbers = [getattr(retention, field) for retention in retentions]
                getattr(self, field)[row] = torch.tensor(numbers, dtype=torch.int32)
        else:
            self._retentions[row] = retentions

    def touch(self, row: int, start: int, stop: int) -> None:
        """The host mirror's entries [start, stop) of `row` changed, in ways that a query can see."""
        if not self._is_shared:
            self._touched.append((row, start, stop))

    def drain(self) -> TableUpdates | None:
        """What changed since the last call, as of now; None where nothing did."""
        if not self._touched and not self._retentions:
            return None
        touched, self._touched = self._touched, []
        retentions, self._retentions = self._retentions, {}
        lengths = np.array([stop - start for _, start, stop in touched], dtype=np.int64)
        rows = np.repeat(np.array([row for row, _, _ in touched], dtype=np.int64), lengths)
        blocks = np.concatenate([np.arange(start, stop) for _, start, stop in touched] or [np.zeros(0, np.int64)])
        numbers = [[[getattr(r, field) for r in row] for row in retentions.values()] for field in FIELDS]
        sinks, recent, since = np.array(numbers, dtype=np.int64).reshape(len(FIELDS), -1, self._num_groups)
        return TableUpdates(
            rows=rows,
            blocks=blocks,
            pages=self.host[rows, :, blocks].astype(np.int64),
            retention_rows=np.array(list(retentions), dtype=np.int64),
            sinks=sinks,
            recent=recent,
            since=since,
        )

    def apply(self, updates: TableUpdates) -> None:
        """Bring the device tables up to date, in stream order with the step that follows."""
        if updates.rows.size:
            rows, blocks, pages = upload_together([updates.rows, updates.blocks, updates.pages], self.pages.device)
            self.pages.transpose(1, 2)[rows, blocks] = pages.to(torch.int32)
        if updates.retention_rows.size:
            fields = [updates.retention_rows, updates.sinks, updates.recent, updates.since]
            rows, sinks, recent, since = upload_together(fields, self.pages.device)
            self.sinks[rows] = sinks.to(torch.int32)
            self.recent[rows] = recent.to(torch.int32)
            self.since[rows] = since.to(torch.int32)
            # Who made these changes knows this already; who was told of them does not.
            self.keeps_all[updates.retention_rows] = (updates.recent == UNLIMITED) | (updates.since == 0)
