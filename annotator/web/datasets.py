"""Datasets and their frozen snapshots: made, frozen, verified, replayed and compared."""

import asyncio
from typing import Annotated, TypedDict

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse, Response
from sqlalchemy import Connection

from annotator.datasets import snapshots
from annotator.datasets.compare import Difference, compare_items
from annotator.datasets.freeze import freeze
from annotator.datasets.manifest import Counts, item_states
from annotator.datasets.plan import FreezeRequest, plan
from annotator.datasets.provenance import provenance_of
from annotator.datasets.replay import Replay, rebuild
from annotator.datasets.report import Report
from annotator.datasets.selection import question_ids
from annotator.datasets.snapshots import Dataset, Snapshot
from annotator.datasets.tasks import freeze_task, plan_task, replay_task, verify_task
from annotator.datasets.verify import verify_snapshot
from annotator.datasets.versions import parse_version
from annotator.people.accounts import Person, names
from annotator.people.roles import Permission
from annotator.questions.flow import isolated_author
from annotator.questions.model import Status
from annotator.review.standing import UNDECIDED
from annotator.store.times import to_text, utc_now
from annotator.web.access import Managing, ProjectAccess, Reading, Reviewing
from annotator.web.dataset_jobs import is_job, start_job
from annotator.web.dataset_shapes import (
    DatasetChange,
    DatasetIn,
    DatasetOut,
    DatasetsOut,
    FreezeIn,
    PersonOut,
    ProvenanceOut,
    SnapshotOut,
    SnapshotsOut,
    plan_out,
    plan_summary,
)
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import AppState, State
from annotator.web.transfer import JobOut

router = APIRouter(prefix="/api/projects/{project}/datasets", tags=["datasets"], responses=ERROR_RESPONSES)

DatasetSlug = Annotated[str, Path(max_length=63, pattern=r"^[a-z0-9][a-z0-9-]*$", description="The dataset's slug.")]
AsJob = Annotated[
    bool | None, Query(description="Whether to start a job instead of answering; by default for 500 questions or more.")
]
VersionPath = Annotated[str, Path(max_length=64, pattern=r"^[0-9][0-9A-Za-z.-]*$", description="Such as 1.0.0.")]


@router.get("")
def list_datasets(state: State, access: Reading) -> DatasetsOut:
    """The datasets of the project."""
    with state.database.reading() as connection:
        rows = snapshots.list_datasets(connection, access.project.id)
        people = names(connection, [row[0].created_by for row in rows] + [row[1].created_by for row in rows if row[1]])
        found = [_dataset(*row, people) for row in rows]
    return DatasetsOut(datasets=found, total=len(found))


@router.post("", status_code=201)
def create_dataset(state: State, access: Managing, body: DatasetIn) -> DatasetOut:
    """Makes a dataset without snapshots."""
    with state.database.writing() as connection:
        made = snapshots.create_dataset(
            connection,
            access.actor,
            access.project,
            title=body.title,
            slug=body.slug,
            licence=body.licence,
            card=body.card,
            now=utc_now(),
        )
        return _one_dataset(connection, made)


@router.get("/{slug}")
def get_dataset(state: State, access: Reading, slug: DatasetSlug) -> DatasetOut:
    """One dataset."""
    with state.database.reading() as connection:
        return _one_dataset(connection, snapshots.get_dataset(connection, access.project.id, slug))


@router.patch("/{slug}")
def change_dataset(state: State, access: Managing, slug: DatasetSlug, body: DatasetChange) -> DatasetOut:
    """Changes title, licence or card from the next snapshot on."""
    with state.database.writing() as connection:
        changed = snapshots.change_dataset(
            connection,
            access.actor,
            access.project,
            slug,
            title=body.title,
            licence=body.licence,
            card=body.card,
            now=utc_now(),
        )
        return _one_dataset(connection, changed)


@router.delete("/{slug}")
def delete_dataset(state: State, access: Managing, slug: DatasetSlug) -> DatasetOut:
    """Takes a dataset out of sight; nothing of it is lost."""
    return _set_deleted(state, access, slug, deleted=True)


@router.post("/{slug}/restore")
def restore_dataset(state: State, access: Managing, slug: DatasetSlug) -> DatasetOut:
    """Brings a deleted dataset back."""
    return _set_deleted(state, access, slug, deleted=False)


@router.get("/{slug}/snapshots")
def list_snapshots(state: State, access: Reading, slug: DatasetSlug) -> SnapshotsOut:
    """The snapshots of a dataset."""
    with state.database.reading() as connection:
        dataset = snapshots.get_dataset(connection, access.project.id, slug)
        found = snapshots.snapshots_of(connection, dataset.id)
        people = names(connection, [snapshot.created_by for snapshot in found])
        versions = {snapshot.id: snapshot.version for snapshot in found}
        rows = [_snapshot(snapshot, versions, people) for snapshot in found]
    return SnapshotsOut(snapshots=rows, total=len(rows))


@router.post(
    "/{slug}/snapshots",
    status_code=201,
    response_model=None,
    responses={201: {"model": SnapshotOut}, 202: {"model": JobOut}},
)
def freeze_dataset(state: State, access: Managing, slug: DatasetSlug, body: FreezeIn, job: AsJob = None) -> Response:
    """Freezes a snapshot, or says with `dry_run` what would come of it (200).

    A 409 `cannot_freeze` has every reason in `detail.reasons`. For many questions it starts a job (202), whose result
    has `version`, `plan`, or the first `reasons`.
    """
    now = utc_now()
    request = FreezeRequest.model_validate(body.model_dump(exclude={"dry_run"}))
    catalogue = state.service.catalogue
    with state.database.reading() as connection:
        snapshots.get_dataset(connection, access.project.id, slug)
        parse_version(request.version)
        num_items = len(question_ids(connection, access.project.id, request.filter))
    if is_job(job, num_items):
        params = {"dataset": slug, "version": request.version, "is_dry_run": body.dry_run}
        if body.dry_run:
            task = plan_task(state.database, catalogue, access.project, slug, request, plan_summary)
        else:
            task = freeze_task(state.database, catalogue, access.actor, access.project, slug, request)
        return _started(start_job(state, access, "freeze", params, task))
    if body.dry_run:
        with state.database.reading() as connection:
            dataset = snapshots.get_dataset(connection, access.project.id, slug)
            made = plan_out(plan(connection, catalogue, access.project, dataset, request, now))
        return JSONResponse(made.model_dump(mode="json"))
    frozen = freeze(state.database, catalogue, access.actor, access.project, slug, request, now=now)
    with state.database.reading() as connection:
        return JSONResponse(snapshot_out(connection, frozen).model_dump(mode="json"), 201)


@router.get("/{slug}/snapshots/{version}")
def get_snapshot(state: State, access: Reading, slug: DatasetSlug, version: VersionPath) -> SnapshotOut:
    """One snapshot."""
    with state.database.reading() as connection:
        return snapshot_out(connection, find_snapshot(connection, access, slug, version))


@router.get("/{slug}/snapshots/{version}/manifest")
def get_manifest(state: State, access: Reading, slug: DatasetSlug, version: VersionPath) -> Response:
    """The exact bytes of the manifest, whose sha256 is the snapshot's `manifest_sha`."""
    with state.database.reading() as connection:
        found = find_snapshot(connection, access, slug, version)
        body = snapshots.manifest_bytes(connection, found)
    return Response(body, media_type="application/json", headers={"etag": f'"{found.manifest_sha}"'})


@router.get("/{slug}/snapshots/{version}/items")
def list_items(
    state: State,
    access: Reading,
    slug: DatasetSlug,
    version: VersionPath,
    split: Annotated[str | None, Query(max_length=64)] = None,
    number: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str, Query(pattern=r"^\d{1,9}$")] = "0",
) -> ProvenanceOut:
    """Frozen questions, each with its evidence, tool calls, exchanges and maps."""
    with state.database.reading() as connection:
        found = find_snapshot(connection, access, slug, version)
        start = int(cursor)
        rows = provenance_of(
            connection, found, start=start, limit=limit, split=split, number=number, **sight_of(access)
        )
        counts = Counts.model_validate(found.counts)
    total = counts.items if split is None else counts.splits.get(split, 0)
    # Cursors are ordinals of the whole snapshot, in which a split has gaps; an empty page ends it.
    more = number is None and len(rows) == limit
    last = rows[-1].ordinal if rows else 0
    return ProvenanceOut(items=rows, next=str(last + 1) if more else None, total=1 if number is not None else total)


@router.post(
    "/{slug}/snapshots/{version}/verify",
    response_model=None,
    responses={200: {"model": Report}, 202: {"model": JobOut}},
)
def verify(state: State, access: Reading, slug: DatasetSlug, version: VersionPath, job: AsJob = None) -> Response:
    """Recomputes everything offline; changes nothing. For many questions a job (202), whose result has `report`."""
    with state.database.reading() as connection:
        found = find_snapshot(connection, access, slug, version)
        if not is_job(job, found.counts["items"]):
            return JSONResponse(verify_snapshot(connection, found).model_dump(mode="json"))
    params = {"dataset": slug, "version": version, "is_replay": False}
    return _started(start_job(state, access, "verify", params, verify_task(state.database, found)))


@router.post(
    "/{slug}/snapshots/{version}/replay",
    response_model=None,
    responses={200: {"model": Replay}, 202: {"model": JobOut}},
)
def replay(state: State, access: Reviewing, slug: DatasetSlug, version: VersionPath, job: AsJob = None) -> Response:
    """Asks every call again in replay mode and compares the bytes; the calls are recorded as any others.

    For many questions it starts a job (202), whose result has `replay`.
    """
    with state.database.reading() as connection:
        found = find_snapshot(connection, access, slug, version)
    if is_job(job, found.counts["items"]):
        params = {"dataset": slug, "version": version, "is_replay": True}
        return _started(start_job(state, access, "verify", params, replay_task(state.service, found)))
    # In a loop of its own, so that a long replay holds up nobody else's answers.
    return JSONResponse(asyncio.run(rebuild(state.service, found)).model_dump(mode="json"))


@router.get("/{slug}/snapshots/{version}/diff")
def diff(
    state: State,
    access: Reading,
    slug: DatasetSlug,
    version: VersionPath,
    base: Annotated[str | None, Query(max_length=64, description="By default the snapshot before.")] = None,
) -> Difference:
    """What differs from another snapshot, question by question."""
    with state.database.reading() as connection:
        found = find_snapshot(connection, access, slug, version)
        return difference_from(connection, found, base)


class Sight(TypedDict):
    """What somebody may see of a frozen dataset's questions; see `provenance_of`."""

    author_id: str | None
    hidden: tuple[Status, ...]


def sight_of(access: ProjectAccess) -> Sight:
    """All for reviewers; others see nothing that they may yet be asked for, and in isolated projects their own."""
    may_be_asked = not access.may(Permission.REVIEW) and access.project.settings.blind_answers > 0
    return {
        "author_id": isolated_author(access.project.settings, access.actor, access.role),
        "hidden": UNDECIDED if may_be_asked else (),
    }


def find_snapshot(connection: Connection, access: ProjectAccess, slug: str, version: str) -> Snapshot:
    """A snapshot of the project.

    Raises:
        NotFoundError: there is none.
    """
    dataset = snapshots.get_dataset(connection, access.project.id, slug)
    return snapshots.get_snapshot(connection, dataset.id, version)


def difference_from(connection: Connection, found: Snapshot, base: str | None) -> Difference:
    """What differs from the snapshot `base`, or from the one before; everything is new in the first."""
    if base is not None:
        before: Snapshot | None = snapshots.get_snapshot(connection, found.dataset_id, base)
    else:
        before = None if found.parent_id is None else snapshots.by_id(connection, found.parent_id)
    old = {} if before is None else item_states(snapshots.manifest_bytes(connection, before))
    return compare_items(old, item_states(snapshots.manifest_bytes(connection, found)))


def snapshot_out(connection: Connection, found: Snapshot) -> SnapshotOut:
    """A snapshot as JSON."""
    parent = None if found.parent_id is None else snapshots.by_id(connection, found.parent_id)
    versions = {} if parent is None else {parent.id: parent.version}
    return _snapshot(found, versions, names(connection, [found.created_by]))


def _started(job: JobOut) -> JSONResponse:
    return JSONResponse(job.model_dump(mode="json"), 202)


def _set_deleted(state: AppState, access: ProjectAccess, slug: str, *, deleted: bool) -> DatasetOut:
    with state.database.writing() as connection:
        changed = snapshots.set_dataset_deleted(
            connection, access.actor, access.project, slug, deleted=deleted, now=utc_now()
        )
        return _one_dataset(connection, changed)


def _one_dataset(connection: Connection, found: Dataset) -> DatasetOut:
    frozen = snapshots.snapshots_of(connection, found.id)
    people = names(connection, [found.created_by, *(snapshot.created_by for snapshot in frozen[:1])])
    return _dataset(found, next(iter(frozen), None), len(frozen), people)


def _dataset(found: Dataset, latest: Snapshot | None, num_snapshots: int, people: dict[str, Person]) -> DatasetOut:
    return DatasetOut(
        slug=found.slug,
        title=found.title,
        licence=found.licence,
        card=found.card,
        created_at=to_text(found.created_at),
        deleted_at=None if found.deleted_at is None else to_text(found.deleted_at),
        by=_person(people, found.created_by),
        latest=None if latest is None else _snapshot(latest, {}, people),
        num_snapshots=num_snapshots,
    )


def _snapshot(found: Snapshot, versions: dict[str, str], people: dict[str, Person]) -> SnapshotOut:
    return SnapshotOut(
        id=found.id,
        version=found.version,
        manifest_sha=found.manifest_sha,
        parent=versions.get(found.parent_id or ""),
        filter=found.filter,
        counts=Counts.model_validate(found.counts),
        created_at=to_text(found.created_at),
        by=_person(people, found.created_by),
    )


def _person(people: dict[str, Person], account_id: str) -> PersonOut | None:
    found = people.get(account_id)
    return None if found is None else PersonOut(username=found.username, display_name=found.display_name)
