"""`mapqator evaluate mapeval`: MapEval-Textual from its own file, asked and scored beside its paper's table."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.table import Table

from annotator.commands.database import opened
from annotator.commands.options import settings_of
from annotator.commands.show import console, line
from annotator.errors import InputError

if TYPE_CHECKING:
    from annotator.datasets.native import NativeItem
    from annotator.evaluate.config import RunConfig
    from annotator.evaluate.interchange.mapeval import PaperRow, Scored
    from annotator.evaluate.statistics import Interval
    from annotator.settings import Settings


_CLASSES = {"poi": "poi", "near": "nearby", "route": "routing", "trip": "trip", "none": "unanswerable"}
"""Heads of columns and the paper's classes; the last is what cannot be answered."""


def mapeval(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="MapEval's textual.json.")],
    replies: Annotated[Path, typer.Argument(help='JSON lines {"id": 479, "reply": "..."}; --endpoint adds to it.')],
    endpoint: Annotated[
        str | None, typer.Option(help="Ask this server what has no reply yet. [default: only score]")
    ] = None,
    model: Annotated[str, typer.Option(help="Of that server. [default: its first]")] = "",
    mode: Annotated[
        Literal["closed_book", "text_context"], typer.Option(help="What the model sees beside the question.")
    ] = "text_context",
    limit: Annotated[int | None, typer.Option(min=1, help="Ask only so many of the first questions.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of one reply.")] = 256,
    concurrency: Annotated[int, typer.Option(min=1, help="Questions asked at once.")] = 4,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds that one request may take.")] = 120.0,
    labels: Annotated[
        Literal["letters", "numbers"],
        typer.Option(help="How the prompt called the options: ours by letters, MapEval's own by numbers."),
    ] = "letters",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score replies to MapEval-Textual, or ask a model for them first."""
    from annotator.evaluate.config import RunConfig
    from annotator.evaluate.interchange import mapeval as scoring

    items = scoring.read_items(file)
    if endpoint is not None:
        if labels == "numbers":
            raise InputError("our prompts call options by letters; leave out --labels to ask")
        config = RunConfig(mode=mode, model=model, max_tokens=max_tokens, concurrency=concurrency, timeout_s=timeout)
        known = scoring.read_replies(replies) if replies.exists() else {}
        missing = [item for item in items[:limit] if item.id not in known]
        failed = asyncio.run(_ask(settings_of(context), endpoint, missing, config, replies))
        if failed:
            name, why = next(iter(failed.items()))
            typer.echo(f"{len(failed)} of {len(missing)} questions were not answered; {name}: {why}", err=True)
    scored = scoring.score(items, scoring.read_replies(replies), labels=labels)
    if as_json:
        typer.echo(json.dumps(_as_json(scored), indent=2, ensure_ascii=False))
    else:
        _show(scored)


async def _ask(
    settings: "Settings", endpoint: str, items: "Sequence[NativeItem]", config: "RunConfig", path: Path
) -> dict[str, str]:
    from annotator.evaluate import endpoints, runs
    from annotator.evaluate.interchange.mapeval_ask import ask_all
    from annotator.evaluate.wire import ModelClient

    with opened(settings) as database, database.reading() as connection:
        found = endpoints.find(connection, settings, endpoint)
    model = str((await runs.look(found)).find(config.model or found.model, found)["id"])
    client = ModelClient(found, config)

    def told(num: int) -> None:
        if num % 10 == 0 or num == len(items):
            typer.echo(f"{num} of {len(items)} answered", err=True)

    try:
        return await ask_all(client, model, items, config, path, told)
    finally:
        await client.close()


def _show(scored: "Scored") -> None:
    overall = scored.summary.overall
    if scored.missing:
        line(f"{len(scored.missing)} of {overall.num + len(scored.missing)} questions have no reply and do not count")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for header in ("percent", "right", "95 %", *_CLASSES):
        table.add_column(header, no_wrap=True)
    shares = {group.name: group.accuracy for group in scored.summary.groups["category"]}
    table.add_row("these replies", *_cells(overall.num_right / overall.num, overall.wilson, shares))
    for reference in overall.references:
        if reference.share is not None:
            table.add_row(reference.name, f"{100 * reference.share:.1f}")
    for row in scored.paper:
        if row.task == "textual":
            table.add_row(f"quoted: {row.model}", *_cells(row.share, row.wilson, row.by_category))
    console.print(table)
    line(f"quoted: {scored.paper[0].source}; measured by its authors, with their prompts")
    ended = ", ".join(f"{num} {verdict}" for verdict, num in overall.verdicts.items() if num)
    line(f"{overall.num} questions in {overall.num_contexts} contexts: {ended}")


def _cells(share: float, interval: "Interval", by_category: "Mapping[str, float | None]") -> list[str]:
    cells = [f"{100 * share:.1f}", f"{100 * interval.low:.0f} to {100 * interval.high:.0f}"]
    for name in _CLASSES.values():
        found = by_category.get(name)
        cells.append("" if found is None else f"{100 * found:.0f}")
    return cells


def _as_json(scored: "Scored") -> dict[str, Any]:
    return {
        "summary": scored.summary.model_dump(mode="json"),
        "results": [result.model_dump(mode="json") for result in scored.results],
        "missing": list(scored.missing),
        "paper": [_paper(row) for row in scored.paper],
    }


def _paper(row: "PaperRow") -> dict[str, Any]:
    return {**row._asdict(), "by_category": dict(row.by_category)}
