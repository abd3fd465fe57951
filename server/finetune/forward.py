"""The forward pass of a whole response at once, each position as deep as its exit schedule lets it.

Del Corro et al., "SkipDecode" (2023). Layer sets are nested, so a layer runs on a prefix of the positions, and leaves
the others as they are: no key that a query would see is ever missing, and the result is that of decoding by tokens.

It runs transformers' own layers, so that what is learned is a checkpoint as it stands. They are in evaluation mode:
without dropout, a pass is a function of weights and tokens.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from server.finetune.rows import Reach, RowBatch

HEAD_ROWS = 1024
"""Targets whose logits are computed together; bounds what a large vocabulary takes."""


class ScheduledForward:
    """Runs a transformers model under an exit schedule.

    Args:
        model: a causal model of the Llama family or OPT, its attention implementation "sdpa".
        sliding_windows: for each layer, positions that a query sees, its own included, or None for all.
        is_checkpointed: keep only what goes into each layer, and compute the rest again backwards.
        dtype: of matrix products and attention; weights may have another.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        sliding_windows: Sequence[int | None],
        *,
        is_checkpointed: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.model = model.eval()
        self.device: torch.device = model.device
        self._body: Any = getattr(model.model, "decoder", model.model)
        self._sliding_windows = sliding_windows
        self._is_checkpointed = is_checkpointed
        self._dtype = dtype

    @property
    def layers(self) -> nn.ModuleList:
        """The model's layers, bottom first."""
        layers: nn.ModuleList = self._body.layers
        return layers

    def losses(self, batch: RowBatch, reach: Reach) -> tuple[torch.Tensor, torch.Tensor]:
        """What each response token costs and whether it is the likeliest.

        Returns:
            float32 [targets], nats, and bool [targets].
        """
        with torch.autocast(self.device.type, self._dtype, enabled=self._dtype != torch.float32):
            states = self.states(batch, reach)[batch.target_rows, batch.target_positions]
            parts = [
                self._again(self._cross_entropy, part, targets)
                for part, targets in zip(states.split(HEAD_ROWS), batch.targets.split(HEAD_ROWS), strict=True)
            ]
        costs, is_right = zip(*parts, strict=True)
        return torch.cat(costs), torch.cat(is_right)

    def states(self, batch: RowBatch, reach: Reach) -> torch.Tensor:
        """Hidden states that the head takes, [rows, positions, hidden]; those of padding mean nothing."""
        num_positions = batch.token_ids.shape[1]
        positions = torch.arange(num_positions, device=self.device)[None]
        x, arguments = self._embed(batch.token_ids, positions)
        for layer, window, ends in zip(self._body.layers, self._sliding_windows, reach.ends(batch), strict=True):
            x = self._run(layer, x, arguments, window, ends, batch.lengths)
        if getattr(self._body, "norm", None) is not None:
            return self._body.norm(x)
        if self._body.final_layer_norm is not None:
            x = self._body.final_layer_norm(x)
        return x if self._body.project_out is None else self._body.project_out(x)

    def _embed(self, token_ids: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, dict[str, Any]]:
        """What enters the first layer, and what every layer is given beside it, over positions in dimension 1."""
        body = self._body
        x = body.embed_tokens(token_ids)
        if hasattr(body, "rotary_emb"):
            return x, {"position_ids": positions, "position_embeddings": body.rotary_emb(x, position_ids=positions)}
        if body.project_in is not None:
            x = body.project_in(x)
        return x + body.embed_positions(torch.ones_like(positions), 0, position_ids=positions), {}

    def _run(
        self,
        layer: Callable[..., torch.Tensor],
        x: torch.Tensor,
        arguments: dict[str, Any],
        window: int | None,
        ends: np.ndarray,
        lengths: np.ndarray,
    ) -> torch.Tensor:
        """The layer's output where it runs, its input elsewhere.

        Args:
            ends: int64 [rows], positions of each row that run the layer.
        """
        end = int(ends.max())
        before = x[:, :end]
        arguments = {name: _first(value, end) for name, value in arguments.items()}
        mask = None if window is None or window >= end else _sliding_mask(end, window, x.device)
        after = self._again(layer, before, attention_mask=mask, **arguments)
        # Rows of other lengths share the slice. What a row computes beyond its own end must not stay, unless it is
        # padding, which nobody looks at.
        if (np.minimum(lengths, end) > ends).any():
            runs = torch.arange(end, device=x.device) < torch.from_numpy(ends).to(x.device)[:, None]
            after = torch.where(runs[..., None], after, before)
        return after if end == x.shape[1] else torch.cat([after, x[:, end:]], dim=1)

    def _cross_entropy(self, states: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.model.lm_head(states).float()
        return F.cross_entropy(logits, targets, reduction="none"), logits.argmax(-1) == targets

    def _again(self, function: Callable[..., Any], *inputs: Any, **named: Any) -> Any:
        """The function's result; where gradients are wanted, it is computed anew for them."""
        if self._is_checkpointed and torch.is_grad_enabled():
            return checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False, **named)
        return function(*inputs, **named)


def _first(value: Any, end: int) -> Any:
    """Tensors over positions in dimension 1, cut to the first `end`."""
    return tuple(_first(part, end) for part in value) if isinstance(value, tuple) else value[:, :end]


def _sliding_mask(length: int, window: int, device: torch.device) -> torch.Tensor:
    """bool [1, 1, queries, keys]: which keys a query sees."""
    query = torch.arange(length, device=device)[:, None]
    key = torch.arange(length, device=device)[None]
    return ((key <= query) & (key > query - window))[None, None]
