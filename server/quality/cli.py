"""`rhumb eval`: judge a model, look at a saved run again, and compare two."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from server.bench.client import parse_headers
from server.bench.flags import progress
from server.bench.tables import save
from server.engine.variant_specs import parse_variants
from server.errors import ConfigError
from server.quality.evaluation import Inputs, make_items, make_run, run_items
from server.quality.flags import Judged, judged_flags, task_flags
from server.quality.items import Item, Model, Record
from server.quality.plan import TaskSettings
from server.quality.result import Run, load_run
from server.quality.summary import compare
from server.quality.tables import print_comparison, print_run

PlotFormat = Literal["svg", "png"]
Plots = Annotated[
    Path | None, typer.Option(help="Folder for pictures: passkey heat maps, accuracy by length and skill.")
]
Format = Annotated[PlotFormat, typer.Option("--plot-format", help="Kind of picture.")]
Breakdowns = Annotated[bool, typer.Option("--breakdowns/--no-breakdowns", help="Print what accuracy depends on.")]

judge_app = typer.Typer(add_completion=False)
show_app = typer.Typer(add_completion=False)
compare_app = typer.Typer(add_completion=False)


@judge_app.command()
@judged_flags
@task_flags
def judge(
    judged: Judged,
    tasks: TaskSettings,
    base_url: Annotated[str | None, typer.Option(help="Judge a running OpenAI-compatible server instead.")] = None,
    header: Annotated[list[str] | None, typer.Option(help="NAME=VALUE to send to it (repeatable).")] = None,
    max_concurrency: Annotated[int, typer.Option(min=1, help="Requests in flight to it at most.")] = 32,
    timeout_sec: Annotated[
        float, typer.Option(min=0.001, help="The longest that one of its answers may take.")
    ] = 600.0,
    chat_template: Annotated[Path | None, typer.Option(help="Jinja file instead of the model's chat template.")] = None,
    output_json: Annotated[Path | None, typer.Option(help="Save every item, figures, versions and machine.")] = None,
    plots: Plots = None,
    plot_format: Format = "svg",
    breakdowns: Breakdowns = True,
    disable_tqdm: Annotated[bool, typer.Option("--disable-tqdm", help="Show no progress bar.")] = False,
) -> None:
    """Judge a model and its variants: map questions, pass keys, perplexity, copying, tools.

    `rhumb eval show RUN.json` looks at a saved run again, `rhumb eval compare A.json B.json` compares two.
    """
    inputs = Inputs.read(tasks)
    if base_url is None:
        model, name, variants = _local(judged, chat_template)
    else:
        model, name, variants = _remote(judged, base_url, parse_headers(header or []), max_concurrency, timeout_sec)
    records: list[Record] = []
    is_complete = False
    items: list[Item] = []
    try:
        items = make_items(tasks, inputs, model)
        if not items:
            raise ConfigError("there is nothing to ask: give --questions or --text, or other --tasks")
        with progress(name, len(items) * len(variants), is_hidden=disable_tqdm) as on_done:
            run_items(model, items, variants, records, on_done)
        is_complete = True
    finally:
        # After Ctrl-C too: what was done is worth its time.
        if records:
            run = make_run(model, name, variants, tasks, items, records, is_complete=is_complete)
            _report(run, output_json, plots, plot_format, breakdowns)
        model.close()
    if all(record.outcome == "failed" for record in records):
        raise ConfigError(f"nothing was answered: {records[0].reason}")


@show_app.command()
def show(
    run: Annotated[Path, typer.Argument(help="What --output-json saved.")],
    plots: Plots = None,
    plot_format: Format = "svg",
    breakdowns: Breakdowns = True,
) -> None:
    """Print a saved run again, and draw it."""
    _report(load_run(run), None, plots, plot_format, breakdowns)


@compare_app.command("compare")
def compare_runs(
    first: Annotated[Path, typer.Argument(help="What --output-json saved.")],
    second: Annotated[Path, typer.Argument(help="Another run of the same items.")],
    output_json: Annotated[Path | None, typer.Option(help="Save the comparison.")] = None,
) -> None:
    """Compare two saved runs of the same items: each variant of the second with the one of its name in the first.

    Where there is none of its name, it is compared with the first run's first variant.
    """
    a, b = load_run(first), load_run(second)
    if {key: value for key, value in a.settings.items() if key in _DECIDING} != {
        key: value for key, value in b.settings.items() if key in _DECIDING
    }:
        typer.echo("warning: the two runs had other settings; items of one id may differ", err=True)
    rows = []
    for variant in b.variants:
        against = variant if variant in a.variants else a.variants[0]
        rows += compare(
            [record for record in a.records if record.variant == against],
            [record for record in b.records if record.variant == variant],
            a.seed,
        )
    if not rows:
        raise ConfigError(f"{first} and {second} have no item in common")
    console = Console()
    console.print(
        f"against: {a.name} ({first})\nvariant: {b.name} ({second})", style="bold", highlight=False, soft_wrap=True
    )
    print_comparison(rows)
    if output_json is not None:
        save(output_json, {"first": str(first), "second": str(second), "comparisons": rows})


_COMMANDS = {"show": show_app, "compare": compare_app}
_DECIDING = ("split", "window", "stride", "passkey_lengths", "seed", "haystack", "copy_passages", "copy_lengths")


def run(arguments: Sequence[str]) -> int:
    """Run `rhumb eval` with these arguments; returns the exit code, which is 130 after Ctrl-C."""
    name = arguments[0] if arguments else ""
    app = _COMMANDS.get(name, judge_app)
    rest = list(arguments[1:] if name in _COMMANDS else arguments)
    title = f"rhumb eval {name}" if name in _COMMANDS else "rhumb eval"
    return typer.main.get_command(app)(args=rest, prog_name=title, standalone_mode=False) or 0


def _local(judged: Judged, chat_template: Path | None) -> tuple[Model, str, list[str]]:
    from server.quality.local import LocalModel

    engine = judged.engine if judged.variants is None else replace(judged.engine, variants=tuple(judged.variants))
    model = LocalModel(engine, chat_template)
    if not model.has_chat_template:
        typer.echo("the model has no chat template: it gets plain prompts to continue, and no tools", err=True)
    return model, str(model.describe()["model_id"]), [spec.name for spec in parse_variants(engine.variants)]


def _remote(
    judged: Judged, base_url: str, headers: dict[str, str], concurrency: int, timeout_s: float
) -> tuple[Model, str, list[str]]:
    from server.quality.remote import RemoteModel

    model = RemoteModel(base_url, headers, concurrency, timeout_s)
    variants = judged.variants or [judged.model or model.names[0]]
    model.choose(variants)
    return model, f"{variants[0]} at {base_url}", variants


def _report(run: Run, output_json: Path | None, plots: Path | None, suffix: str, with_breakdowns: bool) -> None:
    print_run(run, with_breakdowns=with_breakdowns)
    if output_json is not None:
        save(output_json, run.to_json())
    if plots is not None:
        # matplotlib takes a second to import, which nobody else should wait for.
        from server.quality.plots import draw

        for path in draw(run, plots, suffix):
            Console(stderr=True).print(f"Drawn: {path}", highlight=False, soft_wrap=True)
