"""Long prompts, and those of their heads that keep every position: attention by cuDNN, straight from the projections.

A chunk with a prefix in pages is two problems: the chunk among itself, causal, and the chunk over the prefix, which
is copied out of its pages in pieces; results are merged by their log-sums (Dao et al., "Flash-Decoding", 2023).
"""

import logging
from dataclasses import dataclass

import numpy as np
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


@dataclass(frozen=True, slots=True)
class Heads:
    """Heads of a layer.

    Args:
        queries: int64, the query heads, on the device; None for all.
        keys: int64, their KV heads; None for all.
        slots: the groups of these KV heads and their indices in these, int32 each.
    """

    queries: torch.Tensor | None
    keys: torch.Tensor | None
    slots: tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Part:
    """What is computed here: the first `num_tokens` new tokens of the batch's row `index`, in some heads."""

    index: int
    num_tokens: int
    heads: Heads


class DensePrefill:
    """cuDNN's attention for the rows of eager batches that have many new tokens, in heads without a window.

    Attributes:
        is_refused: cuDNN has refused once, and is not asked again.
    """

    def __init__(self, launcher: Launcher) -> None:
        spec = launcher.spec
        self.spec = spec
        self.launcher = launcher
        self._groups = [groups.tolist() for groups, _ in launcher.slots]
        self._heads: dict[tuple[int, bytes], Heads | None] = {}
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

    def chosen(self, layer: int, batch: StepBatch) -> list[Part]:
        """What to compute here, by ascending rows; the batch is eager."""
        if self.is_refused or batch.num_prefill_tokens < STEP:
            return []
        count, keeps_all = batch.num_prefill_rows, self.launcher.tables.keeps_all
        parts = []
        for index, (query_len, kv_len) in enumerate(zip(batch.query_lens[:count], batch.host_kv_lens, strict=False)):
            if query_len >= STEP and (kv_len - query_len) % STEP == 0:
                # Where the host does not know which row of the tables this is, it must be so in all of them.
                rows = slice(None) if batch.host_rows is None else batch.host_rows[index : index + 1]
                heads = self._heads_that_keep_all(layer, np.logical_and.reduce(keeps_all[rows]))
                if heads is not None:
                    parts.append(Part(index, query_len // STEP * STEP, heads))
        return parts

    def _heads_that_keep_all(self, layer: int, is_kept: np.ndarray) -> Heads | None:
        """The layer's heads whose groups keep everything, bool [groups]; None where there are none."""
        key = (layer, is_kept.tobytes())
        if key not in self._heads:
            self._heads[key] = self._find_heads(layer, is_kept)
        return self._heads[key]

    def _find_heads(self, layer: int, is_kept: np.ndarray) -> Heads | None:
        spec, (groups, indices) = self.spec, self.launcher.slots[layer]
        kept = [head for head, group in enumerate(self._groups[layer]) if is_kept[group]]
        if not kept:
            return None
        if len(kept) == spec.num_kv_heads:
            return Heads(None, None, (groups, indices))
        per_kv = spec.num_heads // spec.num_kv_heads
        keys = torch.tensor(kept, device=spec.device)
        queries = torch.tensor([head * per_kv + i for head in kept for i in range(per_kv)], device=spec.device)
        return Heads(queries, keys, (groups[keys], indices[keys]))

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, batch: StepBatch, part: Part
    ) -> torch.Tensor | None:
        """Attention of the part's tokens in its heads.

        Args:
            q: [tokens, heads, head_dim], of all heads.
            k, v: [tokens, kv_heads, head_dim], of the same tokens and all heads; they are in pages already.

        Returns:
            [tokens, the part's query heads, head_dim], or None if cuDNN refuses.
        """
        heads = part.heads
        prefix_len = batch.host_kv_lens[part.index] - batch.query_lens[part.index]
        if heads.queries is not None:
            q = q.index_select(1, heads.queries)
        if self.spec.kv_format.is_quantized:
            # What a token sees of its own chunk is what later chunks will see of it.
            k, v = self._gather(heads, batch, part.index, prefix_len, q.shape[0])
        elif heads.keys is not None:
            k, v = k.index_select(1, heads.keys), v.index_select(1, heads.keys)
        try:
            result, lse = self._attention(q, k, v, is_causal=True)
            for first in range(0, prefix_len, PIECE):
                length = min(PIECE, prefix_len - first)
                keys, values = self._gather(heads, batch, part.index, first, length)
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
        self, heads: Heads, batch: StepBatch, index: int, first: int, length: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """K and V of positions [first, first + length): [length, KV heads, head_dim] each, dequantised."""
        spec = self.spec
        num_heads = heads.slots[0].shape[0]
        k = torch.empty(length, num_heads, spec.head_dim, dtype=spec.dtype, device=spec.device)
        v = torch.empty_like(k)
        self.launcher.gather(heads.slots, k, v, batch, index, first)
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
            heads,
            HEAD_DIM=head_dim,
            HEADS=triton.next_power_of_2(self.spec.num_heads),
            WIDTH=triton.next_power_of_2(head_dim),
        )
