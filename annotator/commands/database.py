"""The database for a command that needs no maps."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotator.settings import Settings
    from annotator.store.sessions import Database


@contextmanager
def opened(settings: "Settings") -> "Iterator[Database]":
    """The database, with this program's tables and the account of whoever sits here."""
    from annotator.people.local import ensure_local_account
    from annotator.store.migrate import migrate
    from annotator.store.sessions import open_database
    from annotator.store.times import utc_now

    database = open_database(settings.resolved_database_url)
    try:
        migrate(database)
        with database.writing() as connection:
            ensure_local_account(connection, utc_now())
        yield database
    finally:
        database.close()
