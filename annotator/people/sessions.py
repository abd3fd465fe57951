"""Signed-in browsers. The cookie is random, and only its sha256 is kept."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from annotator.cache.json_text import sha256_hex
from annotator.people.actor import Actor
from annotator.store.tables import account, session

IDLE = timedelta(days=14)
"""How long a session lasts without being used."""
LIFETIME = timedelta(days=90)
"""How long a session lasts however much it is used."""
TOUCH_AFTER = timedelta(minutes=10)
"""Using a session writes to the database at most this often."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that has just begun.

    Args:
        secret: the cookie's value; nobody can ask for it again.
        csrf: what requests that change something must carry.
    """

    secret: str
    csrf: str


@dataclass(frozen=True, slots=True)
class FoundSession:
    """A session in use.

    Args:
        is_stale: whether `touch` is due.
    """

    actor: Actor
    secret_sha: str
    is_stale: bool


def start(connection: Connection, account_id: str, *, now: datetime) -> NewSession:
    """Begins a session with a cookie that did not exist before, and forgets those that have run out."""
    connection.execute(session.delete().where(session.c.expires_at < now))
    made = NewSession(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
    connection.execute(
        session.insert(),
        {
            "secret_sha": _sha(made.secret),
            "account_id": account_id,
            "csrf": made.csrf,
            "created_at": now,
            "expires_at": now + IDLE,
        },
    )
    connection.execute(account.update().where(account.c.id == account_id).values(last_seen_at=now))
    return made


def find(connection: Connection, secret: str, *, now: datetime) -> FoundSession | None:
    """Whose session this is; None for one that ended, ran out or never was, or whose account is disabled."""
    query = (
        select(session, account.c.username, account.c.display_name, account.c.is_admin)
        .join(account, account.c.id == session.c.account_id)
        .where(
            session.c.secret_sha == _sha(secret),
            session.c.expires_at > now,
            account.c.is_active.is_not_distinct_from(True),
        )
    )
    row = connection.execute(query).first()
    if row is None or now - row.created_at >= LIFETIME:
        return None
    actor = Actor(
        account_id=row.account_id,
        username=row.username,
        display_name=row.display_name,
        is_admin=row.is_admin,
        via="session",
        csrf=row.csrf,
    )
    return FoundSession(actor, row.secret_sha, is_stale=row.expires_at - now < IDLE - TOUCH_AFTER)


def touch(connection: Connection, found: FoundSession, *, now: datetime) -> None:
    """Lets a session last on from now, and notes that its account was seen."""
    connection.execute(session.update().where(session.c.secret_sha == found.secret_sha).values(expires_at=now + IDLE))
    connection.execute(account.update().where(account.c.id == found.actor.account_id).values(last_seen_at=now))


def end(connection: Connection, secret: str) -> None:
    """Ends one session, if there is one."""
    connection.execute(session.delete().where(session.c.secret_sha == _sha(secret)))


def end_all(connection: Connection, account_id: str) -> int:
    """Ends every session of an account, and says how many there were."""
    return connection.execute(session.delete().where(session.c.account_id == account_id)).rowcount


def num_open(connection: Connection, account_id: str, *, now: datetime) -> int:
    """How many browsers are signed in."""
    query = select(session.c.secret_sha).where(session.c.account_id == account_id, session.c.expires_at > now)
    return len(connection.execute(query).all())


def _sha(secret: str) -> str:
    return sha256_hex(secret.encode())
