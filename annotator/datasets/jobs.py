"""Jobs: tasks that take longer than a request should, as rows that any process can look at, stop and mourn.

A running job says every few seconds that it is alive. One that has not for `DEAD_S` died with its process: it is told
as failed, and what it had written until then stays.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, and_, func, or_, select

from annotator.cache.json_text import canonical
from annotator.errors import ConflictError, MapqatorError, NotFoundError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.store.ids import new_id
from annotator.store.tables import job

Kind = Literal["import", "export", "freeze", "verify", "evaluate"]
State = Literal["waiting", "running", "done", "failed", "cancelled"]

BEAT_S = 5.0
"""Seconds between two signs of life."""

DEAD_S = 30.0
"""Seconds without one after which a job is dead."""

DIED = "The program stopped while this was going on. What it had written stays; look at the result, or start it again."


class CancelledError(MapqatorError):
    """Somebody cancelled the job that notices it; what it did until then is done."""

    code = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A task and how far it is.

    Args:
        num_done: of `num_total` steps; the total is None while nobody knows it.
        message: what it is doing, or why it ended.
        params: what it was asked for.
        result: what it gave, also what it had done until it failed or was cancelled; None before.
    """

    id: str
    project_id: str | None
    kind: Kind
    state: State
    num_done: int
    num_total: int | None
    message: str
    params: dict[str, Any]
    result: dict[str, Any] | None
    account_id: str
    created_at: datetime
    heartbeat_at: datetime | None
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed", "cancelled")


def create(
    connection: Connection, actor: Actor, project_id: str, kind: Kind, params: Mapping[str, Any], *, now: datetime
) -> Job:
    """A job that waits to be started."""
    job_id = new_id(now)
    connection.execute(
        job.insert(),
        {
            "id": job_id,
            "project_id": project_id,
            "kind": kind,
            "state": "waiting",
            "num_done": 0,
            "message": "Waiting",
            "params_json": canonical(dict(params)).decode(),
            "account_id": actor.account_id,
            "created_at": now,
            "heartbeat_at": now,
        },
    )
    record(connection, actor, f"job.{kind}", job_id, project_id=project_id, detail=params, now=now)
    return get(connection, project_id, job_id, now)


def get(connection: Connection, project_id: str, job_id: str, now: datetime) -> Job:
    """A job of a project.

    Raises:
        NotFoundError: there is none.
    """
    found = select(job).where(job.c.id == job_id, job.c.project_id == project_id)
    row = connection.execute(found).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no job {job_id[:64]} in this project")
    return _read(row, now)


def recent(
    connection: Connection,
    project_id: str,
    now: datetime,
    *,
    kind: Kind | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[Job]:
    """Jobs of a project, the latest first.

    Args:
        before: id of the job after which the list goes on.
    """
    found = select(job).where(job.c.project_id == project_id).order_by(job.c.id.desc()).limit(limit)
    if kind is not None:
        found = found.where(job.c.kind == kind)
    if before is not None:
        found = found.where(job.c.id < before)
    return [_read(row, now) for row in connection.execute(found).mappings()]


def count(connection: Connection, project_id: str, kind: Kind | None = None) -> int:
    """How many jobs a project has had."""
    found = select(func.count()).where(job.c.project_id == project_id)
    return connection.execute(found if kind is None else found.where(job.c.kind == kind)).scalar_one()


def start(connection: Connection, job_id: str, now: datetime) -> bool:
    """Takes a waiting job up; False where it was cancelled meanwhile."""
    begun = job.update().where(job.c.id == job_id, job.c.state == "waiting")
    values = {"state": "running", "message": "Starting", "heartbeat_at": now}
    return connection.execute(begun.values(values)).rowcount == 1


def advance(
    connection: Connection, job_id: str, *, num_done: int, num_total: int | None, message: str, now: datetime
) -> None:
    """Says how far a running job is, inside the transaction of what it did.

    Raises:
        CancelledError: somebody cancelled it; the caller's transaction must not be committed.
    """
    going = job.update().where(job.c.id == job_id, job.c.state == "running")
    values = {"num_done": num_done, "num_total": num_total, "message": message, "heartbeat_at": now}
    if connection.execute(going.values(values)).rowcount == 0:
        raise CancelledError("the job was cancelled")


def finish(
    connection: Connection,
    job_id: str,
    state: State,
    message: str,
    result: Mapping[str, Any] | None,
    *,
    num_done: int | None = None,
    now: datetime,
) -> None:
    """Ends a job with its result. One that was cancelled stays cancelled, and keeps what it had done as its result."""
    values: dict[str, Any] = {"finished_at": now, "heartbeat_at": now}
    if num_done is not None:
        values["num_done"] = num_done
    if result is not None:
        values["result_json"] = canonical(dict(result)).decode()
    ended = job.update().where(job.c.id == job_id)
    changed = connection.execute(
        ended.where(job.c.state.in_(("waiting", "running"))).values(values | {"state": state, "message": message})
    )
    if changed.rowcount == 0:
        connection.execute(ended.values(values))


def cancel(connection: Connection, actor: Actor, project_id: str, job_id: str, *, now: datetime) -> Job:
    """Stops a job: a waiting one at once, a running one at its next step.

    Raises:
        ConflictError: it has ended.
    """
    found = get(connection, project_id, job_id, now)
    if found.is_over:
        raise ConflictError(f"this {found.kind} is {found.state} and cannot be cancelled any more")
    connection.execute(
        job.update().where(job.c.id == job_id).values(state="cancelled", message="Cancelled", finished_at=now)
    )
    record(connection, actor, "job.cancel", job_id, project_id=project_id, now=now)
    return get(connection, project_id, job_id, now)


def beat(connection: Connection, job_ids: Sequence[str], now: datetime) -> None:
    """Says that jobs are alive, waiting or running."""
    alive = job.update().where(job.c.id.in_(job_ids), job.c.state.in_(("waiting", "running")))
    connection.execute(alive.values(heartbeat_at=now))


def bury(connection: Connection, now: datetime) -> int:
    """Writes down that dead jobs failed; returns how many."""
    dead = and_(
        job.c.state.in_(("waiting", "running")),
        or_(job.c.heartbeat_at.is_(None), job.c.heartbeat_at < now - timedelta(seconds=DEAD_S)),
    )
    return connection.execute(job.update().where(dead).values(state="failed", message=DIED, finished_at=now)).rowcount


def _read(row: RowMapping, now: datetime) -> Job:
    values: dict[str, Any] = {name: row[name] for name in Job.__slots__ if name not in ("params", "result")}
    seen = row["heartbeat_at"]
    if row["state"] in ("waiting", "running") and (seen is None or (now - seen).total_seconds() > DEAD_S):
        # Nobody may have written it down yet.
        values |= {"state": "failed", "message": DIED}
    return Job(
        **values,
        params=json.loads(row["params_json"]),
        result=None if row["result_json"] is None else json.loads(row["result_json"]),
    )
