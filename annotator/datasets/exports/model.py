"""What an exporter is given, and what it gives."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from annotator.datasets.layout import Part
from annotator.datasets.native import NativeItem

MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class About:
    """What an export is of.

    Args:
        name: begins file names: `project` or `dataset-version`.
        title: for people.
        version: of the snapshot; empty for questions as they are now.
        licence: of the dataset, or of the providers' content.
        card: description in Markdown.
        splits: items of each split; empty where nothing is frozen.
        attribution: lines that must be shown with it.
        abstain: whether models are always or never offered to say that a question cannot be answered.
        parts: files of the snapshot's own layout; None where nothing is frozen.
    """

    name: str
    title: str
    version: str
    licence: str
    card: str
    splits: Mapping[str, int]
    attribution: tuple[str, ...]
    abstain: Literal["always", "never"]
    parts: Callable[[], Iterator[Part]] | None = None


@dataclass(slots=True)
class Outcome:
    """What an export holds, and what it left out.

    Args:
        left_out: `{number, reason}` of items that the format cannot hold.
    """

    num_items: int = 0
    num_left_out: int = 0
    left_out: list[dict[str, Any]] = field(default_factory=list)

    def leave_out(self, item: NativeItem, reason: str) -> None:
        """Notes an item that the format cannot hold."""
        self.num_left_out += 1
        if len(self.left_out) < MAX_LISTED:
            self.left_out.append({"number": item.number, "reason": reason})


type Write = Callable[[Iterator[NativeItem], About, Path, Outcome], None]
"""Writes an export to a path, which is a file's or, where the format is a folder, a folder's that is made. It takes the
items one by one and counts them in the outcome."""


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format in which datasets leave.

    Args:
        key: names it in flags and addresses.
        title: for people.
        sentence: what it is for, in one sentence.
        write: makes it.
        suffix: of its file's name; of the packed file's where it is a folder.
        is_folder: whether it is a folder, which is packed for the download.
    """

    key: str
    title: str
    sentence: str
    write: Write
    suffix: str
    is_folder: bool = False
