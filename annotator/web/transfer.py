"""Imports and exports, and the jobs that do them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from annotator.datasets import jobs
from annotator.datasets.exports.registry import EXPORTS
from annotator.datasets.exports.run import ExportRequest, check_request, export_task, read_filter
from annotator.datasets.files import JobFiles
from annotator.datasets.imports.registry import AUTO, IMPORTS
from annotator.datasets.imports.run import import_task
from annotator.datasets.imports.source import Source
from annotator.datasets.imports.undo import redo, undo
from annotator.datasets.jobs import Job, Kind
from annotator.errors import ConflictError, ForbiddenError, InputError, NotFoundError, StorageError
from annotator.people import accounts
from annotator.people.roles import Permission
from annotator.store.times import to_text, utc_now
from annotator.web.access import Exporting, Managing, ProjectAccess, Reading
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.state import AppState, State

router = APIRouter(prefix="/api/projects/{project}", tags=["datasets"], responses=ERROR_RESPONSES)

_BUFFER_BYTES = 2**20
_ULID = r"^[0-9A-HJKMNP-TV-Z]{26}$"


class Person(BaseModel):
    """An account, for people."""

    username: str
    display_name: str


class JobOut(BaseModel):
    """A job and how far it is.

    Args:
        num_total: None while nobody knows it.
        result: what it gave, also what it had done until it failed or was cancelled.
    """

    id: str
    kind: Kind
    state: jobs.State
    num_done: int
    num_total: int | None
    message: str
    params: dict[str, Any]
    result: dict[str, Any] | None
    by: Person
    created_at: str
    finished_at: str | None


class JobsOut(BaseModel):
    """Jobs, the latest first."""

    jobs: list[JobOut]
    next: str | None
    total: int


class Format(BaseModel):
    """A format of imports or exports."""

    key: str
    title: str
    sentence: str


class Formats(BaseModel):
    """All formats."""

    imports: list[Format]
    exports: list[Format]


class ExportIn(BaseModel):
    """What is to leave: a dataset's version (by default the latest), or questions that fit a filter."""

    model_config = ConfigDict(extra="forbid")

    format: str = Field(max_length=40)
    dataset: str | None = Field(None, max_length=63)
    version: str | None = Field(None, max_length=64)
    filter: dict[str, Any] | None = None


class UndoneOut(BaseModel):
    """How much went out of sight, or came back."""

    num_contexts: int
    num_questions: int
    num_kept: int


@router.get("/formats")
def formats(access: Exporting) -> Formats:
    """The formats that can be imported and exported."""
    return Formats(
        imports=[Format(key=item.key, title=item.title, sentence=item.sentence) for item in IMPORTS.values()],
        exports=[Format(key=item.key, title=item.title, sentence=item.sentence) for item in EXPORTS.values()],
    )


@router.post("/imports", status_code=202)
async def start_import(
    request: Request,
    state: State,
    access: Managing,
    format: Annotated[str, Query(max_length=40)] = AUTO,
    dry_run: bool = False,
    name: Annotated[str, Query(max_length=200, description="What the file is called.")] = "file",
) -> JobOut:
    """Starts an import of the request's body, a file's bytes. With `dry_run` it is read and nothing is written."""
    if format not in (AUTO, *IMPORTS):
        raise InputError(f"there is no import format '{format}'; there are auto, {', '.join(IMPORTS)}", param="format")
    params = {"format": format, "is_dry_run": dry_run, "file": name}
    files = JobFiles(state.settings.data_dir)
    made = await run_in_threadpool(_new_job, state, access, "import", params)
    try:
        await _receive(request, files, made.id)
    except (InputError, StorageError, ClientDisconnect) as error:
        message = error.message if isinstance(error, InputError | StorageError) else "The upload was broken off."
        await run_in_threadpool(_fail, state, files, made, message)
        if isinstance(error, ClientDisconnect):
            raise InputError("the upload was broken off") from None
        raise
    _submit_import(state, access, made)
    return await run_in_threadpool(one_job, state, access, made.id)


@router.post("/imports/{job_id}/run", status_code=202)
def import_after_look(state: State, access: Managing, job_id: str) -> JobOut:
    """Imports what a dry run has looked at, without another upload."""
    files = JobFiles(state.settings.data_dir)
    with state.database.writing() as connection:
        looked = jobs.get(connection, access.project.id, job_id, utc_now())
        if looked.kind != "import" or not looked.params.get("is_dry_run") or looked.state != "done":
            raise ConflictError("only what a finished dry run has looked at can be imported this way")
        files.existing_upload(looked.id)
        result = looked.result or {}
        made = jobs.create(
            connection,
            access.actor,
            access.project.id,
            "import",
            {
                "format": result.get("format", AUTO),
                "is_dry_run": False,
                "file": looked.params.get("file", "file"),
                "num_expected": int(result.get("num_rows", 0)),
                "after": looked.id,
            },
            now=utc_now(),
        )
    _submit_import(state, access, made)
    return one_job(state, access, made.id)


@router.post("/imports/{job_id}/undo")
def undo_import(state: State, access: Managing, job_id: str) -> UndoneOut:
    """Deletes everything that an import made; `redo` brings it back."""
    with state.database.writing() as connection:
        found = jobs.get(connection, access.project.id, job_id, utc_now())
        done = undo(connection, access.actor, found, now=utc_now())
    return UndoneOut(num_contexts=done.num_contexts, num_questions=done.num_questions, num_kept=done.num_kept)


@router.post("/imports/{job_id}/redo")
def redo_import(state: State, access: Managing, job_id: str) -> UndoneOut:
    """Brings back what undoing an import deleted."""
    with state.database.writing() as connection:
        found = jobs.get(connection, access.project.id, job_id, utc_now())
        done = redo(connection, access.actor, found, now=utc_now())
    return UndoneOut(num_contexts=done.num_contexts, num_questions=done.num_questions, num_kept=done.num_kept)


@router.post("/exports", status_code=202)
def start_export(state: State, access: Exporting, body: ExportIn) -> JobOut:
    """Starts an export; `GET /exports/{job_id}/file` gives the file when the job is done."""
    request = ExportRequest(body.format, body.dataset, body.version, read_filter(body.filter))
    files = JobFiles(state.settings.data_dir)
    files.tidy()
    with state.database.writing() as connection:
        request = check_request(connection, access.project, request)
        params: dict[str, Any] = {"format": request.format}
        if request.dataset is None:
            params["filter"] = request.filter.model_dump(mode="json", exclude_defaults=True)
        else:
            params |= {"dataset": request.dataset, "version": request.version}
        made = jobs.create(connection, access.actor, access.project.id, "export", params, now=utc_now())
    task = export_task(
        state.database,
        state.service.catalogue,
        access.project,
        request,
        lambda file: files.result_folder(made.id) / file,
    )
    state.jobs.submit(made.id, task)
    return one_job(state, access, made.id)


@router.get("/exports/{job_id}/file", response_class=FileResponse)
def export_file(state: State, access: Exporting, job_id: str) -> FileResponse:
    """The file of a finished export; ranges of it can be asked for."""
    with state.database.reading() as connection:
        found = jobs.get(connection, access.project.id, job_id, utc_now())
    if found.kind != "export" or found.result is None or found.state != "done":
        raise NotFoundError(f"this job has made no file: {found.message}")
    path = JobFiles(state.settings.data_dir).result(found.id, str(found.result["file"]))
    return FileResponse(
        path,
        filename=path.name,
        media_type="application/octet-stream",
        headers={"cache-control": "private, no-store"},
    )


@router.get("/jobs")
def list_jobs(
    state: State,
    access: Exporting,
    kind: Kind | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(pattern=_ULID)] = None,
) -> JobsOut:
    """Jobs of the project, the latest first."""
    with state.database.reading() as connection:
        found = jobs.recent(connection, access.project.id, utc_now(), kind=kind, before=cursor, limit=limit + 1)
        names = accounts.names(connection, [item.account_id for item in found])
        total = jobs.count(connection, access.project.id, kind)
    shown = found[:limit]
    return JobsOut(
        jobs=[_out(item, names[item.account_id]) for item in shown],
        next=shown[-1].id if len(found) > limit else None,
        total=total,
    )


@router.get("/jobs/{job_id}")
def get_job(state: State, access: Reading, job_id: str) -> JobOut:
    """A job and how far it is; who may only read sees those that verify."""
    found = one_job(state, access, job_id)
    _sees(access, found.kind)
    return found


@router.delete("/jobs/{job_id}")
def cancel_job(state: State, access: Exporting, job_id: str) -> JobOut:
    """Cancels a job: one's own, or anybody's for those who manage the project."""
    with state.database.writing() as connection:
        found = jobs.get(connection, access.project.id, job_id, utc_now())
        if found.account_id != access.actor.account_id and not access.may(Permission.MANAGE):
            raise ForbiddenError("somebody else started this job; who manages the project may cancel it")
        jobs.cancel(connection, access.actor, access.project.id, job_id, now=utc_now())
    return one_job(state, access, job_id)


def _sees(access: ProjectAccess, kind: Kind) -> None:
    if kind != "verify" and not access.may(Permission.EXPORT):
        raise ForbiddenError("reviewers and those who manage the project see its imports, exports and freezes")


def _new_job(state: AppState, access: ProjectAccess, kind: Kind, params: dict[str, Any]) -> Job:
    JobFiles(state.settings.data_dir).tidy()
    with state.database.writing() as connection:
        return jobs.create(connection, access.actor, access.project.id, kind, params, now=utc_now())


def _fail(state: AppState, files: JobFiles, job: Job, message: str) -> None:
    files.remove(job.id)
    with state.database.writing() as connection:
        jobs.finish(connection, job.id, "failed", message, None, now=utc_now())


async def _receive(request: Request, files: JobFiles, job_id: str) -> None:
    """Writes the body to a file as it comes."""
    path = files.upload(job_id)
    num_bytes = 0
    buffer = bytearray()
    with path.open("wb") as file:
        async for piece in request.stream():
            num_bytes += len(piece)
            buffer += piece
            if len(buffer) >= _BUFFER_BYTES:
                await run_in_threadpool(_append, file, bytes(buffer))
                buffer.clear()
        await run_in_threadpool(_append, file, bytes(buffer))
    if not num_bytes:
        raise InputError("the file is empty")


def _append(file: Any, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise StorageError(f"the upload cannot be written: {error.strerror}") from None


def _submit_import(state: AppState, access: ProjectAccess, job: Job) -> None:
    files = JobFiles(state.settings.data_dir)
    kept_by = str(job.params.get("after", job.id))
    is_dry_run = bool(job.params["is_dry_run"])
    task = import_task(
        state.database,
        access.actor,
        access.project,
        Source(files.existing_upload(kept_by), str(job.params["file"])),
        str(job.params["format"]),
        is_dry_run=is_dry_run,
        num_expected=job.params.get("num_expected"),
    )
    state.jobs.submit(job.id, task, after=None if is_dry_run else lambda: files.remove(kept_by))


def one_job(state: AppState, access: ProjectAccess, job_id: str) -> JobOut:
    """A job of the project as JSON."""
    with state.database.reading() as connection:
        found = jobs.get(connection, access.project.id, job_id, utc_now())
        return _out(found, accounts.names(connection, [found.account_id])[found.account_id])


def _out(job: Job, by: accounts.Person) -> JobOut:
    return JobOut(
        id=job.id,
        kind=job.kind,
        state=job.state,
        num_done=job.num_done,
        num_total=job.num_total,
        message=job.message,
        params=job.params,
        result=job.result,
        by=Person(username=by.username, display_name=by.display_name),
        created_at=to_text(job.created_at),
        finished_at=None if job.finished_at is None else to_text(job.finished_at),
    )
