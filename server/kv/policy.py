"""What a KV policy decides: which positions each group of a row keeps.

A retention is three numbers, so that kernels need no branches: key `j` is visible to query `i` iff
`j <= i and (j < sinks or j > i - recent or j >= since)`. The query's own position counts towards `recent`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import torch

from server.errors import ConfigError

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


@dataclass(frozen=True, slots=True)
class Stretch:
    """Positions of a row, up to `end`, that are computed under one set of retentions.

    Windows keep all positions from `since` on while the row is in it. From one stretch to the next `since` and
    windows only move forward.
    """

    end: int = UNLIMITED
    since: int = UNLIMITED


ENDLESS = Stretch()
"""Windows always move."""


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """What a policy may know of the model that it is built for.

    Args:
        variant: name of the variant that it is part of.
        model_dir: where the model's files are.
        num_kv_heads: of the whole model, however many ranks share it.
        sliding_windows: the model's own, one entry per layer.
        score_heads: scores the heads without training, float32 [layers, kv_heads]; takes seconds.
    """

    variant: str
    model_dir: Path
    num_kv_heads: int
    sliding_windows: Sequence[int | None]
    score_heads: Callable[[], torch.Tensor]

    @property
    def num_layers(self) -> int:
        return len(self.sliding_windows)


class KVPolicy(ABC):
    """Decides each group's retention; `KVManager` does the bookkeeping.

    A policy is one file and one line in `kv/registry.py`. The hooks below `retention` have defaults
    that suit every policy whose positions depend on time alone.
    """

    name: str
    needs_scores: bool = False
    """Whether decode must return attention probabilities summed over query heads."""
    is_uniform: bool = False
    """Whether generated positions are computed as a prompt's are, so that their KV may stand for a prompt's."""
    streaming: torch.Tensor | None = None
    """bool [layers, kv_heads], the heads whose middle positions may go; None without a head pattern."""

    @classmethod
    def build(cls, arguments: Mapping[str, str], context: PolicyContext) -> Self:
        """The policy with these arguments, as `--variants` has them.

        Raises:
            ConfigError: one line about an argument that is unknown or of no use.
        """
        if arguments:
            raise ConfigError(f"variant {context.variant!r}: {cls.name} takes no arguments")
        return cls()

    @abstractmethod
    def retention(self, group: "Group") -> Retention:
        """Positions that `group` keeps for a row, in the end; a stretch may keep more for a while."""

    @property
    @abstractmethod
    def prefix_namespace(self) -> str | None:
        """Seed of prefix-cache keys: equal for policies whose *prefill* leaves equal KV; None caches nothing."""

    @property
    def description(self) -> str:
        """What this is, for people, in one line."""
        return self.name

    def stretch(self, position: int, prompt_len: int) -> Stretch:
        """The stretch in which `position` of a row falls; beyond the prompt it has no end."""
        return ENDLESS

    def longest_stretch(self, prompt_len: int) -> int:
        """Most trailing positions that windows keep only because of a stretch; 0 where there is none with an end."""
        return 0

    def reserve(self, manager: "KVManager", row: int, end: int) -> bool:
        """Make positions below `end` writable; False, and nothing changed, if pages are short."""
        return manager.grow(row, end)

    def after_step(self, manager: "KVManager", rows: np.ndarray, scores: torch.Tensor | None) -> None:
        """Let go of what the rows, int64, need no longer."""
        manager.trim(rows)

    def preempt(self, manager: "KVManager", row: int) -> Literal["recompute", "swapped"]:
        """Give the row's pages back; says how it will come back."""
        manager.release(row)
        return "recompute"

    def release(self, manager: "KVManager", row: int) -> None:
        """The row has ended."""
        manager.release(row)
