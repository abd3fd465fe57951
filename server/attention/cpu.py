"""The CPU backend: float32 attention straight over the pages, by the loops of `cpu_kernels.py`.

Every token is attended on its own, so one loop serves decode and short prompts. Long prompts have enough
queries per key for torch's blocked attention to win, gathering included, and go to the reference.
"""

import ctypes
import logging
from typing import TYPE_CHECKING

import torch

from server.attention.backend import AttentionBackend, AttentionSpec
from server.attention.cpu_team import run_on_team
from server.attention.reference import ReferenceAttention
from server.engine.batch import StepBatch
from server.kv.plan import KVPlan
from server.kv.pool import PagePool
from server.kv.table import PageTables

if TYPE_CHECKING:
    from server.attention.cpu_kernels import AttendArgs

logger = logging.getLogger(__name__)

TEAM_WORK = 1 << 18
"""Multiply-adds of one layer's scores from which a team pays; below, waking it costs more than it saves."""

LONG_PROMPT = 1 << 15
"""Queries times keys of a row from which torch's blocked attention is faster."""


class CpuAttention(AttentionBackend):
    """Compiled loops for float32 on CPU, on as many threads as torch uses.

    A decoded token's result is the same, to the last bit, in whatever batch and on however many threads.
    """

    name = "cpu"

    @classmethod
    def supports(cls, spec: AttentionSpec) -> list[str]:
        reasons = []
        if spec.device.type != "cpu":
            reasons.append(f"runs on CPU, not on {spec.device.type}")
        if spec.dtype != torch.float32:
            reasons.append(f"needs activations in float32, not in {spec.dtype}")
        if spec.kv_format.dtype != torch.float32:
            reasons.append(f"needs K and V in float32, not in {spec.kv_format.name}")
        if spec.scale <= 0:
            reasons.append(f"needs a positive scale, not {spec.scale}")
        if spec.needs_scores:
            reasons.append("does not return attention scores")
        if not reasons:
            try:
                import numba  # noqa: F401 - an installed numba may still refuse a numpy that is too new
            except ImportError as error:
                reasons.append(f"needs numba (pip install numba): {error}")
        return reasons

    def __init__(self, spec: AttentionSpec, plan: KVPlan, pool: PagePool, tables: PageTables) -> None:
        super().__init__(spec, plan, pool, tables)
        logger.info("loading the attention loops; the first time on a machine compiles them")
        from server.attention import cpu_kernels

        self._kernels = cpu_kernels
        self._long_prompts = ReferenceAttention(spec, plan, pool, tables)
        # The loops read tensors by address, so whatever nobody else keeps is kept here.
        self._groups = plan.group_of_head.contiguous()
        self._indices = plan.index_of_head.contiguous()
        self._scratch = torch.empty(0)
        self._scratch_stride = 0
        self._num_threads = 1
        self._layers = [self._layer_arguments(layer) for layer in range(spec.num_layers)]

    def _layer_arguments(self, layer: int) -> "AttendArgs":
        """What is the same for all steps."""
        spec, storage, pages = self.spec, self.pool.storage, self.tables.pages
        return self._kernels.AttendArgs(
            storage=storage.data_ptr(),
            pages=pages.data_ptr(),
            sinks=self.tables.sinks.data_ptr(),
            recent=self.tables.recent.data_ptr(),
            since=self.tables.since.data_ptr(),
            groups=self._groups[layer].data_ptr(),
            indices=self._indices[layer].data_ptr(),
            kv_heads=spec.num_kv_heads,
            heads_per_kv=spec.num_heads // spec.num_kv_heads,
            head_dim=spec.head_dim,
            page_size=spec.page_size,
            slots=storage.shape[3],
            num_groups=pages.shape[1],
            max_pages=pages.shape[2],
            values_offset=storage.stride(0),
            scale=spec.scale,
        )

    def begin_step(self, batch: StepBatch) -> None:
        self._num_threads = torch.get_num_threads() if self._kernels.attend_on_team is not None else 1
        # Scores of every query head; the loops round each head's up to a cache line of 16.
        self._scratch_stride = self.spec.num_heads * (max(batch.host_kv_lens, default=0) + 16)
        needed = self._scratch_stride * self._num_threads
        if needed > self._scratch.numel():
            self._scratch = torch.empty(2 * needed)

    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> None:
        args = self._arguments(layer, batch, 0, k.shape[0])
        k, v = _readable(k), _readable(v)
        _add_new(args, k, v)
        self._kernels.store(ctypes.addressof(args))

    def prefill(self, layer: int, q: torch.Tensor, batch: StepBatch, num_rows: int) -> torch.Tensor:
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        # Short rows that stand together go to the loops together: tokens [first, end).
        first = end = work = 0
        for index in range(num_rows):
            query_len, kv_len = batch.query_lens[index], batch.host_kv_lens[index]
            start, end = end, end + query_len
            if query_len * kv_len < LONG_PROMPT:
                work += query_len * kv_len
                continue
            self._attend(self._arguments(layer, batch, first, start - first), q[first:start], out[first:start], work)
            self._long_prompts.prefill_row(layer, q[start:end], out[start:end], int(batch.rows[index]), kv_len)
            first, work = end, 0
        self._attend(self._arguments(layer, batch, first, end - first), q[first:], out[first:], work)
        return out

    def decode(self, layer: int, q: torch.Tensor, batch: StepBatch, first_row: int) -> torch.Tensor:
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        # From the first decode row on, every row has one token.
        first_token = batch.num_prefill_tokens + first_row - batch.num_prefill_rows
        work = sum(batch.host_kv_lens[first_row : first_row + q.shape[0]])
        self._attend(self._arguments(layer, batch, first_token, q.shape[0]), q, out, work)
        return out

    def attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> torch.Tensor:
        if batch.num_prefill_tokens:
            return super().attend(layer, q, k, v, batch)
        # Decode rows do not read each other's positions, so one pass stores and attends.
        num_tokens = q.shape[0]
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        args = self._arguments(layer, batch, 0, num_tokens)
        k, v = _readable(k), _readable(v)
        _add_new(args, k, v)
        self._attend(args, q, out, sum(batch.host_kv_lens[:num_tokens]))
        return out.flatten(1)

    def _arguments(self, layer: int, batch: StepBatch, first_token: int, num_tokens: int) -> "AttendArgs":
        args = self._kernels.AttendArgs.from_buffer_copy(self._layers[layer])
        args.num_tokens = num_tokens
        args.token_rows = batch.token_rows.data_ptr() + first_token * 8
        args.positions = batch.positions.data_ptr() + first_token * 8
        args.scratch = self._scratch.data_ptr()
        args.scratch_stride = self._scratch_stride
        return args

    def _attend(self, args: "AttendArgs", q: torch.Tensor, out: torch.Tensor, work: int) -> None:
        """Attend the tokens of `args` into `out`.

        Args:
            work: (query, key) pairs, to tell whether a team is worth waking.
        """
        if args.num_tokens == 0:
            return
        q = _readable(q)
        args.q, args.q_token_stride, args.q_head_stride = q.data_ptr(), q.stride(0), q.stride(1)
        args.out = out.data_ptr()
        on_team = self._kernels.attend_on_team
        if on_team is None or self._num_threads == 1 or work * self.spec.num_heads * self.spec.head_dim < TEAM_WORK:
            self._kernels.attend(ctypes.addressof(args))
        else:
            run_on_team(on_team, ctypes.addressof(args), self._num_threads)


def _readable(x: torch.Tensor) -> torch.Tensor:
    """x [tokens, heads, head_dim], copied if a head's numbers are not side by side."""
    return x if x.stride(2) == 1 else x.contiguous()


def _add_new(args: "AttendArgs", k: torch.Tensor, v: torch.Tensor) -> None:
    args.k, args.k_token_stride, args.k_head_stride = k.data_ptr(), k.stride(0), k.stride(1)
    args.v, args.v_token_stride, args.v_head_stride = v.data_ptr(), v.stride(0), v.stride(1)
