"""Runs of models over frozen datasets: their list, the form that starts one, and a run while it goes on and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import StringConstraints
from sqlalchemy import Connection

from annotator.datasets import snapshots
from annotator.datasets.manifest import Counts
from annotator.datasets.snapshots import Dataset, Snapshot
from annotator.errors import MapqatorError
from annotator.evaluate import endpoints, store
from annotator.evaluate.config import RunConfig
from annotator.evaluate.interchange.registry import RESULT_FORMATS
from annotator.evaluate.model import VERDICTS, Mode
from annotator.evaluate.numbers import state_of, summary_of
from annotator.evaluate.runs import MAX_NAME, check_run
from annotator.evaluate.statistics import Power, smallest_difference, wilson
from annotator.evaluate.summary import Spread, Summary
from annotator.people.roles import Permission
from annotator.questions.model import QuestionType
from annotator.store.times import utc_now
from annotator.web.access import Managing, ProjectAccess, Reading
from annotator.web.evaluations import RunId, endpoint_out
from annotator.web.pages import evaluation_trace
from annotator.web.render import page
from annotator.web.state import State

router = APIRouter(include_in_schema=False)
router.include_router(evaluation_trace.router)

PAGE_RUNS = 50
AT_ACCURACY = 0.6
"""For which the form says how wide an interval will be."""
DISAGREEMENTS = (0.1, 0.3)
"""For which it says how large a difference must be: variants of one model, and models that have little in common."""

MODE_WORDS: dict[Mode, tuple[str, str]] = {
    "closed_book": ("Closed book", "nothing beside the question: the floor under every other mode"),
    "text_context": ("Text context", "the context as text, as it was frozen"),
    "json_context": ("JSON context", "the context as JSON"),
    "oracle_evidence": ("Oracle evidence", "only the recorded values that show the answer: the ceiling"),
    "tools": ("Tools", "map tools to be called, which the recordings answer"),
}


Words = Annotated[tuple[Annotated[str, StringConstraints(min_length=1, max_length=200)], ...], Query(max_length=50)]


@dataclass(frozen=True, slots=True)
class Frozen:
    """A version of a dataset that a run may be about.

    Args:
        categories, splits: how many questions each has.
    """

    slug: str
    title: str
    version: str
    num_items: int
    snapshot_id: str
    categories: Mapping[str, int]
    splits: Mapping[str, int]

    @property
    def key(self) -> str:
        """As forms send it."""
        return f"{self.slug}@{self.version}"


@router.get("/p/{project}/evaluations")
def runs(
    request: Request,
    state: State,
    access: Reading,
    dataset: Annotated[str, Query(max_length=130, description="`dataset@version`; empty for all.")] = "",
    cursor: Annotated[str | None, Query(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")] = None,
) -> HTMLResponse:
    """The project's runs, the latest first; of one frozen version, if it is named."""
    with state.database.reading() as connection:
        frozen = frozen_versions(connection, access)
        chosen = next((one for one in frozen if one.key == dataset), None)
        of = None if chosen is None else chosen.snapshot_id
        found = store.list_runs(connection, access.project.id, snapshot_id=of, before=cursor, limit=PAGE_RUNS + 1)
        rows = [state_of(connection, run, utc_now()) for run in found[:PAGE_RUNS]]
    return page(
        request,
        state,
        "evaluate/runs.html",
        access,
        rows=rows,
        here=f"{request.url.path}?{request.url.query}",
        next=rows[-1].id if len(found) > PAGE_RUNS else None,
        frozen=frozen,
        chosen=chosen,
        modes=MODE_WORDS,
        may_manage=access.may(Permission.MANAGE),
    )


@router.get("/p/{project}/evaluations/new")
def new(
    request: Request,
    state: State,
    access: Managing,
    dataset: Annotated[str, Query(max_length=63)] = "",
    version: Annotated[str, Query(max_length=64)] = "",
    mode: Mode = "text_context",
    endpoint: Annotated[str, Query(max_length=63)] = "",
    model: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """The form that starts runs; a link may choose what it begins with."""
    with state.database.reading() as connection:
        frozen = frozen_versions(connection, access)
        known = endpoints.listing(connection, state.settings)
    return page(
        request,
        state,
        "evaluate/form.html",
        access,
        frozen=frozen,
        chosen=f"{dataset}@{version}",
        parts={one.key: {"category": one.categories, "split": one.splits} for one in frozen},
        endpoints=known,
        known=[endpoint_out(one).model_dump() for one in known],
        endpoint=endpoint,
        model=model,
        mode=mode,
        modes=MODE_WORDS,
        standard=RunConfig(),
        max_name=MAX_NAME,
        may_add=access.actor.is_admin,
    )


@router.get("/p/{project}/evaluations/plan")
def plan(
    request: Request,
    state: State,
    access: Managing,
    dataset: Annotated[str, Query(max_length=130)],
    mode: Mode = "text_context",
    limit: Annotated[str, Query(pattern=r"^[0-9]{0,9}$")] = "",
    epochs: Annotated[str, Query(pattern=r"^[0-9]{0,3}$")] = "",
    types: Annotated[tuple[QuestionType, ...], Query(alias="type")] = (),
    category: Words = (),
    split: Words = (),
) -> HTMLResponse:
    """What a run would ask and how large a difference it could show; a part of the form."""
    trouble, num_items, num_asked, powers = "", 0, 0, list[Power]()
    try:
        config = RunConfig(
            mode=mode,
            limit=int(limit or 0) or None,
            epochs=int(epochs or 1) or 1,
            types=types,
            categories=category,
            splits=split,
        )
        slug, _, version = dataset.partition("@")
        with state.database.reading() as connection:
            found = snapshots.get_snapshot(
                connection, snapshots.get_dataset(connection, access.project.id, slug).id, version
            )
            num_asked = check_run(connection, state.service.catalogue, access.project, found, config)
        num_items = num_asked // config.epochs
        powers = [smallest_difference(num_items, share) for share in DISAGREEMENTS]
    except ValueError:
        trouble = "every question is asked once to 100 times"
    except MapqatorError as error:
        trouble = error.message
    low, high = wilson(AT_ACCURACY * num_items, num_items)
    return page(
        request,
        state,
        "evaluate/plan.html",
        access,
        trouble=trouble,
        num_items=num_items,
        num_asked=num_asked,
        half=(high - low) / 2,
        at_accuracy=AT_ACCURACY,
        powers=powers,
    )


@router.get("/p/{project}/evaluations/{run_id}")
def run(request: Request, state: State, access: Reading, run_id: RunId) -> HTMLResponse:
    """A run: live while it goes on, then in numbers."""
    with state.database.reading() as connection:
        found = store.get_run(connection, access.project.id, run_id)
        now = state_of(connection, found, utc_now())
        is_over = now.state in ("done", "failed", "cancelled")
        summary = summary_of(connection, found) if is_over and now.num_done else None
        # A dataset may be out of sight by now; its runs are not.
        frozen = frozen_versions(connection, access)
        dataset = next((one for one in frozen if one.snapshot_id == found.snapshot_id), None)
    return page(
        request,
        state,
        "evaluate/run.html",
        access,
        run=now,
        dataset=dataset,
        is_over=is_over,
        summary=summary,
        spreads=[] if summary is None else spreads_of(summary),
        verdicts=VERDICTS,
        modes=MODE_WORDS,
        formats=list(RESULT_FORMATS),
        may_manage=access.may(Permission.MANAGE),
        may_export=access.may(Permission.EXPORT),
    )


def frozen_versions(connection: Connection, access: ProjectAccess) -> list[Frozen]:
    """Every frozen version of the project's datasets, by dataset, the latest version first."""
    return [
        _frozen(found, one)
        for found, newest, _ in snapshots.list_datasets(connection, access.project.id)
        if newest is not None
        for one in snapshots.snapshots_of(connection, found.id)
    ]


def spreads_of(summary: Summary) -> list[tuple[str, str, Spread]]:
    """What was measured of each question, with its unit."""
    named = (
        ("Time, first request to last byte", "ms", summary.latency_ms),
        ("Until the first token", "ms", summary.first_token_ms),
        ("Tokens of the prompt", "", summary.prompt_tokens),
        ("Tokens of the reply", "", summary.completion_tokens),
        ("Tokens a second", "", summary.tokens_per_s),
        ("Turns", "", summary.num_turns),
        ("KV cache of the largest request", "MiB", mebibytes(summary.kv_bytes)),
    )
    return [(title, unit, spread) for title, unit, spread in named if spread is not None]


def mebibytes(spread: Spread | None) -> Spread | None:
    """What was measured in bytes, as people read it."""
    if spread is None:
        return None
    return Spread(**{name: value if name == "num" else value / 2**20 for name, value in spread.model_dump().items()})


def _frozen(dataset: Dataset, snapshot: Snapshot) -> Frozen:
    counts = Counts.model_validate(snapshot.counts)
    # A question without a category or a split has an empty one, by which nobody can ask.
    categories, splits = (
        {name: size for name, size in sorted(sizes.items()) if name} for sizes in (counts.categories, counts.splits)
    )
    return Frozen(dataset.slug, dataset.title, snapshot.version, counts.items, snapshot.id, categories, splits)
