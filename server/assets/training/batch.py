"""Rows of tokens with the weights of what is to be predicted, and how ragged pieces become such rows on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from.

    Args:
        ids: [rows, length] int64; padding, of weight 0, stands at the end of a row.
        weights: [rows, length] float32, the weight of predicting `ids[:, t]` from what stands before it. Those of the
            first column are ignored.
    """

    ids: Tensor
    weights: Tensor


@dataclass(frozen=True, slots=True)
class Piece:
    """Columns of a row that is being composed.

    Args:
        ids: [rows, n] int64.
        keep: [rows, n] bool, which of them are there; all where None.
        weight: of predicting them, a number for all or [rows, n] float32.
    """

    ids: Tensor
    keep: Tensor | None = None
    weight: float | Tensor = 0.0


def compose(pieces: Sequence[Piece], length: int, pad_id: int = 0) -> Batch:
    """Joins the pieces from left to right without what is not kept, and cuts or pads the rows to `length`."""
    ids = torch.cat([piece.ids for piece in pieces], 1)
    keep = torch.cat([torch.ones_like(p.ids, dtype=torch.bool) if p.keep is None else p.keep for p in pieces], 1)
    weights = torch.cat([_weights_of(piece) for piece in pieces], 1)
    place = keep.long().cumsum(1) - 1
    # What is not kept or does not fit goes to one more column, which is thrown away.
    place = torch.where(keep & (place < length), place, length)
    rows = len(ids)
    packed_ids = torch.full((rows, length + 1), pad_id, dtype=torch.int64, device=ids.device)
    packed_weights = torch.zeros((rows, length + 1), device=ids.device)
    return Batch(
        ids=packed_ids.scatter_(1, place, ids)[:, :length].contiguous(),
        weights=packed_weights.scatter_(1, place, weights)[:, :length].contiguous(),
    )


def _weights_of(piece: Piece) -> Tensor:
    if isinstance(piece.weight, Tensor):
        return piece.weight.float()
    return torch.full(piece.ids.shape, piece.weight, device=piece.ids.device)


@dataclass(frozen=True, slots=True)
class Targets:
    """The positions of a batch that predict a token of weight above zero, as many as there is room for.

    Args:
        places: [room] int64, indexes into the flattened hidden states; anything where targets are fewer than room.
        ids: [room] int64, the tokens to predict there.
        weights: [room] float32, 0 where there are fewer targets than room.
    """

    places: Tensor
    ids: Tensor
    weights: Tensor


def find_targets(batch: Batch, room: int) -> Targets:
    """Lists a batch's targets in order without asking the device how many there are.

    A fixed `room` keeps shapes constant and the host from waiting; targets beyond it are left out.
    """
    rows, length = batch.ids.shape
    weights = batch.weights[:, 1:].flatten()
    is_target = weights > 0
    rank = is_target.long().cumsum(0) - 1
    slot = torch.where(is_target & (rank < room), rank, room)
    at = torch.arange(rows * length, device=batch.ids.device).view(rows, length)[:, :-1].flatten()

    def gathered(values: Tensor, into: Tensor) -> Tensor:
        return into.scatter_(0, slot, values)[:room]

    # Slots that stay empty point to all kinds of places: adding up many gradients at one would be slow.
    somewhere = torch.arange(room + 1, device=batch.ids.device) % (rows * length)
    return Targets(
        places=gathered(at, somewhere),
        ids=gathered(batch.ids[:, 1:].flatten(), batch.ids.new_zeros(room + 1)),
        weights=gathered(weights, weights.new_zeros(room + 1)),
    )
