"""Files of map questions: JSON Lines, plain or compressed with zstandard."""

import io
from collections.abc import Iterator
from pathlib import Path

import zstandard

from annotator.errors import InputError

SCHEMA = "mapqator.map_questions/1"
PLAIN, COMPRESSED = ".jsonl", ".jsonl.zst"


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file with their line ends.

    Raises:
        InputError: it cannot be read, or is compressed and damaged.
    """
    try:
        with path.open("rb") as file:
            if path.name.endswith(COMPRESSED):
                with zstandard.ZstdDecompressor().stream_reader(file) as reader:
                    yield from io.BufferedReader(reader)
            else:
                yield from file
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    except zstandard.ZstdError:
        raise InputError(f"{path.name} is no whole zstandard file") from None
