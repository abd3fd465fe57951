"""What a KV policy decides: which positions each group of a row keeps.

A retention is three numbers, so that kernels need no branches: key `j` is visible to query `i` iff
`j <= i and (j < sinks or j > i - recent or j >= since)`. The query's own position counts towards `recent`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from server.kv.manager import KVManager
    from server.kv.plan import Group

UNLIMITED = 2**31 - 1
"""`recent` of a group that keeps everything, `since` of one whose window always moves; the largest int32."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Positions a group keeps: the first `sinks`, the last `recent`, and all from `since` on."""

    sinks: int = 0
    recent: int = UNLIMITED
    since: int = UNLIMITED

    @property
    def keeps_all(self) -> bool:
        return self.recent == UNLIMITED or self.since == 0

    def first_droppable(self, page_size: int) -> int:
        """Index of the first page that may ever be dropped."""
        return -(-self.sinks // page_size)

    def end_droppable(self, next_position: int, page_size: int) -> int:
        """End (exclusive) of the pages that no query at `next_position` or later can see."""
        return max(0, min(next_position - self.recent + 1, self.since)) // page_size


ALL = Retention()


def window(sinks: int, recent: int) -> Retention:
    """The first `sinks` positions and the last `recent`, the query's own included."""
    return Retention(sinks, recent)


class KVPolicy(ABC):
    """Decides each group's retention; `KVManager` does the bookkeeping.

    A policy is one file and one line in `kv/registry.py`. The hooks below `retention` have defaults
    that suit every policy whose positions depend on time alone.
    """

    name: str
    needs_scores: bool = False
    """Whether decode must return attention probabilities summed over query heads."""
    is_dense: bool = False
    """Whether decode sees all that the model itself sees, so that its KV equals that of a dense prefill."""

    @abstractmethod
    def retention(self, group: "Group") -> Retention:
        """Positions that `group` keeps for a row, during and after prefill."""

    @property
    @abstractmethod
    def prefix_namespace(self) -> str:
        """Seed of prefix-cache keys: equal for policies whose *prefill* leaves equal KV."""

    def reserve(self, manager: "KVManager", row: int, end: int) -> bool:
        """Make positions below `end` writable; False, and nothing changed, if pages are short."""
        return manager.grow(row, end)

    def after_step(self, manager: "KVManager", rows: Sequence[int], scores: torch.Tensor | None) -> None:
        """Let go of what the rows need no longer."""
        for row in rows:
            manager.trim(row)

    def preempt(self, manager: "KVManager", row: int) -> Literal["recompute", "swapped"]:
        """Give the row's pages back; says how it will come back."""
        manager.release(row)
        return "recompute"

    def release(self, manager: "KVManager", row: int) -> None:
        """The row has ended."""
        manager.release(row)
