"""Pages of bands that a row has left: nobody will read them again, so others may have them.

Once a generated token leaves a layer out, so do all later ones of its row. Whatever the row keeps there, its prompt
included, is of no use to it any more. Such a group's retention becomes a window of the last position alone: the policy
lets everything else go, and what the table still grows by is let go a page later.
"""

from collections.abc import Sequence as Sequenced

import numpy as np

from server.depth.schedule import ALWAYS
from server.engine.sequence import Sequence
from server.kv.manager import KVManager
from server.kv.plan import KVPlan
from server.kv.policy import Retention, window


def layers_of_groups(plans: Sequenced[KVPlan]) -> list[list[int]]:
    """Layers that each group has slots of, on any rank; `plans` has one for each, of equally many groups."""
    return [
        sorted({layer for group in groups for layer, _ in group.slots})
        for groups in zip(*(plan.groups for plan in plans), strict=True)
    ]


ROWS_AT_ONCE = 4
"""Rows whose pages are let go in one step; each takes the host some tens of microseconds."""


class StoppedBands:
    """When each row's groups stop, and what has been let go so far.

    Args:
        group_layers: layers that each group has slots of.
    """

    def __init__(self, manager: KVManager, group_layers: list[list[int]], max_rows: int) -> None:
        self._manager = manager
        self.group_layers = group_layers
        self._stops = np.full((max_rows, len(group_layers)), ALWAYS, dtype=np.int64)
        self._next_stop = np.full(max_rows, ALWAYS, dtype=np.int64)
        # By variant, what each group keeps when it has stopped.
        self._stopped: dict[int, list[Retention]] = {}

    def start(self, sequence: Sequence) -> None:
        """The sequence has entered its row, with all that its policy keeps."""
        row = sequence.row
        assert row is not None
        self._next_stop[row] = ALWAYS
        if not sequence.variant.schedule.is_full:
            stops = sequence.layer_stops
            # A group is of use while any of its layers is.
            self._stops[row] = [stops[layers].max() for layers in self.group_layers]
            self._next_stop[row] = self._stops[row].min()

    def due(self, rows: np.ndarray, next_indices: np.ndarray) -> np.ndarray:
        """Some of those of `rows`, int64, that have groups which no token from these indices on runs any more.

        Those that have been so for longest, and all of them where pages are short: nobody computes anything else for
        pages that come back late, but a whole cohort's at once would hold up the next step.
        """
        due = rows[next_indices >= self._next_stop[rows]]
        if due.size <= ROWS_AT_ONCE or self._manager.pool.num_free < rows.size * len(self.group_layers):
            return due
        return due[np.argsort(self._next_stop[due], kind="stable")[:ROWS_AT_ONCE]]

    def let_go(self, sequence: Sequence) -> None:
        """Keep nothing any more in the groups that no token from the sequence's next one on runs."""
        row = sequence.row
        assert row is not None
        next_index = sequence.computed - sequence.prompt_len
        # Before the first generated token is computed, the prompt's last one has to be.
        if next_index < 0 or next_index < self._next_stop[row]:
            return
        variant = sequence.variant
        if variant.index not in self._stopped:
            # Sinks stay: those that a window has kept so far are not told from what lies behind them.
            self._stopped[variant.index] = [window(retention.sinks, recent=1) for retention in variant.retentions]
        has_stopped = self._stops[row] <= next_index
        retentions = [
            nothing if stopped else retention
            for retention, nothing, stopped in zip(
                variant.retentions, self._stopped[variant.index], has_stopped.tolist(), strict=True
            )
        ]
        self._manager.keep(row, retentions)
        self._next_stop[row] = self._stops[row][~has_stopped].min(initial=ALWAYS)
