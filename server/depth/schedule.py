"""What an exit schedule decides: how many layers a generated token runs, and which."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from server.errors import ConfigError

ALWAYS = 2**31 - 1
"""The stop of a layer that every generated token runs."""


@dataclass(frozen=True, slots=True)
class Band:
    """Consecutive layers [start, end) that are always run or skipped together.

    Args:
        is_always: every token of every schedule runs them.
    """

    index: int
    start: int
    end: int
    is_always: bool = True

    @property
    def layers(self) -> range:
        return range(self.start, self.end)


@dataclass(frozen=True, slots=True)
class Extent:
    """How long a request is, as far as a schedule may ask.

    Args:
        prompt_len: tokens of the prompt.
        max_tokens: the most that the request may generate; None where nobody knows.
    """

    prompt_len: int = 1
    max_tokens: int | None = None


ANY = Extent()


@dataclass(frozen=True, slots=True)
class ScheduleContext:
    """What a schedule may know of the model that it is built for.

    Args:
        variant: name of the variant that it is part of.
        num_layers: of the model.
        carried: what the checkpoint was fine-tuned for, see `server/depth/carried.py`; None if for nothing.
        is_forced: build it for a checkpoint that was not fine-tuned for it, too.
    """

    variant: str
    num_layers: int
    carried: Mapping[str, Any] | None = None
    is_forced: bool = False


class ExitSchedule(ABC):
    """Maps a generated token's index to the layers that its forward pass runs.

    The numbers never grow with the index, and the sets of layers are nested: a token only ever attends to positions
    that ran the same layer. So of each layer there is one thing to know: at which generated token it stops. The prompt,
    whose last token gives the first one generated, always runs every layer.
    """

    name: str
    is_full: bool = False
    """Whether every token runs every layer."""

    @classmethod
    def build(cls, arguments: Mapping[str, str], context: ScheduleContext) -> Self:
        """The schedule with these arguments, as `--variants` has them.

        Raises:
            ConfigError: one line about an argument that is unknown or of no use, or about a checkpoint that would
                not bear it.
        """
        if arguments:
            raise ConfigError(f"variant {context.variant!r}: {cls.name} takes no arguments")
        return cls()

    @abstractmethod
    def depth(self, generated_index: int, extent: Extent = ANY) -> int:
        """Depth of the forward pass that consumes generated token `generated_index` (0-based)."""

    @abstractmethod
    def runs(self, layer: int, depth: int, num_layers: int) -> bool:
        """Whether a token of `depth` runs `layer`."""

    @abstractmethod
    def stops(self, num_layers: int, extent: Extent = ANY) -> np.ndarray:
        """int64 [layers]: generated tokens below this index run the layer; ALWAYS where all of them do.

        Which layers those are does not depend on the extent.
        """

    @abstractmethod
    def boundaries(self, num_layers: int) -> tuple[int, ...]:
        """Layers at which this schedule's bands start, 0 included."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Names the schedule and its parameters; equal identities give equal depths."""

    def describe(self, num_layers: int) -> str:
        """What this is, for people, in one line."""
        return self.identity


def common_bands(schedules: Iterable[ExitSchedule], num_layers: int) -> tuple[Band, ...]:
    """The coarsest bands that no schedule cuts through."""
    schedules = list(schedules)
    starts = sorted({0}.union(*(schedule.boundaries(num_layers) for schedule in schedules)))
    ends = [*starts[1:], num_layers]
    # Whether a layer ever stops does not depend on how long a request is.
    never_stops = np.all([schedule.stops(num_layers, Extent(1, 1)) == ALWAYS for schedule in schedules], axis=0)
    return tuple(
        Band(index, start, end, bool(never_stops[start]))
        for index, (start, end) in enumerate(zip(starts, ends, strict=True))
    )
