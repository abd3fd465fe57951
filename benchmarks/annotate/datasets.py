"""How long freezing, verifying, replaying, exporting and importing take, and how much memory, by number of questions.

    python -m benchmarks.annotate.datasets --sizes 1000,10000 --mapeval textual.json

Every step runs in a process of its own on one SQLite file, as a job does in the server: wall time, processor time and
the peak of its memory beside what the program takes before it begins. Saves
`benchmarks/annotate/<date>-<machine>-datasets.json`.
"""

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import update

from annotator.assembly import open_service
from annotator.datasets import jobs
from annotator.datasets.exports.run import ExportRequest, export_task
from annotator.datasets.imports.run import import_task
from annotator.datasets.imports.source import Source
from annotator.datasets.plan import FreezeRequest
from annotator.datasets.runner import Progress, Task, run_job
from annotator.datasets.snapshots import create_dataset, get_dataset, latest
from annotator.datasets.tasks import freeze_task, replay_task, verify_task
from annotator.maps.service import MapService
from annotator.people import projects
from annotator.people.local import local_actor
from annotator.settings import Settings
from annotator.store.sessions import open_database
from annotator.store.tables import question
from annotator.store.times import utc_now
from benchmarks.annotate.project import SLUG, make_project
from benchmarks.maps.record import save_record
from server.bench.machine import describe_run

DATASET = "bench"
EXPORTS = ("native", "parquet", "hf", "csv")
KINDS: dict[str, jobs.Kind] = {
    "freeze": "freeze",
    "verify": "verify",
    "replay": "verify",
    "export": "export",
    "import": "import",
}
PER_CONTEXT = 10
"""Questions about each context."""


def main(
    sizes: Annotated[str, typer.Option(help="Numbers of questions, with commas.")] = "1000,10000",
    mapeval: Annotated[Path | None, typer.Option(help="MapEval's textual.json, to be imported too.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to save; by default beside the other records.")] = None,
) -> None:
    """Measure datasets of several sizes."""
    load_before = os.getloadavg()
    command = f"python -m benchmarks.annotate.datasets --sizes {sizes}"
    found = {int(size): measure(int(size), mapeval) for size in sizes.split(",")}
    record: dict[str, Any] = describe_run() | {
        "command": command + (f" --mapeval {mapeval.name}" if mapeval else ""),
        "load_average_before": load_before,
        "load_average_after": os.getloadavg(),
        "steps": {str(size): steps for size, steps in found.items()},
    }
    save_record("datasets", record, output, folder=Path(__file__).parent)
    table = Table("step", "questions", "wall s", "processor s", "peak MB", "of that before", "result")
    for size, steps in found.items():
        for name, figures in steps.items():
            table.add_row(
                name,
                str(size),
                f"{figures['wall_s']:.2f}",
                f"{figures['processor_s']:.2f}",
                f"{figures['peak_bytes'] / 1e6:.0f}",
                f"{figures['before_bytes'] / 1e6:.0f}",
                figures["message"],
            )
    Console().print(table)


def measure(num_questions: int, mapeval: Path | None) -> dict[str, dict[str, Any]]:
    """Every step on a fresh project of that size."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder) / "data"
        make_project(data_dir, max(1, num_questions // PER_CONTEXT), num_questions)
        _prepare(data_dir)
        steps = {name: _apart(data_dir, name, "") for name in ("freeze", "verify", "replay")}
        steps |= {f"export {key}": _apart(data_dir, "export", key) for key in EXPORTS}
        (native,) = (data_dir / "out").glob("*.tar.zst")
        steps["import native"] = _apart(data_dir, "import", str(native))
        if mapeval is not None:
            steps["import MapEval"] = _apart(data_dir, "import", str(mapeval))
    return steps


def _prepare(data_dir: Path) -> None:
    """Makes the dataset, and every question approved: what is measured is freezing, not reviewing."""
    database = open_database(Settings(data_dir=data_dir).resolved_database_url)
    with database.writing() as connection:
        connection.execute(update(question).values(status="approved"))
        project = projects.by_slug(connection, SLUG)
        create_dataset(connection, local_actor(), project, title="Bench", slug=DATASET, now=utc_now())
    database.close()
    (data_dir / "out").mkdir()


def _apart(data_dir: Path, name: str, what: str) -> dict[str, Any]:
    """One step in a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_step, (data_dir, name, what))


def _step(data_dir: Path, name: str, what: str) -> dict[str, Any]:
    return asyncio.run(_run(data_dir, name, what))


async def _run(data_dir: Path, name: str, what: str) -> dict[str, Any]:
    async with open_service(Settings(data_dir=data_dir)) as service:
        database, actor = service.store.database, local_actor()
        with database.writing() as connection:
            project = projects.by_slug(connection, SLUG)
            if name == "import":
                project = projects.create(connection, actor, name="Imported", now=utc_now())
            job = jobs.create(connection, actor, project.id, KINDS[name], {}, now=utc_now())
        task = _tasks(service, project, data_dir, what)[name]()
        before_bytes = psutil.Process().memory_info().rss
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.perf_counter()
        # In a thread, as in the server: replaying has a loop of its own.
        await asyncio.to_thread(run_job, database, Progress(database, job.id), task)
        wall_s = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
        with database.reading() as connection:
            ended = jobs.get(connection, project.id, job.id, utc_now())
    if ended.state != "done":
        raise RuntimeError(f"{name} {what}: {ended.message}")
    return {
        "wall_s": round(wall_s, 3),
        "processor_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3),
        "peak_bytes": _peak_bytes(),
        "before_bytes": before_bytes,
        "message": ended.message,
    }


def _peak_bytes() -> int:
    """The most memory that this process has had; `ru_maxrss` would begin with that of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def _tasks(
    service: MapService, project: projects.Project, data_dir: Path, what: str
) -> Mapping[str, Callable[[], Task]]:
    database, actor = service.store.database, local_actor()

    def frozen() -> Any:
        with database.reading() as connection:
            return latest(connection, get_dataset(connection, project.id, DATASET).id)

    return {
        "freeze": lambda: freeze_task(
            database, service.catalogue, actor, project, DATASET, FreezeRequest(version="1.0.0")
        ),
        "verify": lambda: verify_task(database, frozen()),
        "replay": lambda: replay_task(service, frozen()),
        "export": lambda: export_task(
            database, service.catalogue, project, ExportRequest(what, DATASET), lambda file: data_dir / "out" / file
        ),
        "import": lambda: import_task(
            database, actor, project, Source(Path(what), Path(what).name), "auto", is_dry_run=False
        ),
    }


if __name__ == "__main__":
    typer.run(main)
