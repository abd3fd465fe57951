"""One annotator that asks for a login, with an issuer of single sign-on beside it, and a house full of people in it."""

import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection

from annotator.people import accounts, members, projects, sessions, tokens
from annotator.people.actor import Actor, Scope
from annotator.people.local import ensure_local_account
from annotator.people.passwords import hash_password
from annotator.people.projects import Project
from annotator.people.roles import ROLES
from annotator.store.migrate import migrate
from annotator.store.sessions import Database, open_database
from annotator.store.times import utc_now
from tests.annotator.people.issuer import FakeIssuer
from tests.annotator.program import Annotator, serving

PASSWORD = "seven lemon harbours"
SETUP_PASSWORD = "an uncommon set of words"


@pytest.fixture(scope="session")
def issuer() -> Iterator[FakeIssuer]:
    """An identity provider on a port of its own."""
    with FakeIssuer(client_id="mapqator", client_secret="hush") as running:
        yield running


@pytest.fixture(scope="session")
def server(issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Annotator]:
    """An annotator that asks for a login, without a map; its first administrator is `root`, made over HTTP."""
    env = {
        "MAPQATOR_LOGIN": "required",
        "MAPQATOR_TOWN": "false",
        "MAPQATOR_OIDC_ISSUER": issuer.url,
        "MAPQATOR_OIDC_CLIENT_ID": issuer.client_id,
        "MAPQATOR_OIDC_CLIENT_SECRET": issuer.client_secret,
        "MAPQATOR_WEBHOOK_PRIVATE_HOSTS": "127.0.0.1",
    }
    with serving(tmp_path_factory.mktemp("people") / "data", env) as annotator:
        answer = httpx.post(f"{annotator.url}/api/setup", json={"username": "root", "password": SETUP_PASSWORD})
        assert answer.status_code == 200, answer.text
        yield annotator


@pytest.fixture(scope="session")
def server_database(server: Annotator) -> Iterator[Database]:
    """The running server's own database, opened a second time."""
    database = open_database(f"sqlite:///{server.data_dir / 'mapqator.sqlite'}")
    yield database
    database.close()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables and the account of single-user mode."""
    path = tmp_path_factory.mktemp("empty") / "empty.sqlite"
    database = open_database(str(path))
    migrate(database)
    with database.writing() as connection:
        ensure_local_account(connection, utc_now())
    database.truncate_log()
    database.close()
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Iterator[Database]:
    """A database of the test's own."""
    path = tmp_path / "mapqator.sqlite"
    shutil.copy(empty_database, path)
    database = open_database(str(path))
    yield database
    database.close()


@dataclass
class Browser:
    """Somebody at a browser that is signed in, and who sends what its pages send."""

    client: httpx.Client
    csrf: str
    account_id: str

    def send(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """A request as api.js sends it."""
        sent = {"x-csrf-token": self.csrf} | headers
        return self.client.request(method, path, json={} if body is None else body, headers=sent)


@dataclass
class House:
    """People of every kind around one project, each known by what they are.

    Args:
        actors: by role, and `stranger`, `administrator`.
        project: where they have their roles; `other` is one in which only its owner is.
    """

    database: Database
    project: Project
    other: Project
    actors: dict[str, Actor] = field(default_factory=dict)

    def restore(self) -> None:
        """Takes back what a request may have done to the projects and memberships."""
        with self.database.writing(is_durable=False) as connection:
            connection.execute(
                projects.project.update()
                .where(projects.project.c.id.in_([self.project.id, self.other.id]))
                .values(archived_at=None, deleted_at=None)
            )

    def session_headers(self, who: str) -> dict[str, str]:
        """A new session's cookie and token."""
        with self.database.writing(is_durable=False) as connection:
            made = sessions.start(connection, self.actors[who].account_id, now=utc_now())
        return {"cookie": f"mapqator_session={made.secret}", "x-csrf-token": made.csrf}

    def token_headers(self, who: str, scope: Scope, project: Project | None = None) -> dict[str, str]:
        """A new token."""
        with self.database.writing(is_durable=False) as connection:
            project_id = None if project is None else project.id
            _, secret = tokens.create(
                connection, self.actors[who], name="test", scope=scope, project_id=project_id, now=utc_now()
            )
        return {"authorization": f"Bearer {secret}"}


@pytest.fixture(scope="session")
def house(server_database: Database) -> House:
    """The people of the running server."""
    with server_database.writing() as connection:
        made = {name: make_account(connection, f"{name}-{secrets.token_hex(3)}") for name in (*ROLES, "stranger")}
        made["administrator"] = make_account(connection, f"admin-{secrets.token_hex(3)}", is_admin=True)
        project = projects.create(connection, made["owner"], name="House", now=utc_now())
        other = projects.create(connection, made["owner"], name="Other house", now=utc_now())
        for role in ROLES[:-1]:
            members.set_role(connection, made["owner"], "owner", project, made[role].username, role, now=utc_now())
    return House(server_database, project, other, made)


@pytest.fixture
def sign_in(server: Annotator, house: House) -> Iterator:
    """`sign_in("viewer")` gives a browser in which that person is signed in."""
    clients = []

    def enter(who: str) -> Browser:
        headers = house.session_headers(who)
        name, _, value = headers["cookie"].partition("=")
        client = httpx.Client(base_url=server.url, cookies={name: value}, timeout=30)
        clients.append(client)
        return Browser(client, headers["x-csrf-token"], house.actors[who].account_id)

    yield enter
    for client in clients:
        client.close()


@pytest.fixture
def person(server_database: Database) -> Actor:
    """An account of the running server with the password `PASSWORD`, of the test's own."""
    with server_database.writing() as connection:
        return make_account(connection, f"ada-{secrets.token_hex(4)}", password=PASSWORD)


@pytest.fixture
def password() -> str:
    """What `person` signs in with."""
    return PASSWORD


def make_account(connection: Connection, username: str, *, password: str = "", is_admin: bool = False) -> Actor:
    """An account, as an actor."""
    made = accounts.create(
        connection,
        None,
        username=username,
        password_hash=hash_password(password) if password else None,
        is_admin=is_admin,
        now=utc_now(),
    )
    return Actor(made.id, made.username, made.display_name, made.is_admin)


@pytest.fixture
def account_in():
    """`account_in(connection, "ada")` makes an account and gives it as an actor."""
    return make_account
