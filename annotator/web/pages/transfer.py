"""Bringing files in and taking datasets away: two forms, and below each what was done before."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from annotator.datasets import jobs
from annotator.datasets.exports.registry import EXPORTS
from annotator.datasets.files import JobFiles
from annotator.datasets.imports.registry import IMPORTS
from annotator.datasets.imports.undo import undone_among
from annotator.datasets.jobs import Job, Kind
from annotator.datasets.snapshots import list_datasets, snapshots_of
from annotator.errors import NotFoundError
from annotator.people import accounts
from annotator.store.times import to_text, utc_now
from annotator.web.access import Exporting, Managing, ProjectAccess
from annotator.web.render import page
from annotator.web.state import AppState, State

router = APIRouter(include_in_schema=False)

JOBS_SHOWN = 20
Cursor = Annotated[str | None, Query(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]


@router.get("/p/{project}/import")
def imports(request: Request, state: State, access: Managing, cursor: Cursor = None) -> HTMLResponse:
    """Choose a file, look at what it holds, import it, undo it."""
    shown, following = _jobs(state, access, "import", cursor)
    return page(
        request,
        state,
        "transfer/import.html",
        access,
        formats=list(IMPORTS.values()),
        jobs=shown,
        next=following,
        max_bytes=state.settings.max_upload_bytes,
    )


@router.get("/p/{project}/exports")
def exports(
    request: Request,
    state: State,
    access: Exporting,
    cursor: Cursor = None,
    dataset: Annotated[str, Query(max_length=63)] = "",
    version: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Choose what is to leave and in which format; fetch what was made. A link may choose a dataset's version."""
    shown, following = _jobs(state, access, "export", cursor)
    with state.database.reading() as connection:
        frozen = [
            (found, snapshots_of(connection, found.id))
            for found, newest, _ in list_datasets(connection, access.project.id)
            if newest is not None
        ]
    return page(
        request,
        state,
        "transfer/exports.html",
        access,
        formats=list(EXPORTS.values()),
        frozen=frozen,
        chosen=f"{dataset}@{version}",
        jobs=shown,
        next=following,
    )


def _jobs(
    state: AppState, access: ProjectAccess, kind: Kind, cursor: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """Jobs as the page shows them, and where the list goes on."""
    with state.database.reading() as connection:
        found = jobs.recent(connection, access.project.id, utc_now(), kind=kind, before=cursor, limit=JOBS_SHOWN + 1)
        shown = found[:JOBS_SHOWN]
        names = accounts.names(connection, [item.account_id for item in shown])
        undone = undone_among(connection, [item.id for item in shown])
    rows = [
        {
            "id": item.id,
            "state": item.state,
            "is_over": item.is_over,
            "message": item.message,
            "params": item.params,
            "result": item.result or {},
            "created_at": to_text(item.created_at),
            "by": names[item.account_id],
            "is_undone": item.id in undone,
            "is_dry_run": bool(item.params.get("is_dry_run")),
            "has_file": _has_file(state, item),
        }
        for item in shown
    ]
    return rows, shown[-1].id if len(found) > JOBS_SHOWN else None


def _has_file(state: AppState, job: Job) -> bool:
    """Whether an export's file is here: after a week it is not, and a command writes its own elsewhere."""
    if job.kind != "export" or job.state != "done" or job.result is None:
        return False
    try:
        JobFiles(state.settings.data_dir).result(job.id, str(job.result["file"]))
    except NotFoundError:
        return False
    return True
