"""A frozen dataset about the embedded town, written once and then copied, and runs over it by a scripted server."""

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from annotator.assembly import open_service
from annotator.contexts import store as contexts
from annotator.contexts.model import ITEM_KIND_OF_TOOL, ContextContent, Item
from annotator.datasets import jobs
from annotator.datasets.freeze import freeze
from annotator.datasets.items import items
from annotator.datasets.jobs import Job
from annotator.datasets.native import NativeItem
from annotator.datasets.plan import FreezeRequest
from annotator.datasets.runner import Progress, run_job
from annotator.datasets.snapshots import Snapshot, create_dataset, get_dataset, get_snapshot
from annotator.evaluate import records, runs, store
from annotator.evaluate.config import RunConfig
from annotator.evaluate.endpoints import Endpoint
from annotator.evaluate.model import ItemResult
from annotator.evaluate.store import Run
from annotator.maps.answer import ToolAnswer
from annotator.maps.catalogue import Catalogue
from annotator.maps.embedded.library import MapLibrary
from annotator.maps.service import MapService
from annotator.maps.validate import parse_params, tool_name
from annotator.people.local import local_actor
from annotator.people.projects import Project, ProjectSettings, by_slug
from annotator.people.projects import create as create_project
from annotator.questions import store as questions
from annotator.questions.answers import DistanceAnswer
from annotator.questions.evidence import attach
from annotator.questions.model import Option, QuestionContent
from annotator.settings import Settings
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now

ACTOR = local_actor()
NUM_ITEMS = 6


@dataclass(frozen=True)
class Town:
    """An installation with one frozen dataset, `walks@1.0.0` of the project `town`: six questions on two contexts, of
    which four have A for an answer, one is a distance and one cannot be answered."""

    settings: Settings
    database: Database

    @property
    def project(self) -> Project:
        with self.database.reading() as connection:
            return by_slug(connection, "town")

    @property
    def snapshot(self) -> Snapshot:
        with self.database.reading() as connection:
            return get_snapshot(connection, get_dataset(connection, self.project.id, "walks").id, "1.0.0")

    @property
    def items(self) -> list[NativeItem]:
        with self.database.reading() as connection:
            return list(items(connection, self.snapshot))

    def begin(self, url: str, **config: Any) -> Run:
        """A run that nobody works on yet."""
        endpoint = Endpoint("scripted", url)
        given = RunConfig.model_validate(
            {"concurrency": 2, "timeout_s": 20, "max_retries": 0, "max_tokens": 60, **config}
        )
        served = asyncio.run(runs.look(endpoint))
        catalogue = Catalogue(self.settings, MapLibrary(self.settings.data_dir), {})
        with self.database.writing() as connection:
            return runs.begin(
                connection,
                ACTOR,
                self.project,
                self.snapshot,
                endpoint,
                served,
                given,
                num_items=runs.check_run(connection, catalogue, self.project, self.snapshot, given),
                now=utc_now(),
            )

    def resume(self, run: Run, url: str, *, again: bool = False) -> Run:
        """The run with a job of its own again."""
        served = asyncio.run(runs.look(Endpoint("scripted", url)))
        with self.database.writing() as connection:
            run = store.get_run(connection, run.project_id, run.id)
            return runs.resume(connection, ACTOR, run, served, again=again, now=utc_now())

    def work(self, run: Run, url: str) -> Job:
        """Works on a run to its end; gives its job."""

        async def work() -> None:
            async with open_service(self.settings, {}) as service:
                task = runs.run_task(service, self.settings, run, Endpoint("scripted", url))
                await asyncio.to_thread(run_job, self.database, Progress(self.database, run.job_id), task)

        asyncio.run(work())
        return self.job(run)

    def evaluate(self, url: str, **config: Any) -> tuple[Run, list[ItemResult]]:
        """A run from beginning to end, and what came of it."""
        run = self.begin(url, **config)
        job = self.work(run, url)
        assert job.state == "done", job.message
        return run, self.results(run)

    def job(self, run: Run) -> Job:
        with self.database.reading() as connection:
            return jobs.get(connection, run.project_id, run.job_id, utc_now())

    def results(self, run: Run) -> list[ItemResult]:
        with self.database.reading() as connection:
            return records.results(connection, run.id)


@pytest.fixture(scope="session")
def frozen_town(town_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database's file with everything in it."""
    path = tmp_path_factory.mktemp("frozen-town") / "mapqator.sqlite"
    asyncio.run(_write(Settings(data_dir=town_data, database_url=f"sqlite:///{path}")))
    database = open_database(f"sqlite:///{path}")
    database.truncate_log()
    database.close()
    return path


@pytest.fixture
def town(frozen_town: Path, town_data: Path, tmp_path: Path) -> Iterator[Town]:
    path = tmp_path / "mapqator.sqlite"
    shutil.copy(frozen_town, path)
    settings = Settings(data_dir=town_data, database_url=f"sqlite:///{path}")
    found = Town(settings, open_database(settings.resolved_database_url))
    yield found
    found.database.close()


async def _write(settings: Settings) -> None:
    async with open_service(settings, {}) as service:
        lat, lon = service.library.manifests()[0].bbox.center
        cafes = await _ask(service, "nearby_search", lat=lat, lon=lon, radius_m=3000, type="cafe", limit=5)
        ends = {"origin": {"lat": lat, "lon": lon}, "destination": {"lat": lat + 0.01, "lon": lon + 0.02}}
        far = await _ask(service, "distance_bearing", **ends)
        database = service.store.database
        with database.writing() as connection:
            project = create_project(
                connection, ACTOR, name="Town", settings=ProjectSettings(require_evidence=False), now=utc_now()
            )
            contexts_of = {
                answer.tool: contexts.create(
                    connection,
                    ACTOR,
                    project,
                    content=ContextContent(
                        title=title,
                        items=(Item(key="i0", kind=ITEM_KIND_OF_TOOL[answer.tool], tool_call_id=answer.id),),
                    ),
                    now=utc_now(),
                ).id
                for title, answer in (("Coffee", cafes), ("As the crow flies", far))
            }
            names = [place.name for place in cafes.result.places[:4]]
            for tool, content in _questions(connection, cafes, far, names):
                made = questions.create(connection, ACTOR, project, contexts_of[tool], content=content, now=utc_now())
                questions.set_status(connection, ACTOR, project, made.id, "approved", now=utc_now())
            create_dataset(connection, ACTOR, project, title="Walks", slug="walks", now=utc_now())
        freeze(database, service.catalogue, ACTOR, project, "walks", FreezeRequest(version="1.0.0"), now=utc_now())


async def _ask(service: MapService, tool: str, **params: Any) -> ToolAnswer:
    name = tool_name(tool)
    return await service.call(name, parse_params(name, params))


def _questions(
    connection: Any, cafes: ToolAnswer, far: ToolAnswer, names: list[str]
) -> Iterator[tuple[str, QuestionContent]]:
    for index in range(4):
        # The right one stands first.
        order = [names[index], *(name for name in names if name != names[index])]
        yield (
            "nearby_search",
            QuestionContent(
                type="single_choice",
                body=f"Which café is number {index + 1} by distance?",
                options=tuple(Option(key=key, text=text) for key, text in zip("ABCD", order, strict=True)),
                gold_keys=("A",),
                category="nearby",
                evidence=(attach(connection, cafes.id or "", f"/places/{index}/name", now=utc_now()),),
            ),
        )
    yield (
        "distance_bearing",
        QuestionContent(
            type="open_ended",
            body="How far is it in a straight line?",
            gold=DistanceAnswer(value_m=far.result.distance_m),
            category="routing",
            evidence=(attach(connection, far.id or "", "/distance_m", now=utc_now()),),
        ),
    )
    yield (
        "nearby_search",
        QuestionContent(
            type="unanswerable",
            body="Which of these cafés is the oldest?",
            options=tuple(Option(key=key, text=text) for key, text in zip("ABCD", names, strict=True)),
            category="poi",
        ),
    )
