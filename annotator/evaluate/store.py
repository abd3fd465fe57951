"""Rows of runs: what was asked for, of which server, and which job is at it. Their questions are in `records`."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, func, select

from annotator.cache.blobs import pack_blob, put_blob
from annotator.cache.json_text import canonical
from annotator.datasets import jobs
from annotator.errors import ConflictError, NotFoundError
from annotator.evaluate.config import RunConfig
from annotator.evaluate.model import Mode, RunFacts
from annotator.evaluate.records import JSON
from annotator.store.tables import dataset, eval_run, project, snapshot
from annotator.store.times import to_text


@dataclass(frozen=True, slots=True)
class Run:
    """A frozen dataset asked of a model.

    Args:
        job_id: of the job that does it, or did last.
        endpoint: name of the server's endpoint.
        model: as the server lists it.
        template: name and version of the prompt template.
        server: what is known of the server: `base_url`, `version`, `model` as it was listed, seconds of work.
        num_items: questions times epochs.
    """

    id: str
    project_id: str
    snapshot_id: str
    job_id: str
    name: str
    mode: Mode
    endpoint: str
    model: str
    config: RunConfig
    template: str
    template_sha: str
    server: dict[str, Any]
    num_items: int
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def insert_run(connection: Connection, run: Run, template_body: bytes) -> None:
    """Writes a run that nobody has begun."""
    put_blob(connection, pack_blob(template_body, JSON))
    values = {name: getattr(run, name) for name in Run.__slots__ if name not in ("config", "server")}
    values |= {"config_json": run.config.model_dump_json(), "server_json": canonical(run.server).decode()}
    connection.execute(eval_run.insert(), values)


def get_run(connection: Connection, project_id: str, run_id: str) -> Run:
    """A run of a project, by its id or the beginning of it.

    Raises:
        NotFoundError: there is none, or several begin so.
    """
    wanted = run_id.upper()[:26]
    if not wanted.isalnum():
        raise NotFoundError(f"there is no run {run_id[:64]} in this project")
    begin = eval_run.c.id.startswith(wanted)
    rows = connection.execute(select(eval_run).where(eval_run.c.project_id == project_id, begin).limit(2)).mappings()
    found = [_read_run(row) for row in rows]
    if len(found) != 1:
        raise NotFoundError(
            f"several runs begin with {wanted}; write more of it"
            if found
            else f"there is no run {run_id[:64]} in this project"
        )
    return found[0]


def find_run(connection: Connection, run_id: str) -> Run:
    """A run of any project, by its id, the beginning of it, or `latest`.

    Raises:
        NotFoundError: there is none, or several begin so.
    """
    query = select(eval_run.c.project_id, eval_run.c.id).order_by(eval_run.c.id.desc()).limit(1)
    if run_id.lower() != "latest":
        query = query.where(eval_run.c.id.startswith(run_id.upper()[:26] if run_id.isalnum() else "-"))
    row = connection.execute(query).first()
    if row is None:
        raise NotFoundError(f"there is no run {run_id[:64]}; `mapqator evaluate list` shows those that there are")
    return get_run(connection, row.project_id, row.id if run_id.lower() == "latest" else run_id)


def recent_runs(connection: Connection, limit: int) -> list[Run]:
    """Runs of all projects, the latest first."""
    query = select(eval_run).order_by(eval_run.c.id.desc()).limit(limit)
    return [_read_run(row) for row in connection.execute(query).mappings()]


def list_runs(
    connection: Connection,
    project_id: str,
    *,
    snapshot_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Run]:
    """Runs of a project, the latest first.

    Args:
        snapshot_id: only those of one frozen dataset.
        before: id of the run after which the list goes on.
    """
    found = _listed(select(eval_run), project_id, snapshot_id).order_by(eval_run.c.id.desc()).limit(limit)
    if before is not None:
        found = found.where(eval_run.c.id < before)
    return [_read_run(row) for row in connection.execute(found).mappings()]


def unfinished_runs(connection: Connection) -> list[Run]:
    """Runs of all projects of which some question was not asked, the oldest first."""
    query = (
        select(eval_run)
        .join(project, project.c.id == eval_run.c.project_id)
        .where(eval_run.c.finished_at.is_(None), project.c.deleted_at.is_(None))
        .order_by(eval_run.c.id)
    )
    return [_read_run(row) for row in connection.execute(query).mappings()]


def count_runs(connection: Connection, project_id: str, snapshot_id: str | None = None) -> int:
    """How many runs a project has, or one of its frozen datasets."""
    return int(connection.execute(_listed(select(func.count(eval_run.c.id)), project_id, snapshot_id)).scalar_one())


def snapshot_name(connection: Connection, snapshot_id: str) -> tuple[str, str]:
    """`project/dataset@version` of a snapshot, and the sha256 of its manifest."""
    query = (
        select(project.c.slug, dataset.c.slug.label("dataset"), snapshot.c.version, snapshot.c.manifest_sha)
        .join(dataset, dataset.c.project_id == project.c.id)
        .join(snapshot, snapshot.c.dataset_id == dataset.c.id)
        .where(snapshot.c.id == snapshot_id)
    )
    row = connection.execute(query).one()
    return f"{row.slug}/{row.dataset}@{row.version}", str(row.manifest_sha)


def facts_of_run(connection: Connection, run: Run) -> RunFacts:
    """What comparing and exporting need to know of it."""
    name, manifest_sha = snapshot_name(connection, run.snapshot_id)
    _, _, variant = run.model.partition(":")
    return RunFacts(
        run_id=run.id,
        name=run.name,
        snapshot=name,
        manifest_sha=manifest_sha,
        endpoint=run.endpoint,
        model=run.model,
        variant=variant,
        mode=run.mode,
        template=run.template,
        template_sha=run.template_sha,
        offers_abstaining=run.config.offers_abstaining,
        shuffle_seed=run.config.shuffle_seed,
        decoding=run.config.decoding(),
        epochs=run.config.epochs,
        server_version=str(run.server.get("version", "")),
        started_at=None if run.started_at is None else to_text(run.started_at),
        finished_at=None if run.finished_at is None else to_text(run.finished_at),
    )


def change_run(connection: Connection, run_id: str, **values: Any) -> None:
    """Writes columns of a run."""
    if "server" in values:
        values["server_json"] = canonical(values.pop("server")).decode()
    connection.execute(eval_run.update().where(eval_run.c.id == run_id).values(values))


def take_over(connection: Connection, run: Run, job_id: str, now: datetime) -> None:
    """Gives a run to another job.

    Raises:
        ConflictError: its job is still at it.
    """
    if not jobs.get(connection, run.project_id, run.job_id, now).is_over:
        raise ConflictError(
            "this run is going on; cancel it first, or wait for it; one that was killed can be resumed "
            f"{jobs.DEAD_S:g} s after its last sign of life"
        )
    mine = and_(eval_run.c.id == run.id, eval_run.c.job_id == run.job_id)
    changed = connection.execute(eval_run.update().where(mine).values(job_id=job_id, finished_at=None))
    if changed.rowcount == 0:
        raise ConflictError("somebody else resumed this run at the same moment")


def _listed(query: Select[Any], project_id: str, snapshot_id: str | None) -> Select[Any]:
    query = query.where(eval_run.c.project_id == project_id)
    return query if snapshot_id is None else query.where(eval_run.c.snapshot_id == snapshot_id)


def _read_run(row: RowMapping) -> Run:
    values: dict[str, Any] = {name: row[name] for name in Run.__slots__ if name not in ("config", "server")}
    return Run(
        **values,
        config=RunConfig.model_validate_json(row["config_json"]),
        server=json.loads(row["server_json"]),
    )
