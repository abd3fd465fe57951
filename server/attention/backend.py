"""What an attention backend must do: write K and V into pages, and attend over groups of pages."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from server.engine.batch import StepBatch
from server.kv.formats import KVFormat
from server.kv.plan import KVPlan
from server.kv.pool import PagePool
from server.kv.table import PageTables

if TYPE_CHECKING:
    from server.models.rope import RotaryEmbedding


@dataclass(frozen=True, slots=True)
class AttentionSpec:
    """What the model and the variants need of attention."""

    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    scale: float
    dtype: torch.dtype
    kv_format: KVFormat
    device: torch.device
    page_size: int
    needs_scores: bool = False
    batch_invariant: bool = False


class AttentionBackend(ABC):
    """Attention over per-group page tables.

    Key `j` is visible to query `i` of row `r` at KV head `h` of layer `l`, with
    `g = plan.group_of_head[l, h]`, iff `j <= i` and (`j < tables.sinks[r, g]` or
    `j > i - tables.recent[r, g]` or `j >= tables.since[r, g]`). Keys are cached after RoPE. Position `j` lives in
    page `tables.pages[r, g, j // page_size]`; entry 0 is the null page, and is only met where no query can see.
    """

    name: str
    can_be_captured: bool = False
    """Whether it serves static batches, so that steps can be captured as CUDA graphs."""

    @classmethod
    @abstractmethod
    def supports(cls, spec: AttentionSpec) -> list[str]:
        """Reasons why this backend cannot serve `spec`; empty if it can."""

    def __init__(self, spec: AttentionSpec, plan: KVPlan, pool: PagePool, tables: PageTables) -> None:
        self.spec = spec
        self.plan = plan
        self.pool = pool
        self.tables = tables

    def begin_step(self, batch: StepBatch) -> None:  # noqa: B027 - optional hook
        """Prepare what all layers of this step share."""

    @abstractmethod
    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> None:
        """Store k and v, [n, kv_heads, head_dim], of the batch's first n tokens."""

    @abstractmethod
    def prefill(self, layer: int, q: torch.Tensor, batch: StepBatch, num_rows: int) -> torch.Tensor:
        """Attention of the first `num_rows` rows, all prefill; q and result [tokens, heads, head_dim]."""

    @abstractmethod
    def decode(self, layer: int, q: torch.Tensor, batch: StepBatch, first_row: int) -> torch.Tensor:
        """Attention of rows from `first_row` on, one token each; q and result [rows, heads, head_dim]."""

    def attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> torch.Tensor:
        """Write, then attend.

        Args:
            q: [n, heads, head_dim], RoPE applied, of the batch's first n tokens. n may be smaller than
                the batch: rows that exited early are missing from the end.
            k: [n, kv_heads, head_dim], RoPE applied.
            v: [n, kv_heads, head_dim].

        Returns:
            [n, heads * head_dim].
        """
        self.write(layer, k, v, batch)
        num_tokens = q.shape[0]
        boundary = batch.num_prefill_tokens
        if boundary == 0:
            return self.decode(layer, q, batch, 0).flatten(1)
        prefill = self.prefill(layer, q[:boundary], batch, batch.num_prefill_rows)
        if boundary == num_tokens:
            return prefill.flatten(1)
        decode = self.decode(layer, q[boundary:], batch, batch.num_prefill_rows)
        return torch.cat([prefill, decode]).flatten(1)

    def attend_rotating(
        self, layer: int, qkv: torch.Tensor, num_heads: int, rope: "RotaryEmbedding", batch: StepBatch
    ) -> torch.Tensor:
        """Rotate, write, then attend; a backend may fuse the first two.

        Args:
            qkv: [n, heads + 2 * kv_heads, head_dim] before RoPE, of the batch's first n tokens; may be overwritten.

        Returns:
            [n, heads * head_dim].
        """
        num_rotated = (qkv.shape[1] + num_heads) // 2
        rotated = rope(qkv, num_rotated, batch)
        return self.attend(layer, rotated[:, :num_heads], rotated[:, num_heads:], qkv[:, num_rotated:], batch)
