"""Team: the ranks that share every layer of a model, as one of them sees it.

Tensor parallelism of Shoeybi et al., "Megatron-LM" (2019): every rank has some heads and some columns of the MLP,
and the ranks add up what comes out of each.
"""

from typing import Protocol

import torch


class Team(Protocol):
    """What a rank can do together with the others. All ranks call the same methods in the same order.

    Attributes:
        rank: index of this rank; rank 0 leads.
        size: number of ranks.
    """

    rank: int
    size: int

    def connect(self, device: torch.device) -> None:
        """Wait until every rank has its model, and open the ways between them.

        Raises:
            RhumbError: another rank could not start; the message says which and why.
        """

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        """The sum over all ranks, bitwise the same on each; may overwrite `x`, which is contiguous."""

    def join_columns(self, x: torch.Tensor) -> torch.Tensor:
        """[n, width] of every rank -> [n, size * width], in the order of ranks."""

    def receive(self, x: torch.Tensor) -> None:
        """Overwrite `x` with rank 0's."""

    def smallest(self, number: int) -> int:
        """The least of all ranks' numbers."""


class Alone:
    """A team of one."""

    rank = 0
    size = 1

    def connect(self, device: torch.device) -> None:
        pass

    def sum(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def join_columns(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def receive(self, x: torch.Tensor) -> None:
        pass

    def smallest(self, number: int) -> int:
        return number


ALONE = Alone()
