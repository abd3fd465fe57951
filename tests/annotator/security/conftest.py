"""A project with a frozen dataset, a second server on the same database that asks for a login, and a stranger there."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from annotator.people import accounts, projects, sessions, tokens
from annotator.people.actor import Actor
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now
from tests.annotator.datasets.over_http import write_project
from tests.annotator.program import Annotator, serving

SECRET = "Zimtschneckenhaus"
"""Stands in every text of the project `walks`, so that a leak is found by it."""


@dataclass(frozen=True)
class Walks:
    """A project of somebody's own, and the ids of what is in it by the names of path parameters."""

    slug: str
    ids: dict[str, str]
    manifest_sha: str
    render_sha: str
    result_sha: str


@dataclass(frozen=True)
class Stranger:
    """Somebody who owns a project `other` and may not see `walks`."""

    actor: Actor
    slug: str
    bearer: dict[str, str]
    bound: dict[str, str]
    cookie: dict[str, str]
    csrf: str


@pytest.fixture(scope="session")
def annotator_server(town_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Annotator]:
    """A server of this area's own: nobody else may rely on what is fuzzed here, down to the name of who asks."""
    folder = tmp_path_factory.mktemp("attacked") / "data"
    shutil.copytree(town_data / "maps", folder / "maps")
    with serving(folder) as annotator:
        yield annotator


@pytest.fixture(scope="session")
def client(annotator_server: Annotator) -> Iterator[httpx.Client]:
    """Of the server without a login."""
    with httpx.Client(base_url=annotator_server.url, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def database(annotator_server: Annotator) -> Iterator[Database]:
    """The servers' own database, opened a third time."""
    database = open_database(f"sqlite:///{annotator_server.data_dir / 'mapqator.sqlite'}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def walks(annotator_server: Annotator, client: httpx.Client) -> Walks:
    """A project with contexts, questions, comments, a webhook, a job and a frozen dataset."""
    slug = write_project(annotator_server.url, f"Secret walks {SECRET}", f"Walks {SECRET}")
    base = f"/api/projects/{slug}"

    def post(path: str, body: Any, status: int = 201) -> Any:
        answer = client.post(base + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    frozen = post("/datasets/walks/snapshots", {"version": "1.0.0"})
    listed = client.get(f"{base}/questions", params={"status": "draft"}).json()["questions"][0]
    question = client.get(f"{base}/questions/{listed['id']}").json()
    content = question["content"] | {"body": f"Where is the {SECRET}?"}
    saved = client.put(f"{base}/questions/{question['id']}", json={"base_n": question["n"], "content": content})
    assert saved.status_code == 200, saved.text
    context = client.get(f"{base}/contexts/{question['context_id']}").json()
    call_id = next(iter(context["calls"]))
    comment = post("/comments", {"subject": "question", "subject_id": question["id"], "body": f"See {SECRET}"})
    webhook = post("/webhooks", {"url": f"https://{SECRET.lower()}.example.org/x"})
    task = post("/assignments", {"kind": "answer", "subject_id": question["id"], "username": "local"})
    job = post("/exports", {"format": "native", "dataset": "walks", "version": "1.0.0"}, 202)
    while client.get(f"{base}/jobs/{job['id']}").json()["state"] in ("waiting", "running"):
        time.sleep(0.05)
    manifest = client.get(f"{base}/datasets/walks/snapshots/1.0.0/manifest").json()
    return Walks(
        slug,
        {
            "context_id": context["id"],
            "question_id": question["id"],
            "call_id": call_id,
            "tool_call_id": call_id,
            "comment_id": comment["id"],
            "webhook_id": webhook["id"],
            "assignment_id": task["id"],
            "job_id": job["id"],
            "slug": "walks",
            "version": "1.0.0",
            "subject_id": question["id"],
        },
        frozen["manifest_sha"],
        manifest["contexts"][0]["text_sha"],
        client.get(f"/api/tool-calls/{call_id}").json()["result_sha"],
    )


@pytest.fixture(scope="session")
def guarded(annotator_server: Annotator, tmp_path_factory: pytest.TempPathFactory, walks: Walks) -> Iterator[Annotator]:
    """A second server on the database of the first one, at which people sign in; it takes small uploads only."""
    env = {
        "MAPQATOR_LOGIN": "required",
        "MAPQATOR_TOWN": "false",
        "MAPQATOR_DATABASE_URL": f"sqlite:///{annotator_server.data_dir / 'mapqator.sqlite'}",
        "MAPQATOR_MAX_UPLOAD_BYTES": "65536",
    }
    with serving(Path(tmp_path_factory.mktemp("guarded")) / "data", env) as annotator:
        yield annotator


@pytest.fixture(scope="session")
def stranger(database: Database, guarded: Annotator, walks: Walks) -> Stranger:
    """An owner of another project who is signed in and has tokens, one of them bound to that project."""
    now = utc_now()
    with database.writing() as connection:
        made = accounts.create(connection, None, username="mallory", password_hash=None, is_admin=False, now=now)
        actor = Actor(made.id, made.username, made.display_name, made.is_admin)
        other = projects.create(connection, actor, name="Other", now=now)
        _, free = tokens.create(connection, actor, name="free", scope="admin", project_id=None, now=now)
        _, bound = tokens.create(connection, actor, name="bound", scope="admin", project_id=other.id, now=now)
        session = sessions.start(connection, actor.account_id, now=now)
    return Stranger(
        actor,
        other.slug,
        {"authorization": f"Bearer {free}"},
        {"authorization": f"Bearer {bound}"},
        {"cookie": f"mapqator_session={session.secret}"},
        session.csrf,
    )


@pytest.fixture(scope="session")
def outside(guarded: Annotator, stranger: Stranger) -> Iterator[httpx.Client]:
    """The stranger's program, at the server with a login."""
    with httpx.Client(base_url=guarded.url, headers=stranger.bearer, timeout=60) as client:
        yield client


@pytest.fixture
def member(client: httpx.Client, stranger: Stranger, walks: Walks) -> Iterator[None]:
    """For as long as a test takes, the stranger is a viewer of `walks`."""
    path = f"/api/projects/{walks.slug}/members/{stranger.actor.username}"
    assert client.put(path, json={"role": "viewer"}).is_success
    yield
    assert client.delete(path).is_success
