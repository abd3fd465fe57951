"""Rows to learn from, several at a time, and how far each layer runs on them.

A row is a prompt and its response. Position `i` predicts token `i + 1`, so the last token is only a target. The pass
that consumes response token `g` has the depth of generated token `g`; the prompt, its last token included, runs every
layer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from server.depth.schedule import ExitSchedule, Extent


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt with the response to learn.

    Args:
        token_ids: prompt and response.
        prompt_len: how many of them are the prompt; at least 1, and at least one more token follows.
    """

    token_ids: tuple[int, ...]
    prompt_len: int

    @property
    def num_positions(self) -> int:
        """Positions that are computed: all but the last, which is only a target."""
        return len(self.token_ids) - 1

    @property
    def num_targets(self) -> int:
        """Tokens of the response, each of which is predicted once."""
        return len(self.token_ids) - self.prompt_len


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows side by side, the shorter ones padded at their ends.

    Args:
        token_ids: int64 [rows, positions]; padding is 0.
        lengths: int64 [rows], positions that are not padding.
        prompt_lens: int64 [rows].
        targets: int64 [targets], the responses' tokens, row after row.
        target_rows: int64 [targets], the row of each.
        target_positions: int64 [targets], the position that predicts each.
    """

    token_ids: torch.Tensor
    lengths: np.ndarray
    prompt_lens: np.ndarray
    targets: torch.Tensor
    target_rows: torch.Tensor
    target_positions: torch.Tensor

    @classmethod
    def of(cls, rows: Sequence[Row], device: torch.device | str = "cpu") -> "RowBatch":
        """Lay out `rows`, at least one."""
        lengths = np.array([row.num_positions for row in rows])
        token_ids = np.zeros((len(rows), int(lengths.max())), dtype=np.int64)
        for index, row in enumerate(rows):
            token_ids[index, : row.num_positions] = row.token_ids[:-1]
        targets = [token for row in rows for token in row.token_ids[row.prompt_len :]]
        target_rows = [index for index, row in enumerate(rows) for _ in range(row.num_targets)]
        positions = [position for row in rows for position in range(row.prompt_len - 1, row.num_positions)]
        return cls(
            torch.from_numpy(token_ids).to(device),
            lengths,
            np.array([row.prompt_len for row in rows]),
            *(torch.tensor(values, device=device) for values in (targets, target_rows, positions)),
        )


class Reach:
    """How far each layer runs on a row.

    Args:
        schedule: which decides.
        num_layers: of the model.
        max_tokens: what requests will allow, for schedules that ask; a response's own length if None.
    """

    def __init__(self, schedule: ExitSchedule, num_layers: int, max_tokens: int | None = None) -> None:
        self.num_layers = num_layers
        self._schedule = schedule
        self._max_tokens = max_tokens

    def ends(self, batch: RowBatch) -> np.ndarray:
        """int64 [layers, rows]: how many positions of each row run each layer."""
        return np.minimum(batch.prompt_lens[:, None] + self._stops(batch), batch.lengths[:, None]).T

    def num_layers_run(self, batch: RowBatch) -> np.ndarray:
        """int64 [targets]: layers of the pass that predicts each."""
        rows, positions = batch.target_rows.cpu().numpy(), batch.target_positions.cpu().numpy()
        generated_indices = positions - batch.prompt_lens[rows]
        return (generated_indices[:, None] < self._stops(batch)[rows]).sum(1)

    def _stops(self, batch: RowBatch) -> np.ndarray:
        """int64 [rows, layers]: generated tokens below this index run the layer."""
        extents = [
            Extent(prompt_len, self._max_tokens or length + 1 - prompt_len)
            for prompt_len, length in zip(batch.prompt_lens.tolist(), batch.lengths.tolist(), strict=True)
        ]
        return np.stack([self._schedule.stops(self.num_layers, extent) for extent in extents])


def parts_of(rows: Iterable[Row], max_tokens: int) -> list[list[Row]]:
    """Rows in parts of at most `max_tokens` positions each, padding included; a longer row is a part by itself.

    Rows of like prompts come together, because a layer runs as far as the farthest row of a part needs it.
    """
    parts: list[list[Row]] = []
    widest = 0
    for row in sorted(rows, key=lambda row: (row.prompt_len, row.num_positions, row.token_ids)):
        widest = max(widest, row.num_positions)
        if parts and (len(parts[-1]) + 1) * widest <= max_tokens:
            parts[-1].append(row)
        else:
            parts.append([row])
            widest = row.num_positions
    return parts
