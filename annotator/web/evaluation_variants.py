"""Variants of one model against each other: a run for each, on one server, over one frozen dataset."""

import asyncio

from fastapi import APIRouter

from annotator.errors import InputError
from annotator.evaluate import endpoints, runs
from annotator.evaluate.endpoints import Endpoint
from annotator.evaluate.numbers import state_of
from annotator.evaluate.runs import MAX_NAME, Served
from annotator.store.times import utc_now
from annotator.web.access import Managing
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.evaluation_shapes import RunIn, RunsOut
from annotator.web.evaluations import find_frozen, look_at
from annotator.web.state import State

router = APIRouter(tags=["evaluation"], responses=ERROR_RESPONSES)

MAX_VARIANTS = 20
"""Of one model at once; as many runs as a comparison takes."""


@router.post("/api/projects/{project}/evaluations/variants", status_code=202)
def start_variants(state: State, access: Managing, body: RunIn) -> RunsOut:
    """Starts a run for each variant of `config.model`, by default of the server's first.

    They go on one after the other, so that none takes the time by which another is measured.
    """
    with state.database.reading() as connection:
        snapshot = find_frozen(connection, access, body.dataset, body.version)
        endpoint = endpoints.find(connection, state.settings, body.endpoint)
        num_items = runs.check_run(connection, state.service.catalogue, access.project, snapshot, body.config)
    served, protocol = asyncio.run(look_at(endpoint, body.config))
    variants = _variants(served, endpoint, body.config.model or endpoint.model)
    with state.database.writing() as connection:
        made = [
            runs.begin(
                connection,
                access.actor,
                access.project,
                snapshot,
                endpoint,
                served,
                body.config.model_copy(update={"model": name}),
                num_items=num_items,
                protocol=protocol,
                name=f"{body.name}, {name}"[:MAX_NAME] if body.name.strip() else "",
                now=utc_now(),
            )
            for name in variants
        ]
    work = [(run.job_id, runs.run_task(state.service, state.settings, run, endpoint)) for run in made]
    state.evaluations.submit_in_turn(work)
    with state.database.reading() as connection:
        now = utc_now()
        return RunsOut(runs=[state_of(connection, run, now) for run in made], next=None, total=len(made))


def _variants(served: Served, endpoint: Endpoint, wanted: str) -> tuple[str, ...]:
    model = str(served.find(wanted, endpoint)["id"]).partition(":")[0]
    variants = served.variants(model)
    if len(variants) < 2:
        raise InputError(
            f"'{endpoint.name}' serves no variants of '{model}' that could be compared; Rhumb serves several with "
            "--variants, and lists them as MODEL:NAME",
            param="model",
        )
    if len(variants) > MAX_VARIANTS:
        raise InputError(
            f"'{endpoint.name}' serves {len(variants)} variants of '{model}', and at most {MAX_VARIANTS} are compared "
            "at once; start those that matter one by one",
            param="model",
        )
    return variants
