"""Which rows of a result are seen: those that no pointer of the item's view hides."""

from collections.abc import Iterator, Sequence
from typing import Any

from annotator import pointers


class Seen:
    """What is left of a result when hidden rows are taken out.

    A row is an element of a list: a place, a route, a leg, a step, an origin of a matrix, one of its cells. A pointer
    to something inside a row hides the row, because half of it could give away the rest; one that points outside of
    every row hides the whole result, and one that points to nothing hides nothing.

    Args:
        result: JSON values of the whole result.
        hidden: JSON pointers into it.
    """

    def __init__(self, result: Any, hidden: Sequence[str]) -> None:
        self._result = result
        self._rows = frozenset(row for pointer in hidden if (row := _row_of(result, pointer)) is not None)
        self.is_empty = "" in self._rows
        """Whether nothing at all is seen."""

    @property
    def is_partial(self) -> bool:
        """Whether something is hidden."""
        return bool(self._rows)

    def shows(self, *steps: str | int) -> bool:
        """Whether a row is seen."""
        return pointers.join(*steps) not in self._rows

    def rows[T](self, items: Sequence[T], *steps: str | int) -> Iterator[tuple[int, T]]:
        """The rows of the list at `steps` that are seen, with their indices in the whole list."""
        return ((index, item) for index, item in enumerate(items) if self.shows(*steps, index))

    def pruned(self) -> Any:
        """The result's JSON values without its hidden rows; a hidden cell of a matrix is null."""
        return None if self.is_empty else self._prune(self._result, ())

    def _prune(self, value: Any, steps: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            return {name: self._prune(child, (*steps, name)) for name, child in value.items()}
        if not isinstance(value, list):
            return value
        if len(steps) == 2 and steps[0] == "cells":
            # Without it the cells behind it would stand in another column.
            return [item if self.shows(*steps, index) else None for index, item in enumerate(value)]
        return [self._prune(item, (*steps, index)) for index, item in self.rows(value, *steps)]


def _row_of(result: Any, pointer: str) -> str | None:
    """The innermost row around what a pointer names; the whole result where there is none; None for nothing there."""
    if pointers.look_up(result, pointer) is pointers.MISSING:
        return None
    steps = pointers.split(pointer)
    for length in range(len(steps), 0, -1):
        if isinstance(pointers.look_up(result, pointers.join(*steps[: length - 1])), list):
            return pointers.join(*steps[:length])
    return ""
