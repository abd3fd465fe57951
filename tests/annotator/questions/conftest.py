"""A project over HTTP, and one with people of every role in a database of the test's own."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotator.contexts import store as contexts
from annotator.contexts.model import ContextContent, Item
from annotator.people import projects
from annotator.people.actor import Actor
from annotator.people.projects import Project, ProjectSettings
from annotator.questions import store as questions
from annotator.questions.model import QuestionContent
from annotator.questions.store import Question
from annotator.store.ids import new_id
from annotator.store.migrate import migrate
from annotator.store.sessions import Database, open_database
from annotator.store.tables import account, membership
from tests.annotator.program import Annotator

PEOPLE = {"owner": "owner", "rosa": "reviewer", "ada": "annotator", "bela": "annotator", "vic": "viewer"}
SQUARE = {"lat": 45.392654, "lon": -65.328712}


@dataclass
class Work:
    """A project over HTTP with one context."""

    client: httpx.Client
    slug: str
    context_id: str

    def __call__(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        """Asks below the project's address."""
        sent = {} if body is None else {"json": body}
        return self.client.request(method, f"/api/projects/{self.slug}{path}", params=params, **sent)

    def ok(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        answer = self(method, path, body, **params)
        assert answer.is_success, answer.text
        return answer.json()

    def create(self, **content: Any) -> dict[str, Any]:
        return self.ok("POST", f"/contexts/{self.context_id}/questions", {"content": content})

    def save(self, question: dict[str, Any], base_n: int, **content: Any) -> httpx.Response:
        changed = question["content"] | content
        return self("PUT", f"/questions/{question['id']}", {"base_n": base_n, "content": changed})

    def history(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        return self.ok("GET", f"/questions/{question['id']}/history")

    def bodies(self, question: dict[str, Any]) -> list[str]:
        """What the body was in every revision, the latest first."""
        path = f"/questions/{question['id']}/revisions/"
        return [self.ok("GET", f"{path}{row['n']}")["content"]["body"] for row in self.history(question)]

    def tool(self, tool: str, params: dict[str, Any]) -> dict[str, Any]:
        return self.ok("POST", f"/tools/{tool}", params)

    def attach(self, call: dict[str, Any], pointer: str, **more: Any) -> dict[str, Any]:
        return self.ok("POST", "/evidence", {"tool_call_id": call["id"], "pointer": pointer, **more})


def make_work(client: httpx.Client, name: str = "Harbour", **settings: Any) -> Work:
    made = client.post("/api/projects", json={"name": name, "settings": settings})
    assert made.status_code == 201, made.text
    slug = made.json()["slug"]
    context = client.post(f"/api/projects/{slug}/contexts", json={"content": {"title": "The square"}})
    assert context.status_code == 201, context.text
    return Work(client, slug, context.json()["id"])


@pytest.fixture(scope="session")
def client(annotator_server: Annotator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=annotator_server.url, timeout=30) as opened:
        yield opened


@pytest.fixture
def new_work(client: httpx.Client) -> Callable[..., Work]:
    """Makes a project with such settings."""
    return lambda **settings: make_work(client, **settings)


@pytest.fixture
def work_at() -> Callable[[httpx.Client], Work]:
    """Makes a project at another server."""
    return make_work


@pytest.fixture
def work(client: httpx.Client) -> Work:
    return make_work(client)


@pytest.fixture(scope="session")
def cafes(annotator_server: Annotator) -> dict[str, Any]:
    """Cafés around the town's square, nearest first: a recorded call."""
    found = annotator_server.tool("nearby_search", {**SQUARE, "type": "cafe", "radius_m": 1500}).json()
    assert len(found["result"]["places"]) >= 4
    return found


@dataclass
class Team:
    """A project and its people; every call of `now` is a second later than the one before."""

    database: Database
    project: Project
    people: dict[str, Actor]
    context_id: str
    moment: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 9, 30, tzinfo=UTC))

    def now(self) -> datetime:
        self.moment += timedelta(seconds=1)
        return self.moment

    def __getitem__(self, name: str) -> Actor:
        return self.people[name]

    def create(self, who: str = "ada", **content: Any) -> Question:
        with self.database.writing() as connection:
            made = QuestionContent.model_validate(content)
            return questions.create(connection, self[who], self.project, self.context_id, content=made, now=self.now())


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("questions") / "empty.sqlite"
    database = open_database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


@pytest.fixture
def new_team(migrated: Path, tmp_path: Path) -> Iterator[Callable[..., Team]]:
    """Makes a project with such settings, in a database of its own."""
    opened: list[Database] = []

    def make(**settings: Any) -> Team:
        path = tmp_path / f"team{len(opened)}.sqlite"
        shutil.copy(migrated, path)
        database = open_database(f"sqlite:///{path}")
        opened.append(database)
        start = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
        people = {name: Actor(new_id(start), name, name.title()) for name in PEOPLE}
        rows = [
            {"id": who.account_id, "username": name, "display_name": who.display_name, "is_admin": False}
            | {"is_active": True, "prefs_json": "{}", "created_at": start}
            for name, who in people.items()
        ]
        with database.writing() as connection:
            connection.execute(account.insert(), rows)
            chosen = ProjectSettings.model_validate(settings)
            project = projects.create(connection, people["owner"], name="Harbour", settings=chosen, now=start)
            for name, role in PEOPLE.items():
                if name != "owner":
                    values = {"project_id": project.id, "account_id": people[name].account_id, "role": role}
                    connection.execute(membership.insert(), values | {"created_at": start})
            note = Item(key="n1", kind="note", text="Four cafés lie at the harbour: Anchor, Buoy, Compass and Dory.")
            content = ContextContent(title="Harbour", items=(note,))
            context = contexts.create(connection, people["ada"], project, content=content, now=start)
        return Team(database, project, people, context.id)

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def team(new_team: Callable[..., Team]) -> Team:
    return new_team()
