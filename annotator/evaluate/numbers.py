"""Runs of a database in numbers: what summaries, comparisons and the leaderboard need is read here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection

from annotator.datasets import jobs
from annotator.datasets.items import items
from annotator.datasets.snapshots import Snapshot, by_id
from annotator.evaluate import store
from annotator.evaluate.baselines import MemberRun, item_baselines, sibling
from annotator.evaluate.compare import Comparison, Row, compare, leaderboard
from annotator.evaluate.model import Mode
from annotator.evaluate.store import Run
from annotator.evaluate.summary import Summary, summarise

_FLOOR_AND_CEILING: tuple[Literal["closed_book", "oracle_evidence"], ...] = ("closed_book", "oracle_evidence")
MAX_RUNS = 50
"""That a leaderboard looks at."""


def member(connection: Connection, run: Run) -> MemberRun:
    """A run with what came of its questions so far."""
    return MemberRun(store.facts_of_run(connection, run), store.results(connection, run.id))


def summary_of(connection: Connection, run: Run) -> Summary:
    """A run in numbers, with what must be seen beside them."""
    snapshot = by_id(connection, run.snapshot_id)
    mine = member(connection, run)
    others = store.list_runs(connection, run.project_id, snapshot_id=snapshot.id, limit=MAX_RUNS)
    beside: dict[Mode, MemberRun] = {}
    for mode in _FLOOR_AND_CEILING:
        candidates = [
            MemberRun(store.facts_of_run(connection, one), ())
            for one in others
            if one.mode == mode and one.finished_at is not None
        ]
        found = sibling(mine.facts, candidates, mode)
        if found is not None:
            beside[mode] = MemberRun(found.facts, store.results(connection, found.facts.run_id))
    baselines = item_baselines(items(connection, snapshot), offers_abstaining=run.config.offers_abstaining)
    return summarise(mine.results, baselines, beside)


def compare_runs(connection: Connection, runs: Sequence[Run]) -> Comparison:
    """Runs over the same frozen dataset against each other.

    Raises:
        InputError: they cannot be compared; says why.
    """
    return compare([member(connection, run) for run in runs])


def leaderboard_of(connection: Connection, project_id: str, snapshot: Snapshot) -> tuple[Row, ...]:
    """The finished runs over most of a frozen dataset, the best first; none where there is no such run.

    Runs that asked fewer questions than others did are left out, since only what all of them answered can be compared.
    """
    found = [
        run
        for run in store.list_runs(connection, project_id, snapshot_id=snapshot.id, limit=MAX_RUNS)
        if run.finished_at is not None
    ]
    most = max((run.num_items // run.config.epochs for run in found), default=0)
    members = [member(connection, run) for run in found if run.num_items // run.config.epochs == most]
    return leaderboard(members) if members else ()


def state_of(connection: Connection, run: Run, now: datetime) -> jobs.Job:
    """The job of a run: how far it is."""
    return jobs.get(connection, run.project_id, run.job_id, now)
