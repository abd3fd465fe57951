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

    def __init__(self, vocab_size: int, device: torch.device) -> None:
        self._vocab_size = vocab_size
        self._device = device
        self._lines: dict[int, int] = {}
        self._params: dict[int, SamplingParams] = {}
        self._free: list[int] = []
        self._is_seen = torch.zeros(0, vocab_size, dtype=torch.bool, device=device)
        self._counts = torch.zeros(0, vocab_size, dtype=torch.int32, device=device)
        self._subtracted = torch.zeros(0, vocab_size, dtype=torch.float32, device=device)

    def add(self, row: int, params: SamplingParams, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> None:
        """Start counting for a row. `output_ids` are the tokens generated before, if it was preempted."""
        if not self._free:
            self._grow()
        line = self._lines[row] = self._free.pop()
        self._params[row] = params
        output = np.asarray(output_ids, dtype=np.int64)
        is_seen = np.zeros(self._vocab_size, dtype=np.bool_)
        is_seen[np.asarray(prompt_ids, dtype=np.int64)] = True
        is_seen[output] = True
        counts = np.bincount(output, minlength=self._vocab_size).astype(np.int32)
        # In the same steps and precision as `count`, so that a preempted row goes on exactly as before.
        frequency, presence = np.float32(params.frequency_penalty), np.float32(params.presence_penalty)
        subtracted = np.where(counts > 0, counts.astype(np.float32) * frequency + presence, np.float32(0))
        self._is_seen[line] = upload(is_seen, self._device)
        self._counts[line] = upload(counts, self._device)
        self._subtracted[line] = upload(subtracted, self._device)

    def remove(self, row: int) -> None:
        """Forget a row; unknown rows are ignored."""
        line = self._lines.pop(row, None)
        if line is not None:
            self._free.append(line)
            del self._params[row]

    def plan(self, rows: Sequence[int]) -> PenalisedRows:
        """What `apply` and `count` need to know of these rows; good until one of them is added or removed."""
        params = [self._params[row] for row in rows]

        def floats(values: list[float]) -> Tensor:
            return upload(np.array(values, dtype=np.float32), self._device)

        repetition = [p.repetition_penalty for p in params]
        return PenalisedRows(
            lines=upload(np.array([self._lines[row] for row in rows], dtype=np.int64), self._device),
            repetition=floats(repetition).unsqueeze(1) if any(r != 1.0 for r in repetition) else None,
            presence=floats([p.presence_penalty for p in params]),
            frequency=floats([p.frequency_penalty for p in params]),
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

    def _grow(self) -> None:
        old = self._counts.shape[0]
        extra = max(old, 4)
        self._free.extend(range(old, old + extra))
        self._is_seen, self._counts, self._subtracted = (
            torch.cat([table, table.new_zeros(extra, self._vocab_size)])
            for table in (self._is_seen, self._counts, self._subtracted)
        )
