"""Attention in blocks equals a dense one with its mask written out, gradients too."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from server.calibrate.attention import StreamingAttention, attend
from tests.oracle import window_mask


def dense(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, visible: torch.Tensor, scale: float) -> torch.Tensor:
    """q [n, heads, dim], k and v [n, kv_heads, dim], visible bool [n, n] without causality -> [n, heads, dim]."""
    length, num_heads, _ = q.shape
    visible = visible & torch.ones(length, length, dtype=torch.bool).tril()
    repeats = num_heads // k.shape[1]
    k, v = k.repeat_interleave(repeats, 1), v.repeat_interleave(repeats, 1)
    scores = torch.einsum("qhd,khd->hqk", q, k) * scale
    return torch.einsum("hqk,khd->qhd", scores.masked_fill(~visible, float("-inf")).softmax(-1), v)


def random_heads(length: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """q [length, 4, 8], k and v [length, 2, 8], float64."""
    draw = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(length, heads, 8, generator=draw, dtype=torch.float64) for heads in (4, 2, 2))  # type: ignore[return-value]


@given(
    length=st.integers(1, 60),
    sinks=st.sampled_from([0, 1, 5, 16, 100]),
    recent=st.sampled_from([1, 2, 7, 16, 100]),
    block=st.sampled_from([1, 3, 16, 256]),
)
def test_streaming_attention_equals_dense_attention_with_the_mask_written_out(length, sinks, recent, block):
    q, k, v = (x.requires_grad_() for x in random_heads(length))
    expected = dense(q, k, v, window_mask(length, sinks, recent), 0.3)
    found = StreamingAttention(length, sinks, recent, torch.device("cpu"), block)(q, k, v, 0.3)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)
    pull = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    wanted = torch.autograd.grad(expected, (q, k, v), pull)
    for mine, theirs in zip(torch.autograd.grad(found, (q, k, v), pull), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize("window", [None, 1, 7, 100])
@pytest.mark.parametrize("num_queries", [1, 5, 30])
def test_attention_of_the_last_queries_equals_theirs_among_all(window, num_queries):
    q, k, v = random_heads(30)
    visible = window_mask(30, 0, window or 30)
    expected = dense(q, k, v, visible, 0.3)[-num_queries:]
    torch.testing.assert_close(attend(q[-num_queries:], k, v, 0.3, window), expected, atol=1e-12, rtol=0)
