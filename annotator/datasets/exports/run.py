"""One export as a task: what may leave is written to a file or folder, which is there whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from annotator.cache.json_text import sha256_hex
from annotator.datasets import items as native_items
from annotator.datasets.exports.model import About, ExportFormat, Outcome
from annotator.datasets.exports.pack import pack
from annotator.datasets.exports.registry import export_format
from annotator.datasets.native import NativeItem, ids_only
from annotator.datasets.runner import Progress, Task
from annotator.datasets.selection import ItemFilter
from annotator.datasets.snapshots import Dataset, Snapshot, get_dataset, get_snapshot, latest
from annotator.datasets.sources import parts_of
from annotator.errors import ForbiddenError, InputError, NotFoundError, StorageError
from annotator.maps.catalogue import Catalogue
from annotator.maps.validate import as_input_error
from annotator.people.projects import Project
from annotator.store.sessions import Database
from annotator.store.times import utc_now

_STEP = 20
"""Items between two words about progress."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to leave.

    Args:
        format: key of the format.
        dataset: slug; None for questions as they are now.
        version: of the dataset; None takes the latest.
        filter: which questions, where no dataset is named.
    """

    format: str
    dataset: str | None = None
    version: str | None = None
    filter: ItemFilter = field(default_factory=ItemFilter)


def read_filter(values: Mapping[str, Any] | None) -> ItemFilter:
    """A filter from outside.

    Raises:
        InputError: what is wrong with which condition.
    """
    try:
        return ItemFilter.model_validate(dict(values or {}))
    except ValidationError as error:
        raise as_input_error(error.errors(include_url=False, include_context=False)) from None


def check_request(connection: Connection, project: Project, request: ExportRequest) -> ExportRequest:
    """The request with its version, before a job is made of it.

    Raises:
        InputError: there is no such format.
        NotFoundError: there is no such dataset or version.
    """
    export_format(request.format)
    if request.dataset is None:
        if request.version is not None:
            raise InputError("a version needs the dataset that it is of", param="version")
        return request
    _, snapshot = _frozen(connection, project, request.dataset, request.version)
    return replace(request, version=snapshot.version)


def export_task(
    database: Database,
    catalogue: Catalogue,
    project: Project,
    request: ExportRequest,
    place: Callable[[str], Path],
    *,
    is_packed: bool | None = None,
) -> Task:
    """An export, to be run as a job.

    Args:
        place: where a file or folder of that name is to be.
        is_packed: whether a folder becomes one file; by default it does.
    """
    found = export_format(request.format)
    pack_it = found.is_folder if is_packed is None else is_packed and found.is_folder

    def run(progress: Progress) -> Mapping[str, Any]:
        with database.reading() as connection:
            source = _Source(connection, catalogue, project, request)
            about, num_items = _look(source, progress)
            target = place(f"{about.name}{found.suffix if pack_it or not found.is_folder else ''}")
            outcome = Outcome()
            _write(found, source, about, target, outcome, progress, num_items, pack_it=pack_it)
        return {
            "message": _summary(outcome),
            "format": found.key,
            "file": target.name,
            "size_bytes": _size(target),
            "num_items": outcome.num_items,
            "num_left_out": outcome.num_left_out,
            "left_out": outcome.left_out,
            "dataset": request.dataset,
            "version": about.version or None,
        }

    return run


class _Source:
    """The items of a request, from the first one on as often as they are asked for, and what they are of."""

    def __init__(self, connection: Connection, catalogue: Catalogue, project: Project, request: ExportRequest) -> None:
        self.project = project
        self.connection = connection
        self._catalogue = catalogue
        self._filter = request.filter
        self._now = utc_now()
        self.frozen: tuple[Dataset, Snapshot] | None = (
            None if request.dataset is None else _frozen(connection, project, request.dataset, request.version)
        )

    def items(self) -> Iterator[NativeItem]:
        """Items as they may leave.

        Raises:
            ForbiddenError: one of them must not.
        """
        if self.frozen is not None:
            yield from native_items.items(self.connection, self.frozen[1])
            return
        for item in native_items.unfrozen(self.connection, self._catalogue, self.project, self._filter, self._now):
            if item.export == "forbidden":
                raise ForbiddenError(
                    f"question {item.number} must not leave: the terms of a provider behind it forbid exports; "
                    "choose questions without it"
                )
            yield ids_only(item) if item.export == "ids_only" else item


def _look(source: _Source, progress: Progress) -> tuple[About, int]:
    """A first pass: whether everything may leave, how much it is, and whose it is."""
    splits: dict[str, int] = {}
    attribution: dict[str, None] = {}
    licences: dict[str, None] = {}
    num_items = 0
    for item in source.items():
        num_items += 1
        attribution.update(dict.fromkeys(item.attribution))
        licences.update(dict.fromkeys([item.licence] if item.licence else []))
        if item.split is not None:
            splits[item.split] = splits.get(item.split, 0) + 1
        if num_items % _STEP == 0:
            progress(0, None, f"Looking at {num_items} questions")
    if not num_items:
        raise InputError("no question fits; choose another status or fewer conditions", param="filter")
    project = source.project
    about = About(
        name=project.slug,
        title=project.name,
        version="",
        licence=" AND ".join(licences),
        card=project.guidelines,
        splits=splits,
        attribution=tuple(attribution),
        abstain=project.settings.abstain_option,
    )
    if source.frozen is None:
        return about, num_items
    dataset, snapshot = source.frozen
    frozen = replace(
        about,
        name=f"{dataset.slug}-{snapshot.version}",
        title=dataset.title,
        version=snapshot.version,
        licence=dataset.licence,
        card=dataset.card,
        parts=lambda: parts_of(source.connection, snapshot),
    )
    return frozen, num_items


def _write(
    found: ExportFormat,
    source: _Source,
    about: About,
    target: Path,
    outcome: Outcome,
    progress: Progress,
    num_items: int,
    *,
    pack_it: bool,
) -> None:
    # A name that nobody takes for the export, beside it, so that putting it in place is one step.
    draft = target.with_name(f".{target.name}.{sha256_hex(progress.job_id.encode())[:8]}")
    packed = draft.with_name(f"{draft.name}{found.suffix}")
    try:
        found.write(_told(source.items(), progress, num_items), about, draft, outcome)
        if pack_it:
            pack(draft, packed, lambda: progress(num_items, num_items, "Packing"))
        _put_in_place(packed if pack_it else draft, target)
    finally:
        for path in (draft, packed):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _told(items: Iterator[NativeItem], progress: Progress, num_items: int) -> Iterator[NativeItem]:
    for number, item in enumerate(items):
        if number % _STEP == 0:
            progress(number, num_items, f"Written {number} of {num_items} questions")
        yield item
    progress(num_items, num_items, "Finishing")


def _put_in_place(made: Path, target: Path) -> None:
    try:
        if made.is_dir() and target.exists():
            raise InputError(f"{target} is there already; name a folder that is not", param="out")
        os.replace(made, target)
    except OSError as error:
        raise StorageError(f"cannot write {target}: {error.strerror}") from None


def _frozen(connection: Connection, project: Project, slug: str, version: str | None) -> tuple[Dataset, Snapshot]:
    dataset = get_dataset(connection, project.id, slug)
    if version is not None:
        return dataset, get_snapshot(connection, dataset.id, version)
    snapshot = latest(connection, dataset.id)
    if snapshot is None:
        raise NotFoundError(f"the dataset '{slug}' has no version yet; freeze one first")
    return dataset, snapshot


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else (path,)
    return sum(file.stat().st_size for file in files if file.is_file())


def _summary(outcome: Outcome) -> str:
    noun = "question" if outcome.num_items == 1 else "questions"
    left = f"; {outcome.num_left_out} left out" if outcome.num_left_out else ""
    return f"{outcome.num_items} {noun}{left}"
