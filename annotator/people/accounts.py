"""Accounts: the people who work here, what they are called and what they prefer."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, select

from annotator.cache.json_text import canonical
from annotator.errors import ConflictError, InputError, NotFoundError
from annotator.people.actor import LOCAL_ACCOUNT_ID, Actor
from annotator.people.audit import record
from annotator.store.ids import new_id
from annotator.store.tables import account

USERNAME = r"^[a-z0-9][a-z0-9._-]{0,62}$"
MAX_DISPLAY_NAME = 200


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as others see them."""

    username: str
    display_name: str


@dataclass(frozen=True, slots=True)
class Account:
    """An account as its row says, without its password's hash.

    Args:
        has_password: whether it can sign in with one.
        oidc_subject: issuer and subject of its single sign-on; None without.
    """

    id: str
    username: str
    display_name: str
    has_password: bool
    oidc_subject: str | None
    is_admin: bool
    is_active: bool
    prefs: dict[str, Any]
    created_at: datetime
    last_seen_at: datetime | None


def names(connection: Connection, ids: Iterable[str | None]) -> dict[str, Person]:
    """The people behind account ids, in one query; ids of nobody are left out."""
    wanted = {identity for identity in ids if identity is not None}
    if not wanted:
        return {}
    query = select(account.c.id, account.c.username, account.c.display_name).where(account.c.id.in_(wanted))
    return {row.id: Person(row.username, row.display_name) for row in connection.execute(query)}


def by_id(connection: Connection, account_id: str) -> Account:
    """An account.

    Raises:
        NotFoundError: there is none.
    """
    return _one(connection.execute(select(account).where(account.c.id == account_id)).mappings().first(), account_id)


def by_username(connection: Connection, username: str) -> Account:
    """An account.

    Raises:
        NotFoundError: there is none.
    """
    found = connection.execute(select(account).where(account.c.username == username)).mappings().first()
    return _one(found, username)


def listing(connection: Connection, *, text: str = "", after: str = "", limit: int = 50) -> list[Account]:
    """Accounts by username, without the one of single-user mode.

    Args:
        text: part of a username or display name; empty for all.
        after: the username after which the page begins.
    """
    query = select(account).where(account.c.username > after, *_matching(text)).order_by(account.c.username)
    return [read_account(row) for row in connection.execute(query.limit(limit)).mappings()]


def count(connection: Connection, text: str = "") -> int:
    """How many accounts `listing` has in all."""
    return int(connection.execute(select(func.count()).select_from(account).where(*_matching(text))).scalar_one())


def has_administrator(connection: Connection) -> bool:
    """Whether somebody can sign in and manage this installation."""
    query = select(account.c.id).where(
        account.c.id != LOCAL_ACCOUNT_ID,
        account.c.is_admin.is_not_distinct_from(True),
        account.c.is_active.is_not_distinct_from(True),
    )
    return connection.execute(query.limit(1)).first() is not None


def create(
    connection: Connection,
    actor: Actor | None,
    *,
    username: str,
    display_name: str = "",
    password_hash: str | None = None,
    oidc_subject: str | None = None,
    is_admin: bool = False,
    now: datetime,
) -> Account:
    """Makes an account.

    Args:
        actor: who makes it; None for the program itself.
        password_hash: made by `passwords.hash_password`; None for somebody who signs in elsewhere.

    Raises:
        InputError: the name cannot be.
        ConflictError: the name is taken.
    """
    username = clean_username(username)
    display_name = clean_display_name(display_name or username)
    if connection.execute(select(account.c.id).where(account.c.username == username)).first():
        raise ConflictError(f"there is already an account '{username}'; choose another name")
    account_id = new_id(now)
    connection.execute(
        account.insert(),
        {
            "id": account_id,
            "username": username,
            "display_name": display_name,
            "password_hash": password_hash,
            "oidc_subject": oidc_subject,
            "is_admin": is_admin,
            "is_active": True,
            "prefs_json": "{}",
            "created_at": now,
        },
    )
    record(
        connection, actor, "account.create", account_id, detail={"username": username, "is_admin": is_admin}, now=now
    )
    return by_id(connection, account_id)


def set_display_name(connection: Connection, actor: Actor, display_name: str, *, now: datetime) -> None:
    """Changes how others see the actor.

    Raises:
        InputError: it cannot be a name.
    """
    cleaned = clean_display_name(display_name)
    connection.execute(account.update().where(account.c.id == actor.account_id).values(display_name=cleaned))
    record(connection, actor, "account.save", actor.account_id, detail={"display_name": cleaned}, now=now)


def set_prefs(connection: Connection, actor: Actor, changes: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Changes what the actor prefers, and gives all of it; None takes a preference back."""
    prefs = by_id(connection, actor.account_id).prefs
    changed = {name: value for name, value in {**prefs, **changes}.items() if value is not None}
    if changed != prefs:
        connection.execute(
            account.update().where(account.c.id == actor.account_id).values(prefs_json=canonical(changed).decode())
        )
        record(connection, actor, "account.prefs", actor.account_id, detail={"names": sorted(changes)}, now=now)
    return changed


def clean_username(text: str) -> str:
    """A username as it is kept: lower case.

    Raises:
        InputError: it cannot be one.
    """
    username = text.strip().lower()
    if not re.fullmatch(USERNAME, username):
        raise InputError(
            f"'{username[:80]}' is no username; use a-z, 0-9, dots, hyphens and underscores, at most 63",
            param="username",
        )
    return username


def clean_display_name(text: str) -> str:
    """A display name on one line.

    Raises:
        InputError: it is empty or too long.
    """
    display_name = " ".join(text.split())
    if not 1 <= len(display_name) <= MAX_DISPLAY_NAME:
        raise InputError(f"a display name needs 1 to {MAX_DISPLAY_NAME} characters", param="display_name")
    return display_name


def read_account(row: RowMapping) -> Account:
    """A row's account."""
    derived = {"has_password": row["password_hash"] is not None, "prefs": json.loads(row["prefs_json"])}
    return Account(**derived, **{name: row[name] for name in Account.__slots__ if name not in derived})


def _matching(text: str) -> list[ColumnElement[bool]]:
    is_person = account.c.id != LOCAL_ACCOUNT_ID
    if not text:
        return [is_person]
    in_username = account.c.username.contains(text.lower(), autoescape=True)
    return [is_person, in_username | account.c.display_name.icontains(text, autoescape=True)]


def _one(row: RowMapping | None, name: str) -> Account:
    if row is None:
        raise NotFoundError(f"there is no account '{name[:80]}'")
    return read_account(row)
