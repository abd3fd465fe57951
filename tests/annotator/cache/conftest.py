"""A database of each kind with its tables, a clock that moves when told, and providers with terms to test by."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from annotator.cache.exchanges import ExchangeStore
from annotator.cache.keys import RequestKey, request_key
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.provider import Policy, ProviderInfo
from annotator.store.migrate import HEAD, migrate
from annotator.store.sessions import Database, open_database
from annotator.store.tables import metadata


@dataclass
class Clock:
    """A clock for tests; `pass_s` moves it."""

    now: datetime = field(default_factory=lambda: datetime(2026, 11, 24, 9, 30, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _postgres_programs() -> tuple[Path, Path] | None:
    """`initdb` and `postgres`, from the path or from where Debian has them."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = [
        shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))
        for name in ("initdb", "postgres")
    ]
    return (Path(found[0]), Path(found[1])) if found[0] and found[1] else None


def _ordinary_user() -> str | None:
    """Whom to run PostgreSQL as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), "")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server of our own, which trusts everybody who can reach it."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's programs initdb and postgres, which are not here")
    user = _ordinary_user()
    if user == "":
        pytest.skip("needs a user 'postgres' or 'nobody': PostgreSQL does not run as root")
    # Not below pytest's folder, which other users cannot enter; and the path of a socket has to be short.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    data = folder / "data"
    identity = {} if user is None else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": ()}
    if user is not None:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TMPDIR": str(folder)}
    initdb, postgres = programs
    subprocess.run(
        [initdb, "-D", data, "-U", "rhumb", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"],
        check=True,
        capture_output=True,
        cwd=folder,
        env=environment,
        **identity,
    )
    quick = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60", "listen_addresses=")
    options = [part for option in quick for part in ("-c", option)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [postgres, "-D", data, "-k", folder, *options],
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            **identity,
        )
    try:
        _wait_for(lambda: _answers(folder, server))
        yield str(folder)
    finally:
        server.send_signal(2)
        server.wait(30)
        shutil.rmtree(folder)


def _answers(folder: Path, server: subprocess.Popen) -> bool:
    import psycopg

    assert server.poll() is None, (folder / "log").read_text()
    try:
        psycopg.connect(host=str(folder), user="rhumb", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _wait_for(condition: Callable[[], bool], limit_s: float = 30.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@contextmanager
def _new_postgresql_database(server: str) -> Iterator[str]:
    """The URL of a new, empty database on the server."""
    import psycopg

    name = f"t{uuid4().hex}"
    with psycopg.connect(host=server, user="rhumb", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"postgresql+psycopg://rhumb@/{name}?host={server}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Where a database could be."""
    return f"sqlite:///{tmp_path / 'mapqator.sqlite'}"


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """An empty database on the server."""
    with _new_postgresql_database(postgresql_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind that nobody has migrated."""
    return request.getfixturevalue(f"{request.param}_url")


# Migrating takes longer than most tests, so it is done once, and then the file is copied or the tables are emptied.


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("migrated") / "mapqator.sqlite"
    database = open_database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server: str) -> Iterator[str]:
    with _new_postgresql_database(postgresql_server) as url:
        database = open_database(url)
        migrate(database)
        database.close()
        yield url


@pytest.fixture
def migrated_sqlite_url(sqlite_url: str, migrated_sqlite: Path) -> str:
    shutil.copy(migrated_sqlite, sqlite_url.removeprefix("sqlite:///"))
    return sqlite_url


@pytest.fixture
def migrated_postgresql_url(migrated_postgresql: str) -> Iterator[str]:
    yield migrated_postgresql
    database = open_database(migrated_postgresql)
    with database.writing() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(metadata.tables)}"))
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": HEAD})
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind with this program's tables."""
    return request.getfixturevalue(f"migrated_{request.param}_url")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = open_database(database_url)
    yield database
    database.close()


@pytest.fixture
def sqlite_database(migrated_sqlite_url: str) -> Iterator[Database]:
    database = open_database(migrated_sqlite_url)
    yield database
    database.close()


@pytest.fixture
def store(database: Database, clock: Clock) -> ExchangeStore:
    return ExchangeStore(database, clock)


def provider_info(key: str = "atlas", policy: Policy | None = None) -> ProviderInfo:
    return ProviderInfo(
        key=key,
        title=key.title(),
        family=key,
        namespace=key,
        version=3,
        base_url="https://atlas.example",
        licence="ODbL-1.0",
        attribution="Atlas",
        policy=policy or Policy(),
    )


@pytest.fixture
def info() -> Callable[..., ProviderInfo]:
    """Makes a provider with a policy."""
    return provider_info


@pytest.fixture
def ask() -> Callable[[str], RequestKey]:
    """The key of a question by its text."""
    return lambda text: request_key("atlas", HttpCall("GET", "https://atlas.example/search", query=(("q", text),)))


@pytest.fixture
def answer() -> Callable[..., HttpResponse]:
    """A response as providers send them."""

    def make(body: bytes = b'{"places":[]}', status: int = 200, **headers: str) -> HttpResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return HttpResponse(status, body, {"content-type": "application/json", **named})

    return make
