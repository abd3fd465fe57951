"""Repetition, presence and frequency penalties, with token counts that live on the device.

Repetition: Keskar et al., "CTRL" (2019), over prompt and output. Presence and frequency: the OpenAI API's
definition, over the output alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from server.engine.request import SamplingParams
from server.engine.upload import upload


def has_penalties(params: SamplingParams) -> bool:
    """Whether any of the three penalties is on."""
    return bool(params.repetition_penalty != 1.0 or params.presence_penalty or params.frequency_penalty)


@dataclass(frozen=True, slots=True)
class PenalisedRows:
    """Where the tables hold n rows, and how strong their penalties are.

    Args:
        lines: int64 [n].
        repetition: float32 [n, 1]; None if no row uses it.
        presence, frequency: float32 [n].
    """

    lines: Tensor
    repetition: Tensor | None
    presence: Tensor
    frequency: Tensor


class Penalties:
    """What the rows that use penalties have seen and generated; memory is taken when the first row does.

    A row gets a line of the tables on `add` and gives it back on `remove`. What presence and frequency subtract
    is kept ready, since a step changes it for one token of a row only.
    """

    def __init__(self, vocab_size: int, max_rows: int, device: torch.device) -> None:
        self._vocab_size = vocab_size
        self._device = device
        # The line of each row, or -1, and its three penalties in columns.
        self._lines = np.full(max_rows, -1, dtype=np.int64)
        self._strengths = np.zeros((max_rows, 3), dtype=np.float32)
        self._free: list[int] = []
        self._is_seen = torch.zeros(0, vocab_size, dtype=torch.bool, device=device)
        self._counts = torch.zeros(0, vocab_size, dtype=torch.int32, device=device)
        self._subtracted = torch.zeros(0, vocab_size, dtype=torch.float32, device=device)

    def add(self, row: int, params: SamplingParams, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> None:
        """Start counting for a row. `output_ids` are the tokens generated before, if it was preempted."""
        if not self._free:
            self._grow()
        line = self._free.pop()
        self._lines[row] = line
        self._strengths[row] = params.repetition_penalty, params.presence_penalty, params.frequency_penalty
        for table in (self._is_seen, self._counts, self._subtracted):
            table[line].zero_()
        self._is_seen[line].index_fill_(0, self._send(np.array(prompt_ids, dtype=np.int64)), True)
        if output_ids:
            ids, counts = np.unique(np.array(output_ids, dtype=np.int64), return_counts=True)
            # In the same steps and precision as `count`, so that a preempted row goes on exactly as before.
            subtracted = counts.astype(np.float32) * self._strengths[row, 2] + self._strengths[row, 1]
            where = self._send(ids)
            self._is_seen[line].index_fill_(0, where, True)
            self._counts[line].index_copy_(0, where, self._send(counts.astype(np.int32)))
            self._subtracted[line].index_copy_(0, where, self._send(subtracted))

    def remove(self, row: int) -> None:
        """Forget a row; unknown rows are ignored."""
        if self._lines[row] >= 0:
            self._free.append(int(self._lines[row]))
            self._lines[row] = -1

    def plan(self, rows: np.ndarray) -> PenalisedRows:
        """What `apply` and `count` need to know of these rows; good until one of them is added or removed."""
        repetition, presence, frequency = self._send(np.ascontiguousarray(self._strengths[rows].T))
        return PenalisedRows(
            lines=self._send(self._lines[rows]),
            repetition=repetition.unsqueeze(1) if (self._strengths[rows, 0] != 1.0).any() else None,
            presence=presence,
            frequency=frequency,
        )

    def apply(self, logits: Tensor, rows: PenalisedRows) -> Tensor:
        """Penalise float32 [n, V] logits, which may be overwritten."""
        if rows.repetition is not None:
            scaled = torch.where(logits > 0, logits / rows.repetition, logits * rows.repetition)
            logits = torch.where(self._is_seen[rows.lines], scaled, logits)
        return logits.sub_(self._subtracted[rows.lines])

    def count(self, rows: PenalisedRows, token_ids: Tensor) -> None:
        """Add the tokens just chosen, int64 [n], on the device: the next step may start before they are read."""
        where = (rows.lines, token_ids)
        counts = self._counts[where] + 1
        self._is_seen[where] = True
        self._counts[where] = counts
        self._subtracted[where] = counts * rows.frequency + rows.presence

    def _send(self, array: np.ndarray) -> Tensor:
        return upload(array, self._device)

    def _grow(self) -> None:
        old = self._counts.shape[0]
        extra = max(old, 4)
        self._free.extend(range(old, old + extra))
        self._is_seen, self._counts, self._subtracted = (
            torch.cat([table, table.new_zeros(extra, self._vocab_size)])
            for table in (self._is_seen, self._counts, self._subtracted)
        )
