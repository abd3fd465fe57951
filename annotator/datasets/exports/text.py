"""Files of JSON and lines, written as they come and always with the same bytes."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from annotator.errors import StorageError


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """A file to write text to.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
    except OSError as error:
        raise StorageError(f"cannot write {path.name}: {error.strerror}") from None


def dumped(value: Any) -> str:
    """A value as one line of JSON, in the order of its fields."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def write_list(path: Path, rows: Iterable[Any]) -> None:
    """Writes a JSON list, one row a line."""
    with opened(path) as file:
        file.write("[")
        for number, row in enumerate(rows):
            file.write(f"{',' if number else ''}\n{dumped(row)}")
        file.write("\n]\n")


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """Writes JSON lines."""
    with opened(path) as file:
        file.writelines(f"{dumped(row)}\n" for row in rows)
