"""Conversations and books that live on the device, and the batches that are drawn from them.

The host only chooses row numbers; tokens are gathered where they are used, so that a slow host cannot starve a device.
"""

import math
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from server.assets.training.batch import Batch
from server.assets.training.shards import WEIGHT_ONE, Kind, Shard
from server.assets.training.tasks import Draw

BUCKETS: tuple[int, ...] = (128, 256, 512, 1024, 2048, 4096, 8192, 16_384)
"""Lengths that rows are padded to, so that few shapes occur."""


class DeviceRows:
    """The rows of a shard, by length, drawn without replacement until all have been seen.

    Args:
        shard: where the rows are from; rows longer than the last bucket are left out.
        device: where the tokens are kept.
        name: tells the random orders of several shards apart.
    """

    def __init__(self, shard: Shard, device: torch.device, name: str) -> None:
        self.name = name
        # Vocabularies are smaller than 32,768, and PyTorch has few operations for unsigned 16-bit numbers.
        self._ids = torch.from_numpy(shard.ids.astype(np.int16)).to(device)
        self._weights = torch.from_numpy(np.array(shard.weights)).to(device)
        self._offsets = shard.offsets
        self._lengths = shard.lengths
        self._kinds = shard.kinds
        self._shard = shard
        self._chosen: dict[tuple[int, str], NDArray[np.int64]] = {}
        self._num_targets: dict[float, NDArray[np.int64]] = {}

    def rows_of(self, bucket: int, only: str = "") -> NDArray[np.int64]:
        """Numbers of the rows that fit into `bucket` but not into the one below, of one kind if `only` names it.

        Args:
            bucket: one of `BUCKETS`.
            only: "", or flags of `Kind` joined by "+", with "!" before those that rows must not have: "VERBATIM+!JSON".
        """
        if (bucket, only) not in self._chosen:
            below = max((length for length in BUCKETS if length < bucket), default=0)
            fits = (self._lengths > below) & (self._lengths <= bucket)
            for flag in filter(None, only.split("+")):
                has_flag = (self._kinds & Kind[flag.removeprefix("!")]) != 0
                fits &= ~has_flag if flag.startswith("!") else has_flag
            self._chosen[bucket, only] = np.flatnonzero(fits)
        return self._chosen[bucket, only]

    def take(self, rows: NDArray[np.int64], length: int, *, min_weight: float = 0.0) -> Batch:
        """These rows, padded to `length`; weights below `min_weight` count as zero."""
        device = self._ids.device
        starts = torch.from_numpy(self._offsets[rows]).to(device)[:, None]
        lengths = torch.from_numpy(self._lengths[rows].astype(np.int64)).to(device)[:, None]
        columns = torch.arange(length, device=device)
        is_there = columns < lengths
        at = torch.where(is_there, starts + columns, 0)
        weights = self._weights[at] * is_there
        weights = torch.where(weights >= max(1, math.ceil(min_weight * WEIGHT_ONE)), weights, 0).float() / WEIGHT_ONE
        return Batch(torch.where(is_there, self._ids[at].long(), 0), weights)

    def num_targets(self, rows: NDArray[np.int64], *, min_weight: float = 0.0) -> NDArray[np.int64]:
        """How many tokens of each of these rows are to be predicted."""
        if min_weight not in self._num_targets:
            at_least = max(1, math.ceil(min_weight * WEIGHT_ONE))
            counted = np.concatenate(([0], np.cumsum(self._shard.weights >= at_least)))
            self._num_targets[min_weight] = np.diff(counted[self._offsets])
        return self._num_targets[min_weight][rows]

    def draw(
        self, draw: Draw, drawn: dict[str, int], *, seed: int, only: str = "", min_weight: float = 0.0
    ) -> tuple[Batch, NDArray[np.int64]]:
        """The next rows of the bucket `draw.length`, and how many tokens of each are to be predicted.

        Args:
            draw: how many rows, and their bucket.
            drawn: how many rows of each bucket were taken so far, by name; counted on in place.
            seed: of the order, another one each time that all rows have been seen.
            only: as in `rows_of`.
            min_weight: as in `take`.
        """
        rows = self.rows_of(draw.length, only)
        key = f"{self.name}/{draw.length}/{only}"
        first = drawn.get(key, 0)
        drawn[key] = first + draw.rows
        rounds = {
            number: _order(seed, key, number, len(rows))
            for number in range(first // len(rows), (first + draw.rows - 1) // len(rows) + 1)
        }
        chosen = rows[[rounds[n // len(rows)][n % len(rows)] for n in range(first, first + draw.rows)]]
        batch = self.take(chosen, draw.length, min_weight=min_weight)
        return batch, self.num_targets(chosen, min_weight=min_weight)


def _order(seed: int, key: str, number: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, zlib.crc32(key.encode()), number]).permutation(count)


class Prose:
    """A stream of natural text on the device.

    Args:
        stream: token ids, [num_tokens] uint16.
        device: where it is kept.
    """

    def __init__(self, stream: NDArray[np.uint16], device: torch.device) -> None:
        self._ids = torch.from_numpy(stream.astype(np.int16)).to(device)

    def __len__(self) -> int:
        return len(self._ids)

    def windows(self, generator: torch.Generator, rows: int, length: int) -> Tensor:
        """Random windows, [rows, length] int64; the stream must be longer than that."""
        device = self._ids.device
        starts = torch.randint(len(self._ids) - length, (rows, 1), generator=generator, device=device)
        return self._ids[starts + torch.arange(length, device=device)].long()

    def draw(self, draw: Draw) -> Batch:
        """Random windows, every token of which is to be predicted."""
        ids = self.windows(draw.generator(), draw.rows, draw.length)
        return Batch(ids, torch.ones(ids.shape, device=ids.device))
