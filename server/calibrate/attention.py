"""Attention of one sequence outside of the engine: with gradients, and without a mask of every query by every key.

Key j is visible to query i iff `j <= i and (j < sinks or j > i - recent)`, as `kv.policy.Retention` has it.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows

BLOCK = 256
"""Queries that share a stretch of keys. Larger blocks read keys less often and compute more that is masked."""

_ALIGNMENT = 16
"""Masks whose rows are a multiple of this need no copy in torch's GPU kernels."""


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, window: int | None = None) -> torch.Tensor:
    """Causal attention of the last queries of a sequence over all of its keys.

    Args:
        q: [m, heads, head_dim], the queries of the last m positions.
        k, v: [n, kv_heads, head_dim], n >= m.
        window: positions that a query sees, its own included; all when None.

    Returns:
        [m, heads, head_dim].
    """
    num_queries, num_keys = q.shape[0], k.shape[0]
    repeats = q.shape[1] // k.shape[1]
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    if repeats > 1:
        k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
    if num_queries == num_keys and window is None:
        # Without a mask, so that torch takes a kernel whose memory grows with the length alone.
        return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale)[0].transpose(0, 1)
    query = torch.arange(num_keys - num_queries, num_keys, device=q.device)[:, None]
    key = torch.arange(num_keys, device=q.device)[None]
    visible = key <= query
    if window is not None:
        visible &= key > query - window
    return F.scaled_dot_product_attention(q, k, v, attn_mask=visible, scale=scale)[0].transpose(0, 1)


class StreamingAttention:
    """Attention of whole sequences of one length to sinks and a window, in time and memory linear in the length.

    Queries are cut into blocks; a block gets the sinks and the stretch of keys that its queries see any of, so that
    it is one ordinary attention with a small mask, the same in every block but the first ones.

    Args:
        length: positions of the sequence.
        sinks: leading positions that every query sees.
        recent: trailing positions that a query sees, its own included.
        device: where the sequence is.
        block: queries of a block.
    """

    def __init__(self, length: int, sinks: int, recent: int, device: torch.device, block: int = BLOCK) -> None:
        block = min(block, length)
        self._sinks = min(sinks, length)
        self._num_blocks = -(-length // block)
        self._block = block
        reach = min(recent, length) - 1 + block
        self._width = -(-(self._sinks + reach) // _ALIGNMENT) * _ALIGNMENT - self._sinks
        self._before = self._width - block
        self._after = self._num_blocks * block - length
        starts = torch.arange(self._num_blocks, device=device)[:, None, None] * block
        query = starts + torch.arange(block, device=device)[:, None]
        key = starts - self._before + torch.arange(self._width, device=device)
        in_window = (key >= self._sinks) & (key <= query) & (key > query - recent)
        is_sink = (torch.arange(self._sinks, device=device) <= query).expand(-1, -1, self._sinks)
        self._visible = torch.cat([is_sink, in_window], -1)[:, None]

    def __call__(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
        """q [length, heads, head_dim], k and v [length, kv_heads, head_dim] -> [length, heads, head_dim]."""
        length, num_heads, head_dim = q.shape
        num_kv_heads = k.shape[1]
        shared_by = num_heads // num_kv_heads
        # The query heads of a KV head follow one another in one long block, so that keys are not repeated for each.
        q = F.pad(q, (0, 0, 0, 0, 0, self._after)).view(self._num_blocks, self._block, num_kv_heads, -1, head_dim)
        q = q.permute(0, 2, 3, 1, 4).flatten(2, 3)
        visible = self._visible.repeat(1, 1, shared_by, 1) if shared_by > 1 else self._visible
        out = F.scaled_dot_product_attention(q, self._stretches(k), self._stretches(v), attn_mask=visible, scale=scale)
        out = out.view(self._num_blocks, num_kv_heads, shared_by, self._block, head_dim).permute(0, 3, 1, 2, 4)
        return out.reshape(-1, num_heads, head_dim)[:length]

    def _stretches(self, x: torch.Tensor) -> torch.Tensor:
        """[length, kv_heads, head_dim] -> what each block sees, [blocks, kv_heads, sinks + width, head_dim]."""
        sinks = x[: self._sinks].transpose(0, 1).expand(self._num_blocks, -1, -1, -1)
        padded = F.pad(x, (0, 0, 0, 0, self._before, self._after))
        return torch.cat([sinks, padded.unfold(0, self._width, self._block).transpose(2, 3)], 2)
