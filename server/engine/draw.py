"""From scaled logits to one token: fixed-point weights, top-k and top-p, a counter-based draw.

Weights are integers, so their sums are exact in any order. That makes a row's token independent of the batch
it runs in, of the number of threads and of the device's reduction order, which floating point cannot promise.

The uniform numbers are SplitMix64's (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
2014): the n-th output of a stream is a bijective hash of `key + n * GOLDEN`, so any one of them is had directly.
"""

import numpy as np
import torch
from torch import Tensor

GOLDEN = 0x9E3779B97F4A7C15
"""2^64 / golden ratio, SplitMix64's increment."""

WEIGHT_BITS = 40
"""The most likely token weighs 2^40; 2^20 tokens of that weight still sum below 2^63."""

_MASK64 = (1 << 64) - 1
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SHIFTS = (30, 27, 31)


def mix64(value: int) -> int:
    """SplitMix64's output hash of an unsigned 64-bit integer."""
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS, strict=False):
        value = ((value ^ (value >> shift)) * multiplier) & _MASK64
    return value ^ (value >> _SHIFTS[2])


def stream_key(seed: int, sample_index: int) -> int:
    """The unsigned 64-bit key of one sample's stream. Equal seeds of different samples are unrelated."""
    return mix64((mix64(seed & _MASK64) + (sample_index + 1) * GOLDEN) & _MASK64)


def uniform(keys: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """One uniform number in [0, 1) for each (key, index). On the host, where both are known.

    Args:
        keys: uint64 [n], from `stream_key`.
        indices: uint64 [n], index of the token among the generated ones, 0-based.

    Returns:
        float64 [n], multiples of 2^-53.
    """
    x = keys + (indices + np.uint64(1)) * np.uint64(GOLDEN)
    for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS, strict=False):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(multiplier)
    x ^= x >> np.uint64(_SHIFTS[2])
    return (x >> np.uint64(11)) * 2.0**-53


def weigh(z: Tensor, out: Tensor) -> Tensor:
    """Unnormalised probabilities as integers: `floor(2^40 * exp(z))`.

    Args:
        z: float32 [n, V], at most 0, overwritten; -inf weighs 0, as does anything below about -27.7.
        out: int64 [n, V], takes the weights and is returned.
    """
    # `exp` is the same for an element wherever it stands in a tensor; on the CPU, `exp2` is not.
    return out.copy_(z.exp_().mul_(2.0**WEIGHT_BITS))


def lowest_kept(z: Tensor, top_k: Tensor, top_p: Tensor, max_k: int, scratch: Tensor) -> Tensor:
    """The smallest value of each row that stays in its top k, and in the top p of what top-k leaves.

    Tokens of equal value stay or go together: top-k keeps whatever ties with the k-th, and top-p keeps a
    token if the tokens above it hold less than p of the mass. So the outcome has no hidden order.

    Args:
        z: float32 [n, V], at most 0.
        top_k: int64 [n], in [1, V]; V is off.
        top_p: float64 [n], in (0, 1]; 1 is off.
        max_k: the largest of `top_k`, known on the host.
        scratch: int64 with at least n * V elements, contiguous; overwritten.

    Returns:
        float32 [n, 1].
    """
    ranked = _descending(z, max_k)
    kth = ranked.gather(1, top_k.unsqueeze(1) - 1)
    num_tied = (z == kth).sum(1, keepdim=True)
    num_above = torch.searchsorted(-ranked, -kth).clamp_(max=ranked.shape[1] - 1)
    cumulative = weigh(ranked.clone(), scratch.view(-1)[: ranked.numel()].view_as(ranked)).cumsum_(1)
    mass_above = torch.where(num_above > 0, cumulative.gather(1, (num_above - 1).clamp_(min=0)), 0)
    kth_weight = cumulative.gather(1, num_above) - mass_above
    total = mass_above + num_tied * kth_weight
    wanted = (total.to(torch.float64) * top_p.unsqueeze(1)).ceil_().to(torch.int64)
    # Ties with the k-th may lie beyond `ranked`; they all have its last kept value anyway.
    place = torch.searchsorted(cumulative, wanted).clamp_(max=ranked.shape[1] - 1)
    return torch.maximum(kth, ranked.gather(1, place))


def _descending(z: Tensor, num_wanted: int) -> Tensor:
    """The `num_wanted` largest values of every row, largest first, or all of them if a sort is cheaper."""
    vocab_size = z.shape[1]
    if num_wanted * 16 <= vocab_size:
        return z.topk(num_wanted, dim=1).values
    if z.device.type == "cpu":
        # NumPy sorts with vector instructions, four times as fast as PyTorch on the CPU.
        ranked = z.neg()
        ranked.numpy().sort(axis=1)
        return ranked.neg_()
    return z.sort(dim=1, descending=True).values


def pick(weights: Tensor, uniforms: Tensor) -> Tensor:
    """Inverse CDF in the order of the vocabulary.

    Args:
        weights: int64 [n, V], at least 0, with a positive sum; overwritten.
        uniforms: float64 [n], in [0, 1).

    Returns:
        int64 [n]; only ids of positive weight, unless a row's weights are invalid.
    """
    cumulative = weights.cumsum_(1)
    total = cumulative[:, -1]
    # A sum may have 60 bits and a double holds 53, so the product may round up to the sum itself.
    target = torch.minimum((uniforms * total.to(torch.float64)).to(torch.int64), total - 1)
    picked = torch.searchsorted(cumulative, target.unsqueeze(1), right=True).squeeze(1)
    return picked.clamp_(max=weights.shape[1] - 1)
