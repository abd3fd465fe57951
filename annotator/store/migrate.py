"""Brings a database to this program's tables, whichever earlier program made it."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from annotator.errors import ConfigError
from annotator.store.sessions import Database

HEAD = "0003"
"""The last file of `migrations/versions`: what this program's tables are."""

_VERSION_TABLE = "alembic_version"


def migrations_folder() -> Path:
    """`migrations/` of a checkout, or its copy inside an installed wheel."""
    package = Path(__file__).resolve().parents[1]
    return next(path for path in (package / "_migrations", package.parent / "migrations") if path.is_dir())


def migrate(database: Database) -> None:
    """Makes the tables, or changes them to what this program needs; safe when several processes start at once.

    Raises:
        ConfigError: a newer program wrote the database, or an SQLite file is another program's.
        StorageError: it cannot be written; it is as it was before.
    """
    with database.reading() as connection:
        if _revision(connection, database) == HEAD:
            return
    # Slow to import, and needed once in the life of a database.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    with database.writing(alone=True) as connection:
        # Another process may have come first while this one waited for its turn.
        revision = _revision(connection, database)
        if revision is not None and revision not in known:
            raise ConfigError(
                f"{database.where} was written by a newer MapQaTor (revision {revision}, this one knows {HEAD}); "
                "install that one, or name another database"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: Connection, database: Database) -> str | None:
    """The revision of the tables; None when there are none yet."""
    tables = inspect(connection).get_table_names()
    if _VERSION_TABLE in tables:
        return connection.execute(text(f"SELECT version_num FROM {_VERSION_TABLE}")).scalar()
    if tables and database.is_sqlite:
        raise ConfigError(f"{database.where} is another program's (it has a table '{tables[0]}'); name another file")
    return None
