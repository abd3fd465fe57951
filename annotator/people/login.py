"""Signing in with a password, and changing it.

These functions take the database instead of a connection: hashing a password takes a tenth of a second, during which no
other transaction should have to wait.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from annotator.errors import InputError, SignedOutError
from annotator.people import accounts, sessions, throttle
from annotator.people.actor import LOCAL_ACCOUNT_ID, Actor
from annotator.people.audit import record
from annotator.people.passwords import check_password, hash_password, verify_password
from annotator.people.sessions import NewSession
from annotator.store.sessions import Database
from annotator.store.tables import account
from annotator.store.times import utc_now


@dataclass(frozen=True, slots=True)
class _Credentials:
    account_id: str
    password_hash: str | None


def sign_in(
    database: Database, *, username: str, password: str, address: str | None, old_secret: str | None
) -> NewSession:
    """Begins a session for whoever knows the password.

    Args:
        address: where the attempt comes from.
        old_secret: the cookie that the browser had, whose session ends.

    Raises:
        SignedOutError: the name or the password is wrong, or the account is disabled; which of them is not said.
        RateLimitedError: too many failed before.
    """
    keys = throttle.name_key(username), throttle.address_key(address)
    # The time of each step, since a wait may have passed between them.
    with database.writing(is_durable=False) as connection:
        throttle.charge(connection, keys, now=utc_now())
    with database.reading() as connection:
        known = _credentials(connection, username)
    verdict = verify_password(known.password_hash if known else None, password)
    if known is None or not verdict.is_right:
        raise SignedOutError("the name or the password is wrong")
    with database.writing() as connection:
        throttle.clear(connection, *keys)
        if verdict.new_hash is not None:
            _store_hash(connection, known.account_id, verdict.new_hash)
        return begin(connection, known.account_id, how="password", old_secret=old_secret, now=utc_now())


def begin(connection: Connection, account_id: str, *, how: str, old_secret: str | None, now: datetime) -> NewSession:
    """Begins a session for somebody who is known, in the place of the one that their browser had."""
    if old_secret:
        sessions.end(connection, old_secret)
    found = accounts.by_id(connection, account_id)
    actor = Actor(found.id, found.username, found.display_name, found.is_admin)
    record(connection, actor, "session.start", account_id, detail={"how": how}, now=now)
    return sessions.start(connection, account_id, now=now)


def change_password(database: Database, actor: Actor, *, old: str, new: str, address: str | None) -> NewSession:
    """Gives the actor another password, ends all their sessions and begins a new one.

    Raises:
        InputError: the old one is wrong, or the new one is easily guessed.
        RateLimitedError: too many attempts failed before.
    """
    keys = throttle.name_key(actor.username), throttle.address_key(address)
    check_new(new, actor.username, actor.display_name)
    with database.writing(is_durable=False) as connection:
        throttle.charge(connection, keys, now=utc_now())
    with database.reading() as connection:
        known = _credentials(connection, actor.username)
    # An account of single sign-on has no password yet, and its owner has just signed in.
    is_first = known is not None and known.password_hash is None
    if not is_first and not verify_password(known.password_hash if known else None, old).is_right:
        raise InputError("the old password is wrong", param="old")
    new_hash = hash_password(new)
    with database.writing() as connection:
        throttle.clear(connection, *keys)
        _store_hash(connection, actor.account_id, new_hash)
        sessions.end_all(connection, actor.account_id)
        record(connection, actor, "account.password", actor.account_id, now=utc_now())
        return sessions.start(connection, actor.account_id, now=utc_now())


def check_new(password: str, *names: str) -> None:
    """Refuses an easily guessed new password, under the name `new` that the form has for it."""
    try:
        check_password(password, *names)
    except InputError as error:
        raise InputError(error.message, param="new") from None


def reset_password(
    connection: Connection, actor: Actor | None, account_id: str, password_hash: str, *, now: datetime
) -> None:
    """Gives somebody else a password and ends their sessions."""
    _store_hash(connection, account_id, password_hash)
    sessions.end_all(connection, account_id)
    record(connection, actor, "account.password", account_id, detail={"is_reset": True}, now=now)


def _credentials(connection: Connection, username: str) -> _Credentials | None:
    query = select(account.c.id, account.c.password_hash).where(
        account.c.username == username.strip().lower(),
        account.c.is_active.is_not_distinct_from(True),
        account.c.id != LOCAL_ACCOUNT_ID,
    )
    row = connection.execute(query).first()
    return None if row is None else _Credentials(row.id, row.password_hash)


def _store_hash(connection: Connection, account_id: str, password_hash: str) -> None:
    connection.execute(account.update().where(account.c.id == account_id).values(password_hash=password_hash))
