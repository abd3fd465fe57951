"""Launches of the Triton attention kernels: what every launch of an engine has in common, kept ready.

Importing this needs Triton. Under `TRITON_INTERPRET=1` the kernels run on CPU.
"""

import math
from typing import TYPE_CHECKING, Any

import torch
import triton
import triton.language as tl

from server.attention.backend import AttentionSpec
from server.attention.triton_configs import (
    DecodeConfig,
    PrefillConfig,
    decode_config,
    invariant_config,
    prefill_config,
    programs_per_row,
)
from server.attention.triton_decode import decode_kernel
from server.attention.triton_dense import gather_kernel
from server.attention.triton_prefill import prefill_kernel
from server.attention.triton_tiles import FORMAT_CODES
from server.attention.triton_write import write_kernel
from server.engine.batch import StepBatch
from server.kv.plan import KVPlan
from server.kv.pool import PagePool
from server.kv.table import PageTables

if TYPE_CHECKING:
    from server.models.rope import RotaryEmbedding

TRITON_TYPES = {torch.float32: tl.float32, torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}
GATHER_POSITIONS = 64
"""Positions that one program of the gather kernel copies."""

QUERY_HEADS, KV_HEADS = 32, 16
"""Heads that one program of the write kernel takes at most."""


def is_interpreted() -> bool:
    """Whether kernels run in Triton's interpreter, on CPU tensors."""
    return bool(triton.knobs.runtime.interpret)


class Launcher:
    """The kernels of one engine.

    Attributes:
        slots: per layer, the groups of its KV heads and their indices in these, int32 [kv_heads] each.
        is_even: per layer, whether all its KV heads share a group, so that they see the same.
        decode_config: how decode is cut up, whatever the rows; whoever changes it calls `make_scratch`. None chooses
            by the number of rows.
        prefill_config: how prefill is cut up, whatever the step; None chooses by the step.
        overlaps: whether a kernel may start before the one before it has ended; needs Hopper or later.
    """

    def __init__(self, spec: AttentionSpec, plan: KVPlan, pool: PagePool, tables: PageTables) -> None:
        self.spec = spec
        self.tables = tables
        self.heads_per_kv = spec.num_heads // spec.num_kv_heads
        self.decode_config: DecodeConfig | None = None
        self.prefill_config: PrefillConfig | None = None
        self._max_rows = tables.pages.shape[0]
        device = torch.cuda.get_device_properties(spec.device) if spec.device.type == "cuda" else None
        self._num_sms = device.multi_processor_count if device is not None else 1
        self.overlaps = device is not None and device.major >= 9
        k, v = pool.storage[0], pool.storage[1]
        # Where a format has no (scale, zero) pairs, their arguments are never read.
        params = (k, v) if pool.params is None else (pool.params[0], pool.params[1])
        pairs = (k, v) if pool.params is None else (params[0].view(torch.int32), params[1].view(torch.int32))
        self._storage, self._written = (k, v, *pairs), (k, v, *params)
        self._retention = (tables.pages, tables.sinks, tables.recent, tables.since)
        self.slots = [
            (plan.group_of_head[layer].contiguous(), plan.index_of_head[layer].contiguous())
            for layer in range(spec.num_layers)
        ]
        self.is_even = [len(groups.unique()) == 1 for groups, _ in self.slots]
        fmt = spec.kv_format
        is_half = fmt.is_quantized and spec.dtype != torch.float32
        self._page_facts: dict[str, Any] = {
            "NUM_GROUPS": plan.num_groups,
            "MAX_PAGES": tables.pages.shape[2],
            "PAGE_SIZE": spec.page_size,
            "SLOTS": plan.slots_per_group,
            "HEAD_DIM": spec.head_dim,
            "FORMAT": FORMAT_CODES[fmt.name],
        }
        # Matrix instructions take at least 16 numbers.
        width = max(16, triton.next_power_of_2(spec.head_dim // fmt.values_per_element))
        self._attend_facts: dict[str, Any] = {
            **self._page_facts,
            "LOG2_SCALE": spec.scale * math.log2(math.e),
            "HEADS_PER_KV": self.heads_per_kv,
            "WIDTH": width,
            "COMPUTE": tl.float16 if is_half else TRITON_TYPES[spec.dtype],
        }
        self._decode_facts: dict[str, Any] = {
            **self._attend_facts,
            "KV_HEADS": spec.num_kv_heads,
            "PADDED_HEADS": triton.next_power_of_2(spec.num_kv_heads),
            "BLOCK_M": max(16, triton.next_power_of_2(self.heads_per_kv)),
            "FLAT": triton.next_power_of_2(self.heads_per_kv * spec.head_dim),
            "MERGED": max(1, 2048 // triton.next_power_of_2(self.heads_per_kv * spec.head_dim)),
        }
        self._gather_facts = {**self._page_facts, "WIDTH": width}
        self._prefill_facts: dict[str, Any] = {
            **self._attend_facts,
            "NUM_HEADS": spec.num_heads,
            "MAX_ROWS": triton.next_power_of_2(self._max_rows),
        }
        query_block = min(QUERY_HEADS, triton.next_power_of_2(spec.num_heads))
        kv_block = min(KV_HEADS, triton.next_power_of_2(spec.num_kv_heads))
        self._kv_blocks = -(-spec.num_kv_heads // kv_block)
        self._query_blocks = -(-spec.num_heads // query_block)
        self._write_facts: dict[str, Any] = {
            **self._page_facts,
            "NUM_HEADS": spec.num_heads,
            "KV_HEADS": spec.num_kv_heads,
            "HALF_WIDTH": triton.next_power_of_2(spec.head_dim // 2),
            "LEVELS": fmt.levels,
            "QUERY_BLOCK": query_block,
            "KV_BLOCK": kv_block,
        }
        self.make_scratch()

    def make_scratch(self) -> None:
        """Room for partial results of any number of rows, at addresses that captured graphs may keep."""
        spec, device = self.spec, self.spec.device
        num_partials = max(self._num_partials(rows) for rows in range(1, self._max_rows + 1))
        self._scratch = (
            torch.empty(num_partials, self.heads_per_kv * spec.head_dim, dtype=torch.float32, device=device),
            torch.empty(num_partials, self.heads_per_kv, dtype=torch.float32, device=device),
            torch.zeros(self._max_rows * spec.num_kv_heads, dtype=torch.int32, device=device),
        )

    def _decode_config(self, num_rows: int) -> DecodeConfig:
        return self.decode_config or decode_config(self.spec, num_rows)

    def programs_per_row(self, num_rows: int) -> int:
        """Programs that a row's heads share in a step of `num_rows` rows."""
        config, max_positions = self._decode_config(num_rows), self.tables.pages.shape[2] * self.spec.page_size
        return programs_per_row(config, num_rows, self.spec.num_kv_heads, max_positions, self._num_sms)

    def num_splits(self, num_rows: int) -> int:
        """Parts that each head's keys are cut into in a step of `num_rows` rows, where all heads see the same."""
        return max(1, self.programs_per_row(num_rows) // self.spec.num_kv_heads)

    def _decode_grid(self, num_rows: int, is_even: bool) -> tuple[int, int, int]:
        kv_heads = self.spec.num_kv_heads
        if is_even:
            return kv_heads, self.num_splits(num_rows), num_rows
        # Heads that see little have a program each, beside those that the others share.
        return self.programs_per_row(num_rows) + kv_heads - 1, 1, num_rows

    def _num_partials(self, num_rows: int) -> int:
        """Partial results that a step may leave behind, with a place for every program; none if no head is cut."""
        grids = [self._decode_grid(num_rows, is_even) for is_even in set(self.is_even)]
        return max(math.prod(grid) if math.prod(grid[:2]) > self.spec.num_kv_heads else 1 for grid in grids)

    def _overlapping(self, is_wanted: bool) -> dict[str, bool]:
        """Arguments of a launch that may start before the kernel before it has ended."""
        if self.overlaps and is_wanted:
            return {"OVERLAPS": True, "launch_pdl": True}
        return {"OVERLAPS": False}

    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> None:
        """Store k and v, [n, kv_heads, head_dim], of the batch's first n tokens."""
        if k.stride() != v.stride() or k.stride(2) != 1:
            k, v = k.contiguous(), v.contiguous()
        self._write(layer, k, k, v, batch, None, is_by_token=False)

    def rotate_and_write(self, layer: int, qkv: torch.Tensor, rope: "RotaryEmbedding", batch: StepBatch) -> None:
        """Rotate queries and keys of qkv, [n, heads + 2 * kv_heads, head_dim], in place, and store keys and values."""
        heads, kv_heads = self.spec.num_heads, self.spec.num_kv_heads
        k, v = qkv[:, heads : heads + kv_heads], qkv[:, heads + kv_heads :]
        if rope.stretches(batch):
            table = rope.stretched(batch, batch.positions[: qkv.shape[0]])
            self._write(layer, qkv, k, v, batch, table, is_by_token=True)
        else:
            self._write(layer, qkv, k, v, batch, rope.table, is_by_token=False)

    def _write(
        self,
        layer: int,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        batch: StepBatch,
        table: torch.Tensor | None,
        is_by_token: bool,
    ) -> None:
        num_tokens = k.shape[0]
        if num_tokens == 0:
            return
        query_blocks = self._query_blocks if table is not None else 0
        groups, slots = self.slots[layer]
        write_kernel[num_tokens, query_blocks + self._kv_blocks](
            q,
            k,
            v,
            batch.positions if table is None else table,
            batch.positions,
            batch.token_rows,
            self.tables.pages,
            groups,
            slots,
            *self._written,
            k.stride(0),
            k.stride(1),
            ROTATED=table is not None,
            BY_TOKEN=is_by_token,
            QUERY_BLOCKS=query_blocks,
            # A table made for this step is not there before the kernel before has ended.
            **self._overlapping(not is_by_token),
            num_warps=4,
            **self._write_facts,
        )

    def decode(
        self,
        layer: int,
        q: torch.Tensor,
        out: torch.Tensor,
        batch: StepBatch,
        first_row: int,
        num_rows: int,
        first_token: int = 0,
    ) -> None:
        """Attention of the decode rows among rows [first_row, first_row + num_rows).

        Args:
            q: [n, heads, head_dim], of tokens [first_token, first_token + n) of the batch.
            out: [n, heads, head_dim], contiguous.
        """
        if num_rows == 0:
            return
        config, is_even = self._decode_config(num_rows), self.is_even[layer]
        decode_kernel[self._decode_grid(num_rows, is_even)](
            q,
            out,
            *self._storage,
            *self._retention,
            *self.slots[layer],
            batch.rows,
            batch.kv_lens,
            batch.query_starts,
            batch.counts,
            *self._scratch,
            first_row,
            first_token,
            q.shape[0],
            self.programs_per_row(num_rows),
            q.stride(0),
            q.stride(1),
            BLOCK_N=config.block_n,
            EVEN=is_even,
            **self._overlapping(True),
            num_warps=config.num_warps,
            num_stages=config.num_stages,
            **self._decode_facts,
        )

    def prefill(
        self,
        layer: int,
        q: torch.Tensor,
        out: torch.Tensor,
        batch: StepBatch,
        rows: range,
        num_tokens: int,
        skipped: int = 0,
        windows_only: bool = False,
    ) -> None:
        """Attention of the prefill rows among `rows`.

        Args:
            q: [n, heads, head_dim], of the batch's first n tokens.
            out: [n, heads, head_dim], contiguous.
            num_tokens: new tokens to compute that `rows` have together, or more.
            skipped: leading tokens of the first row that are not computed.
            windows_only: leave out heads whose group keeps everything.
        """
        if not rows or num_tokens == 0:
            return
        longest = num_tokens if batch.is_static else max(batch.query_lens[rows.start : rows.stop])
        config = self.prefill_config or prefill_config(self.spec, longest)
        self._prefill(layer, q, out, batch, rows, num_tokens, batch.counts[1:], config, False, skipped, windows_only)

    def attend_invariantly(
        self, layer: int, q: torch.Tensor, out: torch.Tensor, batch: StepBatch, rows: range, num_tokens: int
    ) -> None:
        """Attention of all `rows`, prefill or decode, by arithmetic that no neighbour changes; as `prefill`."""
        if rows:
            config = invariant_config(self.spec)
            self._prefill(layer, q, out, batch, rows, num_tokens, batch.counts, config, True, 0)

    def _prefill(
        self,
        layer: int,
        q: torch.Tensor,
        out: torch.Tensor,
        batch: StepBatch,
        rows: range,
        num_tokens: int,
        count: torch.Tensor,
        config: PrefillConfig,
        is_invariant: bool,
        skipped: int,
        windows_only: bool = False,
    ) -> None:
        packed = self.heads_per_kv if config.is_packed and self.heads_per_kv <= config.block_m else 1
        num_tiles = num_tokens // (config.block_m // packed) + len(rows)
        prefill_kernel[self.spec.num_heads // packed, num_tiles](
            q,
            out,
            *self._storage,
            *self._retention,
            *self.slots[layer],
            batch.rows,
            batch.kv_lens,
            batch.query_starts,
            count,
            rows.start,
            rows.stop,
            skipped,
            int(windows_only),
            q.stride(0),
            q.stride(1),
            PACKED=packed,
            BLOCK_M=config.block_m,
            BLOCK_N=config.block_n,
            ALWAYS_MASKED=is_invariant,
            num_warps=config.num_warps,
            num_stages=config.num_stages,
            **self._prefill_facts,
        )

    def gather(
        self,
        slots: tuple[torch.Tensor, torch.Tensor],
        k: torch.Tensor,
        v: torch.Tensor,
        batch: StepBatch,
        index: int,
        first_position: int,
    ) -> None:
        """Copy keys and values of the batch's row `index` from `first_position` on out of its pages.

        Args:
            slots: the groups of the KV heads to copy, and their indices in these, int32 [heads] each.
            k, v: [n, heads, head_dim], contiguous, to be filled.
        """
        gather_kernel[-(-k.shape[0] // GATHER_POSITIONS), k.shape[1]](
            k,
            v,
            *self._storage,
            self.tables.pages,
            *slots,
            batch.rows,
            index,
            first_position,
            k.shape[0],
            BLOCK_N=GATHER_POSITIONS,
            num_warps=4,
            **self._gather_facts,
        )
