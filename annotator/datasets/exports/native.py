"""Our own layout: a frozen dataset whole with manifest and recordings, or the items of unfrozen questions."""

from collections.abc import Iterator
from pathlib import Path

from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.layout import ITEMS, write_folder
from annotator.datasets.native import NativeItem
from annotator.errors import StorageError


def write(items: Iterator[NativeItem], about: About, path: Path, outcome: Outcome) -> None:
    """Writes the folder; without a snapshot it holds `items.jsonl` alone."""
    try:
        if about.parts is not None:
            path.mkdir()
            write_folder(path, about.parts())
            outcome.num_items = sum(1 for _ in items)
            return
        path.mkdir()
        with (path / ITEMS).open("wb") as file:
            for item in items:
                outcome.num_items += 1
                file.write(item.line() + b"\n")
    except OSError as error:
        raise StorageError(f"cannot write the export: {error.strerror}") from None


FORMAT = ExportFormat(
    key="native",
    title="MapQaTor export",
    sentence="Everything, with recordings and hashes: mapqator verify checks it, mapqator import brings it back whole.",
    write=write,
    suffix=".tar.zst",
    is_folder=True,
)
