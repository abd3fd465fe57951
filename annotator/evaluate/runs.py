"""Runs are begun, resumed and cancelled here: by the web program and by the command line in the same way."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from annotator import __version__
from annotator.assist.suggest import refuse_without_consent
from annotator.cache.fetch import Fetcher
from annotator.cache.flights import Flights
from annotator.cache.pace import Pace
from annotator.datasets import jobs
from annotator.datasets.jobs import Job
from annotator.datasets.manifest import read_manifest
from annotator.datasets.runner import Progress, Task
from annotator.datasets.snapshots import Snapshot, by_id, manifest_bytes
from annotator.errors import ConflictError, InputError, UpstreamError
from annotator.evaluate import records, store
from annotator.evaluate.config import RunConfig
from annotator.evaluate.endpoints import Endpoint
from annotator.evaluate.prompts import template_for
from annotator.evaluate.protocol import Chosen, choose_protocol
from annotator.evaluate.replies import ReplyError
from annotator.evaluate.runner import Runner
from annotator.evaluate.selection import select_items
from annotator.evaluate.store import Run
from annotator.evaluate.wire import ModelClient
from annotator.maps.access import user_agent
from annotator.maps.catalogue import Catalogue
from annotator.maps.service import MapService
from annotator.maps.transport import HttpTransport
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import Project, read_project
from annotator.settings import Settings
from annotator.store import tables
from annotator.store.ids import new_id
from annotator.store.times import to_text

MAX_NAME = 200


@dataclass(frozen=True, slots=True)
class Served:
    """What a server says of itself.

    Args:
        models: as it lists them.
        version: empty where it does not say.
    """

    models: tuple[dict[str, Any], ...]
    version: str

    @property
    def names(self) -> tuple[str, ...]:
        """What a request's `model` may be."""
        return tuple(str(one["id"]) for one in self.models)

    def variants(self, model: str) -> tuple[str, ...]:
        """The variants of a model, `model:variant`; the model itself where it has none.

        Its bare name is not among them: it means one of them.
        """
        base = model.partition(":")[0]
        return tuple(name for name in self.names if name.startswith(f"{base}:")) or (model,)

    def find(self, wanted: str, endpoint: Endpoint) -> dict[str, Any]:
        """A model by name; the first for an empty one.

        Raises:
            InputError: lists those that are served.
        """
        for one in self.models:
            if not wanted or one["id"] == wanted:
                return one
        known = ", ".join(self.names[:12])
        raise InputError(f"the endpoint '{endpoint.name}' serves no model '{wanted}'; it serves {known}", param="model")


async def look(endpoint: Endpoint, env: Mapping[str, str] | None = None) -> Served:
    """Asks a server what it serves.

    Raises:
        UpstreamError: it cannot be reached, or lists nothing.
        InputError: its key is not set.
    """
    client = ModelClient(endpoint, RunConfig(), env)
    try:
        return Served(tuple(await client.models()), await client.version())
    except ReplyError as failure:
        raise UpstreamError(failure.message) from None
    finally:
        await client.close()


async def protocol_of(
    endpoint: Endpoint, served: Served, config: RunConfig, env: Mapping[str, str] | None = None
) -> Chosen | None:
    """How a run in tools mode will ask them, for which the server may be asked; None of other modes.

    Raises:
        InputError: the server does not serve the model, or its key is not set.
    """
    if config.mode != "tools":
        return None
    return await choose_protocol(endpoint, served.find(config.model or endpoint.model, endpoint), config, env)


def check_run(
    connection: Connection, catalogue: Catalogue, project: Project, snapshot: Snapshot, config: RunConfig
) -> int:
    """How many questions a run would ask, epochs counted.

    Raises:
        ConflictError: none can be asked so.
        ForbiddenError: a provider's terms keep its content from models.
    """
    _refuse_without_consent(connection, catalogue, project, snapshot, config)
    return len(select_items(connection, snapshot, config).chosen) * config.epochs


def check_resume(connection: Connection, catalogue: Catalogue, run: Run) -> None:
    """Refuses to go on where the project no longer consents to what a run shows its model.

    Raises:
        ForbiddenError: a provider's terms keep its content from models.
    """
    project = read_project(
        connection.execute(select(tables.project).where(tables.project.c.id == run.project_id)).mappings().one()
    )
    _refuse_without_consent(connection, catalogue, project, snapshot_of(connection, run), run.config)


def _refuse_without_consent(
    connection: Connection, catalogue: Catalogue, project: Project, snapshot: Snapshot, config: RunConfig
) -> None:
    if config.mode == "closed_book":
        return
    manifest = read_manifest(manifest_bytes(connection, snapshot))
    refuse_without_consent(catalogue, {provider.key for provider in manifest.providers}, project)


def begin(
    connection: Connection,
    actor: Actor,
    project: Project,
    snapshot: Snapshot,
    endpoint: Endpoint,
    served: Served,
    config: RunConfig,
    *,
    num_items: int,
    protocol: Chosen | None = None,
    name: str = "",
    now: datetime,
) -> Run:
    """A run whose job waits to be started.

    Args:
        num_items: from `check_run`.
        protocol: from `protocol_of`; None takes what the run or the endpoint says.

    Raises:
        InputError: the server does not serve the model, or the name is too long.
    """
    listed = served.find(config.model or endpoint.model, endpoint)
    asked_by = config.protocol or endpoint.protocol if protocol is None else protocol.protocol
    config = config.model_copy(update={"model": str(listed["id"]), "protocol": asked_by})
    template = template_for(config.mode, config.protocol or "tools")
    if len(name) > MAX_NAME:
        raise InputError(f"a run's name has at most {MAX_NAME} characters", param="name")
    run_id = new_id(now)
    made = _job(connection, actor, project.id, run_id, config.model, now)
    run = Run(
        id=run_id,
        project_id=project.id,
        snapshot_id=snapshot.id,
        job_id=made.id,
        name=" ".join(name.split()) or f"{config.model}, {config.mode.replace('_', ' ')}",
        mode=config.mode,
        endpoint=endpoint.name,
        model=config.model,
        config=config,
        template=template.title,
        template_sha=template.sha,
        server={
            "base_url": endpoint.base_url,
            "version": served.version,
            "listed": {key: listed[key] for key in ("id", "root", "max_model_len", "description") if key in listed},
            "mapqator": __version__,
            **({} if protocol is None else {"tools": protocol.note()}),
        },
        num_items=num_items,
        created_by=actor.account_id,
        created_at=now,
        started_at=now,
        finished_at=None,
    )
    store.insert_run(connection, run, template.body)
    return run


def resume(
    connection: Connection,
    actor: Actor,
    run: Run,
    served: Served,
    *,
    again: bool = False,
    by_itself: bool = False,
    now: datetime,
) -> Run:
    """The run with a new job that asks what is missing.

    Args:
        again: ask those that failed again.
        by_itself: nobody asked for it; the program that worked on the run has ended and started again.

    Raises:
        ConflictError: it goes on, is done, or its prompts would be others than before.
        InputError: the server no longer serves the model.
    """
    if run.model not in served.names:
        raise InputError(f"the endpoint '{run.endpoint}' no longer serves '{run.model}'")
    if template_for(run.mode, run.config.protocol or "tools").sha != run.template_sha:
        raise ConflictError("the prompt templates have changed since this run began; begin a new one")
    made = _job(connection, actor, run.project_id, run.id, run.model, now)
    store.take_over(connection, run, made.id, now)
    if again:
        records.forget_errors(connection, run.id)
    num_done = sum(records.verdicts(connection, run.id).values())
    # One that was killed between its last question and its end has only to be ended.
    if num_done >= run.num_items and run.finished_at is not None:
        raise ConflictError("all questions of this run have been asked; --again asks those that failed once more")
    server = run.server
    if by_itself or served.version != server.get("version"):
        noted: dict[str, Any] = {"at": to_text(now), "version": served.version}
        if by_itself:
            noted |= {"by_itself": True, "num_done": num_done}
        server = server | {"resumed": [*server.get("resumed", ()), noted]}
        store.change_run(connection, run.id, server=server)
    return replace(run, job_id=made.id, server=server, finished_at=None)


def cancel(connection: Connection, actor: Actor, run: Run, *, now: datetime) -> Job:
    """Stops a run; what was asked stays, and it can be resumed.

    Raises:
        ConflictError: it is over.
    """
    state = jobs.get(connection, run.project_id, run.job_id, now).state
    if state not in ("waiting", "running"):
        raise ConflictError(f"this run is {state} and cannot be cancelled any more")
    stopped = jobs.cancel(connection, actor, run.project_id, run.job_id, now=now)
    record(connection, actor, "run.cancel", run.id, project_id=run.project_id, now=now)
    return stopped


def _job(connection: Connection, actor: Actor, project_id: str, run_id: str, model: str, now: datetime) -> Job:
    params = {"run": run_id, "model": model, "via": actor.via}
    return jobs.create(connection, actor, project_id, "evaluate", params, now=now)


def run_task(service: MapService, settings: Settings, run: Run, endpoint: Endpoint) -> Task:
    """Asks what is missing of a run, in a loop of its own."""

    def work(progress: Progress) -> Mapping[str, Any]:
        progress.result = {"run": run.id}
        return asyncio.run(_work(service, settings, run, endpoint, progress))

    return work


async def _work(
    service: MapService, settings: Settings, run: Run, endpoint: Endpoint, progress: Progress
) -> Mapping[str, Any]:
    if not run.config.live:
        return await Runner(service, run, endpoint, progress).work()
    # Connections belong to the loop that made them, so the service's own cannot be used here.
    http = HttpTransport(
        user_agent=user_agent(__version__, settings),
        timeout_s=settings.request_timeout_s,
        max_response_bytes=settings.max_response_bytes,
    )
    try:
        database = service.store.database
        fetcher = Fetcher(
            service.store,
            Pace(database),
            Flights(database),
            {"http": http, "https": http},
            max_wait_s=settings.max_wait_s,
            flight_ttl_s=settings.request_timeout_s + settings.max_wait_s + 10.0,
        )
        live = MapService(service.catalogue, service.library, service.store, fetcher)
        return await Runner(service, run, endpoint, progress, live).work()
    finally:
        await http.close()


def snapshot_of(connection: Connection, run: Run) -> Snapshot:
    """What a run asks."""
    return by_id(connection, run.snapshot_id)
