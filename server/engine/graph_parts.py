"""What captured steps have in common: what they are made of, and how they are captured."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch

from server.attention.backend import AttentionBackend
from server.depth.schedule import Band
from server.models.base import Model

logger = logging.getLogger(__name__)

Greedy = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Logits [S, vocab] -> most likely tokens, int64 [S], and whether the row's logits are bad, bool [S]."""


@dataclass(frozen=True, slots=True)
class GraphParts:
    """What the steps of one model on one device are captured from.

    Args:
        max_rows: most rows of a step.
        null_row: the row of the tables that padding points at.
        next_ids: int64 [null_row + 1], read for tokens that the host has not seen, written with the greedy ones.
        greedy: what finds the most likely tokens.
        memory: the pool of memory that all graphs share.
    """

    model: Model
    attention: AttentionBackend
    bands: tuple[Band, ...]
    max_rows: int
    null_row: int
    next_ids: torch.Tensor
    greedy: Greedy
    memory: Any

    @property
    def device(self) -> torch.device:
        return self.next_ids.device

    def read_tokens(self, token_ids: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """int64 [T] tokens, those below 0 taken from the next ids of `rows`."""
        return token_ids.where(token_ids >= 0, self.next_ids[rows])

    def choose_tokens(self, logits: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The most likely tokens of [S, vocab] logits, -1 where those are bad; they become the rows' next ids."""
        token_ids, is_bad = self.greedy(logits)
        self.next_ids.index_copy_(0, rows, token_ids)
        return token_ids.masked_fill(is_bad, -1)


def record_graph[T](work: Callable[[], T], memory: Any) -> tuple[torch.cuda.CUDAGraph, T]:
    """Capture `work` and return what it returned, which every replay writes anew."""
    # Once before: kernels are compiled and libraries set up at their first call, which cannot be captured.
    work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    # Other threads may use the device meanwhile: those of NCCL look after its collectives.
    with torch.cuda.graph(graph, pool=memory, capture_error_mode="thread_local"):
        result = work()
    return graph, result


def capture_sizes(sizes: Iterable[int], capture: Callable[[int], None], unit: str) -> list[int]:
    """Call `capture` for each size, largest first, so that small steps reuse the memory of large ones.

    Args:
        unit: what a size counts.

    Returns:
        The sizes that there was memory for, ascending.
    """
    captured = []
    for size in sorted(sizes, reverse=True):
        try:
            capture(size)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            logger.warning("no memory for a CUDA graph of %d %s; such steps run without one", size, unit)
            continue
        captured.append(size)
    return sorted(captured)
