"""Bands of layers over a batch."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from server.attention.backend import AttentionBackend
from server.depth.schedule import Band
from server.engine.batch import StepBatch
from server.models.base import Model


@dataclass(frozen=True, slots=True)
class BandPart:
    """The tokens of a step that run one band.

    Args:
        tokens: int64, which of the step's tokens these are; on the device.
        batch: a batch of them alone.
    """

    tokens: torch.Tensor
    batch: StepBatch


def run_parts(
    model: Model,
    attention: AttentionBackend,
    bands: tuple[Band, ...],
    parts: Iterable[BandPart],
    stream: torch.Tensor,
) -> torch.Tensor:
    """Run every band over whichever tokens have its depth, wherever they stand; [T, hidden], written in place.

    For steps that compute generated tokens of several depths again, and for schedules whose layers are not nested in
    each other's. Slower than `run_bands`, and never captured.
    """
    for band, part in zip(bands, parts, strict=True):
        if not part.tokens.shape[0]:
            continue
        attention.begin_step(part.batch)
        x, residual = stream[part.tokens], None
        for layer in band.layers:
            x, residual = model.layers[layer](x, residual, part.batch, attention)
        stream[part.tokens] = x if residual is None else x + residual
    return stream


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
