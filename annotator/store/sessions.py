"""The database: where it is, and transactions on it that several processes can hold at once.

SQLite in WAL mode is the default; PostgreSQL works by URL. Writing transactions take their lock when they begin, so
that none has to give up halfway because another one wrote after it had read.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from annotator.errors import ConfigError
from annotator.store.faults import storage_faults

BUSY_TIMEOUT_S = 10.0
"""Seconds that a transaction waits for another one's lock."""

_ADVISORY_KEY = 0x4D415051
"""PostgreSQL's advisory lock that writers share and that `alone` takes for itself; the letters are MAPQ."""

type Insert = sqlite.Insert | postgresql.Insert
type _Kind = Literal["read", "write", "light", "alone"]


class Database:
    """One database and its transactions. Safe to use from many threads.

    Args:
        engine: made by `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.where = _name(engine.url)
        kinds: tuple[_Kind, ...] = ("read", "write", "light", "alone")
        self._engines = {kind: engine.execution_options(kind=kind) for kind in kinds}

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and must not write.

        Raises:
            StorageError: one line on what is wrong with the database.
        """
        with storage_faults(self.where), self._engines["read"].begin() as connection:
            yield connection

    @contextmanager
    def writing(self, *, is_durable: bool = True, alone: bool = False) -> Iterator[Connection]:
        """A transaction that is written whole when the block ends, and not at all when it raises.

        Args:
            is_durable: survive a power cut. Without it the last transactions may be lost then, though never when only
                this program is killed, and never one that came before a durable one; that saves waiting for the disk.
            alone: no other transaction writes meanwhile; on SQLite that is always so.

        Raises:
            StorageError: one line on what is wrong with the database; nothing was written.
        """
        kind: _Kind = "alone" if alone else "write" if is_durable else "light"
        with storage_faults(self.where), self._engines[kind].begin() as connection:
            yield connection

    def truncate_log(self) -> None:
        """Moves SQLite's write-ahead log into the database file, so that no erased content is left in it."""
        if self.is_sqlite:
            # Below SQLAlchemy, which would begin a transaction, inside of which this cannot be done.
            with storage_faults(self.where), closing(self.engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Closes all connections that are not in use."""
        self.engine.dispose()


def insert_into(connection: Connection, table: Table) -> Insert:
    """An insert that can say what to do on a conflict, in the connection's dialect."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def open_database(url: str) -> Database:
    """Opens a database, and makes an empty file where SQLite has none; `migrate` then makes its tables.

    Args:
        url: `sqlite:///path`, `postgresql+psycopg://user@host/name`, or just the path of an SQLite file.

    Raises:
        ConfigError: the address cannot be used or is no database; the message says what to do.
        StorageError: the database cannot be reached.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        _make_folder(Path(parsed.database or ""))
        # Without `isolation_level` the driver leaves it to us when a transaction begins.
        arguments = {"timeout": BUSY_TIMEOUT_S, "isolation_level": None}
        # Errors name no parameters: they hold whole answers, which must not live on in a log.
        engine = create_engine(parsed, connect_args=arguments, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        try:
            engine = create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
        except ImportError:
            raise ConfigError("PostgreSQL needs its driver: pip install 'psycopg[binary]'") from None
        event.listen(engine, "begin", _begin_postgresql)
    database = Database(engine)
    with database.reading():
        return database


def _parse(url: str) -> URL:
    if "://" not in url:
        url = f"sqlite:///{url}"
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
        if backend == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        elif backend == "sqlite":
            parsed = parsed.set(drivername="sqlite")
            if not parsed.database or parsed.database == ":memory:" or parsed.query:
                raise ConfigError("the database must be a file that processes can share: sqlite:///path/to/file")
        else:
            raise ConfigError(f"the database can be sqlite:///path or postgresql+psycopg://..., not {backend}")
    except (ArgumentError, NoSuchModuleError, ValueError):
        # The address may hold a password, so the message does not.
        raise ConfigError("the database's address is no URL; give sqlite:///path or postgresql+psycopg://...") from None
    return parsed


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {path.parent} for the database: {error.strerror}") from None
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file for the database")


def _name(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"the database {url.database}"
    return f"the database {url.render_as_string(hide_password=True)}"


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # Erased content is overwritten with zeros, not only forgotten.
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = FULL")
    _enter_wal(connection)


def _enter_wal(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            # Where another process is about to make the same change, this fails at once instead of waiting.
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            break
    if mode != "wal":
        raise ConfigError("the database's file system lacks what SQLite's write-ahead log needs; choose a local folder")


def _begin_sqlite(connection: Connection) -> None:
    kind: _Kind = connection.get_execution_options().get("kind", "read")
    # Straight to the driver: SQLAlchemy's way takes longer than the statement itself, and all reads go through here.
    cursor = connection.connection.cursor()
    if kind == "read":
        cursor.execute("BEGIN")
    else:
        cursor.execute(f"PRAGMA synchronous = {'NORMAL' if kind == 'light' else 'FULL'}")
        cursor.execute("BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    kind: _Kind = connection.get_execution_options().get("kind", "read")
    if kind == "read":
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return
    if kind == "light":
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    shared = "" if kind == "alone" else "_shared"
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{shared}({_ADVISORY_KEY})")
