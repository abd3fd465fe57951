"""The GPU backend: Triton kernels over the pages of groups, and cuDNN for long prompts that see everything."""

from typing import TYPE_CHECKING

import torch

from server.attention.backend import AttentionBackend, AttentionSpec
from server.engine.batch import StepBatch
from server.kv.plan import KVPlan
from server.kv.pool import PagePool
from server.kv.table import PageTables

if TYPE_CHECKING:
    from server.models.rope import RotaryEmbedding

MAX_HEAD_DIM = 256


class TritonAttention(AttentionBackend):
    """Paged attention in Triton; see `triton_decode.py`, `triton_prefill.py` and `triton_write.py`.

    Results of padding rows and of tokens past the last row's are any numbers.
    """

    name = "triton"
    can_be_captured = True

    @classmethod
    def supports(cls, spec: AttentionSpec) -> list[str]:
        reasons = []
        try:
            from server.attention.triton_launch import TRITON_TYPES, is_interpreted
        except ImportError as error:
            return [f"needs Triton (pip install triton): {error}"]
        if spec.device.type != "cuda" and not (spec.device.type == "cpu" and is_interpreted()):
            reasons.append(f"runs on CUDA, not on {spec.device.type}")
        if spec.head_dim % 8 or not 8 <= spec.head_dim <= MAX_HEAD_DIM:
            reasons.append(f"needs heads of a multiple of 8 up to {MAX_HEAD_DIM}, not of {spec.head_dim}")
        if spec.dtype not in TRITON_TYPES:
            reasons.append(f"needs activations in bfloat16, float16 or float32, not in {spec.dtype}")
        if spec.needs_scores:
            reasons.append("does not return attention scores")
        return reasons

    def __init__(self, spec: AttentionSpec, plan: KVPlan, pool: PagePool, tables: PageTables) -> None:
        super().__init__(spec, plan, pool, tables)
        from server.attention.dense_prefill import DensePrefill
        from server.attention.triton_launch import Launcher

        self.launcher = Launcher(spec, plan, pool, tables)
        self.dense = DensePrefill(self.launcher)

    def write(self, layer: int, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> None:
        self.launcher.write(layer, k, v, batch)

    def prefill(self, layer: int, q: torch.Tensor, batch: StepBatch, num_rows: int) -> torch.Tensor:
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        if self.spec.batch_invariant:
            self.launcher.attend_invariantly(layer, q, out, batch, range(num_rows), q.shape[0])
        else:
            self.launcher.prefill(layer, q, out, batch, range(num_rows), q.shape[0])
        return out

    def decode(self, layer: int, q: torch.Tensor, batch: StepBatch, first_row: int) -> torch.Tensor:
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        first_token = batch.num_prefill_tokens + first_row - batch.num_prefill_rows
        if self.spec.batch_invariant:
            rows, padding = range(first_row, first_row + q.shape[0]), q.new_empty(first_token, *q.shape[1:])
            padded_out = torch.cat((padding, out))
            self.launcher.attend_invariantly(layer, torch.cat((padding, q)), padded_out, batch, rows, q.shape[0])
            return padded_out[first_token:]
        self.launcher.decode(layer, q, out, batch, first_row, q.shape[0], first_token)
        return out

    def attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> torch.Tensor:
        self.launcher.write(layer, k, v, batch)
        return self._attend(layer, q, k, v, batch)

    def attend_rotating(
        self, layer: int, qkv: torch.Tensor, num_heads: int, rope: "RotaryEmbedding", batch: StepBatch
    ) -> torch.Tensor:
        self.launcher.rotate_and_write(layer, qkv, rope, batch)
        num_rotated = num_heads + self.spec.num_kv_heads
        return self._attend(layer, qkv[:, :num_heads], qkv[:, num_heads:num_rotated], qkv[:, num_rotated:], batch)

    def _attend(self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: StepBatch) -> torch.Tensor:
        """Attention of tokens whose keys and values are written; shapes as in `attend`."""
        num_tokens, launcher = q.shape[0], self.launcher
        if batch.is_static and batch.max_prefill_rows > 0:
            # Which rows are prefill rows is known on the device alone, so both kernels look at all of them.
            num_rows, first_decode = batch.num_rows, 0
        else:
            # Rows that left early are missing from the end.
            num_rows = num_tokens - batch.num_prefill_tokens + batch.num_prefill_rows
            first_decode = batch.num_prefill_rows
        if self.spec.batch_invariant:
            out = q.new_empty(q.shape)
            launcher.attend_invariantly(layer, q, out, batch, range(num_rows), num_tokens)
            return out.flatten(1)
        if batch.is_static:
            out = q.new_empty(q.shape)
            launcher.prefill(layer, q, out, batch, range(batch.max_prefill_rows), num_tokens)
        else:
            out = self._prefill_eagerly(layer, q, k, v, batch)
        launcher.decode(layer, q, out, batch, first_decode, num_rows - first_decode)
        return out.flatten(1)

    def _prefill_eagerly(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: StepBatch
    ) -> torch.Tensor:
        """Prefill rows of a batch whose lengths the host knows: what is long by cuDNN, the rest by Triton.

        Returns:
            [n, heads, head_dim]; tokens of decode rows are still empty.
        """
        out, launcher = q.new_empty(q.shape), self.launcher
        first_row = first_token = skipped = 0
        for part in self.dense.chosen(layer, batch):
            index = part.index
            start = first_token - skipped + sum(batch.query_lens[first_row:index])
            end = start + part.num_tokens
            result = self.dense.attend(q[start:end], k[start:end], v[start:end], batch, part)
            if result is None:
                break
            queries = part.heads.queries
            if queries is None:
                if part.num_tokens == q.shape[0]:
                    return result
                out[start:end] = result
            else:
                out[start:end].index_copy_(1, queries, result)
                # The tokens that are left over are few, and windows short, so these are computed twice at worst.
                rows = range(index, index + 1)
                launcher.prefill(layer, q, out, batch, rows, batch.query_lens[index], windows_only=True)
            launcher.prefill(layer, q, out, batch, range(first_row, index), start - first_token, skipped)
            first_row, first_token, skipped = index, end, part.num_tokens
        rows = range(first_row, batch.num_prefill_rows)
        launcher.prefill(layer, q, out, batch, rows, batch.num_prefill_tokens - first_token, skipped)
        return out
