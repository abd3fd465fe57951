"""A database of each kind with its tables, a clock that moves when told, and providers with terms to test by."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from annotator.cache.exchanges import ExchangeStore
from annotator.cache.keys import RequestKey, request_key
from annotator.maps.calls import HttpCall, HttpResponse
from annotator.maps.provider import Policy, ProviderInfo
from annotator.store.migrate import HEAD, migrate
from annotator.store.sessions import Database, open_database
from annotator.store.tables import metadata
from tests.annotator.postgresql import new_database


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


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Where a database could be."""
    return f"sqlite:///{tmp_path / 'mapqator.sqlite'}"


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
    with new_database(postgresql_server) as url:
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
