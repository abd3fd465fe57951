"""`mapqator providers`: who can be asked, what is missing for the others, and whether they answer."""

import asyncio
import json
from typing import Annotated

import typer

from annotator.commands.options import settings_of
from annotator.commands.show import line
from annotator.settings import Settings

app = typer.Typer(
    invoke_without_command=True, help="List map providers and what each still needs.", rich_markup_mode=None
)


@app.callback()
def providers(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List map providers and what each still needs."""
    if context.invoked_subcommand is not None:
        return
    from annotator.maps.catalogue import Catalogue
    from annotator.maps.embedded.library import MapLibrary

    settings = settings_of(context)
    statuses = Catalogue(settings, MapLibrary(settings.data_dir)).statuses()
    if as_json:
        typer.echo(json.dumps([status.model_dump(mode="json") for status in statuses], indent=2))
        return
    for status in statuses:
        # Lines instead of a table: what is to be typed must not be cut or wrapped.
        line(f"{status.key:17} {'enabled' if status.is_enabled else 'not enabled'}: {status.title}")
        line(f"    tools: {', '.join(status.tools)}")
        line(f"    content: {status.licence}; storage {status.storage}, export {status.export}")
        for todo in status.missing:
            line(f"    {todo}")


@app.command()
def check(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A provider's key.")],
    lat: Annotated[float, typer.Option(help="Where to look.")] = 43.7396,
    lon: Annotated[float, typer.Option(help="Where to look.")] = 7.4273,
    query: Annotated[str, typer.Option(help="What the text search looks for.")] = "casino",
) -> None:
    """Make one cheap live call per tool and say what came back; nothing is recorded."""
    if not asyncio.run(_check(settings_of(context), name, (lat, lon), query)):
        raise typer.Exit(1)


async def _check(settings: Settings, name: str, at: tuple[float, float], query: str) -> bool:
    from annotator.assembly import open_service
    from annotator.maps.check import check_provider

    outcomes = []
    async with open_service(settings) as service:
        async for found in check_provider(service, name, at, query):
            outcomes.append(found.is_ok)
            verdict = "ok  " if found.is_ok else "FAIL"
            line(f"{verdict} {found.tool:20} {found.latency_ms:7.0f} ms  {found.found}")
    return all(outcomes)
