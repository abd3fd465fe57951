"""Attention problems on a GPU: a pool, tables and a backend of any shape, and the dense float64 answer."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from server.attention.backend import AttentionSpec
from server.attention.triton import TritonAttention
from server.engine.batch import StepBatch
from server.kv.formats import dequantize, kv_format, quantize
from server.kv.plan import KVPlan, plan_by_layer
from server.kv.policy import Retention
from server.kv.pool import PagePool
from server.kv.table import PageTables
from server.models.kernels import TorchKernels
from server.models.rope import RopeConfig, RotaryEmbedding

PAGE_SIZE = 16


class Problem:
    """An engine's attention without the engine.

    Args:
        num_pages: pages in the pool; those of rows are taken in random order.
        retentions: one per group, the same for all rows.
        plan: without one, group g is layer g, which is what `stored` and `expected` count on.
    """

    def __init__(
        self,
        num_layers: int,
        num_pages: int,
        max_rows: int,
        max_pages: int,
        dtype: torch.dtype = torch.bfloat16,
        fmt: str = "auto",
        head_dim: int = 128,
        num_heads: int = 32,
        num_kv_heads: int = 8,
        retentions: Sequence[Retention] | None = None,
        is_invariant: bool = False,
        plan: KVPlan | None = None,
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.spec = AttentionSpec(
            num_layers=num_layers,
            num_heads=num_heads,
            num_kv_heads=num_kv_heads,
            head_dim=head_dim,
            scale=head_dim**-0.5,
            dtype=dtype,
            kv_format=kv_format(fmt, dtype),
            device=self.device,
            page_size=PAGE_SIZE,
            batch_invariant=is_invariant,
        )
        self.plan = (plan or plan_by_layer(num_kv_heads, [None] * num_layers)).to(self.device)
        self.pool = PagePool(num_pages, PAGE_SIZE, num_kv_heads, head_dim, self.spec.kv_format, self.device)
        self.tables = PageTables(max_rows, self.plan.num_groups, max_pages, self.device)
        self.retentions = retentions or [Retention()] * self.plan.num_groups
        for row in range(max_rows):
            self.tables.set_retention(row, self.retentions)
        updates = self.tables.drain()
        if updates is not None:
            self.tables.apply(updates)
        self.backend = TritonAttention(self.spec, self.plan, self.pool, self.tables)
        config = RopeConfig("default", head_dim, 500000.0, max_pages * PAGE_SIZE)
        self.rope = RotaryEmbedding(config, TorchKernels(), self.device)

    def give_pages(self, lengths: Sequence[int]) -> None:
        """Give row r, in every group, pages of its own for `lengths[r]` positions."""
        counts = [-(-length // PAGE_SIZE) for length in lengths]
        pages = torch.randperm(self.pool.num_pages - 1, device=self.device, dtype=torch.int32) + 1
        taken = 0
        self.tables.pages.zero_()
        for row, count in enumerate(counts):
            needed = count * self.plan.num_groups
            self.tables.pages[row, :, :count] = pages[taken : taken + needed].view(-1, count)
            taken += needed

    def fill_pool(self) -> None:
        """Random keys and values everywhere."""
        if self.pool.params is None:
            self.pool.storage.normal_()
            return
        for kind in range(2):
            for start in range(0, self.pool.num_pages, 4096):
                part = self.pool.storage[kind, start : start + 4096]
                numbers = torch.randn(*part.shape[:-1], self.spec.head_dim, device=self.device)
                part[:], self.pool.params[kind, start : start + 4096] = quantize(numbers, self.spec.kv_format)

    def batch(self, rows: Sequence[tuple[int, int]]) -> StepBatch:
        """A step of rows 0, 1, ..., given as (cached positions, new tokens), prefill rows first."""
        query_lens = [new for _, new in rows]
        kv_lens = [history + new for history, new in rows]
        num_prefill_rows = sum(new > 1 for new in query_lens)
        positions = [torch.arange(history, history + new, device=self.device) for history, new in rows]
        row_ids = torch.arange(len(rows), device=self.device)
        starts = torch.tensor([0, *query_lens], device=self.device).cumsum(0)
        return StepBatch(
            rows=row_ids,
            token_ids=torch.zeros(sum(query_lens), dtype=torch.int64, device=self.device),
            positions=torch.cat(positions),
            token_rows=row_ids.repeat_interleave(torch.tensor(query_lens, device=self.device)),
            query_starts=starts.to(torch.int32),
            kv_lens=torch.tensor(kv_lens, dtype=torch.int32, device=self.device),
            query_lens=query_lens,
            host_kv_lens=kv_lens,
            num_prefill_rows=num_prefill_rows,
            num_prefill_tokens=sum(query_lens[:num_prefill_rows]),
            rows_in_band=[len(rows)],
            tokens_in_band=[sum(query_lens)],
            counts=torch.tensor([len(rows), num_prefill_rows], dtype=torch.int32, device=self.device),
        )

    def static_batch(self, batch: StepBatch, num_rows: int, num_tokens: int) -> StepBatch:
        """The same step as a captured graph would see it, padded to a bucket."""

        def padded(x: torch.Tensor, length: int, value: int) -> torch.Tensor:
            return torch.cat((x, x.new_full((length - x.shape[0],), value)))

        null = self.tables.null_row
        return replace(
            batch,
            rows=padded(batch.rows, num_rows, null),
            token_ids=padded(batch.token_ids, num_tokens, 0),
            positions=padded(batch.positions, num_tokens, 0),
            token_rows=padded(batch.token_rows, num_tokens, null),
            query_starts=padded(batch.query_starts, num_rows + 1, batch.num_tokens),
            kv_lens=padded(batch.kv_lens, num_rows, 1),
            query_lens=[],
            host_kv_lens=[],
            num_prefill_tokens=num_tokens if batch.num_prefill_rows else 0,
            rows_in_band=[num_rows],
            tokens_in_band=[num_tokens],
            is_static=True,
            max_prefill_rows=batch.num_prefill_rows + 2 if batch.num_prefill_rows else 0,
        )

    def new_qkv(self, num_tokens: int) -> torch.Tensor:
        """Projections of one layer, [tokens, heads + 2 * kv_heads, head_dim]."""
        spec = self.spec
        shape = (num_tokens, spec.num_heads + 2 * spec.num_kv_heads, spec.head_dim)
        return torch.randn(shape, dtype=spec.dtype, device=self.device)

    def stored(self, layer: int, row: int, kv_len: int) -> tuple[torch.Tensor, torch.Tensor]:
        """K and V of a row as its pages hold them: float64 [kv_len, kv_heads, head_dim]."""
        pages = self.tables.pages[row, layer, : -(-kv_len // PAGE_SIZE)].long()
        found = []
        for kind in range(2):
            numbers = self.pool.storage[kind, pages]
            if self.pool.params is not None:
                numbers = dequantize(numbers, self.pool.params[kind, pages], self.spec.kv_format, torch.float32)
            found.append(numbers.flatten(0, 1)[:kv_len].double())
        return found[0], found[1]

    def expected(self, layer: int, q: torch.Tensor, rows: Sequence[tuple[int, int]]) -> torch.Tensor:
        """The dense answer for rotated queries [tokens, heads, head_dim]: float64 [tokens, heads * head_dim]."""
        retention, results, start = self.retentions[layer], [], 0
        for row, (history, new) in enumerate(rows):
            k, v = (
                x.repeat_interleave(self.spec.num_heads // self.spec.num_kv_heads, 1)
                for x in self.stored(layer, row, history + new)
            )
            queries = torch.arange(history, history + new, device=self.device)[:, None]
            keys = torch.arange(history + new, device=self.device)[None]
            visible = (keys <= queries) & ((keys < retention.sinks) | (keys > queries - retention.recent))
            scores = torch.einsum("qhd,khd->hqk", q[start : start + new].double(), k) * self.spec.scale
            weights = scores.masked_fill(~visible, float("-inf")).softmax(-1)
            results.append(torch.einsum("hqk,khd->qhd", weights, v).flatten(1))
            start += new
        return torch.cat(results)
