"""A project in a database of its own, and imports and exports of it without a server."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from annotator.assembly import open_service
from annotator.contexts import store as contexts
from annotator.contexts.model import ContextContent, Item
from annotator.datasets import jobs
from annotator.datasets.exports.run import ExportRequest, export_task
from annotator.datasets.imports.run import import_task
from annotator.datasets.imports.source import Source
from annotator.datasets.jobs import Job
from annotator.datasets.runner import Progress, Task, run_job
from annotator.datasets.selection import ItemFilter
from annotator.maps.catalogue import Catalogue
from annotator.maps.embedded.library import MapLibrary
from annotator.maps.validate import parse_params
from annotator.people import projects
from annotator.people.local import ensure_local_account, local_actor
from annotator.people.projects import Project, ProjectSettings
from annotator.questions import store as questions
from annotator.questions.answers import DistanceAnswer, PlaceAnswer
from annotator.questions.evidence import attach
from annotator.questions.model import Option, QuestionContent
from annotator.settings import Settings
from annotator.store.migrate import migrate
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now

ACTOR = local_actor()


@dataclass(frozen=True)
class Place:
    """An installation with one project, and what tests do to it."""

    folder: Path
    database: Database
    catalogue: Catalogue
    project: Project

    def bring(self, content: bytes | str | Path | list[Any], format_key: str = "auto", **how: Any) -> Job:
        """Imports bytes, or a file, or JSON values; gives the job as it ended."""
        if isinstance(content, Path):
            path = content
        else:
            path = self.folder / f"upload-{len(list(self.folder.iterdir()))}"
            text = json.dumps(content) if isinstance(content, list) else content
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        how.setdefault("is_dry_run", False)
        task = import_task(self.database, ACTOR, self.project, Source(path, path.name), format_key, **how)
        return self.run("import", task, is_dry_run=how["is_dry_run"])

    def take(self, format_key: str, target: Path, **what: Any) -> Job:
        """Exports to a file or folder; gives the job as it ended."""
        what.setdefault("filter", ItemFilter(status=()))
        packed = what.pop("is_packed", False)
        request = ExportRequest(format_key, **what)
        task = export_task(self.database, self.catalogue, self.project, request, lambda name: target, is_packed=packed)
        return self.run("export", task)

    def run(self, kind: jobs.Kind, task: Task, **params: Any) -> Job:
        """Runs a task as a job to its end."""
        with self.database.writing() as connection:
            job = jobs.create(connection, ACTOR, self.project.id, kind, params, now=utc_now())
        run_job(self.database, Progress(self.database, job.id), task)
        return self.job(job.id)

    def job(self, job_id: str) -> Job:
        """A job as it is now."""
        with self.database.reading() as connection:
            return jobs.get(connection, self.project.id, job_id, utc_now())

    def contents(self) -> list[tuple[ContextContent, QuestionContent]]:
        """Contexts and questions in sight, by number."""
        from annotator.datasets.selection import question_ids

        with self.database.reading() as connection:
            ids = question_ids(connection, self.project.id, ItemFilter(status=()))
            found = questions.get_many(connection, self.project.id, ids)
            about = contexts.get_many(connection, self.project.id, [item.context_id for item in found.values()])
            return [(about[found[key].context_id].content, found[key].content) for key in ids]

    def change(self, run: Callable[..., Any]) -> Any:
        """Runs something in a writing transaction."""
        with self.database.writing() as connection:
            return run(connection)


def open_place(folder: Path, maps: Path) -> Place:
    """An installation whose database lies in `folder`; its project is made unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(data_dir=maps, database_url=f"sqlite:///{folder / 'mapqator.sqlite'}")
    database = open_database(settings.resolved_database_url)
    migrate(database)
    with database.writing() as connection:
        ensure_local_account(connection, utc_now())
        try:
            project = projects.by_slug(connection, "harbour")
        except projects.NotFoundError:
            project = projects.create(connection, ACTOR, name="Harbour", now=utc_now())
    return Place(folder, database, Catalogue(settings, MapLibrary(maps), {}), project)


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a project and nothing in it, to be copied: migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty")
    place = open_place(folder, folder)
    place.database.truncate_log()
    place.database.close()
    return folder / "mapqator.sqlite"


@pytest.fixture
def new_place(empty_file: Path, tmp_path: Path) -> Iterator[Callable[[], Place]]:
    """`new_place()` gives an empty installation without maps; every call gives another one."""
    made: list[Place] = []

    def make() -> Place:
        folder = tmp_path / f"place-{len(made)}"
        folder.mkdir()
        shutil.copy(empty_file, folder / "mapqator.sqlite")
        made.append(open_place(folder, folder))
        return made[-1]

    yield make
    for place in made:
        place.database.close()


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    """An empty installation."""
    return new_place()


@pytest.fixture(scope="session")
def written_file(town_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database whose project has approved questions of every type about the embedded town."""
    path = tmp_path_factory.mktemp("written") / "mapqator.sqlite"
    asyncio.run(_write(Settings(data_dir=town_data, database_url=f"sqlite:///{path}")))
    return path


@pytest.fixture
def town_place(written_file: Path, town_data: Path, tmp_path: Path) -> Iterator[Place]:
    """An installation with the town and approved questions of every type about it."""
    folder = tmp_path / "town"
    folder.mkdir()
    shutil.copy(written_file, folder / "mapqator.sqlite")
    found = open_place(folder, town_data)
    yield found
    found.database.close()


async def _write(settings: Settings) -> None:
    async with open_service(settings, {}) as service:
        database = service.store.database
        lat, lon = service.library.manifests()[0].bbox.center
        near = {"lat": lat, "lon": lon, "radius_m": 3000, "type": "cafe", "limit": 4}
        cafes = await service.call("nearby_search", parse_params("nearby_search", near))
        first, second = cafes.result.places[:2]
        points = {"origin": {"lat": first.lat, "lon": first.lon}, "destination": {"lat": second.lat, "lon": second.lon}}
        far = await service.call("distance_bearing", parse_params("distance_bearing", points))
        now = utc_now()
        with database.writing() as connection:
            project = projects.create(
                connection, ACTOR, name="Harbour", settings=ProjectSettings(require_evidence=False), now=now
            )
            about = contexts.create(
                connection,
                ACTOR,
                project,
                content=ContextContent(
                    title="Cafés near the harbour",
                    items=(
                        Item(key="a", kind="nearby", tool_call_id=cafes.id),
                        Item(key="b", kind="calc", tool_call_id=far.id),
                        Item(key="c", kind="note", text='=HYPERLINK("http://x") is only text, قهوة too.'),
                    ),
                ),
                now=now,
            )
            name = attach(connection, cafes.id, "/places/0/name", now=now)
            distance = attach(connection, far.id, "/distance_m", now=now)
            for content in (
                QuestionContent(
                    type="yes_no",
                    body=f"Is {first.name} a café?",
                    options=(Option(key="yes", text="Yes"), Option(key="no", text="No")),
                    gold_keys=("yes",),
                    category="poi",
                    evidence=(name,),
                ),
                QuestionContent(
                    type="single_choice",
                    body="Which café is nearest?",
                    options=(
                        Option(key="A", text=first.name, pid=first.pid),
                        Option(key="B", text=second.name, pid=second.pid),
                    ),
                    gold_keys=("A",),
                    category="nearby",
                    tags=("easy", "harbour"),
                    evidence=(name,),
                ),
                QuestionContent(
                    type="multiple_choice",
                    body="Which of these are cafés?",
                    options=(
                        Option(key="A", text="-1+1"),
                        Option(key="B", text=first.name),
                        Option(key="C", text=second.name),
                    ),
                    gold_keys=("B", "C"),
                    category="poi",
                ),
                QuestionContent(
                    type="open_ended",
                    body="How far are the two nearest cafés from each other?",
                    gold=DistanceAnswer(value_m=distance.value, abs_tol_m=5),
                    explanation="=1+1 is what the tool says.",
                    category="nearby",
                    difficulty="hard",
                    evidence=(distance,),
                ),
                QuestionContent(
                    type="open_ended",
                    body="Which café is nearest to the centre?",
                    gold=PlaceAnswer(pid=first.pid, name=first.name, lat=first.lat, lon=first.lon, max_m=50),
                    category="nearby",
                    evidence=(name,),
                ),
                QuestionContent(
                    type="unanswerable",
                    body="What does a coffee cost?",
                    options=(Option(key="A", text="2"), Option(key="B", text="3")),
                    category="poi",
                ),
            ):
                made = questions.create(connection, ACTOR, project, about.id, content=content, now=now)
                questions.set_status(connection, ACTOR, project, made.id, "approved", now=now)
        database.truncate_log()
