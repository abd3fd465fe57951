"""Any database becomes this program's, once, whoever comes first; what is none is refused in one line."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text

from annotator.errors import ConfigError, MapqatorError, StorageError
from annotator.store.migrate import HEAD, migrate, migrations_folder
from annotator.store.sessions import Database, open_database
from annotator.store.tables import blob, metadata

ROOT = Path(__file__).resolve().parents[3]


def test_migrated_tables_are_those_that_the_program_knows(database: Database) -> None:
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == HEAD


def test_migrated_tables_are_made_by_the_same_statements(sqlite_database: Database, tmp_path: Path) -> None:
    # To the letter, so that checks and STRICT are compared too; the order of columns and constraints may differ.
    query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'")
    fresh = create_engine(f"sqlite:///{tmp_path / 'fresh.sqlite'}")
    metadata.create_all(fresh)
    with sqlite_database.reading() as migrated, fresh.connect() as made:
        schemas = [
            {name: sorted(line.strip(" ,\t") for line in sql.splitlines()) for name, sql in connection.execute(query)}
            for connection in (migrated, made)
        ]
    fresh.dispose()
    assert schemas[0] == schemas[1]
    assert all("STRICT" in schemas[0][table] for table in metadata.tables)


def test_the_head_that_the_program_names_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_migrating_again_changes_nothing(database: Database) -> None:
    migrate(database)
    migrate(database)
    with database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]


def test_a_database_of_the_first_revision_gets_the_later_tables_and_keeps_its_recordings(empty_url: str) -> None:
    database = open_database(empty_url)
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    with database.writing(alone=True) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        row = {"sha256": "0" * 64, "bytes": b"kept", "codec": "identity", "size_bytes": 4, "mime": "text/plain"}
        connection.execute(blob.insert(), row)
    migrate(database)
    with database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]
        assert bytes(connection.execute(select(blob.c.bytes)).scalar_one()) == b"kept"
    assert _tables(database) == {*metadata.tables, "alembic_version"}
    database.close()


def test_processes_that_start_at_once_make_the_tables_once(empty_url: str) -> None:
    code = (
        "import sys\n"
        "import alembic.command, alembic.config, alembic.script\n"
        "from annotator.store.migrate import migrate\n"
        "from annotator.store.sessions import open_database\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "migrate(open_database(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", code, empty_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in processes]
    assert [(process.returncode, errors) for process, (_, errors) in zip(processes, ends, strict=True)] == [(0, "")] * 3
    database = open_database(empty_url)
    with database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]
    database.close()


def test_a_database_of_a_newer_program_is_left_alone(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer MapQaTor") as caught:
        migrate(database)
    assert "\n" not in caught.value.message
    with database.reading() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_another_programs_database_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "mapqator.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    database = open_database(sqlite_url)
    with pytest.raises(ConfigError, match=r"another program's.*bookmarks"):
        migrate(database)
    with database.reading() as connection:
        assert connection.execute(text("SELECT name FROM sqlite_master")).scalars().all() == ["bookmarks"]
    database.close()


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(migrations_folder(), folder)
    (folder / "versions" / "9999_broken.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '9999', '{HEAD}'\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half (id TEXT)')\n"
        "    op.execute('INSERT INTO nowhere VALUES (1)')\n"
    )
    database = open_database(empty_url)
    with monkeypatch.context() as patch:
        patch.setattr("annotator.store.migrate.migrations_folder", lambda: folder)
        with pytest.raises(Exception, match="nowhere"):
            migrate(database)
    assert _tables(database) == set()
    migrate(database)
    assert _tables(database) == {*metadata.tables, "alembic_version"}
    database.close()


def _tables(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(inspect(connection).get_table_names())


def test_an_installed_package_finds_its_migrations_inside_itself(tmp_path: Path) -> None:
    package = tmp_path / "annotator"
    shutil.copytree(ROOT / "annotator" / "store", package / "store")
    for name in ("__init__.py", "errors.py"):
        shutil.copy(ROOT / "annotator" / name, package / name)
    shutil.copytree(ROOT / "migrations", package / "_migrations")
    code = (
        "from annotator.store.migrate import migrate, migrations_folder\n"
        "from annotator.store.sessions import open_database\n"
        "migrate(open_database('new.sqlite'))\n"
        "print(migrations_folder())\n"
    )
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert (run.stdout.strip(), run.stderr) == (str(package / "_migrations"), "")


@pytest.mark.parametrize(
    "content",
    [b"Dear diary, today nothing happened." * 30, b"\x89PNG\r\n\x1a\n" + bytes(600), b"SQLite format 3\x00" * 60],
    ids=["text", "picture", "only a header"],
)
def test_a_file_that_is_no_database_is_one_line_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(MapqatorError) as caught:
        open_database(f"sqlite:///{path}")
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
        ("mysql://me:hush@host/name", "not mysql"),
        ("postgresql+psycopg://me:hush@ho st:x/name", "no URL"),
        ("sqlite:////proc/version/x.sqlite", "cannot make the folder"),
        ("sqlite:////tmp", "is a folder"),
    ],
)
def test_an_address_that_cannot_work_says_what_would_and_shows_no_password(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_database(url)
    assert "hush" not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_server_that_is_not_there_is_one_line_without_the_password() -> None:
    with pytest.raises(StorageError) as caught:
        open_database("postgresql://me:hush@127.0.0.1:1/name")
    assert "127.0.0.1:1" in caught.value.message
    assert "hush" not in caught.value.message
    assert "\n" not in caught.value.message


def test_a_plain_path_is_an_sqlite_file_in_a_folder_that_is_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "mapqator.sqlite"
    database = open_database(str(path))
    migrate(database)
    with database.writing() as connection:
        pragmas = ("journal_mode", "foreign_keys", "synchronous", "busy_timeout", "secure_delete")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas]
    assert found == ["wal", 1, 2, 10_000, 1]
    database.close()
    assert [entry.name for entry in path.parent.iterdir()] == ["mapqator.sqlite"]


def test_a_reading_transaction_sees_one_state(database: Database) -> None:
    count = text("SELECT count(*) FROM provider_pace")
    with database.reading() as connection:
        assert connection.execute(count).scalar() == 0
        with database.writing() as other:
            other.execute(text("INSERT INTO provider_pace VALUES ('a', 0, 0, 0)"))
        assert connection.execute(count).scalar() == 0
    with database.reading() as connection:
        assert connection.execute(count).scalar() == 1


@pytest.mark.parametrize("kind", [{}, {"is_durable": False}, {"alone": True}])
def test_a_writing_transaction_that_raises_leaves_nothing(database: Database, kind: dict[str, bool]) -> None:
    def write_and_raise() -> None:
        with database.writing(**kind) as connection:
            connection.execute(text("INSERT INTO provider_pace VALUES ('a', 0, 0, 0)"))
            raise KeyError("a mistake elsewhere")

    with pytest.raises(KeyError, match="elsewhere"):
        write_and_raise()
    with database.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM provider_pace")).scalar() == 0
