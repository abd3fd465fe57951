"""The `mapqator` command."""

from typing import Annotated

import typer

from annotator import __version__

app = typer.Typer(add_completion=False, no_args_is_help=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mapqator {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def run(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """MapQaTor: build map question-answering datasets from recorded map tools, and evaluate models on them."""
    typer.echo("This release of Rhumb holds the model server (`rhumb serve`). MapQaTor's commands come with its own.")


def main() -> None:
    """Runs the command line; the entry point of the `mapqator` script."""
    app()
