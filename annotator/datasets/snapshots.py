"""Datasets and their snapshots in the database. Every function works inside the caller's transaction."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from annotator.cache.blobs import get_blob
from annotator.datasets.versions import parse_version
from annotator.errors import ConflictError, InputError, NotFoundError, TamperedError
from annotator.people.actor import Actor
from annotator.people.audit import record
from annotator.people.projects import SLUG, Project, free_slug
from annotator.store.ids import new_id
from annotator.store.tables import dataset, snapshot, snapshot_item

MAX_CARD_CHARACTERS = 100_000


@dataclass(frozen=True, slots=True)
class Dataset:
    """A name under which snapshots of a project are published.

    Args:
        licence: of what the project's people wrote; providers' licences stand in each manifest.
        card: description in Markdown.
    """

    id: str
    project_id: str
    slug: str
    title: str
    licence: str
    card: str
    created_by: str
    created_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A frozen dataset.

    Args:
        version: semantic version.
        manifest_sha: sha256 of its manifest, which names all else.
        parent_id: the snapshot before it.
        filter: what chose its questions.
        counts: `items`, `contexts`, `splits` and more, as the manifest has them.
    """

    id: str
    dataset_id: str
    version: str
    manifest_sha: str
    parent_id: str | None
    filter: dict[str, Any]
    counts: dict[str, Any]
    created_by: str
    created_at: datetime

    @property
    def namespace(self) -> str:
        """Of the recordings that answer its requests."""
        return f"snapshot:{self.id}"


def create_dataset(
    connection: Connection,
    actor: Actor,
    project: Project,
    *,
    title: str,
    slug: str = "",
    licence: str = "CC-BY-4.0",
    card: str = "",
    now: datetime,
) -> Dataset:
    """Makes a dataset without snapshots.

    Raises:
        InputError: the title or slug cannot be.
        ConflictError: the slug is taken.
    """
    values = _checked(title=title, licence=licence, card=card)
    slug = slug or free_slug(connection, dataset, values["title"])
    if not re.fullmatch(SLUG, slug):
        raise InputError(f"'{slug[:80]}' is no slug; use a-z, 0-9 and hyphens, at most 63", param="slug")
    taken = select(dataset.c.id).where(dataset.c.project_id == project.id, dataset.c.slug == slug)
    if connection.execute(taken).first():
        raise ConflictError(f"this project has, or had, a dataset '{slug}'; choose another slug")
    made = {
        "id": new_id(now),
        "project_id": project.id,
        "slug": slug,
        **values,
        "created_by": actor.account_id,
        "created_at": now,
    }
    connection.execute(dataset.insert(), made)
    record(connection, actor, "dataset.create", str(made["id"]), project_id=project.id, detail={"slug": slug}, now=now)
    return get_dataset(connection, project.id, slug)


def get_dataset(connection: Connection, project_id: str, slug: str, *, deleted: bool = False) -> Dataset:
    """A dataset of a project.

    Raises:
        NotFoundError: there is none.
    """
    query = select(dataset).where(dataset.c.project_id == project_id, dataset.c.slug == slug)
    row = connection.execute(query if deleted else query.where(dataset.c.deleted_at.is_(None))).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no dataset '{slug[:80]}' in this project")
    return _read_dataset(row)


def list_datasets(connection: Connection, project_id: str) -> list[tuple[Dataset, Snapshot | None, int]]:
    """The datasets of a project by slug, each with its latest snapshot and their number."""
    rows = connection.execute(
        select(dataset)
        .where(dataset.c.project_id == project_id, dataset.c.deleted_at.is_(None))
        .order_by(dataset.c.slug)
    ).mappings()
    found = [_read_dataset(row) for row in rows]
    snapshots = [snapshots_of(connection, item.id) for item in found]
    return [(item, next(iter(all_of), None), len(all_of)) for item, all_of in zip(found, snapshots, strict=True)]


def change_dataset(
    connection: Connection,
    actor: Actor,
    project: Project,
    slug: str,
    *,
    title: str | None = None,
    licence: str | None = None,
    card: str | None = None,
    now: datetime,
) -> Dataset:
    """Changes what a dataset says of itself from its next snapshot on.

    Raises:
        NotFoundError: there is none.
        InputError: the title or licence cannot be.
    """
    before = get_dataset(connection, project.id, slug)
    values = _checked(
        title=before.title if title is None else title,
        licence=before.licence if licence is None else licence,
        card=before.card if card is None else card,
    )
    connection.execute(dataset.update().where(dataset.c.id == before.id).values(values))
    record(connection, actor, "dataset.save", before.id, project_id=project.id, detail={"slug": slug}, now=now)
    return get_dataset(connection, project.id, slug)


def set_dataset_deleted(
    connection: Connection, actor: Actor, project: Project, slug: str, *, deleted: bool, now: datetime
) -> Dataset:
    """Takes a dataset out of sight with its snapshots, or brings it back; nothing of it is lost.

    Raises:
        NotFoundError: there is none.
    """
    found = get_dataset(connection, project.id, slug, deleted=True)
    connection.execute(dataset.update().where(dataset.c.id == found.id).values(deleted_at=now if deleted else None))
    action = "dataset.delete" if deleted else "dataset.restore"
    record(connection, actor, action, found.id, project_id=project.id, detail={"slug": slug}, now=now)
    return get_dataset(connection, project.id, slug, deleted=True)


def get_snapshot(connection: Connection, dataset_id: str, version: str) -> Snapshot:
    """A snapshot by its version.

    Raises:
        NotFoundError: there is none.
    """
    query = select(snapshot).where(snapshot.c.dataset_id == dataset_id, snapshot.c.version == version)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError(f"this dataset has no version '{version[:80]}'")
    return _read_snapshot(row)


def snapshots_of(connection: Connection, dataset_id: str) -> list[Snapshot]:
    """The snapshots of a dataset, the highest version first, which is the one frozen last."""
    rows = connection.execute(select(snapshot).where(snapshot.c.dataset_id == dataset_id)).mappings()
    return sorted(map(_read_snapshot, rows), key=lambda found: parse_version(found.version), reverse=True)


def latest(connection: Connection, dataset_id: str) -> Snapshot | None:
    """The snapshot frozen last; None before the first."""
    return next(iter(snapshots_of(connection, dataset_id)), None)


def by_id(connection: Connection, snapshot_id: str) -> Snapshot:
    """A snapshot by its id.

    Raises:
        NotFoundError: there is none.
    """
    row = connection.execute(select(snapshot).where(snapshot.c.id == snapshot_id)).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no snapshot {snapshot_id}")
    return _read_snapshot(row)


def manifest_bytes(connection: Connection, found: Snapshot) -> bytes:
    """The exact bytes of a snapshot's manifest.

    Raises:
        TamperedError: they are missing or are not what was frozen.
    """
    content = get_blob(connection, found.manifest_sha)
    if content is None:
        raise TamperedError(f"the manifest {found.manifest_sha} is missing from the database")
    return content.body


def snapshots_of_question(connection: Connection, question_id: str) -> list[Snapshot]:
    """The snapshots that hold a question, the latest first."""
    held = select(snapshot_item.c.snapshot_id).where(snapshot_item.c.question_id == question_id)
    query = select(snapshot).where(snapshot.c.id.in_(held)).order_by(snapshot.c.id.desc())
    return [_read_snapshot(row) for row in connection.execute(query).mappings()]


def _checked(*, title: str, licence: str, card: str) -> dict[str, str]:
    title, licence = " ".join(title.split()), " ".join(licence.split())
    if not 1 <= len(title) <= 200:
        raise InputError("a dataset's title needs 1 to 200 characters", param="title")
    if not 1 <= len(licence) <= 200:
        raise InputError("name the dataset's licence, for instance CC-BY-4.0", param="licence")
    if len(card) > MAX_CARD_CHARACTERS:
        raise InputError(f"a card has at most {MAX_CARD_CHARACTERS} characters", param="card")
    return {"title": title, "licence": licence, "card": card}


def _read_dataset(row: RowMapping) -> Dataset:
    return Dataset(**{name: row[name] for name in Dataset.__slots__})


def _read_snapshot(row: RowMapping) -> Snapshot:
    values: dict[str, Any] = {name: row[name] for name in Snapshot.__slots__ if name not in ("filter", "counts")}
    return Snapshot(**values, filter=json.loads(row["filter_json"]), counts=json.loads(row["counts_json"]))
