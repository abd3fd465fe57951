"""`python -m annotator.demo`: writes one fictional town, or many."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from annotator.demo.town import DEFAULT_SEED, SIZES, build_town
from annotator.errors import ConfigError, MapqatorError

_SUFFIX = ".osm.pbf"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def write(
    seed: Annotated[int, typer.Option(help="Every seed gives another town; the same one gives the same file.")] = (
        DEFAULT_SEED
    ),
    out: Annotated[Path | None, typer.Option(help="File to write, ending in .osm.pbf.")] = None,
    size: Annotated[Literal["small", "medium", "large", "metropolis"], typer.Option(help="How large.")] = "medium",
    count: Annotated[int, typer.Option(min=1, help="How many towns, from as many seeds in a row.")] = 1,
    out_dir: Annotated[Path | None, typer.Option(help="Folder for the files of several towns.")] = None,
) -> None:
    """Write fictional towns as OpenStreetMap extracts."""
    if (out is None) == (out_dir is None):
        raise ConfigError("give either --out FILE.osm.pbf for one town, or --out-dir DIR")
    if out is not None and (count > 1 or not out.name.endswith(_SUFFIX)):
        raise ConfigError(f"--out takes one file that ends in {_SUFFIX}; several towns need --out-dir DIR")
    if out is not None:
        _write(seed, out, size)
    if out_dir is not None:
        _make_folder(out_dir)
        for number in range(seed, seed + count):
            _write(number, out_dir / f"town-{number}{_SUFFIX}", size)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder}: {error.strerror}") from None


def _write(seed: int, target: Path, size: str) -> None:
    try:
        summary = build_town(seed, target, size=SIZES[size])
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror}") from None
    typer.echo(
        f"{target}: {summary.name} ({summary.country_code}), {summary.num_places} places, "
        f"{summary.num_nodes} nodes, {summary.num_ways} ways, {summary.num_bytes} bytes"
    )


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
