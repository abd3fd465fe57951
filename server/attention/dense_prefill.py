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

MIN_TOKENS = 1024
"""New tokens of a row from which cuDNN is faster than `triton_prefill.py`, copies included."""

PIECE = 32768
"""Prefix positions that are copied out of pages at once; bounds the memory this takes."""


class DensePrefill:
    """cuDNN's attention for the rows of eager batches that have many new tokens and no window.

    Attributes:
        is_refused: cuDNN has refused once, and is not asked again.
        min_tokens: new tokens from which a row is taken.
    """

    def __init__(self, launcher: Launcher) -> None:
        spec = launcher.spec
        self.spec = spec
        self.launcher = launcher
        self.min_tokens = MIN_TOKENS
        self.is_refused = spec.device.type != "cuda" or spec.dtype == torch.float32 or spec.batch_invariant

    def chosen(self, batch: StepBatch) -> list[int]:
        """Indices of the rows of an eager batch to compute here, ascending."""
        # Which row of the tables is which of the batch is known on the device alone.
        if self.is_refused or batch.num_prefill_tokens < self.min_tokens or not self.launcher.tables.keeps_all.all():
            return []
        lens = batch.query_lens[: batch.num_prefill_rows]
        return [index for index, length in enumerate(lens) if length >= self.min_tokens]

    def attend_row(
        self,
        layer: int,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        out: torch.Tensor,
        batch: StepBatch,
        index: int,
    ) -> bool:
        """Attention of all new tokens of the batch's row `index`.

        Args:
            q: [tokens, heads, head_dim], of the row's tokens.
            k, v: [tokens, kv_heads, head_dim], of the row's tokens, in pages already.
            out: [tokens, heads, head_dim], contiguous.

        Returns:
            Whether cuDNN did it; if not, `out` holds nothing.
        """
        prefix_len = batch.host_kv_lens[index] - q.shape[0]
        try:
            result, lse = self._attention(q, k, v, is_causal=True, has_lse=prefix_len > 0)
            for first in range(0, prefix_len, PIECE):
                length = min(PIECE, prefix_len - first)
                keys, values = self._gather(layer, batch, index, first, length)
                piece, piece_lse = self._attention(q, keys, values, is_causal=False, has_lse=True)
                self._merge(result, lse, piece, piece_lse)
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            logger.warning("cuDNN refuses attention, Triton takes all prompts: %s", str(error).split("\n")[0])
            self.is_refused = True
            return False
        out.copy_(result)
        return True

    def _attention(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, is_causal: bool, has_lse: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Result [tokens, heads, head_dim] and log-sums [tokens, heads]."""
        outputs = torch.ops.aten._scaled_dot_product_cudnn_attention(
            q.transpose(0, 1)[None],
            k.transpose(0, 1)[None],
            v.transpose(0, 1)[None],
            None,
            has_lse,
            0.0,
            is_causal,
            False,
            scale=self.spec.scale,
        )
        lse = outputs[1].reshape(q.shape[1], q.shape[0]).t() if has_lse else outputs[1]
        return outputs[0][0].transpose(0, 1), lse

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
