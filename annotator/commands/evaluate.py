"""`mapqator evaluate`: models against frozen datasets, and their variants against each other."""

import asyncio
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from annotator.commands import evaluate_endpoints, evaluate_mapeval
from annotator.commands.database import opened
from annotator.commands.options import settings_of
from annotator.commands.show import line
from annotator.errors import InputError, MapqatorError

if TYPE_CHECKING:
    from annotator.evaluate.config import RunConfig
    from annotator.evaluate.endpoints import Endpoint
    from annotator.evaluate.numbers import RunState
    from annotator.evaluate.runs import Served
    from annotator.evaluate.store import Run
    from annotator.maps.service import MapService
    from annotator.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Evaluate models on frozen datasets.", rich_markup_mode=None)
app.add_typer(evaluate_endpoints.app, name="endpoints")
app.command("models")(evaluate_endpoints.models)
app.command("mapeval")(evaluate_mapeval.mapeval)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its beginning, or latest.")]
_HOW = {"tools": "to call functions", "react": "for calls in text (ReAct)"}
ModeName = Literal["closed_book", "text_context", "json_context", "oracle_evidence", "tools"]


@app.command()
def run(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(help="PROJECT/DATASET@VERSION, PROJECT/DATASET or PROJECT; by default the only frozen dataset."),
    ] = None,
    mode: Annotated[ModeName, typer.Option(help="What the model sees beside the question.")] = "text_context",
    endpoint: Annotated[str, typer.Option(help="Name of the server to ask.")] = "local",
    model: Annotated[
        list[str] | None, typer.Option(help="Model, or model:variant (repeatable). [default: the server's first]")
    ] = None,
    variants: Annotated[bool, typer.Option("--variants", help="One run for each variant of the model.")] = False,
    limit: Annotated[int | None, typer.Option(help="Ask at most so many questions, drawn evenly.")] = None,
    sample_seed: Annotated[int, typer.Option(help="Draws the questions of --limit.")] = 0,
    category: Annotated[list[str] | None, typer.Option(help="Only of this category (repeatable).")] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="Only of this type (repeatable).")] = None,
    split: Annotated[list[str] | None, typer.Option(help="Only of this split (repeatable).")] = None,
    abstain: Annotated[
        Literal["always", "never"], typer.Option(help="Offer to say that there is no answer: always, or never.")
    ] = "always",
    shuffle: Annotated[int | None, typer.Option(help="Shuffle options by this seed.")] = None,
    epochs: Annotated[int, typer.Option(help="How often to ask every question.")] = 1,
    temperature: Annotated[float, typer.Option(help="0 takes the likeliest token.")] = 0.0,
    top_p: Annotated[float, typer.Option(help="Draw from the likeliest tokens that have this share together.")] = 1.0,
    max_tokens: Annotated[int, typer.Option(help="Of one reply.")] = 256,
    seed: Annotated[int, typer.Option(help="Sent with every request.")] = 0,
    concurrency: Annotated[int, typer.Option(help="Questions asked at once.")] = 4,
    rps: Annotated[float | None, typer.Option(help="Requests a second, at most.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that one request may take.")] = 120.0,
    retries: Annotated[int, typer.Option(help="Further attempts after 429, 5xx and lost connections.")] = 4,
    max_failures: Annotated[int, typer.Option(help="Failures in a row after which the server is down.")] = 5,
    protocol: Annotated[
        Literal["tools", "react"] | None,
        typer.Option(help="Of tools mode: call functions, or ask in text. [default: as the server can]"),
    ] = None,
    max_turns: Annotated[int, typer.Option(help="Of tools mode: replies of one question.")] = 15,
    max_calls: Annotated[int, typer.Option(help="Of tools mode: calls of one question.")] = 25,
    max_repeats: Annotated[int, typer.Option(help="Of tools mode: how often one and the same call ends it.")] = 3,
    max_rows: Annotated[int, typer.Option(help="Of tools mode: rows of a list that are shown.")] = 10,
    live: Annotated[
        bool, typer.Option("--live", help="Of tools mode: ask enabled map providers for what is not recorded.")
    ] = False,
    name: Annotated[str, typer.Option(help="What to call the run.")] = "",
    as_json: AsJson = False,
) -> None:
    """Ask a model every question of a frozen dataset; Ctrl-C stops, `resume` goes on."""
    given = {
        "mode": mode,
        "limit": limit,
        "sample_seed": sample_seed,
        "categories": category or (),
        "types": kind or (),
        "splits": split or (),
        "abstain": abstain,
        "shuffle_seed": shuffle,
        "epochs": epochs,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "seed": seed,
        "concurrency": concurrency,
        "requests_per_s": rps,
        "timeout_s": timeout,
        "max_retries": retries,
        "max_failures": max_failures,
        "protocol": protocol,
        "max_turns": max_turns,
        "max_tool_calls": max_calls,
        "max_repeats": max_repeats,
        "max_rows": max_rows,
        "live": live,
    }
    settings = settings_of(context)
    asked = _Asked(target, endpoint, tuple(model or ()), variants, name, as_json)
    outcome = asyncio.run(_run(settings, _config(given), asked))
    _print_runs(outcome, as_json=as_json)


@app.command()
def resume(
    context: typer.Context,
    run_id: RunId,
    again: Annotated[bool, typer.Option("--again", help="Also ask those once more that failed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Go on with a run that was stopped or killed: only what is missing is asked."""
    outcome = asyncio.run(_resume(settings_of(context), run_id, again=again, quiet=as_json))
    _print_runs([outcome], as_json=as_json)


@app.command()
def cancel(context: typer.Context, run_id: RunId) -> None:
    """Stop a run, wherever it goes on; what was asked stays."""
    from annotator.evaluate import runs, store
    from annotator.people.local import local_actor
    from annotator.store.times import utc_now

    with opened(settings_of(context)) as database, database.writing() as connection:
        found = store.find_run(connection, run_id)
        runs.cancel(connection, local_actor(via_command=True), found, now=utc_now())
    line(f"cancelled; `mapqator evaluate resume {found.id}` goes on with it")


@app.command("list")
def list_runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List runs, the latest first."""
    from annotator.commands.evaluate_show import show_rows
    from annotator.evaluate import store
    from annotator.evaluate.numbers import state_of
    from annotator.store.times import utc_now

    with opened(settings_of(context)) as database, database.reading() as connection:
        rows = [state_of(connection, one, utc_now()) for one in store.recent_runs(connection, limit)]
    if as_json:
        typer.echo(_as_json(rows))
    elif rows:
        show_rows(rows)
    else:
        line("there is no run yet; `mapqator evaluate run` makes one")


@app.command()
def show(
    context: typer.Context,
    run_id: RunId,
    item: Annotated[int | None, typer.Argument(metavar="[ITEM]", help="A question's number: its whole trace.")] = None,
    epoch: Annotated[int, typer.Option(min=0, help="Which time it was asked.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Show a run in numbers, or one question of it with everything that was said and called."""
    from annotator.commands import evaluate_show as shows
    from annotator.evaluate import store
    from annotator.evaluate.numbers import state_of, summary_of
    from annotator.evaluate.trace import trace_of
    from annotator.store.times import utc_now

    with opened(settings_of(context)) as database, database.reading() as connection:
        found = store.find_run(connection, run_id)
        if item is not None:
            shows.show_trace(trace_of(connection, found, item, epoch), as_json=as_json)
            return
        row = state_of(connection, found, utc_now())
        summary = summary_of(connection, found)
    if as_json:
        typer.echo(
            json.dumps(
                row.model_dump(mode="json") | {"summary": summary.model_dump(mode="json")}, indent=2, ensure_ascii=False
            )
        )
    else:
        shows.show_run(row, summary)


@app.command()
def compare(
    context: typer.Context,
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Two runs or more of one dataset.")],
    picture: Annotated[
        Path | None, typer.Option(help="Also draw accuracy and speed: a file that ends in .svg or .png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare runs over the same frozen questions: paired tests, intervals, what differs."""
    from annotator.commands.evaluate_show import show_comparison
    from annotator.evaluate import store
    from annotator.evaluate.numbers import compare_runs

    with opened(settings_of(context)) as database, database.reading() as connection:
        found = compare_runs(connection, [store.find_run(connection, one) for one in run_ids])
    if picture is not None:
        from annotator.evaluate.picture import draw

        draw(found, picture)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        show_comparison(found)


@app.command()
def export(
    context: typer.Context,
    run_id: RunId,
    format_key: Annotated[str, typer.Option("--format", help="jsonl, parquet, inspect or lm-eval.")] = "jsonl",
    out: Annotated[Path | None, typer.Option(help="File or folder to write; by default a name of its own.")] = None,
) -> None:
    """Write the results of a run in a form that other programs read."""
    from annotator.evaluate import store
    from annotator.evaluate.interchange.model import file_name
    from annotator.evaluate.interchange.registry import result_format
    from annotator.evaluate.trace import samples

    how = result_format(format_key)
    with opened(settings_of(context)) as database, database.reading() as connection:
        found = store.find_run(connection, run_id)
        facts = store.facts_of_run(connection, found)
        path = out or Path(file_name(facts, how))
        if path.exists():
            raise InputError(f"{path} is there already; name another with --out")
        if not path.absolute().parent.is_dir():
            raise InputError(f"there is no folder {path.absolute().parent} to write into")
        num = how.write(facts, samples(connection, found), path)
    line(f"{path}: {num} questions as {how.title}")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line names."""

    target: str | None
    endpoint: str
    models: tuple[str, ...]
    variants: bool
    name: str
    quiet: bool


async def _run(settings: "Settings", config: "RunConfig", asked: _Asked) -> "list[RunState]":
    from annotator.assembly import open_service
    from annotator.evaluate import endpoints, runs
    from annotator.evaluate.targets import find_snapshot
    from annotator.people.local import local_actor
    from annotator.store.times import utc_now

    actor = local_actor(via_command=True)
    async with open_service(settings) as service:
        database = service.store.database
        with database.reading() as connection:
            project, snapshot = find_snapshot(connection, asked.target)
            endpoint = endpoints.find(connection, settings, asked.endpoint)
            num_items = runs.check_run(connection, service.catalogue, project, snapshot, config)
        served = await runs.look(endpoint)
        rows = []
        family, protocol = None, None
        for model in _models(served, endpoint, asked):
            config = config.model_copy(update={"model": model})
            # Variants of a model call tools in the same way.
            if model.partition(":")[0] != family:
                family = model.partition(":")[0]
                protocol = await runs.protocol_of(endpoint, served, config)
                if protocol is not None and not asked.quiet:
                    typer.echo(f"{family} is asked {_HOW[protocol.protocol]}: {protocol.why}", err=True)
            with database.writing() as connection:
                made = runs.begin(
                    connection,
                    actor,
                    project,
                    snapshot,
                    endpoint,
                    served,
                    config,
                    num_items=num_items,
                    protocol=protocol,
                    name=asked.name,
                    now=utc_now(),
                )
            rows.append(await _work(service, settings, made, endpoint, quiet=asked.quiet))
    return rows


async def _resume(settings: "Settings", run_id: str, *, again: bool, quiet: bool) -> "RunState":
    from annotator.assembly import open_service
    from annotator.evaluate import endpoints, runs, store
    from annotator.people.local import local_actor
    from annotator.store.times import utc_now

    async with open_service(settings) as service:
        database = service.store.database
        with database.reading() as connection:
            found = store.find_run(connection, run_id)
            endpoint = endpoints.find(connection, settings, found.endpoint)
            runs.check_resume(connection, service.catalogue, found)
        served = await runs.look(endpoint)
        with database.writing() as connection:
            actor = local_actor(via_command=True)
            found = runs.resume(connection, actor, found, served, again=again, now=utc_now())
        return await _work(service, settings, found, endpoint, quiet=quiet)


async def _work(
    service: "MapService", settings: "Settings", made: "Run", endpoint: "Endpoint", *, quiet: bool
) -> "RunState":
    from annotator.datasets import jobs
    from annotator.datasets.runner import Progress as Told
    from annotator.datasets.runner import run_job
    from annotator.evaluate import runs, store
    from annotator.evaluate.numbers import state_of
    from annotator.store.times import utc_now

    stopping = threading.Event()
    database = service.store.database
    with _bar(made.name, quiet=quiet) as watch:
        told = Told(database, made.job_id, watch=watch, stopping=stopping)
        task = runs.run_task(service, settings, made, endpoint)
        work = asyncio.create_task(asyncio.to_thread(run_job, database, told, task))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            # Ctrl-C: the run ends at its next step, with everything written that was answered.
            stopping.set()
            await work
            typer.echo(f"stopped; `mapqator evaluate resume {made.id}` goes on with it", err=True)
            raise
    with database.reading() as connection:
        ended = jobs.get(connection, made.project_id, made.job_id, utc_now())
        if ended.state != "done":
            raise MapqatorError(f"{ended.message} [mapqator evaluate resume {made.id}]")
        return state_of(connection, store.get_run(connection, made.project_id, made.id), utc_now())


def _models(served: "Served", endpoint: "Endpoint", asked: _Asked) -> list[str]:
    wanted = [str(served.find(name, endpoint)["id"]) for name in asked.models or (endpoint.model,)]
    if asked.variants:
        wanted = [variant for name in wanted for variant in served.variants(name)]
    return list(dict.fromkeys(wanted))


def _config(given: dict[str, Any]) -> "RunConfig":
    from pydantic import ValidationError

    from annotator.evaluate.config import RunConfig
    from annotator.maps.validate import as_input_error

    try:
        return RunConfig.model_validate(given)
    except ValidationError as error:
        raise as_input_error(error.errors(include_url=False, include_context=False)) from None


def _as_json(rows: "Sequence[RunState]") -> str:
    return json.dumps([row.model_dump(mode="json") for row in rows], indent=2, ensure_ascii=False)


def _print_runs(rows: "Sequence[RunState]", *, as_json: bool) -> None:
    from annotator.commands.evaluate_show import show_rows

    if as_json:
        typer.echo(_as_json(rows))
        return
    show_rows(rows)
    ids = " ".join(row.id for row in rows)
    more = "show" if len(rows) == 1 else "compare"
    line(f"more: mapqator evaluate {more} {ids}")


@contextmanager
def _bar(words: str, *, quiet: bool) -> Iterator[Any]:
    """A bar for people who watch; a program reads the result."""
    screen = Console(stderr=True)
    if quiet or not screen.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[message]}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(words.replace("[", r"\["), total=None, message="")
        yield lambda done, total, message: bar.update(task, completed=done, total=total, message=message)
