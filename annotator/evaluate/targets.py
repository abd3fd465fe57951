"""Frozen datasets by the names that people write: PROJECT, PROJECT/DATASET, PROJECT/DATASET@VERSION, or none at all."""

import re

from sqlalchemy import Connection, select

from annotator.datasets import snapshots
from annotator.datasets.snapshots import Snapshot
from annotator.errors import InputError, NotFoundError
from annotator.people.projects import Project, by_slug, read_project
from annotator.store.tables import project

_TARGET = re.compile(
    r"(?P<project>[a-z0-9][a-z0-9-]*)(/(?P<dataset>[a-z0-9][a-z0-9-]*)(@(?P<version>[0-9][0-9A-Za-z.-]*))?)?"
)
_SHOWN = 8


def find_snapshot(connection: Connection, target: str | None) -> tuple[Project, Snapshot]:
    """A frozen dataset and its project.

    Args:
        target: without a version the latest; without a dataset the only one that was frozen, there or anywhere.

    Raises:
        InputError: it is no such name, or several datasets fit.
        NotFoundError: there is none.
    """
    found = None if target is None else _TARGET.fullmatch(target)
    if target is not None and found is None:
        raise InputError(f"'{target[:100]}' names no frozen dataset; write PROJECT/DATASET@VERSION")
    if found is None:
        rows = connection.execute(select(project).where(project.c.deleted_at.is_(None))).mappings()
        return _only(connection, [read_project(row) for row in rows])
    place = by_slug(connection, found["project"])
    if not found["dataset"]:
        return _only(connection, [place])
    dataset = snapshots.get_dataset(connection, place.id, found["dataset"])
    if found["version"]:
        return place, snapshots.get_snapshot(connection, dataset.id, found["version"])
    latest = snapshots.latest(connection, dataset.id)
    if latest is None:
        raise NotFoundError(f"{target} has no frozen version; `mapqator freeze` makes one")
    return place, latest


def _only(connection: Connection, places: list[Project]) -> tuple[Project, Snapshot]:
    frozen = [
        (place, dataset.slug, snapshot)
        for place in places
        for dataset, snapshot, _ in snapshots.list_datasets(connection, place.id)
        if snapshot is not None and dataset.deleted_at is None
    ]
    if not frozen:
        raise NotFoundError("there is no frozen dataset; start `make up` once for the demo, or use `mapqator freeze`")
    if len(frozen) > 1:
        names = ", ".join(f"{place.slug}/{slug}" for place, slug, _ in frozen[:_SHOWN])
        raise InputError(f"there are several frozen datasets; name one of {names}")
    return frozen[0][0], frozen[0][2]
