"""Long prompts that keep every position: attention by cuDNN, straight from a layer's projections.

A chunk with a prefix in pages is two problems: the chunk among itself, causal, and the chunk over the prefix, which
is copied out of its pages in pieces; results are merged by their log-sums (Dao et al., "Flash-Decoding", 2023).
"""

import logging

import torch
import triton

from server.attention.triton_dense import merge_kernel
from server.attention.triton_launch import Launcher
from server.engine.batch import StepBatch

logger = logging.getLogger(__name__)

STEP = 1024
"""cuDNN takes tens of milliseconds for every new shape, so it gets multiples of this alone. From this length on it is
faster than `triton_prefill.py`."""

PIECE = 8192
"""Prefix positions that are copied out of pages at once; bounds the memory this takes, and the number of shapes."""


class DensePrefill:
    """cuDNN's attention for the rows of eager batches that have many new tokens and no window.

    Attributes:
        is_refused: cuDNN has refused once, and is not asked again.
    """

    def __init__(self, launcher: Launcher) -> None:
        spec = launcher.spec
        self.spec = spec
        self.launcher = launcher
        self.is_refused = spec.device.type != "cuda" or spec.dtype == torch.float32 or spec.batch_invariant
        if not self.is_refused:
            self._try()

    def _try(self) -> None:
        """Load cuDNN, which takes half a second, before the first prompt does, and see whether it serves."""
        spec = self.spec
        q, kv = (
            torch.zeros(STEP, heads, spec.head_dim, dtype=spec.dtype, device=spec.device)
            for heads in (spec.num_heads, spec.num_kv_heads)
        )
        try:
            self._attention(q, kv, kv, is_causal=True)
        except RuntimeError as error:
            self._refuse(error)

    def _refuse(self, error: RuntimeError) -> None:
        logger.warning("cuDNN refuses attention, Triton takes all prompts: %s", str(error).split("\n")[0])
        self.is_refused = True

    def chosen(self, batch: StepBatch) -> list[tuple[int, int]]:
        """(row of the batch, leading new tokens of it) to compute here, by ascending rows; the batch is eager."""
        if self.is_refused or batch.num_prefill_tokens < STEP:
            return []
        count, keeps_all = batch.num_prefill_rows, self.launcher.tables.keeps_all
        # Where the host does not know which row of the tables is which of the batch, all must keep everything.
        is_full = [keeps_all.all()] * count if batch.host_rows is None else keeps_all[batch.host_rows[:count]].tolist()
        lengths = zip(batch.query_lens[:count], batch.host_kv_lens[:count], is_full, strict=True)
        return [
            (index, query_len // STEP * STEP)
            for index, (query_len, kv_len, is_seen) in enumerate(lengths)
            if is_seen and query_len >= STEP and (kv_len - query_len) % STEP == 0
        ]

    def attend_row(
        self, layer: int, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: StepBatch, index: int
    ) -> torch.Tensor | None:
        """Attention of leading new tokens of the batch's row `index`; their number is a multiple of STEP.

        Args:
            q: [tokens, heads, head_dim].
            k, v: [tokens, kv_heads, head_dim], of the same tokens, which are in pages already.

        Returns:
            [tokens, heads, head_dim], or None if cuDNN refuses.
        """
        prefix_len = batch.host_kv_lens[index] - batch.query_lens[index]
        if self.spec.kv_format.is_quantized:
            # What a token sees of its own chunk is what later chunks will see of it.
            k, v = self._gather(layer, batch, index, prefix_len, q.shape[0])
        try:
            result, lse = self._attention(q, k, v, is_causal=True)
            for first in range(0, prefix_len, PIECE):
                length = min(PIECE, prefix_len - first)
                keys, values = self._gather(layer, batch, index, first, length)
                piece, piece_lse = self._attention(q, keys, values, is_causal=False)
                self._merge(result, lse, piece, piece_lse)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._refuse(error)
            return None
        return result

    def _attention(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, is_causal: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Result [tokens, heads, head_dim] and log-sums [tokens, heads]."""
        outputs = torch.ops.aten._scaled_dot_product_cudnn_attention(
            q.transpose(0, 1)[None],
            k.transpose(0, 1)[None],
            v.transpose(0, 1)[None],
            None,
            True,
            0.0,
            is_causal,
            False,
            scale=self.spec.scale,
        )
        return outputs[0][0].transpose(0, 1), outputs[1].reshape(q.shape[1], q.shape[0]).t()

    def _gather(
        self, layer: int, batch: StepBatch, index: int, first: int, length: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """K and V of positions [first, first + length): [length, kv_heads, head_dim] each, dequantised."""
        spec = self.spec
        k = torch.empty(length, spec.num_kv_heads, spec.head_dim, dtype=spec.dtype, device=spec.device)
        v = torch.empty_like(k)
        self.launcher.gather(layer, k, v, batch, index, first)
        return k, v

    def _merge(self, out: torch.Tensor, lse: torch.Tensor, other: torch.Tensor, other_lse: torch.Tensor) -> None:
        tokens, heads, head_dim = out.shape
        merge_kernel[(tokens,)](
            out,
            lse,
            other,
            other_lse,
            *out.stride()[:2],
            *lse.stride(),
            *other.stride()[:2],
            *other_lse.stride(),
            NUM_HEADS=heads,
            HEAD_DIM=head_dim,
            HEADS=triton.next_power_of_2(heads),
            WIDTH=triton.next_power_of_2(head_dim),
        )
