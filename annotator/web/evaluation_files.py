"""Results of runs as files that other programs read."""

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from annotator.evaluate import store
from annotator.evaluate.interchange.registry import result_format
from annotator.evaluate.trace import samples
from annotator.web.access import Exporting
from annotator.web.errors import ERROR_RESPONSES
from annotator.web.evaluations import RunId
from annotator.web.state import State

router = APIRouter(tags=["evaluation"], responses=ERROR_RESPONSES)


@router.get("/api/projects/{project}/evaluations/{run_id}/export", response_class=FileResponse)
def export_run(
    state: State,
    access: Exporting,
    run_id: RunId,
    format: Annotated[str, Query(max_length=40, description="jsonl, parquet, inspect or lm-eval.")] = "jsonl",
) -> FileResponse:
    """The results of a run; formats that are a folder come as a .zip."""
    how = result_format(format)
    folder = Path(tempfile.mkdtemp(prefix="mapqator-run-"))
    try:
        with state.database.reading() as connection:
            found = store.get_run(connection, access.project.id, run_id)
            path = folder / f"{found.id}-{how.key}{how.suffix}"
            how.write(store.facts_of_run(connection, found), samples(connection, found), path)
        if path.is_dir():
            path = Path(shutil.make_archive(str(path), "zip", path))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return FileResponse(
        path,
        filename=path.name,
        media_type="application/octet-stream",
        headers={"cache-control": "private, no-store"},
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )
