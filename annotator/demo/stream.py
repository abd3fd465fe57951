"""Random choices that are the same on every machine and in every version of Python.

Only `random.Random.random` has a sequence that Python promises to keep, so every choice here is made from it. Each
concern of a town (coast, streets, names, ...) draws from a stream of its own: a change to one does not reshuffle the
others.
"""

from collections.abc import Sequence
from random import Random


class Stream:
    """An endless sequence of choices.

    Args:
        seed: the town's seed.
        concern: what the choices are about; another word gives an unrelated sequence.
    """

    def __init__(self, seed: int, concern: str) -> None:
        self._random = Random(f"{seed}/{concern}").random

    def unit(self) -> float:
        """A number from 0 up to 1."""
        return self._random()

    def uniform(self, low: float, high: float) -> float:
        """A number between the two."""
        return low + (high - low) * self._random()

    def around(self, middle: float, spread: float) -> float:
        """A number within `spread` of the middle, more often near it."""
        return middle + spread * (self._random() + self._random() - 1.0)

    def integer(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self._random() < probability

    def pick[T](self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[int(self._random() * len(items))]

    def pick_weighted[T](self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One of the items, each as likely as its weight says."""
        left = self._random() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            left -= weight
            if left < 0.0:
                return item
        return items[-1]

    def shuffled[T](self, items: Sequence[T]) -> list[T]:
        """The items in another order."""
        result = list(items)
        for last in range(len(result) - 1, 0, -1):
            other = int(self._random() * (last + 1))
            result[last], result[other] = result[other], result[last]
        return result

    def sample[T](self, items: Sequence[T], count: int) -> list[T]:
        """Up to `count` different items, in random order."""
        return self.shuffled(items)[:count]
