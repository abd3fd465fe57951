"""What the runner asks of a model: embed, layers, head."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch

from server.attention.backend import AttentionBackend
from server.engine.batch import StepBatch
from server.models.config import ModelConfig
from server.models.parameter import Parameter


class DecoderLayer(Protocol):
    """One transformer block over a flat batch of tokens."""

    def __call__(
        self,
        x: torch.Tensor,
        residual: torch.Tensor | None,
        batch: StepBatch,
        attention: AttentionBackend,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Run the block on the batch's first `x.shape[0]` tokens.

        Args:
            x: [n, hidden]. The residual stream is `x + residual` (`x` alone when residual is None), so
                that the addition can be fused into the next norm.
            residual: [n, hidden] or None.

        Returns:
            The new (x, residual) under the same rule. A layer may overwrite the memory of both arguments.
        """


class Model(Protocol):
    """A decoder-only language model, in inference mode on one device."""

    config: ModelConfig
    layers: Sequence[DecoderLayer]

    def embed(self, token_ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """[n] int64 ids and positions -> [n, hidden]."""

    def head(self, x: torch.Tensor, residual: torch.Tensor | None) -> torch.Tensor:
        """Final norm and output projection: [n, hidden] -> logits [n, vocab], in the dtype of x."""

    def weights(self) -> Iterator[Parameter]:
        """Every parameter once."""

    def parameters(self) -> Iterator[torch.Tensor]:
        """Every distinct weight tensor."""
