"""What an exit schedule decides: how many bands a generated token runs."""

from abc import ABC, abstractmethod
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

    `depth` never increases with `generated_index`, and the sets of executed bands are nested: a token
    only ever attends to positions that ran the same layer. The prompt always runs every band.
    """

    name: str

    @abstractmethod
    def depth(self, generated_index: int) -> int:
        """Bands run by the forward pass that consumes generated token `generated_index` (0-based)."""

    @abstractmethod
    def bands(self, num_layers: int) -> tuple[Band, ...]:
        """How this schedule cuts the layers; an engine uses the common refinement of all its variants'."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Seed of prefix-cache keys for tokens that ran at reduced depth."""
