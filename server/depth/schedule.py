"""What an exit schedule decides: how many bands a generated token runs, and which."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Band:
    """Consecutive layers [start, end) that are always run or skipped together."""

    index: int
    start: int
    end: int

    @property
    def layers(self) -> range:
        return range(self.start, self.end)


class ExitSchedule(ABC):
    """Maps a generated token's index to its depth.

    `depth` never increases with `generated_index`, and the sets of executed layers are nested: a token
    only ever attends to positions that ran the same layer. The prompt always runs every layer.
    """

    name: str
    is_full: bool = False
    """Whether every token runs every layer."""

    @abstractmethod
    def depth(self, generated_index: int) -> int:
        """Bands run by the forward pass that consumes generated token `generated_index` (0-based)."""

    @abstractmethod
    def boundaries(self, num_layers: int) -> tuple[int, ...]:
        """Layers at which this schedule's bands start, 0 included."""

    @abstractmethod
    def runs(self, layer: int, depth: int, num_layers: int) -> bool:
        """Whether a token of `depth` runs `layer`."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Names the schedule and its parameters; equal identities give equal depths."""


def common_bands(schedules: Iterable[ExitSchedule], num_layers: int) -> tuple[Band, ...]:
    """The coarsest bands that no schedule cuts through."""
    starts = sorted({0}.union(*(schedule.boundaries(num_layers) for schedule in schedules)))
    ends = [*starts[1:], num_layers]
    return tuple(Band(index, start, end) for index, (start, end) in enumerate(zip(starts, ends, strict=True)))
