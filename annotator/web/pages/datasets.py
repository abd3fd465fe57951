"""Datasets: their list, one dataset with what it takes to freeze it, and a snapshot with all that stands behind it."""

import json
from contextlib import suppress
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Connection, func, select

from annotator.datasets import snapshots
from annotator.datasets.manifest import Counts
from annotator.datasets.provenance import Provenance, provenance_of
from annotator.datasets.snapshots import Snapshot, manifest_bytes
from annotator.datasets.splits import SplitSpec
from annotator.datasets.versions import Version, parse_version
from annotator.errors import NotFoundError
from annotator.people.accounts import names
from annotator.people.projects import Project
from annotator.people.roles import Permission
from annotator.questions.model import QuestionType
from annotator.store.tables import question
from annotator.store.times import to_text
from annotator.web.access import ProjectAccess, Reading
from annotator.web.dataset_jobs import going_on
from annotator.web.datasets import DatasetSlug, VersionPath, difference_from, find_snapshot, sight_of
from annotator.web.render import page
from annotator.web.state import State

router = APIRouter(include_in_schema=False)

PAGE_ITEMS = 20
"""Questions with all their evidence on one page of a snapshot."""


@router.get("/p/{project}/datasets")
def datasets(request: Request, state: State, access: Reading) -> HTMLResponse:
    """The datasets of the project, and a form for a new one."""
    with state.database.reading() as connection:
        rows = snapshots.list_datasets(connection, access.project.id)
    return page(request, state, "datasets/list.html", access, rows=rows, may_manage=access.may(Permission.MANAGE))


@router.get("/p/{project}/datasets/{slug}")
def dataset(request: Request, state: State, access: Reading, slug: DatasetSlug) -> HTMLResponse:
    """One dataset: its snapshots, what it says of itself, and what the next snapshot would hold."""
    with state.database.reading() as connection:
        found = snapshots.get_dataset(connection, access.project.id, slug)
        frozen = snapshots.snapshots_of(connection, found.id)
        people = names(connection, [item.created_by for item in frozen])
        numbers = _numbers(connection, access.project)
        job = going_on(connection, access, "freeze", dataset=slug)
    return page(
        request,
        state,
        "datasets/dataset.html",
        access,
        dataset=found,
        rows=[
            {"snapshot": item, "counts": Counts.model_validate(item.counts), "by": people.get(item.created_by)}
            for item in frozen
        ],
        to_text=to_text,
        num_approved=numbers.get("approved", 0),
        num_open=sum(size for name, size in numbers.items() if name not in ("approved", "archived", "rejected")),
        next_version=str(_next(frozen)),
        splits=SplitSpec(),
        types=get_args(QuestionType),
        categories=access.project.settings.categories,
        job=job,
        may_manage=access.may(Permission.MANAGE),
        may_export=access.may(Permission.EXPORT),
    )


@router.get("/p/{project}/datasets/{slug}/{version}")
def snapshot(
    request: Request,
    state: State,
    access: Reading,
    slug: DatasetSlug,
    version: VersionPath,
    start: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    split: Annotated[str | None, Query(max_length=64)] = None,
    number: Annotated[str, Query(pattern=r"^[0-9]{0,9}$")] = "",
) -> HTMLResponse:
    """A snapshot: counts, manifest, a button that verifies it, and the way from each question to its sources."""
    with state.database.reading() as connection:
        found = find_snapshot(connection, access, slug, version)
        items = _items(connection, access, found, start, split, number)
        body = manifest_bytes(connection, found)
        parent = None if found.parent_id is None else snapshots.by_id(connection, found.parent_id)
        by = names(connection, [found.created_by]).get(found.created_by)
        dataset = snapshots.get_dataset(connection, access.project.id, slug)
        job = going_on(connection, access, "verify", dataset=slug, version=version)
    return page(
        request,
        state,
        "datasets/snapshot.html",
        access,
        dataset=dataset,
        snapshot=found,
        counts=Counts.model_validate(found.counts),
        about=_about(body),
        manifest_bytes=len(body),
        parent=parent,
        by=by,
        frozen_at=to_text(found.created_at),
        items=items,
        pages=_pages(items, start, split, number),
        split=split or "",
        start=start,
        number=number,
        job=job,
        may_export=access.may(Permission.EXPORT),
        may_review=access.may(Permission.REVIEW),
    )


@router.get("/p/{project}/datasets/{slug}/{version}/since")
def since(request: Request, state: State, access: Reading, slug: DatasetSlug, version: VersionPath) -> HTMLResponse:
    """What differs from the snapshot before; a part of the page that large snapshots take a while for."""
    with state.database.reading() as connection:
        found = find_snapshot(connection, access, slug, version)
        difference = difference_from(connection, found, None)
    return page(request, state, "datasets/since.html", access, difference=difference)


def _items(
    connection: Connection, access: ProjectAccess, found: Snapshot, start: int, split: str | None, number: str
) -> list[Provenance]:
    """The questions of a page; none where nothing fits."""
    with suppress(NotFoundError):
        return provenance_of(
            connection,
            found,
            start=start,
            limit=PAGE_ITEMS,
            split=split or None,
            number=int(number) if number else None,
            **sight_of(access),
        )
    return []


def _about(body: bytes) -> dict[str, Any]:
    """The small parts of a manifest that people read."""
    manifest = json.loads(body)
    small = ("providers", "maps", "licences", "attributions", "tool", "template", "splits", "withheld", "filter")
    return {name: manifest[name] for name in small}


def _pages(items: list[Provenance], start: int, split: str | None, number: str) -> dict[str, int | None]:
    """Ordinals at which the page before and the next one start."""
    if number:
        return {"before": None, "next": None}
    is_full = len(items) == PAGE_ITEMS
    return {
        "before": max(0, start - PAGE_ITEMS) if start and not split else 0 if start else None,
        "next": items[-1].ordinal + 1 if is_full else None,
    }


def _next(frozen: list[Snapshot]) -> Version:
    """What the next version may be called when questions were added."""
    if not frozen:
        return Version(1, 0, 0)
    last = parse_version(frozen[0].version)
    return Version(*last.release) if last.pre else Version(last.major, last.minor + 1, 0)


def _numbers(connection: Connection, project: Project) -> dict[str, int]:
    """How many questions have each status."""
    rows = connection.execute(
        select(question.c.status, func.count())
        .where(question.c.project_id == project.id, question.c.deleted_at.is_(None))
        .group_by(question.c.status)
    )
    return {row[0]: row[1] for row in rows}
