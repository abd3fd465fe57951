"""Repetition, presence and frequency penalties, with token counts that live on the device.

Repetition: Keskar et al., "CTRL" (2019), over prompt and output. Presence and frequency: the OpenAI API's
definition, over the output alone.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from server.engine.request import SamplingParams
from server.engine.upload import upload


def has_penalties(params: SamplingParams) -> bool:
    """Whether any of the three penalties is on."""
    return bool(params.repetition_penalty != 1.0 or params.presence_penalty or params.frequency_penalty)


class Penalties:
    """Token counts and penalties of the rows that use them; memory is taken when the first row does.

    A row gets a line of the tables on `add` and gives it back on `remove`.
    """

    def __init__(self, vocab_size: int, device: torch.device) -> None:
        self._vocab_size = vocab_size
        self._device = device
        self._lines: dict[int, int] = {}
        self._free: list[int] = []
        self._counts = torch.zeros(0, vocab_size, dtype=torch.int32, device=device)
        self._in_prompt = torch.zeros(0, vocab_size, dtype=torch.bool, device=device)
        self._strengths = torch.zeros(0, 3, dtype=torch.float32, device=device)

    def add(self, row: int, params: SamplingParams, prompt_ids: Sequence[int], output_ids: Sequence[int]) -> None:
        """Start counting for a row. `output_ids` are the tokens generated before, if it was preempted."""
        if not self._free:
            self._grow()
        line = self._lines[row] = self._free.pop()
        strengths = (params.repetition_penalty, params.presence_penalty, params.frequency_penalty)
        self._strengths[line] = upload(np.array(strengths, dtype=np.float32), self._device)
        seen = np.zeros(self._vocab_size, dtype=np.bool_)
        seen[np.asarray(prompt_ids, dtype=np.int64)] = True
        self._in_prompt[line] = upload(seen, self._device)
        counts = np.bincount(np.asarray(output_ids, dtype=np.int64), minlength=self._vocab_size)
        self._counts[line] = upload(counts.astype(np.int32), self._device)

    def remove(self, row: int) -> None:
        """Forget a row; unknown rows are ignored."""
        line = self._lines.pop(row, None)
        if line is not None:
            self._free.append(line)

    def lines(self, rows: Sequence[int]) -> Tensor:
        """int64 [n]: where the tables hold each of `rows`."""
        return upload(np.array([self._lines[row] for row in rows], dtype=np.int64), self._device)

    def apply(self, logits: Tensor, lines: Tensor) -> Tensor:
        """Penalised copy of float32 [n, V] logits, one row for each of `lines`."""
        counts = self._counts[lines]
        repetition, presence, frequency = self._strengths[lines].unsqueeze(2).unbind(1)
        is_in_output = counts > 0
        scaled = torch.where(logits > 0, logits / repetition, logits * repetition)
        logits = torch.where(self._in_prompt[lines] | is_in_output, scaled, logits)
        return logits - frequency * counts - presence * is_in_output

    def count(self, lines: Tensor, token_ids: Tensor) -> None:
        """Add the tokens just chosen, int64 [n], on the device: the next step may start before they are read."""
        self._counts[lines, token_ids] += 1

    def _grow(self) -> None:
        old = self._counts.shape[0]
        extra = max(old, 4)
        self._free.extend(range(old, old + extra))
        self._counts, self._in_prompt, self._strengths = (
            torch.cat([table, table.new_zeros(extra, table.shape[1])])
            for table in (self._counts, self._in_prompt, self._strengths)
        )
