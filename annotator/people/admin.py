"""What an installation's administrators do with accounts, and how the first of them comes to be."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from annotator.errors import ConflictError, NotFoundError
from annotator.people import accounts, sessions
from annotator.people.accounts import Account
from annotator.people.actor import LOCAL_ACCOUNT_ID, Actor
from annotator.people.audit import record
from annotator.people.login import begin, reset_password
from annotator.people.sessions import NewSession
from annotator.store.tables import account


def set_up(connection: Connection, *, username: str, password_hash: str, now: datetime) -> NewSession:
    """Makes the first administrator and signs them in.

    Raises:
        ConflictError: there is one already.
        InputError: the name cannot be.
    """
    if accounts.has_administrator(connection):
        raise ConflictError("this installation is set up already; sign in")
    made = accounts.create(connection, None, username=username, password_hash=password_hash, is_admin=True, now=now)
    return begin(connection, made.id, how="setup", old_secret=None, now=now)


def change_account(
    connection: Connection,
    actor: Actor | None,
    username: str,
    *,
    display_name: str | None = None,
    is_admin: bool | None = None,
    is_active: bool | None = None,
    password_hash: str | None = None,
    now: datetime,
) -> Account:
    """Changes what is given and leaves the rest. A disabled account's sessions end, and its tokens rest.

    Args:
        actor: who does it; None for the program itself.

    Raises:
        NotFoundError: there is no such account, or it is single-user mode's.
        ConflictError: nobody would be left who manages this installation.
        InputError: the display name cannot be.
    """
    before = accounts.by_username(connection, username)
    if before.id == LOCAL_ACCOUNT_ID:
        raise NotFoundError("'local' is whoever sits at this machine; there is nothing to change about it")
    values: dict[str, object] = {}
    if display_name is not None:
        values["display_name"] = accounts.clean_display_name(display_name)
    if is_admin is not None:
        values["is_admin"] = is_admin
    if is_active is not None:
        values["is_active"] = is_active
    changed = {name: value for name, value in values.items() if value != getattr(before, name)}
    if before.is_admin and before.is_active and (changed.keys() & {"is_admin", "is_active"}):
        _keep_an_administrator(connection)
    if changed:
        connection.execute(account.update().where(account.c.id == before.id).values(changed))
        record(connection, actor, "account.save", before.id, detail={"username": username, **changed}, now=now)
    if password_hash is not None:
        reset_password(connection, actor, before.id, password_hash, now=now)
    if is_active is False:
        sessions.end_all(connection, before.id)
    return accounts.by_id(connection, before.id)


def sign_out_everywhere(connection: Connection, actor: Actor, account_id: str, *, now: datetime) -> int:
    """Ends every session of an account, and says how many there were."""
    num_ended = sessions.end_all(connection, account_id)
    record(connection, actor, "session.end_all", account_id, detail={"num_sessions": num_ended}, now=now)
    return num_ended


def _keep_an_administrator(connection: Connection) -> None:
    query = (
        select(func.count())
        .select_from(account)
        .where(
            account.c.id != LOCAL_ACCOUNT_ID,
            account.c.is_admin.is_not_distinct_from(True),
            account.c.is_active.is_not_distinct_from(True),
        )
    )
    if connection.execute(query).scalar_one() <= 1:
        raise ConflictError("this installation needs an administrator; make somebody else one first")
