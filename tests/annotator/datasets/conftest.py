"""A project with approved questions about the embedded town, made once through the domain functions and then copied."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from annotator.assembly import open_service
from annotator.contexts import store as contexts
from annotator.contexts.model import ITEM_KIND_OF_TOOL, ContextContent, Item, View
from annotator.datasets.freeze import freeze
from annotator.datasets.plan import FreezeRequest
from annotator.datasets.snapshots import Snapshot, create_dataset
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
from annotator.questions.store import Question
from annotator.settings import Settings
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now

SLUG = "harbour"
ACTOR = local_actor()


@dataclass(frozen=True)
class World:
    """An installation with the project `harbour` and its dataset `saltmere`, not frozen yet."""

    settings: Settings
    database: Database
    catalogue: Catalogue

    @property
    def project(self) -> Project:
        with self.database.reading() as connection:
            return by_slug(connection, SLUG)

    def freeze(self, version: str = "1.0.0", **request: Any) -> Snapshot:
        wanted = FreezeRequest.model_validate({"version": version, **request})
        return freeze(self.database, self.catalogue, ACTOR, self.project, "saltmere", wanted, now=utc_now())

    def numbered(self, number: int) -> Question:
        with self.database.reading() as connection:
            return questions.by_number(connection, self.project.id, number)

    def change(self, run: Callable[[Connection], Any]) -> Any:
        with self.database.writing() as connection:
            return run(connection)


def make_world(database_url: str, maps: Path) -> World:
    settings = Settings(data_dir=maps, database_url=database_url)
    return World(settings, open_database(database_url), Catalogue(settings, MapLibrary(maps), {}))


@pytest.fixture(scope="session")
def written(town_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database's file with everything in it."""
    path = tmp_path_factory.mktemp("written") / "mapqator.sqlite"
    settings = Settings(data_dir=town_data, database_url=f"sqlite:///{path}")
    asyncio.run(_write(settings))
    return path


@pytest.fixture
def world(written: Path, town_data: Path, tmp_path: Path) -> Iterator[World]:
    path = tmp_path / "mapqator.sqlite"
    shutil.copy(written, path)
    found = make_world(f"sqlite:///{path}", town_data)
    yield found
    found.database.close()


@pytest.fixture
def service_of() -> Callable[..., Any]:
    """`async with service_of(world, data_dir=...)`: the service on a world's database, with other maps if need be."""

    def open_it(world: World, data_dir: Path | None = None) -> Any:
        settings = world.settings if data_dir is None else world.settings.model_copy(update={"data_dir": data_dir})
        return open_service(settings, {})

    return open_it


async def _write(settings: Settings) -> None:
    async with open_service(settings, {}) as service:
        await write_project(service)
    # The log goes into the file, so that the file alone can be copied.
    database = open_database(settings.resolved_database_url)
    database.truncate_log()
    database.close()


async def write_project(service: MapService, slug: str = SLUG) -> None:
    """Six approved questions about four contexts, of which two share places."""
    manifest = service.library.manifests()[0]
    lat, lon = manifest.bbox.center

    async def ask(tool: str, **params: Any) -> ToolAnswer:
        name = tool_name(tool)
        return await service.call(name, parse_params(name, params))

    cafes = await ask("nearby_search", lat=lat, lon=lon, radius_m=3000, type="cafe", limit=5)
    first, second, *_ = cafes.result.places
    details = await ask("place_details", place_id=first.pid)
    pharmacies = await ask("nearby_search", lat=lat, lon=lon, radius_m=5000, type="pharmacy", limit=4)
    way = await ask("compute_routes", origin={"place_id": first.pid}, destination={"place_id": second.pid}, mode="walk")
    far = await ask(
        "distance_bearing", origin={"lat": lat, "lon": lon}, destination={"lat": lat + 0.01, "lon": lon + 0.02}
    )
    with service.store.database.writing() as connection:
        project = create_project(
            connection, ACTOR, name="Harbour", slug=slug, settings=ProjectSettings(require_evidence=True), now=utc_now()
        )
        writer = Writer(connection, project)
        one = writer.context("Coffee", cafes, details)
        writer.choice(one, cafes, "/places/0/name", [place.name for place in cafes.result.places[:4]])
        writer.choice(one, details, "/place/name", [place.name for place in cafes.result.places[:3]])
        two = writer.context("On foot", way)
        writer.distance(two, way, "/routes/0/distance_m", way.result.routes[0].distance_m)
        three = writer.context("Medicine", pharmacies)
        writer.choice(three, pharmacies, "/places/1/name", [place.name for place in pharmacies.result.places[:4]])
        four = writer.context("As the crow flies", far)
        writer.distance(four, far, "/distance_m", far.result.distance_m)
        writer.distance(four, far, "/distance_m", far.result.distance_m, "How far is it to the other end?")
        create_dataset(connection, ACTOR, project, title="Saltmere", slug="saltmere", now=utc_now())


@dataclass
class Writer:
    """Writes contexts and approved questions."""

    connection: Connection
    project: Project

    def context(self, title: str, *answers: ToolAnswer, hidden: tuple[str, ...] = ()) -> str:
        items = tuple(
            Item(key=f"i{n}", kind=ITEM_KIND_OF_TOOL[answer.tool], tool_call_id=answer.id, view=View(hidden=hidden))
            for n, answer in enumerate(answers)
        )
        content = ContextContent(title=title, items=items)
        return contexts.create(self.connection, ACTOR, self.project, content=content, now=utc_now()).id

    def choice(self, context_id: str, answer: ToolAnswer, pointer: str, names: list[str]) -> Question:
        evidence = attach(self.connection, answer.id or "", pointer, now=utc_now())
        options = tuple(Option(key=key, text=name) for key, name in zip("ABCDEFGH", names, strict=False))
        gold = next(option.key for option in options if option.text == evidence.value)
        return self.approved(
            context_id,
            QuestionContent(
                type="single_choice",
                body=f"Which of these stands at {pointer} in the list above?",
                options=options,
                gold_keys=(gold,),
                category="poi",
                tags=("town",),
                evidence=(evidence,),
            ),
        )

    def distance(
        self, context_id: str, answer: ToolAnswer, pointer: str, value_m: float, body: str = "How long is the way?"
    ) -> Question:
        evidence = attach(self.connection, answer.id or "", pointer, now=utc_now())
        return self.approved(
            context_id,
            QuestionContent(
                type="open_ended",
                body=body,
                gold=DistanceAnswer(value_m=value_m),
                category="routing",
                evidence=(evidence,),
            ),
        )

    def approved(self, context_id: str, content: QuestionContent) -> Question:
        made = questions.create(self.connection, ACTOR, self.project, context_id, content=content, now=utc_now())
        return questions.set_status(self.connection, ACTOR, self.project, made.id, "approved", now=utc_now())
