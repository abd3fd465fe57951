"""`mapqator map`: turn OpenStreetMap extracts into maps that answer tools offline."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from annotator.commands.options import settings_of
from annotator.commands.show import console, line
from annotator.maps.embedded.manifest import Manifest

if TYPE_CHECKING:
    from annotator.maps.embedded.library import MapLibrary

# The map's libraries are large: commands load them when they run, so that `mapqator --help` is quick.
app = typer.Typer(no_args_is_help=True, help="Build and list offline maps.", rich_markup_mode=None)


@app.command()
def build(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FILE|URL", help="An .osm.pbf file, or where to download one.")],
    name: Annotated[str | None, typer.Option(help="The map's key as a provider; by default from the file.")] = None,
    title: Annotated[str | None, typer.Option(help="The map's name for people.")] = None,
    namespace: Annotated[str | None, typer.Option(help="What place ids begin with; osm for real data.")] = None,
    licence: Annotated[str | None, typer.Option(help="Licence of the data; by default ODbL-1.0.")] = None,
    attribution: Annotated[str | None, typer.Option(help="Line shown with the data.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Build again even if nothing changed.")] = False,
) -> None:
    """Turn an OpenStreetMap extract into a provider that needs no network and no key."""
    from annotator.maps.embedded.build import build_map

    # Progress is for people who watch; what a program reads is the result.
    screen = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
            task = bar.add_task("starting", total=1.0)
            manifest = build_map(
                source,
                data_dir=settings_of(context).data_dir,
                name=name,
                title=title,
                namespace=namespace,
                licence=licence,
                attribution=attribution,
                force=force,
                progress=lambda stage, share: bar.update(task, description=stage, completed=share),
            )
    except KeyboardInterrupt:
        typer.echo("stopped; the same command goes on where it was", err=True)
        raise typer.Exit(130) from None
    _show(manifest)


@app.command("list")
def list_maps(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List the maps on this machine; the one built last answers calls that name no provider."""
    manifests = _library(context).manifests()
    if as_json:
        typer.echo(json.dumps([manifest.model_dump(mode="json") for manifest in manifests], indent=2))
        return
    if not manifests:
        typer.echo("There is no map yet. Build one: mapqator map build FILE.osm.pbf")
        return
    table = Table("map", "title", "data of", "places", "build")
    for manifest in manifests:
        places = str(manifest.counts.get("pois", ""))
        table.add_row(manifest.name, manifest.title, manifest.osm_timestamp or "", places, manifest.build_sha[:12])
    console.print(table)


@app.command()
def remove(context: typer.Context, name: Annotated[str, typer.Argument(help="A map's key.")]) -> None:
    """Remove a map from this machine; what was recorded from it stays."""
    _library(context).remove(name)
    typer.echo(f"removed {name}")


def _library(context: typer.Context) -> "MapLibrary":
    from annotator.maps.embedded.library import MapLibrary

    return MapLibrary(settings_of(context).data_dir)


def _show(manifest: Manifest) -> None:
    line(
        f"{manifest.name}: {manifest.title}, {manifest.counts.get('pois', 0)} places, "
        f"data of {manifest.osm_timestamp or 'unknown date'}, build {manifest.build_sha[:12]}"
    )
    line(f'try: mapqator tool text_search --provider {manifest.name} --query "cafe"')
