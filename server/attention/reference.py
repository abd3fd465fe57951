"""The reference backend: plain torch on any device, dtype and KV format.

It gathers the visible positions of a row out of the pages and hands them to `scaled_dot_product_attention`.
Faster backends are judged against it, and it serves whatever they refuse.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

from server.attention.backend import AttentionBackend, AttentionSpec
from server.engine.batch import StepBatch
from server.kv.formats import dequantize, quantize
from server.kv.plan import KVPlan
from server.kv.pool import PagePool
from server.kv.table import PageTables


@dataclass(frozen=True, slots=True)
class HeadRun:
    """KV heads of one layer that share a group.

    Args:
        group: the group's index.
        heads: the KV heads, int64 [h]; a slice where they are consecutive.
        query_heads: their query heads, int64 [h * heads per KV head]; a slice likewise.
        indices: their indices in the group, int64 [h]; a slice where they are consecutive.
    """

    group: int
    heads: torch.Tensor | slice
    query_heads: torch.Tensor | slice
    indices: torch.Tensor | slice


class ReferenceAttention(AttentionBackend):
    """Gathers pages and calls torch."""

    name = "torch"

    @classmethod
    def supports(cls, spec: AttentionSpec) -> list[str]:
        reasons = spec.kv_format.reasons_against(spec.head_dim)
        if spec.needs_scores:
            reasons.append("does not return attention scores")
        if spec.batch_invariant:
            reasons.append("computes a row differently beside others")
        return reasons

    def __init__(self, spec: AttentionSpec, plan: KVPlan, pool: PagePool, tables: PageTables) -> None:
        super().__init__(spec, plan, pool, tables)
        self._runs = [_runs_of_layer(spec, plan, layer) for layer in range(spec.num_layers)]

    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> None:
        num_tokens = k.shape[0]
        positions = batch.positions[:num_tokens]
        rows = batch.token_rows[:num_tokens]
        entries = positions // self.spec.page_size
        offsets = positions % self.spec.page_size
        parts = [(kind, *part) for kind, x in enumerate((k, v)) for part in self._stored(x)]
        for run in self._runs[layer]:
            pages = self.tables.pages[rows, run.group, entries]
            for kind, target, new in parts:
                if isinstance(run.indices, slice):
                    target[kind, pages, offsets, run.indices] = new[:, run.heads]
                else:
                    target[kind, pages[:, None], offsets[:, None], run.indices] = new[:, run.heads]

    def _stored(self, x: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """What the pool keeps of `x` [n, kv_heads, head_dim], and in which of its tensors."""
        pool = self.pool
        if pool.params is None:
            return [(pool.storage, x.to(pool.fmt.dtype))]
        elements, params = quantize(x, pool.fmt)
        # As bytes: not every device indexes float8.
        return [(pool.storage.view(torch.uint8), elements.view(torch.uint8)), (pool.params, params)]

    def prefill(self, layer: int, q: torch.Tensor, batch: StepBatch, num_rows: int) -> torch.Tensor:
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        rows = batch.rows[:num_rows].tolist()
        start = 0
        for row, query_len, kv_len in zip(rows, batch.query_lens, batch.host_kv_lens, strict=False):
            end = start + query_len
            self.prefill_row(layer, q[start:end], out[start:end], row, kv_len)
            start = end
        return out

    def prefill_row(self, layer: int, q: torch.Tensor, out: torch.Tensor, row: int, kv_len: int) -> None:
        """Attention of the last `q.shape[0]` positions of one row, into `out`; both [tokens, heads, head_dim]."""
        first = kv_len - q.shape[0]
        for run in self._runs[layer]:
            sinks = int(self.tables.sinks[row, run.group])
            recent = int(self.tables.recent[row, run.group])
            since = int(self.tables.since[row, run.group])
            keys = _visible_positions(first, kv_len, sinks, recent, since, q.device)
            k, v = self._gather(run, row, keys)
            is_causal = first == 0 and (recent >= kv_len or since == 0)
            mask = None
            if not is_causal:
                queries = torch.arange(first, kv_len, device=q.device)[:, None]
                mask = (keys <= queries) & ((keys < sinks) | (keys > queries - recent) | (keys >= since))
            result = F.scaled_dot_product_attention(
                q[:, run.query_heads].transpose(0, 1)[None],
                k.to(q.dtype).transpose(0, 1)[None],
                v.to(q.dtype).transpose(0, 1)[None],
                attn_mask=mask,
                is_causal=is_causal,
                scale=self.spec.scale,
                enable_gqa=self.spec.num_heads != self.spec.num_kv_heads,
            )
            out[:, run.query_heads] = result[0].transpose(0, 1)

    def decode(self, layer: int, q: torch.Tensor, batch: StepBatch, first_row: int) -> torch.Tensor:
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        end_row = first_row + q.shape[0]
        rows = batch.rows[first_row:end_row]
        longest = max(batch.host_kv_lens[first_row:end_row], default=0)
        keys = torch.arange(longest, device=q.device)
        last = batch.kv_lens[first_row:end_row, None] - 1
        for run in self._runs[layer]:
            sinks = self.tables.sinks[rows, run.group, None]
            recent = self.tables.recent[rows, run.group, None]
            since = self.tables.since[rows, run.group, None]
            visible = (keys <= last) & ((keys < sinks) | (keys > last - recent) | (keys >= since))
            # A null or stale page may hold anything, and a weight of zero does not silence a NaN.
            hidden = ~visible[:, :, None, None]
            k, v = (x.to(q.dtype).masked_fill(hidden, 0).transpose(1, 2) for x in self._gather(run, rows, keys))
            result = F.scaled_dot_product_attention(
                q[:, run.query_heads, None],
                k,
                v,
                attn_mask=visible[:, None, None],
                scale=self.spec.scale,
                enable_gqa=self.spec.num_heads != self.spec.num_kv_heads,
            )
            out[:, run.query_heads] = result[:, :, 0]
        return out

    def _gather(
        self, run: HeadRun, rows: torch.Tensor | int, positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """K and V of `positions`, [m]: each [m, h, head_dim], with a leading [rows] if there are several."""
        tables = self.tables.pages[rows, run.group]
        pages = tables[..., positions // self.spec.page_size]
        offsets = positions % self.spec.page_size
        if not isinstance(run.indices, slice):
            pages, offsets = pages[..., None], offsets[:, None]
        return self._read((0, pages, offsets, run.indices)), self._read((1, pages, offsets, run.indices))

    def _read(self, where: tuple[int | torch.Tensor | slice, ...]) -> torch.Tensor:
        """The numbers that the pool keeps at `where`."""
        pool = self.pool
        if pool.params is None:
            return pool.storage[where]
        elements = pool.storage.view(torch.uint8)[where].view(pool.fmt.dtype)
        return dequantize(elements, pool.params[where], pool.fmt, self.spec.dtype)


def _visible_positions(
    first: int, kv_len: int, sinks: int, recent: int, since: int, device: torch.device
) -> torch.Tensor:
    """Positions that some query in [first, kv_len) can see, ascending; pages of others may be gone."""
    window = max(0, min(first - recent + 1, since))
    if sinks >= window:
        return torch.arange(kv_len, device=device)
    return torch.cat((torch.arange(sinks, device=device), torch.arange(window, kv_len, device=device)))


def _runs_of_layer(spec: AttentionSpec, plan: KVPlan, layer: int) -> list[HeadRun]:
    group_of_head = plan.group_of_head[layer].tolist()
    index_of_head = plan.index_of_head[layer].tolist()
    heads_per_kv = spec.num_heads // spec.num_kv_heads
    runs = []
    for group in sorted(set(group_of_head)):
        heads = [head for head, other in enumerate(group_of_head) if other == group]
        indices = [index_of_head[head] for head in heads]
        query_heads = [head * heads_per_kv + i for head in heads for i in range(heads_per_kv)]
        runs.append(
            HeadRun(
                group,
                _as_slice(heads, spec.device),
                _as_slice(query_heads, spec.device),
                _as_slice(indices, spec.device),
            )
        )
    return runs


def _as_slice(numbers: list[int], device: torch.device) -> torch.Tensor | slice:
    """A slice where the numbers are consecutive: views and plain copies are cheaper than gathers."""
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return slice(numbers[0], numbers[0] + len(numbers))
    return torch.tensor(numbers, dtype=torch.int64, device=device)
