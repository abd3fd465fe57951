"""DepthTable: which bands each generated token of a variant runs, looked up for many rows at once."""

import numpy as np

from server.depth.schedule import Band, ExitSchedule


class DepthTable:
    """Bands run by generated token 0, 1, ... of one exit schedule; grows as longer outputs come up."""

    def __init__(self, schedule: ExitSchedule, bands: tuple[Band, ...], num_layers: int) -> None:
        self._schedule = schedule
        self._bands = bands
        self._num_layers = num_layers
        self._table = np.zeros((0, len(bands)), dtype=np.bool_)

    def runs(self, generated_indices: np.ndarray) -> np.ndarray:
        """bool [n, bands] for int64 [n] indices of generated tokens."""
        needed = int(generated_indices.max(initial=-1)) + 1
        if needed > self._table.shape[0]:
            start, stop = self._table.shape[0], max(needed, 2 * self._table.shape[0], 256)
            self._table = np.concatenate([self._table, [self._row(index) for index in range(start, stop)]])
        return self._table[generated_indices]

    def _row(self, index: int) -> list[bool]:
        depth = self._schedule.depth(index)
        return [self._schedule.runs(band.start, depth, self._num_layers) for band in self._bands]
