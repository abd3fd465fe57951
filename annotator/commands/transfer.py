"""`mapqator import` and `mapqator export`: files in and out, as the same jobs that the pages show."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from annotator.commands.options import settings_of
from annotator.commands.show import line
from annotator.errors import InputError, MapqatorError
from annotator.settings import Settings

if TYPE_CHECKING:
    from annotator.datasets.jobs import Job, Kind
    from annotator.datasets.runner import Task
    from annotator.maps.catalogue import Catalogue
    from annotator.people.actor import Actor
    from annotator.people.projects import Project
    from annotator.store.sessions import Database

_TARGET = re.compile(
    r"(?P<project>[a-z0-9][a-z0-9-]*)(/(?P<dataset>[a-z0-9][a-z0-9-]*)(@(?P<version>[0-9][0-9A-Za-z.-]*))?)?"
)
_SHOWN_BAD = 20

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def import_file(
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="The project's slug.")],
    file: Annotated[Path | None, typer.Argument(help="A file, or the folder of a native export.")] = None,
    format_key: Annotated[str, typer.Option("--format", help="auto, or one that the manual names.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read everything and write nothing.")] = False,
    undo: Annotated[
        str | None, typer.Option(help="Delete what the import with this id made.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Import contexts and questions from a file; bad rows are listed, good ones kept. Exit code 1 if any is bad."""
    if (file is None) == (undo is None):
        raise InputError("name a file to import, or an import with --undo ID")
    with _opened(settings_of(context), project) as place:
        if undo is not None:
            _undo(place, undo, as_json=as_json)
        elif file is not None:
            _import(place, file, format_key, dry_run=dry_run, as_json=as_json)


def export(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(help="PROJECT/DATASET@VERSION, PROJECT/DATASET (latest), or PROJECT: what is not frozen."),
    ],
    format_key: Annotated[str, typer.Option("--format", help="One that the manual names, such as native or hf.")],
    out: Annotated[
        Path | None, typer.Option(help="File or folder to write; by default a name of its own, here.")
    ] = None,
    status: Annotated[list[str] | None, typer.Option(help="Unfrozen questions of this status (repeatable).")] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="Of this type (repeatable).")] = None,
    category: Annotated[list[str] | None, typer.Option(help="Of this category (repeatable).")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="With this tag (repeatable).")] = None,
    as_json: AsJson = False,
) -> None:
    """Export a frozen dataset, or questions as they are now, in a format that others read."""
    found = _TARGET.fullmatch(target)
    if found is None:
        raise InputError(f"'{target[:100]}' names nothing; write PROJECT, PROJECT/DATASET or PROJECT/DATASET@VERSION")
    from annotator.datasets.exports.registry import export_format
    from annotator.datasets.exports.run import ExportRequest, check_request, export_task, read_filter

    given = {"status": status, "type": kind, "category": category, "tag": tag}
    conditions = {name: value for name, value in given.items() if value}
    if conditions and found["dataset"]:
        raise InputError("a frozen dataset is exported whole; --status, --type, --category and --tag are for a PROJECT")
    request = ExportRequest(format_key, found["dataset"], found["version"], read_filter(conditions))
    how = export_format(format_key)
    with _opened(settings_of(context), found["project"]) as place:
        with place.database.reading() as connection:
            request = check_request(connection, place.project, request)
        job = place.new_job("export", {"format": format_key, "dataset": request.dataset, "version": request.version})
        task = export_task(
            place.database,
            place.catalogue,
            place.project,
            request,
            lambda name: Path(name) if out is None else out,
            is_packed=out is None or out.suffix in (".zip", ".zst"),
        )
        _check_out(out, is_folder=how.is_folder, suffix=how.suffix)
        ended = place.run(job, task, "Exporting")
    result = ended.result or {}
    if as_json:
        typer.echo(json.dumps(result, indent=2, ensure_ascii=False))
        return
    for row in result["left_out"][:_SHOWN_BAD]:
        line(f"left out: question {row['number']}: {row['reason']}")
    line(f"{out or result['file']}: {ended.message}, {result['size_bytes']} bytes")


@dataclass(frozen=True, slots=True)
class _Place:
    """A project of an open database, and who works in it."""

    database: "Database"
    catalogue: "Catalogue"
    project: "Project"
    actor: "Actor"

    def new_job(self, kind: "Kind", params: dict[str, Any]) -> "Job":
        """A job that waits to be run."""
        from annotator.datasets import jobs
        from annotator.store.times import utc_now

        with self.database.writing() as connection:
            return jobs.create(connection, self.actor, self.project.id, kind, params, now=utc_now())

    def run(self, job: "Job", task: "Task", words: str) -> "Job":
        """Runs a job with a bar; gives it as it ended.

        Raises:
            MapqatorError: it failed; the message says why.
        """
        from annotator.datasets import jobs
        from annotator.datasets.runner import Progress as Told
        from annotator.datasets.runner import run_job
        from annotator.store.times import utc_now

        with _bar(words) as watch:
            told = Told(self.database, job.id, watch=watch)
            try:
                run_job(self.database, told, task)
            except KeyboardInterrupt:
                with self.database.writing() as connection:
                    jobs.finish(connection, job.id, "cancelled", "Stopped", told.result, now=utc_now())
                raise
        with self.database.reading() as connection:
            ended = jobs.get(connection, self.project.id, job.id, utc_now())
        if ended.state != "done":
            raise MapqatorError(ended.message)
        return ended


@contextmanager
def _opened(settings: Settings, slug: str) -> Iterator[_Place]:
    from annotator.maps.catalogue import Catalogue
    from annotator.maps.embedded.library import MapLibrary
    from annotator.people.local import ensure_local_account, local_actor
    from annotator.people.projects import by_slug
    from annotator.store.migrate import migrate
    from annotator.store.sessions import open_database
    from annotator.store.times import utc_now

    library = MapLibrary(settings.data_dir)
    database = open_database(settings.resolved_database_url)
    try:
        migrate(database)
        with database.writing() as connection:
            ensure_local_account(connection, utc_now())
            project = by_slug(connection, slug)
        yield _Place(database, Catalogue(settings, library), project, local_actor(via_command=True))
    finally:
        library.close()
        database.close()


def _import(place: _Place, file: Path, format_key: str, *, dry_run: bool, as_json: bool) -> None:
    from annotator.datasets.imports.registry import import_format
    from annotator.datasets.imports.run import import_task
    from annotator.datasets.imports.source import Source

    source = Source(file, file.name)
    if not file.exists():
        raise InputError(f"there is no file {file}")
    found = import_format(format_key, source)
    job = place.new_job("import", {"format": found.key, "is_dry_run": dry_run, "file": file.name})
    task = import_task(place.database, place.actor, place.project, source, found.key, is_dry_run=dry_run)
    result = place.run(job, task, "Reading" if dry_run else "Importing").result or {}
    if as_json:
        typer.echo(json.dumps(result | {"id": job.id}, indent=2, ensure_ascii=False))
    else:
        for row in result["bad"][:_SHOWN_BAD]:
            line(f"bad: {row['where']}: {row['reason']}")
        if result["num_bad"] > _SHOWN_BAD:
            line(f"and {result['num_bad'] - _SHOWN_BAD} more; --json lists them")
        for note in result["notes"]:
            line(f"note: {note}")
        line(f"{found.title}: {result['message']}")
        if not dry_run:
            line(f"to undo it: mapqator import {place.project.slug} --undo {job.id}")
    if result["num_bad"]:
        raise typer.Exit(1)


def _undo(place: _Place, job_id: str, *, as_json: bool) -> None:
    from annotator.datasets import jobs
    from annotator.datasets.imports.undo import undo
    from annotator.store.times import utc_now

    with place.database.writing() as connection:
        job = jobs.get(connection, place.project.id, job_id, utc_now())
        done = undo(connection, place.actor, job, now=utc_now())
    if as_json:
        typer.echo(json.dumps({"num_contexts": done.num_contexts, "num_questions": done.num_questions}))
    else:
        line(f"{done.num_questions} questions and {done.num_contexts} contexts are gone")


def _check_out(out: Path | None, *, is_folder: bool, suffix: str) -> None:
    """Raises `InputError` before anything is written where the export cannot be put there."""
    if out is None:
        return
    if not out.absolute().parent.is_dir():
        raise InputError(f"there is no folder {out.absolute().parent} to write into", param="out")
    if is_folder and out.suffix in (".zip", ".zst") and not out.name.endswith(suffix):
        raise InputError(f"this format is packed as {suffix}; name such a file, or a folder", param="out")
    if out.is_dir():
        raise InputError(f"{out} is there already; name a {'folder' if is_folder else 'file'} that is not", param="out")


@contextmanager
def _bar(words: str) -> Iterator[Any]:
    """A bar for people who watch, told of by done, total and message; a program reads the result."""
    screen = Console(stderr=True)
    if not screen.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[message]}"), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True) as bar:
        task = bar.add_task(words, total=None, message="")
        yield lambda done, total, message: bar.update(task, completed=done, total=total, message=message)
