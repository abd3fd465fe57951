"""Runs against each other: compared in pairs, on the leaderboard of a frozen dataset, and as variants of one model."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection

from annotator.datasets.items import items
from annotator.datasets.native import NativeItem
from annotator.datasets.snapshots import by_id
from annotator.errors import InputError, MapqatorError
from annotator.evaluate import endpoints, runs, store
from annotator.evaluate.compare import Differing, Row, compare, leaderboard
from annotator.evaluate.interchange.mapeval import paper_rows
from annotator.evaluate.model import Mode
from annotator.evaluate.numbers import Board, RunState, beside, board_of, member, state_of
from annotator.evaluate.statistics import Interval, wilson
from annotator.evaluate.store import Run
from annotator.people.roles import Permission
from annotator.store.times import to_text, utc_now
from annotator.web.access import Managing, ProjectAccess, Reading
from annotator.web.pages.evaluation_pairs import (
    ToldPair,
    against,
    by_category,
    differing_items,
    names_of,
    told,
    told_pairs,
)
from annotator.web.pages.evaluation_runs import MODE_WORDS, frozen_versions
from annotator.web.render import page
from annotator.web.state import State

router = APIRouter(include_in_schema=False)

MAX_COMPARED = 10
"""Runs on one page: each pair of them has its interval, and its place on the page."""
MAX_VARIANTS = 20
RUNS_LOOKED_AT = 200
DIFFERING_SHOWN = 50
BASELINE = "full"
"""The variant that the others are measured by, where a server has it."""

REFERENCE_LABELS = {"chance": "chance", "majority": "commonest answer", "human": "people"}

RunIds = Annotated[tuple[str, ...], Query(alias="run", max_length=50, description="Runs, each once.")]
Frozen = Annotated[str, Query(max_length=130, description="`dataset@version`; empty takes the latest of the first.")]


@dataclass(frozen=True, slots=True)
class Choice:
    """Runs over one frozen dataset, of which some may be chosen, the latest first."""

    snapshot: str
    runs: Sequence[tuple[Run, str]]


@dataclass(frozen=True, slots=True)
class Variant:
    """A run of one variant of a model beside the others.

    Args:
        interval: of its accuracy, by contexts where there are enough; None before the first question.
        pair: against the baseline; None in the baseline itself and while one of both goes on.
    """

    run: RunState
    interval: Interval | None
    pair: ToldPair | None


@router.get("/p/{project}/evaluations/compare")
def compare_page(
    request: Request,
    state: State,
    access: Reading,
    run: RunIds = (),
    only: Annotated[str, Query(max_length=26, description="Questions that just this run of two has right.")] = "",
    start: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> HTMLResponse:
    """Two runs or more over the same frozen questions; without them, a choice."""
    problem, values = "", dict[str, Any]()
    may_see = access.may(Permission.EXPORT)
    with state.database.reading() as connection:
        if run:
            try:
                values = _compared(connection, access, run, only, start, may_see=may_see)
            except MapqatorError as error:
                problem = error.message
        choices = _choices(connection, access)
    return page(
        request,
        state,
        "evaluate/compare.html",
        access,
        status=400 if problem else 200,
        problem=problem,
        wanted=run,
        found=values,
        choices=choices,
        only=only,
        start=start,
        may_see=may_see,
        modes=MODE_WORDS,
    )


@router.get("/p/{project}/evaluations/leaderboard")
def leaderboard_page(
    request: Request,
    state: State,
    access: Reading,
    dataset: Frozen = "",
    mode: Annotated[Mode | str, Query(max_length=40)] = "",
    quoted: bool = False,
) -> HTMLResponse:
    """The finished runs over a frozen dataset with their intervals, beside chance, the commonest answer and people."""
    wanted = next((one for one in MODE_WORDS if one == mode), None)
    with state.database.reading() as connection:
        frozen = frozen_versions(connection, access)
        chosen = next((one for one in frozen if one.key == dataset), None) if dataset else next(iter(frozen), None)
        board = Board((), (), 0)
        if chosen is not None:
            board = board_of(connection, access.project.id, by_id(connection, chosen.snapshot_id), wanted)
    return page(
        request,
        state,
        "evaluate/leaderboard.html",
        access,
        frozen=frozen,
        chosen=chosen,
        dataset=dataset,
        lines=_lines(board, is_quoting=quoted),
        board=board,
        mode=wanted or "",
        quoted=quoted,
        modes=MODE_WORDS,
    )


@router.get("/p/{project}/evaluations/variants")
def variants_page(
    request: Request,
    state: State,
    access: Reading,
    run: RunIds = (),
    dataset: Frozen = "",
    endpoint: Annotated[str, Query(max_length=63)] = "",
    model: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """Variants of one model: started together, watched, and then accuracy against speed and memory."""
    problem, rows, about, seen_beside = "", list[Variant](), None, None
    with state.database.reading() as connection:
        if run:
            try:
                rows = _variants(connection, access, run)
                about = rows[0].run
                ended = [row.run.id for row in rows if row.run.state == "done"]
                if ended:
                    found = [store.get_run(connection, access.project.id, one) for one in ended]
                    seen_beside = beside(connection, found, [member(connection, one) for one in found])
            except MapqatorError as error:
                problem = error.message
        earlier = _families(connection, access)
        frozen = frozen_versions(connection, access)
        known = endpoints.listing(connection, state.settings)
    return page(
        request,
        state,
        "evaluate/variants.html",
        access,
        status=400 if problem else 200,
        problem=problem,
        rows=rows,
        about=about,
        beside=seen_beside,
        variant_names={row.run.id: row.run.variant or row.run.model for row in rows},
        is_over=all(row.run.state in ("done", "failed", "cancelled") for row in rows),
        dots=[_point(row) for row in rows],
        earlier=earlier,
        frozen=frozen,
        endpoints=known,
        dataset=dataset or ("" if about is None else about.snapshot.partition("/")[2]),
        endpoint=endpoint or ("" if about is None else about.endpoint),
        model=(model or ("" if about is None else about.model)).partition(":")[0],
        mode="text_context" if about is None else about.mode,
        modes=MODE_WORDS,
        may_manage=access.may(Permission.MANAGE),
    )


@router.get("/p/{project}/evaluations/variants/models")
def models_part(
    request: Request,
    state: State,
    access: Managing,
    endpoint: Annotated[str, Query(max_length=63)],
    model: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """The models of a server that have variants, or why there are none; a part of the form."""
    families, problem = Counter[str](), ""
    try:
        with state.database.reading() as connection:
            found = endpoints.find(connection, state.settings, endpoint)
        names = [name.partition(":") for name in asyncio.run(runs.look(found)).names]
        families = Counter(base for base, _, variant in names if variant)
        problem = (
            f"{endpoint} serves no model in several variants. Rhumb does with --variants, for instance "
            'rhumb serve --variants "full,duo(pattern=auto)"'
        )
    except MapqatorError as error:
        problem = error.message
    several = {base: size for base, size in families.items() if size > 1}
    return page(request, state, "evaluate/models.html", access, families=several, model=model, problem=problem)


def _compared(
    connection: Connection, access: ProjectAccess, ids: Sequence[str], only: str, start: int, *, may_see: bool
) -> dict[str, Any]:
    """All that the page shows of a comparison.

    Raises:
        InputError, NotFoundError: these cannot be compared; says why.
    """
    if len(ids) < 2:
        raise InputError("a comparison needs at least two runs; tick another one below", param="run")
    if len(ids) > MAX_COMPARED:
        raise InputError(f"at most {MAX_COMPARED} runs fit beside each other, and {len(ids)} were chosen", param="run")
    found = [store.get_run(connection, access.project.id, one) for one in ids]
    members = [member(connection, one) for one in found]
    comparison = compare(members).model_copy(update=beside(connection, found, members)._asdict())
    names = names_of([one.facts for one in members])
    pairs = told_pairs(comparison, names)
    differing = [one for one in comparison.differing if _is_on_side(one, only, names)]
    shown = differing[start : start + DIFFERING_SHOWN]
    frozen: Mapping[str, NativeItem] = {}
    if may_see and shown:
        wanted = {one.item_id for one in shown}
        all_items = items(connection, by_id(connection, found[0].snapshot_id))
        frozen = {one.id: one for one in all_items if one.id in wanted}
    return {
        "comparison": comparison,
        "names": names,
        "pairs": pairs,
        "differences": [_difference(one, names) for one in pairs],
        "categories": by_category(members),
        "order": [one.facts.run_id for one in members],
        "differing": differing_items(shown, members, frozen),
        "num_differing": len(differing),
        "next": start + DIFFERING_SHOWN if len(differing) > start + DIFFERING_SHOWN else None,
        "before": max(0, start - DIFFERING_SHOWN) if start else None,
        "bars": [
            *(_bar(names[row.run.run_id], row) for row in comparison.rows),
            *(
                {
                    "label": REFERENCE_LABELS[one.name],
                    "value": one.share,
                    "low": None,
                    "high": None,
                    "kind": "reference",
                }
                for one in comparison.references
                if one.share is not None
            ),
        ],
    }


def _is_on_side(one: Differing, only: str, names: Mapping[str, str]) -> bool:
    """Whether just the run `only` has a question right; of another page's runs nothing is left out."""
    if only not in names:
        return True
    return [run_id for run_id, score in one.scores.items() if score > 0.5] == [only]


def _choices(connection: Connection, access: ProjectAccess) -> list[Choice]:
    """Runs that may be compared, by what they are about."""
    groups: dict[str, list[tuple[Run, str]]] = {}
    names: dict[str, str] = {}
    for run in store.list_runs(connection, access.project.id, limit=RUNS_LOOKED_AT):
        if run.finished_at is None:
            continue
        if run.snapshot_id not in names:
            names[run.snapshot_id] = store.snapshot_name(connection, run.snapshot_id)[0]
        groups.setdefault(names[run.snapshot_id], []).append((run, to_text(run.created_at)))
    return [Choice(name.partition("/")[2], runs) for name, runs in groups.items()]


def _bar(label: str, row: Row) -> dict[str, Any]:
    low, high = row.clustered or row.wilson
    return {"label": label, "value": row.accuracy, "low": low, "high": high}


def _difference(one: ToldPair, names: Mapping[str, str]) -> dict[str, Any]:
    low, high = one.pair.interval or (None, None)
    label = f"{names[one.pair.b]} less {names[one.pair.a]}"
    kind = "run" if one.is_seen else "unseen"
    return {"label": label, "value": one.pair.difference, "low": low, "high": high, "kind": kind}


def _lines(board: Board, *, is_quoting: bool) -> list[dict[str, Any]]:
    """The leaderboard's lines, the best first: runs, what they must be seen beside, and on request a paper's."""
    lines: list[dict[str, Any]] = [
        {"kind": "run", "row": row, **_bar(f"{row.run.model}, {row.run.mode}", row)} for row in board.rows
    ]
    for one in board.references:
        if one.share is not None:
            low, high = wilson(one.share * one.num, one.num) if one.name == "human" else (None, None)
            lines.append(
                {
                    "kind": "reference",
                    "label": REFERENCE_LABELS[one.name],
                    "value": one.share,
                    "low": low,
                    "high": high,
                    "about": one,
                }
            )
    if is_quoting:
        lines += [
            {
                "kind": "quoted",
                "label": f"{one.model}, {'with tools' if one.task == 'api' else 'with the context'}",
                "value": one.share,
                "low": one.wilson.low,
                "high": one.wilson.high,
                "about": one,
            }
            for one in paper_rows()
        ]
    return sorted(lines, key=lambda line: -line["value"])


def _variants(connection: Connection, access: ProjectAccess, ids: Sequence[str]) -> list[Variant]:
    """Runs beside each other, each against the baseline.

    Raises:
        InputError, NotFoundError: these are not variants beside each other; says why.
    """
    if len(ids) > MAX_VARIANTS:
        raise InputError(f"at most {MAX_VARIANTS} variants fit beside each other, and {len(ids)} were named")
    found = list({one.id: one for one in (store.get_run(connection, access.project.id, name) for name in ids)}.values())
    if len({run.snapshot_id for run in found}) > 1:
        raise InputError("these runs are about different frozen datasets; only runs over the same one can be compared")
    states = [state_of(connection, run, utc_now()) for run in found]
    members = {run.id: member(connection, run) for run, now in zip(found, states, strict=True) if now.num_done}
    finished = [members[now.id] for now in states if now.state == "done" and now.id in members]
    baseline = next((one for one in finished if one.facts.variant == BASELINE), next(iter(finished), None))
    pairs = {} if baseline is None else against(baseline, [one for one in finished if one is not baseline])
    facts = {run_id: one.facts for run_id, one in members.items()}
    names = names_of(list(facts.values()))
    intervals = {row.run.run_id: row.clustered or row.wilson for one in members.values() for row in leaderboard([one])}
    return [
        Variant(
            run=now,
            interval=intervals.get(now.id),
            pair=told(pairs[now.id], facts, names) if now.id in pairs else None,
        )
        for now in states
    ]


def _point(variant: Variant) -> dict[str, Any]:
    run = variant.run
    return {
        "label": run.variant or run.model,
        "x": run.tokens_per_s,
        "y": run.accuracy,
        "low": None if variant.interval is None else variant.interval.low,
        "high": None if variant.interval is None else variant.interval.high,
        "size": run.kv_bytes,
    }


def _families(connection: Connection, access: ProjectAccess) -> list[tuple[Run, str, list[Run]]]:
    """Finished runs of several variants that were asked the same: the latest, what it is about, and one of each."""
    groups: dict[tuple[str, ...], dict[str, Run]] = {}
    for run in store.list_runs(connection, access.project.id, limit=RUNS_LOOKED_AT):
        base, _, variant = run.model.partition(":")
        if variant and run.finished_at is not None:
            asked = run.config.model_copy(update={"model": ""}).model_dump_json()
            groups.setdefault((run.snapshot_id, run.endpoint, base, asked), {}).setdefault(variant, run)
    return [
        (latest, store.snapshot_name(connection, latest.snapshot_id)[0].partition("/")[2], sorted(some, key=_by_start))
        for some in (list(group.values()) for group in groups.values())
        if len(some) > 1
        for latest in some[:1]
    ]


def _by_start(run: Run) -> str:
    return run.id
