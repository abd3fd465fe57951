"""What the sampler asks of a device: the best token of every row, and one drawn token of every random row.

`TorchDrawer` is the reference, on any device; `TritonDrawer` in `triton_sampling.py` does the same without a sort.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from server.engine.draw import lowest_kept, pick, uniform, weigh
from server.engine.edits import MINUS_INFINITY
from server.engine.row_parameters import FILTERED, MIN_P, RowParameters
from server.engine.upload import upload


@dataclass(frozen=True, slots=True)
class Best:
    """The largest logit of each of n lines, on the device.

    Args:
        values: float32 [n]; infinite or NaN where the line is bad.
        token_ids: int64 [n], the lowest id that has it; 0 where the line is bad.
        is_bad: bool [n], lines that hold NaN or +infinity, or nothing but -infinity.
        maxima: float32 [n, groups], what the Triton kernels keep of each group of logits; else None.
    """

    values: Tensor
    token_ids: Tensor
    is_bad: Tensor
    maxima: Tensor | None = None


@dataclass(frozen=True, slots=True)
class RandomRows:
    """n rows whose tokens are drawn.

    Args:
        rows: int64 [n], on the host.
        places: int64 [n], on the host: where the batch has them.
        index: int64 [3, n] on the device: their lines in the logits, `rows` and `places`.
        flags: all their flags together.
    """

    rows: np.ndarray
    places: np.ndarray
    index: Tensor
    flags: int


class Drawer(Protocol):
    """Argmax and draws on one device. Nothing waits for the device."""

    def best(self, logits: Tensor) -> Best:
        """The best token of each line of [n, V] logits of any float type."""

    def draw(self, logits: Tensor, best: Best, rows: RandomRows, generated: np.ndarray, on_device: Tensor) -> Tensor:
        """One token of each random row.

        Args:
            logits: any float type [lines, V]; not changed.
            best: of all lines of `logits`.
            rows: which lines.
            generated: int64 [S], tokens that each row of the batch has so far.
            on_device: the same on the device.

        Returns:
            int64 [n]; of bad lines, any id in the vocabulary.
        """


class TorchDrawer:
    """Draws with torch, on any device."""

    def __init__(self, vocab_size: int, parameters: RowParameters, device: torch.device) -> None:
        self._vocab_size = vocab_size
        self._parameters = parameters
        self._device = device
        self._floats = torch.empty(0, vocab_size, dtype=torch.float32, device=device)
        self._integers = torch.empty(0, vocab_size, dtype=torch.int64, device=device)

    def best(self, logits: Tensor) -> Best:
        values, token_ids = _best(logits.float())
        is_bad = ~values.isfinite()
        return Best(values, token_ids.masked_fill_(is_bad, 0), is_bad)

    def draw(self, logits: Tensor, best: Best, rows: RandomRows, generated: np.ndarray, on_device: Tensor) -> Tensor:
        num = rows.rows.size
        if num > self._floats.shape[0]:
            # Fresh pages of memory cost more than the arithmetic, so the two largest temporaries are kept.
            self._floats = self._floats.new_empty(num, self._vocab_size)
            self._integers = self._integers.new_empty(num, self._vocab_size)
        parameters, row_ids, lines = self._parameters, rows.rows, rows.index[0]
        z = torch.index_select(logits.float(), 0, lines, out=self._floats[:num])
        z.sub_(best.values[lines].unsqueeze(1)).div_(self._send(parameters.temperatures[row_ids]).unsqueeze(1))
        if rows.flags & MIN_P:
            z.masked_fill_(z < self._send(parameters.log_min_p[row_ids]).unsqueeze(1), MINUS_INFINITY)
        if rows.flags & FILTERED:
            filtered = np.flatnonzero(parameters.flags[row_ids] & FILTERED)
            places, filtered_rows = self._send(filtered), row_ids[filtered]
            top_k, top_p = parameters.top_k[filtered_rows], parameters.top_p[filtered_rows]
            candidates = z[places]
            lowest = lowest_kept(
                candidates, self._send(top_k), self._send(top_p), int(top_k.max(initial=0)), self._integers
            )
            z.index_copy_(0, places, candidates.masked_fill_(candidates < lowest, MINUS_INFINITY))
        uniforms = uniform(parameters.keys[row_ids], generated[rows.places].astype(np.uint64))
        return pick(weigh(z, self._integers[:num]), self._send(uniforms))

    def _send(self, array: np.ndarray) -> Tensor:
        return upload(array, self._device)


def _best(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Largest value and its lowest index in every row of [S, V]; NaN counts as largest."""
    if logits.device.type == "cpu":
        # NumPy's argmax uses vector instructions; PyTorch's takes six times as long on the CPU.
        token_ids = torch.from_numpy(logits.numpy().argmax(1))
        return logits.gather(1, token_ids.unsqueeze(1)).squeeze(1), token_ids
    return logits.max(1)
