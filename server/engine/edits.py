"""Allowed ids, end ids before `min_tokens` and logit bias: changes to few logits, planned once per set of rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from server.engine.request import SamplingParams
from server.engine.upload import upload

MINUS_INFINITY = float("-inf")


def _end_ids(params: SamplingParams) -> set[int]:
    return set(params.stop_token_ids) | (set() if params.ignore_eos else set(params.eos_token_ids))


def has_edits(params: SamplingParams) -> bool:
    """Whether these parameters change single logits."""
    return bool(params.allowed_token_ids is not None or params.logit_bias or (params.min_tokens and _end_ids(params)))


@dataclass(frozen=True, slots=True)
class LogitEdits:
    """Edits of one set of rows, as flat lists of (place in the batch, token id, what to do).

    Args:
        allowed_places: int64 [a], places of the rows that allow some ids only.
        allowed: bool [a, V].
        end_places, end_ids, end_until: int64 [e]; the id is masked while fewer than `until` tokens exist.
        bias_places, bias_ids: int64 [b].
        bias: float32 [b].
    """

    allowed_places: Tensor
    allowed: Tensor
    end_places: Tensor
    end_ids: Tensor
    end_until: Tensor
    bias_places: Tensor
    bias_ids: Tensor
    bias: Tensor

    def apply(self, logits: Tensor, generated: Tensor) -> None:
        """Edit float32 [S, V] logits in place; `generated` is int64 [S], tokens that each row has so far."""
        if self.allowed_places.numel():
            chosen = logits[self.allowed_places].masked_fill_(~self.allowed, MINUS_INFINITY)
            logits.index_copy_(0, self.allowed_places, chosen)
        if self.end_places.numel():
            is_early = generated[self.end_places] < self.end_until
            old = logits[self.end_places, self.end_ids]
            logits[self.end_places, self.end_ids] = old.masked_fill_(is_early, MINUS_INFINITY)
        if self.bias_places.numel():
            logits[self.bias_places, self.bias_ids] += self.bias


def plan_edits(
    params: Sequence[SamplingParams], places: Sequence[int], vocab_size: int, device: torch.device
) -> LogitEdits:
    """Flatten the edits of some rows of a batch.

    Ids outside the vocabulary can never be chosen, so they need no edit and are left out.

    Args:
        params: of the rows with edits.
        places: where those rows stand in the batch.
    """
    allowed_places = [place for place, p in zip(places, params, strict=True) if p.allowed_token_ids is not None]
    allowed = np.zeros((len(allowed_places), vocab_size), dtype=np.bool_)
    allowing = (p.allowed_token_ids for p in params if p.allowed_token_ids is not None)
    for line, ids in enumerate(allowing):
        allowed[line, [i for i in ids if 0 <= i < vocab_size]] = True
    ends: list[tuple[int, int, int]] = []
    biases: list[tuple[int, int, float]] = []
    for place, p in zip(places, params, strict=True):
        if p.min_tokens:
            ends.extend((place, i, p.min_tokens) for i in _end_ids(p) if 0 <= i < vocab_size)
        biases.extend((place, i, value) for i, value in p.logit_bias.items() if 0 <= i < vocab_size)

    def integers(values: list[int]) -> Tensor:
        return upload(np.array(values, dtype=np.int64), device)

    return LogitEdits(
        allowed_places=integers(allowed_places),
        allowed=upload(allowed, device),
        end_places=integers([place for place, _, _ in ends]),
        end_ids=integers([i for _, i, _ in ends]),
        end_until=integers([until for _, _, until in ends]),
        bias_places=integers([place for place, _, _ in biases]),
        bias_ids=integers([i for _, i, _ in biases]),
        bias=upload(np.array([value for _, _, value in biases], dtype=np.float32), device),
    )
