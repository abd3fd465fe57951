"""`mapqator freeze`, `verify` and `replay`: datasets in the terminal."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.progress import Progress as Bar
from sqlalchemy import Connection

from annotator.commands.options import settings_of
from annotator.commands.show import console, line
from annotator.errors import FreezeError, InputError
from annotator.settings import Settings

_TARGET = re.compile(
    r"(?P<project>[a-z0-9][a-z0-9-]*)/(?P<dataset>[a-z0-9][a-z0-9-]*)@(?P<version>[0-9][0-9A-Za-z.-]*)"
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def freeze(
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="The project's slug.")],
    dataset: Annotated[str, typer.Argument(help="The dataset's slug.")],
    version: Annotated[str, typer.Argument(help="A version such as 1.0.0.")],
    by: Annotated[
        str, typer.Option(help="What splits keep together: context, place, or none to not divide.")
    ] = "context",
    split: Annotated[
        list[str] | None, typer.Option(help="A split and its share: NAME=SHARE (repeatable).", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed deals the questions out another way.")] = 0,
    status: Annotated[list[str] | None, typer.Option(help="Questions of this status (repeatable).")] = None,
    category: Annotated[list[str] | None, typer.Option(help="Questions of this category (repeatable).")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Questions with this tag (repeatable).")] = None,
    kind: Annotated[list[str] | None, typer.Option("--type", help="Questions of this type (repeatable).")] = None,
    number: Annotated[list[int] | None, typer.Option(help="Questions of this number (repeatable).")] = None,
    ids_only: Annotated[
        bool, typer.Option("--ids-only", help="Freeze what may leave as place ids only to those.")
    ] = False,
    create: Annotated[bool, typer.Option("--create", help="Make the dataset if there is none.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Freeze approved questions as a version of a dataset, or say every reason why not."""
    given = {
        "version": version,
        "filter": {
            name: value
            for name, value in (
                ("status", status),
                ("category", category),
                ("tag", tag),
                ("type", kind),
                ("number", number),
            )
            if value
        },
        "splits": {"by": by, "seed": seed} | ({"shares": _shares(split)} if split else {}),
        "ids_only": ids_only,
    }
    settings = settings_of(context)
    try:
        outcome = asyncio.run(_freeze(settings, project, dataset, given, create=create, dry_run=dry_run, quiet=as_json))
    except FreezeError as error:
        outcome = error.detail | {"can_freeze": False, "message": error.message}
    if as_json:
        typer.echo(json.dumps(outcome, indent=2, ensure_ascii=False))
    else:
        _show(outcome)
    if not outcome["can_freeze"]:
        raise typer.Exit(1)


def verify(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="PROJECT/DATASET@VERSION, or a folder or .tar.zst of a native export.")],
    as_json: AsJson = False,
) -> None:
    """Recompute every byte of a frozen dataset offline, and name whatever changed."""
    from annotator.datasets.report import as_lines
    from annotator.datasets.verify import verify_files, verify_snapshot

    found = None if Path(target).exists() else _TARGET.fullmatch(target)
    with _bar("Verifying", quiet=as_json) as progress:
        if found is None:
            report = verify_files(Path(target), progress)
        else:
            from annotator.store.sessions import open_database

            database = open_database(settings_of(context).resolved_database_url)
            try:
                with database.reading() as connection:
                    report = verify_snapshot(connection, _snapshot(connection, found), progress)
            finally:
                database.close()
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        for finding in as_lines(report):
            line(finding)
        if report.num_more:
            line(f"and {report.num_more} more")
        word = "intact" if report.is_ok else "CHANGED"
        line(
            f"{word}: {report.dataset} {report.version}, {report.num_items} questions, {report.num_evidence} pieces of "
            f"evidence, {report.num_blobs} blobs; manifest sha256 {report.manifest_sha}"
        )
    if not report.is_ok:
        raise typer.Exit(1)


def replay(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="PROJECT/DATASET@VERSION.")],
    as_json: AsJson = False,
) -> None:
    """Ask every call of a frozen dataset again, of its recordings alone, and compare the bytes."""
    found = _TARGET.fullmatch(target)
    if found is None:
        raise InputError(f"'{target[:100]}' names no frozen dataset; write PROJECT/DATASET@VERSION")
    outcome = asyncio.run(_replay(settings_of(context), found, quiet=as_json))
    if as_json:
        typer.echo(json.dumps(outcome, indent=2, ensure_ascii=False))
    else:
        for finding in outcome["findings"]:
            line(f"context {finding['context']} at {finding['pointer'] or 'the whole document'}: {finding['message']}")
        word = "the same bytes" if outcome["is_ok"] else "OTHER BYTES"
        line(f"{word}: {outcome['num_calls']} calls and {outcome['num_contexts']} contexts again")
    if not outcome["is_ok"]:
        raise typer.Exit(1)


async def _freeze(
    settings: Settings, project_slug: str, slug: str, given: dict[str, Any], *, create: bool, dry_run: bool, quiet: bool
) -> dict[str, Any]:
    from annotator.assembly import open_service
    from annotator.datasets import freeze as freezing
    from annotator.datasets import plan as planning
    from annotator.datasets import snapshots
    from annotator.errors import NotFoundError
    from annotator.maps.validate import as_input_error
    from annotator.people.local import local_actor
    from annotator.people.projects import by_slug
    from annotator.store.times import utc_now

    try:
        request = planning.FreezeRequest.model_validate(given)
    except ValidationError as error:
        raise as_input_error(error.errors(include_url=False, include_context=False)) from None
    actor = local_actor(via_command=True)
    async with open_service(settings) as service:
        database = service.store.database
        with database.reading() as connection:
            project = by_slug(connection, project_slug)
            try:
                dataset = snapshots.get_dataset(connection, project.id, slug)
            except NotFoundError as error:
                if not create:
                    raise NotFoundError(f"{error.message}; --create makes it") from None
                dataset = None
        if dataset is None:
            with database.writing() as connection:
                dataset = snapshots.create_dataset(connection, actor, project, title=slug, slug=slug, now=utc_now())
        if dry_run:
            with database.reading() as connection, _bar("Checking", quiet=quiet) as progress:
                made = planning.plan(connection, service.catalogue, project, dataset, request, utc_now(), progress)
            return {
                "can_freeze": not made.reasons,
                "reasons": [reason.model_dump(mode="json") for reason in made.reasons],
                "warnings": made.warnings,
                "counts": made.counts.model_dump(mode="json"),
            }
        with _bar("Freezing", quiet=quiet) as progress:
            frozen = await asyncio.to_thread(
                freezing.freeze,
                database,
                service.catalogue,
                actor,
                project,
                slug,
                request,
                now=utc_now(),
                progress=progress,
            )
    return {"can_freeze": True, "version": frozen.version, "manifest_sha": frozen.manifest_sha, "counts": frozen.counts}


async def _replay(settings: Settings, found: re.Match[str], *, quiet: bool) -> dict[str, Any]:
    from annotator.assembly import open_service
    from annotator.datasets.replay import rebuild

    async with open_service(settings) as service:
        with service.store.database.reading() as connection:
            snapshot = _snapshot(connection, found)
        with _bar("Replaying", quiet=quiet) as progress:
            outcome: dict[str, Any] = (await rebuild(service, snapshot, progress)).model_dump(mode="json")
    return outcome


def _snapshot(connection: Connection, found: re.Match[str]) -> Any:
    from annotator.datasets import snapshots
    from annotator.people.projects import by_slug

    project = by_slug(connection, found["project"])
    dataset = snapshots.get_dataset(connection, project.id, found["dataset"])
    return snapshots.get_snapshot(connection, dataset.id, found["version"])


def _shares(given: list[str]) -> dict[str, str]:
    shares = {}
    for text in given:
        name, equals, share = text.partition("=")
        if not equals:
            raise InputError(f"'{text[:60]}' is no split; write NAME=SHARE, such as test=0.2")
        shares[name.strip()] = share.strip()
    return shares


def _show(outcome: dict[str, Any]) -> None:
    for reason in outcome.get("reasons", ()):
        about = "" if reason["number"] is None else f"question {reason['number']}: "
        line(f"{about}{reason['message']} [{reason['code']}]")
    for warning in outcome.get("warnings", ()):
        line(f"note: {warning}")
    if "message" in outcome:
        line(outcome["message"])
        return
    counts = outcome["counts"]
    splits = ", ".join(f"{name} {size}" for name, size in counts["splits"].items())
    line(f"{counts['items']} questions about {counts['contexts']} contexts and {counts['places']} places: {splits}")
    if "manifest_sha" in outcome:
        line(f"frozen as {outcome['version']}; manifest sha256 {outcome['manifest_sha']}")
    else:
        line("it can be frozen" if outcome["can_freeze"] else "it cannot be frozen as it is")


@contextmanager
def _bar(words: str, *, quiet: bool) -> Iterator[Any]:
    """A progress bar where somebody looks, as a function of done and total."""
    if quiet or not console.is_terminal:
        yield None
        return
    with Bar(console=console, transient=True) as bar:
        task = bar.add_task(words, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
