"""Log probabilities of chosen tokens under the raw distribution: before temperature, masks and penalties."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from server.engine.request import TokenLogprobs

LOWEST_LOGPROB = -9999.0
"""Stands for -inf and NaN, which JSON cannot hold."""


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Log probabilities of n positions, as tensors of one device.

    Args:
        token_ids: int64 [n], the tokens chosen.
        logprobs: float32 [n].
        ranks: int64 [n]; 1 is the most likely, and equals share the best rank among them.
        top_ids: int64 [n, k], most likely first.
        top_logprobs: float32 [n, k].
    """

    token_ids: Tensor
    logprobs: Tensor
    ranks: Tensor
    top_ids: Tensor
    top_logprobs: Tensor

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> "Logprobs":
        """The same on another device."""
        return Logprobs(
            self.token_ids.to(device, non_blocking=non_blocking),
            self.logprobs.to(device, non_blocking=non_blocking),
            self.ranks.to(device, non_blocking=non_blocking),
            self.top_ids.to(device, non_blocking=non_blocking),
            self.top_logprobs.to(device, non_blocking=non_blocking),
        )

    def scatter(self, places: Tensor, num_rows: int) -> "Logprobs":
        """Spread n positions over `num_rows` rows; rows that are not in `places` (int64 [n]) hold zeros."""
        return Logprobs(*(
            field.new_zeros(num_rows, *field.shape[1:]).index_copy_(0, places, field)
            for field in (self.token_ids, self.logprobs, self.ranks, self.top_ids, self.top_logprobs)
        ))  # fmt: skip

    def records(self, num_top: Sequence[int | None]) -> list[TokenLogprobs | None]:
        """One record for each position, with that many top tokens; None where None is asked. Reads the device."""
        host = self.to("cpu")
        columns = (host.token_ids, host.logprobs, host.ranks, host.top_ids, host.top_logprobs)
        return [
            None
            if k is None
            else TokenLogprobs(token_id, finite(logprob), rank, top_ids[:k], [finite(x) for x in top[:k]])
            for k, token_id, logprob, rank, top_ids, top in zip(num_top, *(c.tolist() for c in columns), strict=True)
        ]


def finite(logprob: float) -> float:
    """A log probability that JSON can hold: at least -9999.0, never NaN."""
    return LOWEST_LOGPROB if math.isnan(logprob) else max(logprob, LOWEST_LOGPROB)


def compute_logprobs(logits: Tensor, token_ids: Tensor, num_top: int) -> Logprobs:
    """Log probabilities of given tokens and of the most likely ones.

    Args:
        logits: any float type [n, V], raw.
        token_ids: int64 [n].
        num_top: how many of the most likely tokens to list; cut to V.
    """
    # The order is that of the raw logits, which nothing has rounded into ties; only what is reported is normalised.
    chosen = logits.gather(1, token_ids.unsqueeze(1))
    top = logits.topk(min(num_top, logits.shape[1]), dim=1)
    ranks = (logits > chosen).sum(1) + 1
    log_mass = logits.float().logsumexp(1, keepdim=True)
    return Logprobs(token_ids, (chosen - log_mass).squeeze(1), ranks, top.indices, top.values - log_mass)


def prompt_logprobs(logits: Tensor, next_ids: Tensor, num_top: int) -> Logprobs:
    """Log probabilities of the prompt tokens that follow each position.

    Args:
        logits: any float type [n, V] of n consecutive prompt positions.
        next_ids: int64 [n], the prompt token after each of them.
        num_top: as in `compute_logprobs`.
    """
    return compute_logprobs(logits, next_ids, num_top)
