"""Questions of a run: their list with filters, and one from the prompt to the verdict with its calls on the map."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, select

from annotator.datasets.items import items as items_of
from annotator.datasets.native import NativeItem
from annotator.datasets.snapshots import by_id
from annotator.evaluate import records, store
from annotator.evaluate.conversation import Event
from annotator.evaluate.judge import gold_of
from annotator.evaluate.model import VERDICTS, Given
from annotator.evaluate.records import ItemRow
from annotator.evaluate.store import Run
from annotator.evaluate.trace import Trace, trace_of
from annotator.maps.catalogue import Catalogue
from annotator.questions.model import Option, QuestionContent, QuestionType
from annotator.review.given import Keys
from annotator.review.words import UNANSWERABLE, given_words
from annotator.store.tables import tool_call
from annotator.web.access import Exporting
from annotator.web.evaluations import RunId
from annotator.web.evidence_json import provider_info
from annotator.web.render import page
from annotator.web.state import State

router = APIRouter(include_in_schema=False)

PAGE_ITEMS = 50

OneVerdict = Annotated[
    Literal["", "right", "wrong", "abstained", "invalid", "limit", "error"], Query(description="Empty for all.")
]
OneType = Annotated[QuestionType | Literal[""], Query(alias="type", description="Empty for all.")]
OneCategory = Annotated[str | None, Query(max_length=64, description="`none` for questions without one.")]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which questions of a run are looked at; empty is all."""

    verdict: str
    type: str
    category: str

    def fits(self, row: ItemRow) -> bool:
        """Whether a question is among them; its verdict was asked for already."""
        facts = row.result.facts
        return self.type in ("", facts.type) and self.category in ("", facts.category or "none")

    def query(self, **more: int) -> str:
        """As an address has them, with `?` where there are any."""
        values = {name: value for name in self.__slots__ if (value := getattr(self, name))} | more
        return f"?{urlencode(values)}" if values else ""


@dataclass(frozen=True, slots=True)
class Line:
    """A question of a run in the list.

    Args:
        given, gold: in words; `given` is empty where nothing could be read.
    """

    row: ItemRow
    question: str
    given: str
    gold: str


@router.get("/p/{project}/evaluations/{run_id}/items")
def items(
    request: Request,
    state: State,
    access: Exporting,
    run_id: RunId,
    verdict: OneVerdict = "",
    kind: OneType = "",
    category: OneCategory = None,
    start: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> HTMLResponse:
    """Questions of a run that are over, with what was answered and what is right."""
    filters = Filters(verdict, kind, category or "")
    with state.database.reading() as connection:
        run = store.get_run(connection, access.project.id, run_id)
        rows = _rows(connection, run, filters)
        shown = rows[start : start + PAGE_ITEMS]
        everything = [row.result.facts for row in records.item_rows(connection, run.id)]
        lines = _lines(connection, run, shown)
    return page(
        request,
        state,
        "evaluate/items.html",
        access,
        run=run,
        lines=lines,
        num=len(rows),
        filters=filters,
        verdicts=VERDICTS,
        types=sorted({facts.type for facts in everything}),
        categories=sorted({facts.category or "none" for facts in everything}),
        start=start,
        before=max(0, start - PAGE_ITEMS) if start else None,
        next=start + PAGE_ITEMS if len(rows) > start + PAGE_ITEMS else None,
    )


@router.get("/p/{project}/evaluations/{run_id}/items/{number}")
def trace(
    request: Request,
    state: State,
    access: Exporting,
    run_id: RunId,
    number: Annotated[int, Path(ge=1, le=10**9)],
    epoch: Annotated[int, Query(ge=0, le=100)] = 0,
    verdict: OneVerdict = "",
    kind: OneType = "",
    category: OneCategory = None,
) -> HTMLResponse:
    """A question of a run: what was said and called step by step, each call on the map, and the verdict."""
    filters = Filters(verdict, kind, category or "")
    with state.database.reading() as connection:
        run = store.get_run(connection, access.project.id, run_id)
        found = trace_of(connection, run, number, epoch)
        keys = [(row.result.facts.number, row.result.epoch) for row in _rows(connection, run, filters)]
        steps = _steps(found)
        replay = _replay(connection, state.service.catalogue, found, steps)
    at = keys.index((number, epoch)) if (number, epoch) in keys else None
    given = found.row.result.judgement.given
    return page(
        request,
        state,
        "evaluate/trace.html",
        access,
        run=run,
        item=found.item,
        result=found.row.result,
        shown=found.row.shown,
        prompt_sha=found.row.prompt_sha,
        steps=steps,
        replay=replay,
        given=given,
        given_words=given_in_words(found.item, given),
        gold_words=gold_in_words(found.item),
        gold_keys=_gold_keys(found.item),
        filters=filters,
        at=at,
        num=len(keys),
        before=None if not at else _address(keys[at - 1], filters),
        next=None if at is None or at + 1 == len(keys) else _address(keys[at + 1], filters),
    )


def given_in_words(item: NativeItem, given: Given | None) -> str:
    """What was read of a reply, options with their text; empty where nothing was."""
    if given is None:
        return ""
    if given.abstains:
        return UNANSWERABLE
    return given_words(given.open or Keys(keys=given.option_keys or ()), _content(item))


def gold_in_words(item: NativeItem) -> str:
    """What would be right, with its tolerance."""
    return given_words(gold_of(item), _content(item), tolerances=True)


def _content(item: NativeItem) -> QuestionContent:
    options = tuple(Option(key=one.key, text=one.text, pid=one.pid) for one in item.options)
    return QuestionContent(type=item.type, body=item.question, options=options)


def _gold_keys(item: NativeItem) -> tuple[str, ...]:
    gold = gold_of(item)
    return gold.keys if isinstance(gold, Keys) else ()


def _rows(connection: Connection, run: Run, filters: Filters) -> list[ItemRow]:
    return [row for row in records.item_rows(connection, run.id, verdict=filters.verdict or None) if filters.fits(row)]


def _lines(connection: Connection, run: Run, rows: Sequence[ItemRow]) -> list[Line]:
    wanted = {row.result.facts.item_id for row in rows}
    found = {item.id: item for item in items_of(connection, by_id(connection, run.snapshot_id)) if item.id in wanted}
    return [
        Line(row, item.question, given_in_words(item, row.result.judgement.given), gold_in_words(item))
        for row in rows
        for item in (found[row.result.facts.item_id],)
    ]


def _address(key: tuple[int, int], filters: Filters) -> str:
    number, epoch = key
    return f"{number}{filters.query(epoch=epoch) if epoch else filters.query()}"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was said or happened.

    Args:
        kind: `system`, `user`, `reply`, `call`, `retry` or `end`.
        text: what was said.
        call: the event of a call.
        wanted: calls that a reply asks for, as the model wrote them.
    """

    kind: str
    text: str
    at_ms: float | None = None
    payload: dict[str, Any] | None = None
    call: Event | None = None
    wanted: tuple[str, ...] = ()


def _steps(found: Trace) -> list[Step]:
    steps = [
        Step(str(message.get("role", "user")), str(message.get("content", "")))
        for message in found.prompt.get("messages", ())
    ]
    for event in found.events:
        payload = dict(event.payload)
        text = str(payload.get("content", ""))
        if event.kind == "call":
            steps.append(Step("call", _pretty(text), event.at_ms, payload, call=event))
        elif event.kind == "reply":
            wanted = tuple(f"{one['name']} {one['arguments']}" for one in payload.get("tool_calls", ()))
            steps.append(Step("reply", text, event.at_ms, payload, wanted=wanted))
        else:
            steps.append(Step(event.kind, "", event.at_ms, payload))
    return steps


def _pretty(text: str) -> str:
    """A call's result as people read it; the bytes stand behind its link."""
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except ValueError:
        return text


def _replay(connection: Connection, catalogue: Catalogue, found: Trace, steps: Sequence[Step]) -> dict[str, Any]:
    """What the map shows: the question's places before the first call, then of each call its own answer."""
    ids = [step.call.tool_call_id for step in steps if step.call is not None and step.call.tool_call_id]
    provider_of = {
        row.id: row.provider
        for row in connection.execute(select(tool_call.c.id, tool_call.c.provider).where(tool_call.c.id.in_(ids)))
    }

    def drawn(step: Step) -> dict[str, Any] | None:
        call = step.call
        if call is None or step.payload is None:
            return None
        info = provider_info(catalogue, provider_of.get(call.tool_call_id or "", ""))
        is_kept = call.result_sha is not None and "withheld" not in step.payload
        return {
            "tool": step.payload["tool"],
            "params": step.payload["params"],
            "sha": call.result_sha if is_kept else None,
            "display": "own_map_only" if info is None else info.policy.display,
        }

    return {
        "places": [
            {"pid": place.pid, "name": place.name or place.pid, "lat": place.lat, "lon": place.lon}
            for place in found.item.places
            if place.lat is not None
        ],
        "provider": next((evidence.provider for evidence in found.item.evidence), None),
        "steps": [drawn(step) for step in steps],
    }
