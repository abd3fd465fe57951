"""A slow, obvious sampler for one row: Python floats and loops, no tensors."""

import math
from collections.abc import Sequence

from server.engine.request import SamplingParams

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def split_mix(x: int) -> int:
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def uniform(seed: int, sample_index: int, generated: int) -> float:
    key = split_mix((split_mix(seed & MASK) + (sample_index + 1) * GOLDEN) & MASK)
    return (split_mix((key + (generated + 1) * GOLDEN) & MASK) >> 11) / 2**53


def edited_logits(
    logits: Sequence[float],
    params: SamplingParams,
    prompt_ids: Sequence[int],
    output_ids: Sequence[int],
    allowed: set[int] | None,
) -> list[float]:
    """Masks, bias and penalties, in the documented order. `allowed` is the grammar's set."""
    x = list(logits)
    generated = len(output_ids)
    ends = set(params.stop_token_ids) | (set() if params.ignore_eos else set(params.eos_token_ids))
    for i in range(len(x)):
        if params.allowed_token_ids is not None and i not in params.allowed_token_ids:
            x[i] = -math.inf
        if allowed is not None and i not in allowed:
            x[i] = -math.inf
        if i in ends and generated < params.min_tokens:
            x[i] = -math.inf
        x[i] += params.logit_bias.get(i, 0.0)
        if i in prompt_ids or i in output_ids:
            x[i] = x[i] / params.repetition_penalty if x[i] > 0 else x[i] * params.repetition_penalty
        count = list(output_ids).count(i)
        x[i] -= params.frequency_penalty * count + params.presence_penalty * (count > 0)
    return x


def probabilities(x: Sequence[float], params: SamplingParams, top_p: float) -> list[float]:
    """The distribution that a token is drawn from; ties stay or go together."""
    best = max(x)
    if params.is_greedy or params.top_k == 1:
        return [float(i == list(x).index(best)) for i in range(len(x))]
    p = [math.exp((v - best) / params.temperature) for v in x]
    p = [v if v >= params.min_p else 0.0 for v in p]
    if params.top_k > 0:
        kth = sorted(x, reverse=True)[min(params.top_k, len(x)) - 1]
        p = [v if x[i] >= kth else 0.0 for i, v in enumerate(p)]
    total = sum(p)
    kept = [v if sum(w for w in p if w > v) < top_p * total or v == max(p) else 0.0 for v in p]
    return [v / sum(kept) for v in kept]


def is_right(token_id: int, u: float, x: Sequence[float], params: SamplingParams, tolerance: float = 1e-5) -> bool:
    """Whether inverse CDF with `u` may give this token, if sums are off by at most `tolerance`."""
    edges = {params.top_p, max(params.top_p - tolerance, 1e-9), min(params.top_p + tolerance, 1.0)}
    for top_p in edges:
        p = probabilities(x, params, top_p)
        below = sum(p[:token_id])
        if p[token_id] > 0 and below - tolerance <= u <= below + p[token_id] + tolerance:
            return True
    return False
