"""Bands of layers over a batch."""

import torch

from server.attention.backend import AttentionBackend
from server.depth.schedule import Band
from server.engine.batch import StepBatch
from server.models.base import Model


def run_bands(
    model: Model,
    attention: AttentionBackend,
    bands: tuple[Band, ...],
    batch: StepBatch,
    x: torch.Tensor,
    residual: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Run every band over the leading tokens that have its depth; (x, residual) as in `DecoderLayer`."""
    for band, count in zip(bands, batch.tokens_in_band, strict=True):
        if count == batch.num_tokens:
            for layer in band.layers:
                x, residual = model.layers[layer](x, residual, batch, attention)
        elif count:
            stream = x if residual is None else x + residual
            part, part_residual = stream[:count], None
            for layer in band.layers:
                part, part_residual = model.layers[layer](part, part_residual, batch, attention)
            stream[:count] = part if part_residual is None else part + part_residual
            x, residual = stream, None
    return x, residual
