"""Keys for programs: `mq_` and 43 random characters. Only the sha256 is kept."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, select

from annotator.cache.json_text import sha256_hex
from annotator.errors import InputError, NotFoundError
from annotator.people.actor import Actor, Scope
from annotator.people.audit import record
from annotator.store.ids import new_id
from annotator.store.tables import account, api_token, project

PREFIX = "mq_"
MAX_DAYS = 3650
TOUCH_AFTER = timedelta(minutes=10)
"""Using a token writes to the database at most this often."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as its owner sees it.

    Args:
        project_slug: its only project; None for all of its owner's.
    """

    id: str
    name: str
    scope: Scope
    project_slug: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token in use.

    Args:
        is_stale: whether `touch` is due.
    """

    actor: Actor
    id: str
    is_stale: bool


def create(
    connection: Connection,
    actor: Actor,
    *,
    name: str,
    scope: Scope,
    project_id: str | None = None,
    days: int | None = None,
    now: datetime,
) -> tuple[Token, str]:
    """Makes a token.

    Args:
        days: until it runs out; None for never.

    Returns:
        It, and its secret, which nobody can ask for again.

    Raises:
        InputError: the name or the number of days cannot be.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= 100:
        raise InputError("a token's name needs 1 to 100 characters", param="name")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise InputError(f"a token can last 1 to {MAX_DAYS} days", param="days")
    secret = PREFIX + secrets.token_urlsafe(32)
    token_id = new_id(now)
    connection.execute(
        api_token.insert(),
        {
            "id": token_id,
            "account_id": actor.account_id,
            "name": name,
            "secret_sha": sha256_hex(secret.encode()),
            "scope": scope,
            "project_id": project_id,
            "created_at": now,
            "expires_at": None if days is None else now + timedelta(days=days),
        },
    )
    record(connection, actor, "token.create", token_id, project_id=project_id, detail={"scope": scope}, now=now)
    return next(token for token in listing(connection, actor, now=now) if token.id == token_id), secret


def listing(connection: Connection, actor: Actor, *, now: datetime) -> list[Token]:
    """The actor's tokens that still work, the latest first."""
    query = (
        select(api_token, project.c.slug.label("project_slug"))
        .outerjoin(project, project.c.id == api_token.c.project_id)
        .where(
            api_token.c.account_id == actor.account_id,
            api_token.c.revoked_at.is_(None),
            api_token.c.expires_at.is_(None) | (api_token.c.expires_at > now),
        )
        .order_by(api_token.c.id.desc())
    )
    return [_read(row) for row in connection.execute(query).mappings()]


def revoke(connection: Connection, actor: Actor, token_id: str, *, now: datetime) -> None:
    """Ends one of the actor's tokens.

    Raises:
        NotFoundError: they have no such token.
    """
    ended = connection.execute(
        api_token.update()
        .where(api_token.c.id == token_id, api_token.c.account_id == actor.account_id, api_token.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    if ended.rowcount == 0:
        raise NotFoundError("you have no such token")
    record(connection, actor, "token.revoke", token_id, now=now)


def find(connection: Connection, secret: str, *, now: datetime) -> FoundToken | None:
    """Whose token this is; None for one that was revoked, ran out or never was, or whose account is disabled."""
    query = (
        select(api_token, account.c.username, account.c.display_name, account.c.is_admin)
        .join(account, account.c.id == api_token.c.account_id)
        .where(
            api_token.c.secret_sha == sha256_hex(secret.encode()),
            api_token.c.revoked_at.is_(None),
            account.c.is_active.is_not_distinct_from(True),
        )
    )
    row = connection.execute(query).first()
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        return None
    actor = Actor(
        account_id=row.account_id,
        username=row.username,
        display_name=row.display_name,
        is_admin=row.is_admin,
        via="token",
        scope=row.scope,
        project_id=row.project_id,
    )
    return FoundToken(actor, row.id, is_stale=row.last_used_at is None or now - row.last_used_at > TOUCH_AFTER)


def touch(connection: Connection, found: FoundToken, *, now: datetime) -> None:
    """Notes that a token was used."""
    connection.execute(api_token.update().where(api_token.c.id == found.id).values(last_used_at=now))


def _read(row: RowMapping) -> Token:
    return Token(**{name: row[name] for name in Token.__slots__})
