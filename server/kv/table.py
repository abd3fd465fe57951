"""Page tables in position space, per (row, group), and the rows' retention descriptors.

Entry `position // page_size` is a page or the null page. The device tensors are what kernels read; the
host mirror is what the scheduler reads and writes.
"""

import torch

from server.kv.policy import UNLIMITED, Retention


class PageTables:
    """Tables for `max_rows` rows.

    Attributes:
        pages: int32 [max_rows, groups, max_pages] on the device.
        sinks: int32 [max_rows, groups] on the device.
        recent: int32 [max_rows, groups] on the device.
        host: int32 [max_rows, groups, max_pages], numpy; shares memory with `pages` on CPU.
    """

    def __init__(self, max_rows: int, num_groups: int, max_pages: int, device: torch.device) -> None:
        shape = (max_rows, num_groups, max_pages)
        self._mirror = torch.zeros(shape, dtype=torch.int32, pin_memory=device.type == "cuda")
        self.pages = self._mirror if device.type == "cpu" else torch.zeros(shape, dtype=torch.int32, device=device)
        self.sinks = torch.zeros(shape[:2], dtype=torch.int32, device=device)
        self.recent = torch.full(shape[:2], UNLIMITED, dtype=torch.int32, device=device)
        self.host = self._mirror.numpy()
        self._dirty: set[int] = set()

    def set_retention(self, row: int, retentions: list[Retention]) -> None:
        """Set the row's descriptor for every group."""
        self.sinks[row] = torch.tensor([retention.sinks for retention in retentions], dtype=torch.int32)
        self.recent[row] = torch.tensor([retention.recent for retention in retentions], dtype=torch.int32)

    def touch(self, row: int) -> None:
        """The host mirror of `row` changed."""
        self._dirty.add(row)

    def flush(self) -> None:
        """Bring the device tables up to date, in stream order with the next step."""
        if self._dirty and self.pages is not self._mirror:
            for row in self._dirty:
                self.pages[row].copy_(self._mirror[row], non_blocking=True)
        self._dirty.clear()
