"""The lines of files of map questions, which judging and training both read; `mapqator demo questions` writes them."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast

from server.errors import ConfigError

SCHEMA = "mapqator.map_questions/1"


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a `.jsonl` or `.jsonl.zst`, empty ones left out.

    Raises:
        ConfigError: the file cannot be read, or needs the package zstandard, which is not there.
    """
    try:
        with path.open("rb") as file, io.TextIOWrapper(_unpacked(file, path), encoding="utf-8") as lines:
            yield from (line for line in lines if line.strip())
    except ConfigError:
        raise
    except Exception as error:  # zstandard raises plain exceptions
        raise ConfigError(f"cannot read {path}: {error}; give a .jsonl or .jsonl.zst file of map questions") from None


def _unpacked(file: BinaryIO, path: Path) -> IO[bytes]:
    if path.suffix != ".zst":
        return file
    # Machines that only train may have no zstandard.
    try:
        import zstandard
    except ImportError:
        raise ConfigError(f"{path} needs the package zstandard; unpack it first with `zstd -d`") from None
    return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(file))
