"""`python -m annotator.demo`: writes one fictional town, or many, as `mapqator demo town` does."""

import sys

import typer

from annotator.commands.demo import town
from annotator.errors import MapqatorError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command()(town)


def main() -> None:
    """Runs the command line: what the user can put right is one line on stderr and exit code 2."""
    try:
        typer.main.get_command(app)(prog_name="python -m annotator.demo", standalone_mode=False)
    except typer.TyperException as error:
        sys.exit(_failed(error.format_message()))
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except MapqatorError as error:
        sys.exit(_failed(error.message))


def _failed(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
