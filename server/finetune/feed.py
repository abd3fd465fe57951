"""Feed: an endless, shuffled supply of rows, of which a number is all that has to be remembered."""

from collections.abc import Sequence

import numpy as np

from server.errors import ConfigError
from server.finetune.examples import Encoder, Example
from server.finetune.rows import Row


class Feed:
    """Every example once in random order, then every example again in another.

    Args:
        examples: at least one.
        encoder: makes rows of them; examples that are too long are passed over.
        seed: of the orders.
    """

    def __init__(self, examples: Sequence[Example], encoder: Encoder, seed: int) -> None:
        self._examples = examples
        self._encoder = encoder
        self._seed = seed
        self._epoch = -1
        self._order = np.zeros(0, dtype=np.int64)

    def take(self, cursor: int, count: int) -> tuple[list[Row], int]:
        """`count` rows from `cursor` on, 0 at first, and where to go on.

        Raises:
            ConfigError: all examples are too long.
        """
        rows: list[Row] = []
        passed_over = 0
        while len(rows) < count:
            row = self._encoder.row(self._examples[self._index(cursor)])
            cursor += 1
            if row is not None:
                rows.append(row)
                passed_over = 0
            elif (passed_over := passed_over + 1) > 2 * len(self._examples):
                raise ConfigError("every example has more tokens than --max-length; raise it, or give shorter ones")
        return rows, cursor

    def _index(self, cursor: int) -> int:
        epoch, place = divmod(cursor, len(self._examples))
        if epoch != self._epoch:
            self._order = np.random.default_rng([self._seed, epoch]).permutation(len(self._examples))
            self._epoch = epoch
        return int(self._order[place])
