"""Bands of layers over a batch."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from server.attention.backend import AttentionBackend
from server.depth.schedule import Band
from server.engine.batch import StepBatch
from server.models.base import Model


def run_layers(
    model: Model,
    attention: AttentionBackend,
    band: Band,
    batch: StepBatch,
    x: torch.Tensor,
    residual: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Run one band over all of x, the batch's first tokens; (x, residual) as in `DecoderLayer`, in their memory."""
    for layer in band.layers:
        x, residual = model.layers[layer](x, residual, batch, attention)
    return x, residual


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
        x, residual = run_layers(model, attention, band, part.batch, stream[part.tokens], None)
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
            x, residual = run_layers(model, attention, band, batch, x, residual)
        elif count:
            stream = x if residual is None else x + residual
            part, part_residual = run_layers(model, attention, band, batch, stream[:count], None)
            stream[:count] = part if part_residual is None else part + part_residual
            x, residual = stream, None
    return x, residual
