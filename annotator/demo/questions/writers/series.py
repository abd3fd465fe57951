"""Several things of which the context tells the same length or time: what each question about them needs."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from annotator.demo.questions.writers.measures import Measure
from annotator.demo.questions.writers.question import About, Told
from annotator.demo.stream import Stream

NUM_OPTIONS = 4


@dataclass(frozen=True, slots=True)
class Series:
    """Values that can be compared.

    Args:
        noun: what its things are, in the plural.
        told: their values in the context's order; subjects are distinct.
        group: the whole list, such as `listed cafes within 800 m of Market Square`.
        value_skill: what looking up one value counts as.
        is_whole: whether nothing else can be meant by `group`.
        shapes: names of the shapes that can be asked; None for all.
        strange: for a shape, a series that looks just like this one and that the context says nothing of.
    """

    name: str
    category: str
    noun: str
    told: tuple[Told, ...]
    measure: Measure
    group: str
    strange: "Callable[[Stream, str], Series | None]"
    value_skill: str = "nearby"
    is_whole: bool = False
    shapes: frozenset[str] | None = None

    def about(self, shape: str, skill: str) -> About:
        """What a question of a shape is called and counted as."""
        return About(f"{self.name}/{shape}", self.category, skill)

    def shown(self, told: Told) -> float:
        """A value as it can be read."""
        return self.measure.shown(told.number)

    def ordered(self) -> list[Told]:
        """By value, the smallest first."""
        return sorted(self.told, key=lambda told: told.number)

    def apart(self) -> list[Told]:
        """In order, without those that share what can be read of their value."""
        values = [self.shown(told) for told in self.told]
        return [told for told in self.ordered() if values.count(self.shown(told)) == 1]

    def limits(self) -> list[tuple[float, int]]:
        """Limits in round numbers, each with how many values are within it.

        What can be read and the exact value must agree on which side of a limit each value is.
        """
        found = []
        ordered = self.ordered()
        for count, (low, high) in enumerate(pairwise(ordered), 1):
            limit = round_between(self.shown(low), self.shown(high), self.measure.unit)
            if limit is not None and all(
                (told.number <= limit) == (number < count) for number, told in enumerate(ordered)
            ):
                found.append((limit, count))
        return found


def round_between(low: float, high: float, unit: str) -> float | None:
    """A round number above `low` and below `high`; of minutes also `low` itself."""
    steps = (100, 50, 20, 10, 5, 1) if unit == "m" else (600, 300, 60, 10, 5, 1)
    for step in steps:
        value = (low // step + 1) * step
        if low < value < high and (unit == "m" or value < 60 or value % 60 == 0):
            return float(value)
    return low if unit == "s" and low >= 60 and low < high else None
