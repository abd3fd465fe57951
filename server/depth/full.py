"""The `full` schedule: every token runs every layer."""

import numpy as np

from server.depth.schedule import ALWAYS, ANY, ExitSchedule, Extent


class FullDepth(ExitSchedule):
    """One band of all layers."""

    name = "full"
    is_full = True

    def depth(self, generated_index: int, extent: Extent = ANY) -> int:
        return 1

    def runs(self, layer: int, depth: int, num_layers: int) -> bool:
        return True

    def stops(self, num_layers: int, extent: Extent = ANY) -> np.ndarray:
        return np.full(num_layers, ALWAYS, dtype=np.int64)

    def boundaries(self, num_layers: int) -> tuple[int, ...]:
        return (0,)

    @property
    def identity(self) -> str:
        return "full"
