"""`mapqator evaluate endpoints` and `mapqator evaluate models`: whom runs may ask, and what they serve."""

import asyncio
import json
from typing import Annotated, Any, Literal

import typer

from annotator.commands.database import opened
from annotator.commands.options import settings_of
from annotator.commands.show import line
from annotator.errors import InputError

app = typer.Typer(no_args_is_help=True, help="Servers of models that runs may ask.", rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="The endpoint's name.")]


@app.command("list")
def list_endpoints(context: typer.Context, as_json: AsJson = False) -> None:
    """List the endpoints; `local` is the server that `make up` starts."""
    from annotator.evaluate import endpoints

    settings = settings_of(context)
    with opened(settings) as database, database.reading() as connection:
        found = endpoints.listing(connection, settings)
    if as_json:
        rows = [
            {
                "name": one.name,
                "base_url": one.base_url,
                "model": one.model,
                "secret_env": one.secret_env,
                "protocol": one.protocol,
                "params": dict(one.params or {}),
            }
            for one in found
        ]
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for one in found:
        key = f", key in {one.secret_env}" if one.secret_env else ""
        line(f"{one.name}: {one.base_url}, {one.model or 'its first model'}{key}, tools by {one.protocol}")


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What to call it: a-z, 0-9 and hyphens.")],
    url: Annotated[str, typer.Argument(help="Up to and with /v1, such as https://api.example.org/v1.")],
    model: Annotated[str, typer.Option(help="Asked where a run names none.")] = "",
    key_env: Annotated[
        str | None, typer.Option(help="Environment variable with its key: MAPQATOR_MODEL_KEY or MAPQATOR_MODEL_KEY_X.")
    ] = None,
    protocol: Annotated[
        Literal["tools", "react"], typer.Option(help="react where the server cannot call functions.")
    ] = "tools",
    param: Annotated[
        list[str] | None, typer.Option(help="Sent with every request: NAME=JSON (repeatable).", show_default=False)
    ] = None,
) -> None:
    """Add an OpenAI-compatible server."""
    from annotator.evaluate import endpoints
    from annotator.people.local import local_actor
    from annotator.store.times import utc_now

    settings = settings_of(context)
    made = endpoints.Endpoint(name, url, model, key_env, protocol, _params(param or []))
    with opened(settings) as database, database.writing() as connection:
        actor = local_actor(via_command=True)
        endpoints.add(connection, actor, made, settings.model_hosts, now=utc_now())
    line(f"added; `mapqator evaluate models --endpoint {name}` asks it what it serves")


@app.command()
def remove(context: typer.Context, name: Name) -> None:
    """Remove an endpoint; runs that asked it stay."""
    from annotator.evaluate import endpoints
    from annotator.people.local import local_actor
    from annotator.store.times import utc_now

    with opened(settings_of(context)) as database, database.writing() as connection:
        endpoints.remove(connection, local_actor(via_command=True), name, now=utc_now())
    line("removed")


def models(
    context: typer.Context,
    endpoint: Annotated[str, typer.Option(help="Name of the server.")] = "local",
    as_json: AsJson = False,
) -> None:
    """List the models and variants that an endpoint serves."""
    from annotator.evaluate import endpoints, runs

    settings = settings_of(context)
    with opened(settings) as database, database.reading() as connection:
        found = endpoints.find(connection, settings, endpoint)
    served = asyncio.run(runs.look(found))
    if as_json:
        typer.echo(json.dumps({"version": served.version, "models": list(served.models)}, indent=2, ensure_ascii=False))
        return
    for one in served.models:
        length = one.get("max_model_len")
        facts = [str(one.get("description", "")), f"{length} tokens" if length else ""]
        line(": ".join(part for part in (str(one["id"]), ", ".join(filter(None, facts))) if part))


def _params(given: list[str]) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        try:
            params[name.strip()] = json.loads(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise InputError(f"'{text[:60]}' is no parameter; write NAME=JSON, such as top_k=20")
    return params
