"""What a request under a `duo` variant must give: the dense oracle, masked as the variant says."""

from collections.abc import Mapping
from pathlib import Path

import torch

from server.engine.core import EngineCore
from server.kv.patterns import HeadPattern, write_pattern
from tests.engine.conftest import Result
from tests.oracle import HeadMask, Oracle, window_mask

SCORES = torch.tensor([[0.9, 0.1], [0.3, 0.7], [0.2, 0.6], [0.8, 0.4]])
"""Of the tiny Llama's heads. From the lowest: (0, 1), (2, 0), (1, 0), (3, 1), (2, 1), (1, 1), (3, 0), (0, 0)."""


def write_scores(directory: Path, sinks: int = 3, recent: int = 8, scores: torch.Tensor = SCORES) -> Path:
    write_pattern(directory, HeadPattern(scores, sinks, recent), {})
    return directory


def duo(name: str, pattern: Path, **arguments: object) -> str:
    """A variant for `--variants`."""
    listed = ", ".join(f"{key}={value}" for key, value in {"pattern": pattern, **arguments}.items())
    return f"{name}=duo({listed})"


def visible(length: int, prompt_len: int, sinks: int, recent: int, prefill: str) -> torch.Tensor:
    """bool [length, length]: the keys (columns) that a query (row) of a streaming head sees, but for causality."""
    if prefill == "strict":
        return window_mask(length, sinks, recent)
    if prefill == "dense":
        mask = window_mask(length, sinks, recent)
        mask[:prompt_len] = True
        return mask
    chunk = int(prefill.removeprefix("relaxed:"))
    # The reference cuts its cache to the last `recent` after every chunk, and a generated token comes on top of them.
    mask = window_mask(length, sinks, recent + 1)
    keys = torch.arange(length)
    for start in range(0, prompt_len, chunk):
        end = min(start + chunk, prompt_len)
        mask[start:end] = (keys < sinks) | (keys >= start - recent)
    return mask


def mask_of(core: EngineCore, variant: str, prompt_len: int) -> HeadMask | None:
    """What each head sees of a request with such a prompt. Which heads stream, the engine's groups say."""
    policy = core.variants[variant].policy
    if policy.name != "duo":
        return None
    streaming = {slot for group in core.plan.groups if variant in group.streams for slot in group.slots}

    def mask(layer: int, head: int, length: int) -> torch.Tensor:
        if (layer, head) not in streaming:
            return torch.ones(length, length, dtype=torch.bool)
        return visible(length, prompt_len, policy.sinks, policy.recent, str(policy.prefill))

    return mask


def assert_greedy(
    oracle: Oracle, core: EngineCore, variant: str, prompt: list[int], result: Result, tolerance: float = 1e-4
) -> None:
    """Every token is the masked oracle's best after those before it, or one as good."""
    assert result.finish_reason == "length"
    ids = prompt + result.token_ids
    logits = oracle.logits(ids[:-1], head_mask=mask_of(core, variant, len(prompt)))[len(prompt) - 1 :]
    chosen = logits.gather(1, torch.tensor(result.token_ids)[:, None])[:, 0]
    assert (logits.amax(1) - chosen).max() < tolerance


def pages_of(core: EngineCore) -> Mapping[str, int]:
    """Pages that every running row holds, as its table has them."""
    return {
        sequence.request.request_id: int((core.tables.host[sequence.row] != 0).sum())
        for sequence in core.scheduler.running
    }
