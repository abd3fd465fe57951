"""Cohorts: rows with an exit schedule that begin together, stand at like positions, and leave the same layers out.

A layer's weights are read as soon as one row runs it, so a newcomer among rows that are far along costs all of them
what they have saved. New rows may be held back, for a bounded time, until the running ones are done.
"""

import bisect
import time
from collections.abc import Callable, Iterable

from server.engine.sequence import Sequence

WAIT_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper ends of the buckets in which waiting times are counted; one more is open."""


class Cohorts:
    """Decides which waiting sequences are held back.

    Args:
        longest_s: longest time for which one is; 0 holds nobody back.

    Attributes:
        wait_counts: sequences that were held back, by how long, in the buckets of `WAIT_BOUNDS_S`.
        wait_s: how long all of them waited, in all.
        clock: monotonic seconds.
    """

    def __init__(self, longest_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest_s = longest_s
        self.clock = clock
        self.wait_counts = [0] * (len(WAIT_BOUNDS_S) + 1)
        self.wait_s = 0.0
        # Whoever had come by then may start; what one step has no room for joins in the next.
        self._opened_s = float("-inf")

    @property
    def is_on(self) -> bool:
        return self._longest_s > 0

    def held(self, waiting: Iterable[Sequence], running: Iterable[Sequence], num_free_rows: int) -> set[Sequence]:
        """Those of `waiting` that shall not start now.

        A new cohort opens when none runs, when somebody has waited for long enough, and when enough wait to fill the
        free rows: then all who wait may start. Sequences that have run before are never held back.
        """
        now_s = self.clock()
        newcomers = [
            sequence
            for sequence in waiting
            if not sequence.variant.schedule.is_full
            and sequence.num_preemptions == 0
            and sequence.arrival_s > self._opened_s
        ]
        is_alone = all(sequence.variant.schedule.is_full for sequence in running)
        has_waited = any(now_s - sequence.arrival_s >= self._longest_s for sequence in newcomers)
        if is_alone or has_waited or len(newcomers) >= num_free_rows:
            if newcomers:
                self._opened_s = max(sequence.arrival_s for sequence in newcomers)
            return set()
        for sequence in newcomers:
            if sequence.held_since_s is None:
                sequence.held_since_s = now_s
        return set(newcomers)

    def started(self, sequence: Sequence) -> None:
        """The sequence starts: count how long it was held back, if it was."""
        if sequence.held_since_s is not None and sequence.num_preemptions == 0:
            waited_s = self.clock() - sequence.held_since_s
            self.wait_counts[bisect.bisect_left(WAIT_BOUNDS_S, waited_s)] += 1
            self.wait_s += waited_s
            sequence.held_since_s = None
