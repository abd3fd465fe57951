"""`mapqator demo`: fictional towns, and questions about them with the contexts that answer them."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from annotator.commands.show import line
from annotator.errors import ConfigError

# Making towns takes large libraries: commands load them when they run, so that `mapqator --help` is quick.
app = typer.Typer(no_args_is_help=True, help="Make fictional towns, and questions about them.", rich_markup_mode=None)

_EXTRACT = ".osm.pbf"
_RANGE = re.compile(r"(?P<low>[0-9]{1,6})-(?P<high>[0-9]{1,6})")
FEWEST_TOKENS, MOST_TOKENS = 100, 32_000
NARROWEST = 1.2
"""How much longer the longest context must be than the shortest: items cannot be cut to measure."""
MOST_QUESTIONS = 32
_TASK = TaskID(0)
"""The progress bar's only task: bars number theirs from 0."""


@app.command()
def town(
    seed: Annotated[
        int | None,
        typer.Option(help="Every seed gives another town; the same one gives the same file. [default: 1]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write, ending in .osm.pbf.")] = None,
    size: Annotated[Literal["small", "medium", "large", "metropolis"], typer.Option(help="How large.")] = "medium",
    count: Annotated[int, typer.Option(min=1, help="How many towns, from as many seeds in a row.")] = 1,
    out_dir: Annotated[Path | None, typer.Option(help="Folder for the files of several towns.")] = None,
) -> None:
    """Write fictional towns as OpenStreetMap extracts."""
    from annotator.demo.town import DEFAULT_SEED

    if (out is None) == (out_dir is None):
        raise ConfigError("give either --out FILE.osm.pbf for one town, or --out-dir DIR")
    if out is not None and (count > 1 or not out.name.endswith(_EXTRACT)):
        raise ConfigError(f"--out takes one file that ends in {_EXTRACT}; several towns need --out-dir DIR")
    first = DEFAULT_SEED if seed is None else seed
    if out is not None:
        _write_town(first, out, size)
    if out_dir is not None:
        _make_folder(out_dir)
        for number in range(first, first + count):
            _write_town(number, out_dir / f"town-{number}{_EXTRACT}", size)


@app.command()
def questions(
    output: Annotated[Path, typer.Option(help="File to write, ending in .jsonl or .jsonl.zst.")],
    split: Annotated[
        Literal["train", "validation", "test"], typer.Option(help="Whose towns; no two splits have one in common.")
    ] = "train",
    towns: Annotated[int, typer.Option(min=1, help="How many towns.")] = 10,
    first: Annotated[int, typer.Option(min=0, help="Number of the first town within its split.")] = 0,
    size: Annotated[Literal["small", "medium", "large"], typer.Option(help="Of the towns.")] = "small",
    contexts: Annotated[int, typer.Option("--contexts-per-town", min=1, help="How many a town.")] = 16,
    most: Annotated[
        int, typer.Option("--questions-per-context", min=1, max=MOST_QUESTIONS, help="At most so many.")
    ] = 12,
    tokens: Annotated[
        str, typer.Option(metavar="MIN-MAX", help="Estimated length of contexts as text, drawn log-uniformly.")
    ] = "200-16000",
    tools: Annotated[bool, typer.Option("--tools", help="Add questions that are answered by calling tools.")] = False,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes; by default one for each CPU.")] = None,
) -> None:
    """Write contexts about fictional towns, each with questions and answers; the same bytes for the same options."""
    from annotator.demo.questions.record import Recipe
    from annotator.demo.questions.write import Job, write_file

    job = Job(split, towns, first, contexts, Recipe(size, _range(tokens), most, tools))
    processes = len(os.sched_getaffinity(0)) if jobs is None else jobs
    try:
        with _bar(towns) as bar:
            made = write_file(job, output, processes=processes, told=lambda done: bar.update(_TASK, completed=done))
    except KeyboardInterrupt:
        typer.echo(f"stopped; nothing was written to {output}", err=True)
        raise typer.Exit(130) from None
    left_out = f", {made.left_out} left out for want of questions" if made.left_out else ""
    line(
        f"{output}: {made.contexts} contexts about {size} towns ({split}, {towns} of them){left_out}, "
        f"{made.questions} questions, {made.num_bytes} bytes"
    )


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file of `mapqator demo questions`.")],
    remake: Annotated[int, typer.Option(min=0, help="Of how many towns to make a context again.")] = 3,
) -> None:
    """Count what is in a file of questions, and make some of its contexts again to compare the bytes."""
    from annotator.demo.questions.check import check_file

    checked = check_file(path, remake=remake)
    counts = checked.counts
    splits = ", ".join(f"{name} {number}" for name, number in sorted(counts.splits.items()))
    line(f"{counts.contexts} contexts of {len(counts.towns)} towns ({splits}), {counts.questions} questions")
    lengths = ", ".join(f"{_length(place)} {number}" for place, number in sorted(counts.by_tokens.items()))
    totals = ", ".join(f"{number} as {name}" for name, number in sorted(counts.num_tokens.items()))
    line(f"tokens: {totals}; contexts as text: {lengths}")
    for name, found in counts.by_field.items():
        line(f"{name}: {', '.join(f'{value} {number}' for value, number in found.most_common())}")
    for id in checked.different:
        line(f"{id} was made again and is DIFFERENT")
    if checked.remade:
        num_same = len(checked.remade) - len(checked.different)
        line(f"{num_same} of {len(checked.remade)} contexts made again are the same bytes")
    if checked.different:
        raise typer.Exit(1)


@app.command()
def floor(
    train: Annotated[Path, typer.Argument(metavar="TRAIN", help="A file of questions to learn from.")],
    test: Annotated[Path, typer.Argument(metavar="TEST", help="A file of questions about other towns.")],
) -> None:
    """Say how many questions can be answered without their contexts, by chance and by a guesser that was trained to."""
    from annotator.demo.questions.floor import floor as measure

    for row in measure(train, test).table():
        typer.echo(row)


def _length(place: int) -> str:
    from annotator.demo.questions.check import SIZES

    return f"up to {SIZES[place]}:" if place < len(SIZES) else f"more than {SIZES[-1]}:"


def _bar(towns: int) -> Progress:
    # Progress is for people who watch; what a program reads is the result.
    screen = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)
    bar.add_task("towns", total=towns)
    return bar


def _range(text: str) -> tuple[int, int]:
    """Bounds of contexts' lengths.

    Raises:
        ConfigError: they are none, or no context could keep to them.
    """
    found = _RANGE.fullmatch(text)
    low, high = (int(found["low"]), int(found["high"])) if found else (0, 0)
    if low < FEWEST_TOKENS or high > MOST_TOKENS or high < low * NARROWEST:
        raise ConfigError(
            f"--tokens takes MIN-MAX such as 200-2000, from {FEWEST_TOKENS} to {MOST_TOKENS} and MAX at least "
            f"{NARROWEST:g} times MIN, not '{text[:40]}'"
        )
    return low, high


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}") from None


def _write_town(seed: int, target: Path, size: str) -> None:
    from annotator.demo.town import SIZES, build_town

    try:
        summary = build_town(seed, target, size=SIZES[size])
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}") from None
    typer.echo(
        f"{target}: {summary.name} ({summary.country_code}), {summary.num_places} places, "
        f"{summary.num_nodes} nodes, {summary.num_ways} ways, {summary.num_bytes} bytes; "
        f"next: mapqator map build {target}"
    )
