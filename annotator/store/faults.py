"""What a database's failures mean to a person: one line on what was kept and what to do."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
    TimeoutError,
)

from annotator.errors import ConfigError, InputError, MapqatorError, StorageError

KEPT = "nothing of this step was written and everything recorded before is kept"

_BUGS = (DataError, IntegrityError, NotSupportedError, ProgrammingError)

_SQLITE = {
    sqlite3.SQLITE_FULL: "the disk of {where} is full; " + KEPT + "; free some space and try again",
    sqlite3.SQLITE_BUSY: "{where} is locked by another program; " + KEPT + "; try again when that is done",
    sqlite3.SQLITE_LOCKED: "{where} is locked by another program; " + KEPT + "; try again when that is done",
    sqlite3.SQLITE_READONLY: "{where} is read-only; " + KEPT + "; make the file and its folder writable",
    sqlite3.SQLITE_PERM: "{where} may not be used; " + KEPT + "; make the file and its folder writable",
    sqlite3.SQLITE_IOERR: "{where} cannot be read or written; " + KEPT + "; check the disk and its free space",
    sqlite3.SQLITE_CORRUPT: "{where} is damaged; restore it from a backup, or move it away to begin anew",
    sqlite3.SQLITE_CANTOPEN: "{where} cannot be opened; check that its folder exists and is writable",
}

_POSTGRESQL = {
    "53100": "the disk of {where} is full; " + KEPT + "; free some space and try again",
    "53300": "{where} takes no more connections; " + KEPT + "; try again later",
    "25006": "{where} is read-only; " + KEPT + "; connect to a server that can be written to",
    "40P01": "another program wanted the same rows of {where}; " + KEPT + "; try again",
    "55P03": "{where} is locked by another program; " + KEPT + "; try again when that is done",
    "57014": "{where} took too long; " + KEPT + "; try again",
}

_OUT_OF_RANGE = "22003"


@contextmanager
def storage_faults(where: str) -> Iterator[None]:
    """Turns failures of a database into errors for a person; mistakes in our own statements stay what they are.

    Args:
        where: the database as a person knows it, without a password.

    Raises:
        ConfigError: the file is no SQLite database.
        InputError: a number or a text that no database can hold; whoever sent it chose it.
        StorageError: all else that keeps a database from doing its work.
    """
    try:
        yield
    except TimeoutError as error:
        raise StorageError(f"too many requests want {where} at once; {KEPT}; try again") from error
    except OverflowError as error:
        # The driver's own, about a parameter of a statement; any other is a bug.
        if "SQLite INTEGER" not in str(error):
            raise
        raise InputError("a number is too large; whole numbers may have at most 18 digits") from error
    except UnicodeEncodeError as error:
        raise InputError("a text holds half of a surrogate pair, which is no character") from error
    except sqlite3.Error as error:
        raise _explain(error, where) from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _OUT_OF_RANGE:
            raise InputError("a number is too large; whole numbers may have at most 9 digits") from error
        if isinstance(error, DataError) and "NUL" in str(error.orig):
            raise InputError("a text holds the character NUL, which this database cannot keep") from error
        if isinstance(error, _BUGS) or (isinstance(error, InterfaceError) and isinstance(error.orig, sqlite3.Error)):
            raise
        raise _explain(error.orig or error, where) from error


def _explain(error: BaseException, where: str) -> MapqatorError:
    if isinstance(error, sqlite3.Error):
        # The low byte is the primary code; the rest says which of its causes it was.
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            return ConfigError(f"{where} is no SQLite database; name another file, or move it away to begin anew")
        if code in _SQLITE:
            return StorageError(_SQLITE[code].format(where=where))
    state = getattr(error, "sqlstate", None)
    if state in _POSTGRESQL:
        return StorageError(_POSTGRESQL[state].format(where=where))
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return StorageError(f"{where} failed ({reason}); {KEPT}; try again when that is put right")
