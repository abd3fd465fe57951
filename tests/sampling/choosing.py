"""Calls of the sampler with plain lists."""

from collections.abc import Sequence

import numpy as np
import torch

from server.engine.sampler import Sampled, Sampler


def choose(
    sampler: Sampler,
    logits: torch.Tensor,
    rows: Sequence[int],
    generated: Sequence[int],
    mask: torch.Tensor | None = None,
) -> Sampled:
    return sampler.sample(logits, np.array(rows, dtype=np.int64), np.array(generated, dtype=np.int64), mask)
