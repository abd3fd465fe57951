"""Which seed's towns belong to which split. A seed has one split whatever the size of its town, so none are shared."""

from typing import Literal, get_args

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

_CYCLE = 20
"""Of as many seeds in a row one is for testing and one for validation."""
_RESERVED: dict[int, Split] = {1: "test", 2: "validation"}
"""By remainder. Seed 1, the town that comes with the package, is never trained on."""


def split_of(seed: int) -> Split:
    """The split of a town's seed."""
    return _RESERVED.get(seed % _CYCLE, "train")


def town_seed(split: Split, number: int) -> int:
    """The seed of a split's town.

    Args:
        number: from 0; every number gives another town.
    """
    for remainder, reserved in _RESERVED.items():
        if split == reserved:
            return _CYCLE * number + remainder
    free = [remainder for remainder in range(_CYCLE) if remainder not in _RESERVED]
    cycle, place = divmod(number, len(free))
    return _CYCLE * cycle + free[place]
