"""Evaluation as JSON: endpoints of models, runs over frozen datasets, and what came of every question."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from annotator.datasets import snapshots
from annotator.datasets.snapshots import Snapshot
from annotator.errors import InputError, NotFoundError
from annotator.evaluate import endpoints, records, runs, store
from annotator.evaluate.compare import Comparison
from annotator.evaluate.config import RunConfig
from annotator.evaluate.endpoints import Endpoint
from annotator.evaluate.numbers import RunState, compare_runs, leaderboard_of, state_of, summary_of
from annotator.evaluate.protocol import Chosen
from annotator.evaluate.runs import Served
from annotator.evaluate.store import Run
from annotator.evaluate.summary import Summary
from annotator.evaluate.trace import messages_of, trace_of
from annotator.store.times import to_text, utc_now
from annotator.web.access import (
    Administrator,
    AnyAccount,
    AnyWriter,
    Exporting,
    Managing,
    ProjectAccess,
    Reading,
)
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.evaluation_shapes import (
    EndpointIn,
    EndpointOut,
    EndpointsOut,
    EventOut,
    LeaderboardOut,
    ModelsOut,
    ResumeIn,
    RunIn,
    RunItem,
    RunItems,
    RunsOut,
    TraceOut,
)
from annotator.web.state import AppState, State

router = APIRouter(tags=["evaluation"], responses=ERROR_RESPONSES)

_ENDPOINTS = "/api/evaluations/endpoints"
_RUNS = "/api/projects/{project}/evaluations"
LOOK_S = 0.5
"""How often a stream of progress looks at the database."""
QUIET_S = 15.0
"""After which a stream sends a comment, so that nobody between takes it for dead."""

EndpointName = Annotated[str, Path(max_length=63, description="The endpoint's name.")]
RunId = Annotated[str, Path(max_length=26, description="The run's id.")]


@router.get(_ENDPOINTS)
def list_endpoints(state: State, actor: AnyAccount) -> EndpointsOut:
    """The servers of models that runs may ask. Keys are named, never shown."""
    with state.database.reading() as connection:
        found = endpoints.listing(connection, state.settings)
    return EndpointsOut(endpoints=[endpoint_out(one) for one in found])


@router.post(_ENDPOINTS, status_code=201)
def add_endpoint(state: State, actor: Administrator, body: EndpointIn) -> EndpointOut:
    """Adds a server of models, for all projects of this installation."""
    made = Endpoint(body.name, body.base_url, body.model, body.secret_env, body.protocol, body.params)
    with state.database.writing() as connection:
        endpoints.add(connection, actor, made, state.settings.model_hosts, now=utc_now())
        return endpoint_out(endpoints.find(connection, state.settings, body.name))


@router.delete(_ENDPOINTS + "/{name}", status_code=204)
def remove_endpoint(state: State, actor: Administrator, name: EndpointName) -> Response:
    """Removes an endpoint; runs that asked it stay."""
    with state.database.writing() as connection:
        endpoints.remove(connection, actor, name, now=utc_now())
    return Response(status_code=204)


@router.get(_ENDPOINTS + "/{name}/models")
def list_models(state: State, actor: AnyWriter, name: EndpointName) -> ModelsOut:
    """Asks a server which models and variants it serves."""
    with state.database.reading() as connection:
        found = endpoints.find(connection, state.settings, name)
    served = asyncio.run(runs.look(found))
    return ModelsOut(version=served.version, models=list(served.models))


@router.get(_RUNS)
def list_runs(
    state: State,
    access: Reading,
    dataset: Annotated[str | None, Query(max_length=63)] = None,
    version: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")] = None,
) -> RunsOut:
    """Runs of the project, the latest first; of one frozen dataset, if it is named."""
    with state.database.reading() as connection:
        of = None if dataset is None else find_frozen(connection, access, dataset, version).id
        found = store.list_runs(connection, access.project.id, snapshot_id=of, before=cursor, limit=limit + 1)
        rows = [state_of(connection, run, utc_now()) for run in found[:limit]]
        total = store.count_runs(connection, access.project.id, of)
    return RunsOut(runs=rows, next=rows[-1].id if len(found) > limit else None, total=total)


@router.post(_RUNS, status_code=202)
def start_run(state: State, access: Managing, body: RunIn) -> RunState:
    """Starts a run, which goes on as a job; `GET …/{run_id}` and `…/{run_id}/events` say how far it is."""
    with state.database.reading() as connection:
        snapshot = find_frozen(connection, access, body.dataset, body.version)
        endpoint = endpoints.find(connection, state.settings, body.endpoint)
        num_items = runs.check_run(connection, state.service.catalogue, access.project, snapshot, body.config)
    served, protocol = asyncio.run(look_at(endpoint, body.config))
    with state.database.writing() as connection:
        made = runs.begin(
            connection,
            access.actor,
            access.project,
            snapshot,
            endpoint,
            served,
            body.config,
            num_items=num_items,
            protocol=protocol,
            name=body.name,
            now=utc_now(),
        )
    return _started(state, made, endpoint)


@router.get(_RUNS + "/compare")
def compare(
    state: State, access: Reading, run: Annotated[list[str], Query(max_length=20, description="Two runs or more.")]
) -> Comparison:
    """Compares runs over the same frozen questions."""
    if len(run) < 2:
        raise InputError("a comparison needs at least two runs: ?run=…&run=…", param="run")
    with state.database.reading() as connection:
        return compare_runs(connection, [store.get_run(connection, access.project.id, one) for one in run])


@router.get(_RUNS + "/leaderboard")
def leaderboard(
    state: State,
    access: Reading,
    dataset: Annotated[str, Query(max_length=63)],
    version: Annotated[str | None, Query(max_length=64)] = None,
) -> LeaderboardOut:
    """The finished runs over a frozen dataset, the best first."""
    with state.database.reading() as connection:
        snapshot = find_frozen(connection, access, dataset, version)
        return LeaderboardOut(rows=list(leaderboard_of(connection, access.project.id, snapshot)))


@router.get(_RUNS + "/{run_id}")
def get_run(state: State, access: Reading, run_id: RunId) -> RunState:
    """A run and how far it is."""
    return _state(state, access, run_id)


@router.get(_RUNS + "/{run_id}/summary")
def get_summary(state: State, access: Reading, run_id: RunId) -> Summary:
    """A run in numbers, with chance, the commonest answer, people and the closed book beside them."""
    with state.database.reading() as connection:
        return summary_of(connection, store.get_run(connection, access.project.id, run_id))


@router.get(_RUNS + "/{run_id}/events", response_class=StreamingResponse)
async def watch_run(request: Request, state: State, access: Reading, run_id: RunId) -> StreamingResponse:
    """Progress as server-sent events: `progress` whenever something changed, `end` when nothing more will.

    A stream that ends without `end` is to be asked for again: the program stopped, and the run may have been resumed.
    """
    first = await run_in_threadpool(_state, state, access, run_id)

    async def told() -> AsyncIterator[str]:
        last, quiet_s = "", 0.0
        now = first
        while True:
            text = now.model_dump_json()
            if text != last:
                yield f"event: progress\ndata: {text}\n\n"
                last, quiet_s = text, 0.0
            if now.state in ("done", "failed", "cancelled"):
                yield f"event: end\ndata: {json.dumps({'state': now.state})}\n\n"
                return
            await asyncio.sleep(LOOK_S)
            quiet_s += LOOK_S
            if quiet_s >= QUIET_S:
                yield ": still here\n\n"
                quiet_s = 0.0
            if request.app.state.is_stopping or await request.is_disconnected():
                return
            now = await run_in_threadpool(_state, state, access, run_id)

    return StreamingResponse(told(), media_type="text/event-stream", headers={"cache-control": "no-store"})


@router.get(_RUNS + "/{run_id}/items")
def list_items(
    state: State,
    access: Exporting,
    run_id: RunId,
    verdict: Literal["right", "wrong", "abstained", "invalid", "limit", "error"] | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str, Query(pattern=r"^\d{1,9}$")] = "0",
) -> RunItems:
    """Questions of a run that are over, with what was answered and what is right."""
    start = int(cursor)
    with state.database.reading() as connection:
        found = store.get_run(connection, access.project.id, run_id)
        rows = list(records.item_rows(connection, found.id, verdict=verdict, start=start, limit=limit + 1))
    return RunItems(
        items=[
            RunItem(
                ordinal=row.ordinal,
                prompt_sha=row.prompt_sha,
                finished_at=to_text(row.finished_at),
                result=row.result,
            )
            for row in rows[:limit]
        ],
        next=str(start + limit) if len(rows) > limit else None,
    )


@router.get(_RUNS + "/{run_id}/items/{number}")
def get_trace(
    state: State,
    access: Exporting,
    run_id: RunId,
    number: Annotated[int, Path(ge=1, description="The question's number.")],
    epoch: Annotated[int, Query(ge=0)] = 0,
) -> TraceOut:
    """A question of a run: the exact prompt, what was said, every tool call with its hashes, the verdict."""
    with state.database.reading() as connection:
        found = store.get_run(connection, access.project.id, run_id)
        trace = trace_of(connection, found, number, epoch)
    return TraceOut(
        item=trace.item.model_dump(mode="json"),
        shown=trace.row.shown,
        prompt_sha=trace.row.prompt_sha,
        prompt=dict(trace.prompt),
        messages=messages_of(trace, in_text=found.template.startswith("react ")),
        events=[
            EventOut(
                kind=event.kind,
                at_ms=event.at_ms,
                payload=dict(event.payload),
                tool_call_id=event.tool_call_id,
                result_sha=event.result_sha,
            )
            for event in trace.events
        ],
        reply=trace.reply,
        result=trace.row.result,
    )


@router.post(_RUNS + "/{run_id}/cancel")
def cancel_run(state: State, access: Managing, run_id: RunId) -> RunState:
    """Stops a run; what was asked stays, and it can be resumed."""
    with state.database.writing() as connection:
        found = store.get_run(connection, access.project.id, run_id)
        runs.cancel(connection, access.actor, found, now=utc_now())
    return _state(state, access, run_id)


@router.post(_RUNS + "/{run_id}/resume", status_code=202)
def resume_run(state: State, access: Managing, run_id: RunId, body: ResumeIn) -> RunState:
    """Goes on with a run that was cancelled, failed or killed: only what is missing is asked."""
    with state.database.reading() as connection:
        found = store.get_run(connection, access.project.id, run_id)
        endpoint = endpoints.find(connection, state.settings, found.endpoint)
        runs.check_resume(connection, state.service.catalogue, found)
    served = asyncio.run(runs.look(endpoint))
    with state.database.writing() as connection:
        found = runs.resume(connection, access.actor, found, served, again=body.again, now=utc_now())
    return _started(state, found, endpoint)


async def look_at(endpoint: Endpoint, config: RunConfig) -> tuple[Served, Chosen | None]:
    """What a server serves, and how a run in tools mode will ask them."""
    served = await runs.look(endpoint)
    return served, await runs.protocol_of(endpoint, served, config)


def _started(state: AppState, run: Run, endpoint: Endpoint) -> RunState:
    state.evaluations.submit(run.job_id, runs.run_task(state.service, state.settings, run, endpoint))
    with state.database.reading() as connection:
        return state_of(connection, run, utc_now())


def _state(state: AppState, access: ProjectAccess, run_id: str) -> RunState:
    with state.database.reading() as connection:
        return state_of(connection, store.get_run(connection, access.project.id, run_id), utc_now())


def find_frozen(connection: Connection, access: ProjectAccess, slug: str, version: str | None) -> Snapshot:
    """A frozen version of a dataset of the project, by default the latest."""
    dataset = snapshots.get_dataset(connection, access.project.id, slug)
    if version is not None:
        return snapshots.get_snapshot(connection, dataset.id, version)
    latest = snapshots.latest(connection, dataset.id)
    if latest is None:
        raise NotFoundError(f"'{slug}' has no frozen version yet")
    return latest


def endpoint_out(found: Endpoint) -> EndpointOut:
    """An endpoint as the API tells it."""
    params: dict[str, Any] = dict(found.params or {})
    return EndpointOut(
        name=found.name,
        base_url=found.base_url,
        model=found.model,
        secret_env=found.secret_env,
        protocol=found.protocol,
        params=params,
    )
