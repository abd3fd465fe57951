"""The `mapqator` command."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from annotator import __version__
from annotator.commands import datasets, demo, evaluate, maps, people, providers, serve, tool, transfer
from annotator.errors import MapqatorError

app = typer.Typer(
    name="mapqator",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Build map question-answering datasets from recorded map tools.",
)
app.command("serve")(serve.serve)
app.add_typer(maps.app, name="map")
app.add_typer(tool.app, name="tool")
app.add_typer(demo.app, name="demo")
app.add_typer(evaluate.app, name="evaluate")
app.add_typer(providers.app, name="providers")
app.add_typer(people.user, name="user")
app.add_typer(people.project, name="project")
app.add_typer(people.audit, name="audit")
app.command("types")(tool.types)
app.command("import")(transfer.import_file)
app.command("export")(transfer.export)
app.command("freeze")(datasets.freeze)
app.command("verify")(datasets.verify)
app.command("replay")(datasets.replay)

BAD_USE = 2
"""Exit code for everything that the user can put right."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mapqator {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of maps and, by default, the database. [env: MAPQATOR_DATA_DIR]", show_default=False),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    context.obj = {"data_dir": data_dir}


def main() -> None:
    """Entry point: every expected failure is one line on stderr and exit code 2."""
    try:
        result = typer.main.get_command(app)(
            args=sys.argv[1:] or ["--help"], prog_name="mapqator", standalone_mode=False
        )
    except typer.TyperException as error:
        _fail(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except MapqatorError as error:
        _fail(error.message)
    else:
        sys.exit(result if isinstance(result, int) else 0)


def _fail(message: str) -> NoReturn:
    print(f"mapqator: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(BAD_USE)


if __name__ == "__main__":
    main()
