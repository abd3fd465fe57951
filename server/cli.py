"""The `rhumb` command: serve, check, bench, eval, calibrate, finetune, version."""

import asyncio
import inspect
import json
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
from pydantic.fields import FieldInfo

from server import __version__
from server.api import fleet
from server.api.listener import bind
from server.errors import RhumbError
from server.settings import EngineSettings, ServerSettings, flag_of, load, option_type
from server.threads import limit_spinning

app = typer.Typer(
    name="rhumb",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Serve language models over the OpenAI API.",
)

BAD_USE = 2
"""Exit code for everything that the user can put right."""


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    """A settings field as a command-line option; None when not given, so that the environment counts."""
    default = "none" if field.default in (None, ()) else field.default
    default = ",".join(default) if isinstance(default, tuple) else default
    help_text = f"{field.description} [default: {default}] [env: RHUMB_{name.upper()}]"
    kind = option_type(field.annotation)
    flag = flag_of(name)
    option = (
        typer.Argument(help=help_text, show_default=False)
        if name == "model"
        else typer.Option(f"{flag}/--no-{flag[2:]}" if kind is bool else flag, help=help_text, show_default=False)
    )
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
    )


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one option per setting; it gets those that were given as keyword arguments."""
    fields = EngineSettings.model_fields | ServerSettings.model_fields
    own = [item for item in inspect.signature(command).parameters.values() if item.kind is not item.VAR_KEYWORD]
    parameters = [*own, *(_parameter(name, field) for name, field in fields.items())]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {item.name: item.annotation for item in parameters}
    return command


@app.command()
@with_settings
def serve(**flags: Any) -> None:
    """Serve a model over HTTP."""
    config, settings = load(EngineSettings, flags).to_served_config(), load(ServerSettings, flags)
    num_processes = fleet.num_api_processes(settings, config)
    with bind(settings) as listener:
        if num_processes > 1:
            fleet.run(config, settings, listener, num_processes)
            return
        from server.api.serve import run

        run(config, settings, listener)


@app.command()
@with_settings
def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    **flags: Any,
) -> None:
    """Load the model, say what would run and why, and exit."""
    config, settings = load(EngineSettings, flags).to_served_config(), load(ServerSettings, flags)
    from server.api.check import describe, facts

    found = asyncio.run(facts(config, settings))
    typer.echo(json.dumps(found, indent=2) if as_json else describe(found))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def bench(context: typer.Context) -> int | None:
    """Measure a server or the engine; see `rhumb bench --help`."""
    from server.bench.cli import app as bench_app

    # A number where it was ended early, by Ctrl-C for one.
    code: int | None = typer.main.get_command(bench_app)(
        args=context.args, prog_name="rhumb bench", standalone_mode=False
    )
    return code


@app.command(
    "eval",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def evaluate(context: typer.Context) -> int:
    """Judge a model's answers and what each variant costs; see `rhumb eval --help`."""
    from server.quality.cli import run

    return run(context.args)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def calibrate(context: typer.Context) -> int:
    """Find out which KV heads need their whole context; see `rhumb calibrate --help`."""
    from server.calibrate.command import run

    return run(context.args)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def finetune(context: typer.Context) -> int:
    """Teach a model its exit schedule; see `rhumb finetune --help`."""
    from server.finetune.command import run

    return run(context.args)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Entry point: every expected failure is one line on stderr and exit code 2."""
    limit_spinning()
    try:
        result = typer.main.get_command(app)(args=sys.argv[1:] or ["--help"], prog_name="rhumb", standalone_mode=False)
    except typer.TyperException as error:
        _fail(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except RhumbError as error:
        _fail(str(error))
    else:
        sys.exit(result if isinstance(result, int) else 0)


def _fail(message: str) -> NoReturn:
    print(f"rhumb: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(BAD_USE)


if __name__ == "__main__":
    main()
