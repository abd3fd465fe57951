"""Runs of a database in numbers: what summaries, comparisons and the leaderboard need is read here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel
from sqlalchemy import Connection

from annotator.datasets import jobs
from annotator.datasets.items import items
from annotator.datasets.snapshots import Snapshot, by_id
from annotator.evaluate import records, store
from annotator.evaluate.baselines import MemberRun, Reference, item_baselines, references, sibling
from annotator.evaluate.compare import Comparison, Row, compare, leaderboard
from annotator.evaluate.config import RunConfig
from annotator.evaluate.model import Mode
from annotator.evaluate.statistics import Interval, wilson
from annotator.evaluate.store import Run
from annotator.evaluate.summary import Summary, summarise
from annotator.store.times import to_text

_FLOOR_AND_CEILING: tuple[Literal["closed_book", "oracle_evidence"], ...] = ("closed_book", "oracle_evidence")
_WITHOUT_MODEL = ("chance", "majority", "human")
MAX_RUNS = 50
"""That a leaderboard looks at."""


def member(connection: Connection, run: Run) -> MemberRun:
    """A run with what came of its questions so far."""
    return MemberRun(store.facts_of_run(connection, run), records.results(connection, run.id))


def summary_of(connection: Connection, run: Run) -> Summary:
    """A run in numbers, with what must be seen beside them."""
    snapshot = by_id(connection, run.snapshot_id)
    mine = member(connection, run)
    others = store.list_runs(connection, run.project_id, snapshot_id=snapshot.id, limit=MAX_RUNS)
    siblings: dict[Mode, MemberRun] = {}
    for mode in _FLOOR_AND_CEILING:
        candidates = [
            MemberRun(store.facts_of_run(connection, one), ())
            for one in others
            if one.mode == mode and one.finished_at is not None
        ]
        found = sibling(mine.facts, candidates, mode)
        if found is not None:
            siblings[mode] = MemberRun(found.facts, records.results(connection, found.facts.run_id))
    baselines = item_baselines(items(connection, snapshot), offers_abstaining=run.config.offers_abstaining)
    return summarise(mine.results, baselines, siblings)


def compare_runs(connection: Connection, runs: Sequence[Run]) -> Comparison:
    """Runs over the same frozen dataset against each other.

    Raises:
        InputError: they cannot be compared; says why.
    """
    members = [member(connection, run) for run in runs]
    return compare(members).model_copy(update=beside(connection, runs, members)._asdict())


class Beside(NamedTuple):
    """What must be seen beside runs; see `Comparison`."""

    references: tuple[Reference, ...]
    floors: dict[str, Reference]


def beside(connection: Connection, runs: Sequence[Run], members: Sequence[MemberRun]) -> Beside:
    """Chance, the commonest answer, people and the floors, over what all of the runs answered.

    Args:
        runs: over one frozen dataset.
        members: of `runs`, in their order, with their results.
    """
    common = sorted(set.intersection(*({result.facts.item_id for result in one.results} for one in members)))
    snapshot = by_id(connection, runs[0].snapshot_id)
    baselines = item_baselines(items(connection, snapshot), offers_abstaining=runs[0].config.offers_abstaining)
    closed = [
        member(connection, one)
        for one in store.list_runs(connection, runs[0].project_id, snapshot_id=snapshot.id, limit=MAX_RUNS)
        if one.mode == "closed_book" and one.finished_at is not None
    ]
    floors = {}
    for one in members:
        floor = None if one.facts.mode == "closed_book" else sibling(one.facts, closed, "closed_book")
        if floor is not None:
            found = references(common, baselines, {"closed_book": floor})
            floors[one.facts.run_id] = next(reference for reference in found if reference.name == "closed_book")
    seen = tuple(one for one in references(common, baselines, {}) if one.name in _WITHOUT_MODEL)
    return Beside(seen, floors)


def leaderboard_of(connection: Connection, project_id: str, snapshot: Snapshot) -> tuple[Row, ...]:
    """The finished runs over most of a frozen dataset, the best first; none where there is no such run.

    Runs that asked fewer questions than others did are left out, since only what all of them answered can be compared.
    """
    return board_of(connection, project_id, snapshot).rows


class Board(NamedTuple):
    """A leaderboard and what must be seen beside it.

    Args:
        references: chance, the commonest answer and people, over the questions of the rows; none without rows.
        num_left_out: finished runs that asked fewer questions.
    """

    rows: tuple[Row, ...]
    references: tuple[Reference, ...]
    num_left_out: int


def board_of(connection: Connection, project_id: str, snapshot: Snapshot, mode: Mode | None = None) -> Board:
    """The finished runs over most of a frozen dataset, the best first.

    Args:
        mode: only runs of it.
    """
    found = [
        run
        for run in store.list_runs(connection, project_id, snapshot_id=snapshot.id, limit=MAX_RUNS)
        if run.finished_at is not None and mode in (None, run.mode)
    ]
    most = max((run.num_items // run.config.epochs for run in found), default=0)
    chosen = [run for run in found if run.num_items // run.config.epochs == most]
    if not chosen:
        return Board((), (), 0)
    members = [member(connection, run) for run in chosen]
    rows = leaderboard(members)
    common = set.intersection(*({result.facts.item_id for result in one.results} for one in members))
    baselines = item_baselines(items(connection, snapshot), offers_abstaining=rows[0].run.offers_abstaining)
    seen = references(sorted(common), baselines, {})
    return Board(rows, tuple(one for one in seen if one.name in _WITHOUT_MODEL), len(found) - len(chosen))


class RunState(BaseModel):
    """A run and how far it is.

    Args:
        snapshot: `project/dataset@version`.
        state: of its latest job; what failed or was cancelled can be resumed.
        num_items: questions times epochs, `num_done` how many are over.
        num_right: sum of scores.
        wilson: 95 % interval of `accuracy`; None before the first question.
        tokens_per_s: that were generated, over the time that the run was worked on; None where the server counts none.
        kv_bytes: KV cache of a question's largest request, on average, and `depth_layers` the layers that a token ran;
            None where the server does not say.
    """

    id: str
    name: str
    snapshot: str
    manifest_sha: str
    endpoint: str
    model: str
    variant: str
    mode: Mode
    state: jobs.State
    message: str
    num_items: int
    num_done: int
    num_right: float
    accuracy: float | None
    wilson: Interval | None
    verdicts: dict[str, int]
    tokens_per_s: float | None
    kv_bytes: float | None
    depth_layers: float | None
    template: str
    template_sha: str
    config: RunConfig
    server: dict[str, Any]
    created_at: str
    started_at: str | None
    finished_at: str | None


def state_of(connection: Connection, run: Run, now: datetime) -> RunState:
    """How far a run is."""
    job = jobs.get(connection, run.project_id, run.job_id, now)
    snapshot, manifest_sha = store.snapshot_name(connection, run.snapshot_id)
    totals = records.totals(connection, run.id)
    work_s, tokens = float(run.server.get("work_s", 0.0)), int(run.server.get("work_tokens", 0))
    return RunState(
        id=run.id,
        name=run.name,
        snapshot=snapshot,
        manifest_sha=manifest_sha,
        endpoint=run.endpoint,
        model=run.model,
        variant=run.model.partition(":")[2],
        mode=run.mode,
        state=job.state,
        message=job.message,
        num_items=run.num_items,
        num_done=totals.num,
        num_right=totals.score,
        accuracy=totals.score / totals.num if totals.num else None,
        wilson=wilson(totals.score, totals.num) if totals.num else None,
        verdicts=records.verdicts(connection, run.id),
        tokens_per_s=round(tokens / work_s, 3) if work_s and tokens else None,
        kv_bytes=totals.kv_bytes,
        depth_layers=totals.depth_layers,
        template=run.template,
        template_sha=run.template_sha,
        config=run.config,
        server=run.server,
        created_at=to_text(run.created_at),
        started_at=None if run.started_at is None else to_text(run.started_at),
        finished_at=None if run.finished_at is None else to_text(run.finished_at),
    )
