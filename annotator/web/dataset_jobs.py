"""Starts what takes long for a large dataset as jobs, and finds the one that goes on for a page."""

from typing import Any

from sqlalchemy import Connection

from annotator.datasets import jobs
from annotator.datasets.jobs import Kind
from annotator.datasets.runner import Task
from annotator.store.times import utc_now
from annotator.web.access import ProjectAccess
from annotator.web.state import AppState
from annotator.web.transfer import JobOut, one_job

JOB_ITEMS = 500
"""Questions from which on an answer would take seconds, and is given as a job instead."""

_LOOKED_AT = 20


def is_job(asked: bool | None, num_items: int) -> bool:
    """Whether something is to be a job: as was asked for, by default if it is large."""
    return num_items >= JOB_ITEMS if asked is None else asked


def start_job(state: AppState, access: ProjectAccess, kind: Kind, params: dict[str, Any], task: Task) -> JobOut:
    """Makes a job of a task and starts it."""
    with state.database.writing() as connection:
        made = jobs.create(connection, access.actor, access.project.id, kind, params, now=utc_now())
    state.jobs.submit(made.id, task)
    return one_job(state, access, made.id)


def going_on(connection: Connection, access: ProjectAccess, kind: Kind, **params: Any) -> str | None:
    """The id of one's own latest job that is not over and was asked for with these parameters."""
    found = jobs.recent(connection, access.project.id, utc_now(), kind=kind, limit=_LOOKED_AT)
    return next(
        (
            one.id
            for one in found
            if not one.is_over
            and one.account_id == access.actor.account_id
            and all(one.params.get(name) == value for name, value in params.items())
        ),
        None,
    )
