"""Slows down whoever guesses passwords: each failure of one name, and of one address, makes the next attempt wait.

An attempt is counted before it is judged, so that many at once gain nothing.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from annotator.errors import RateLimitedError
from annotator.store.sessions import insert_into
from annotator.store.tables import login_failure

FORGET_AFTER = timedelta(hours=1)
"""Without a failure for so long, a name or address starts anew."""
_MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Key:
    """A name or an address whose failures are counted.

    Args:
        text: as stored.
        num_free: failures without a wait.
        max_wait_s: the longest wait, in seconds; the first takes one second, and each failure doubles it.
    """

    text: str
    num_free: int
    max_wait_s: float


def name_key(username: str) -> Key:
    """Attempts on one account. The wait stays short, since anybody can cause it for anybody."""
    return Key(f"name:{username[:64].lower()}", num_free=5, max_wait_s=120)


def address_key(address: str | None, purpose: str = "login") -> Key:
    """Attempts from one address; an IPv6 network of 64 bits is one, since its owner has all of it."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return Key(f"{purpose}:unknown", num_free=20, max_wait_s=900)
    network = ipaddress.ip_network((found, 64 if found.version == 6 else 32), strict=False)
    return Key(f"{purpose}:{network}", num_free=20, max_wait_s=900)


def charge(connection: Connection, keys: Sequence[Key], *, now: datetime) -> None:
    """Counts an attempt as failed until `clear` says otherwise.

    Raises:
        RateLimitedError: one of the keys must wait; nothing was counted.
    """
    connection.execute(login_failure.delete().where(login_failure.c.blocked_until < now - FORGET_AFTER))
    texts = [key.text for key in keys]
    rows = {
        row.key: row for row in connection.execute(select(login_failure).where(login_failure.c.key.in_(texts))).all()
    }
    wait_s = max((row.blocked_until - now).total_seconds() for row in rows.values()) if rows else 0.0
    if wait_s > 0:
        raise RateLimitedError(
            f"too many attempts failed; try again in {max(1, round(wait_s))} s", retry_after_s=wait_s
        )
    for key in keys:
        num_failures = rows[key.text].num_failures + 1 if key.text in rows else 1
        values = {"num_failures": num_failures, "blocked_until": now + timedelta(seconds=_wait_s(key, num_failures))}
        connection.execute(
            insert_into(connection, login_failure)
            .values(key=key.text, **values)
            .on_conflict_do_update(index_elements=["key"], set_=values)
        )


def clear(connection: Connection, name: Key, address: Key) -> None:
    """Takes back what `charge` counted for an attempt that was right: all of its name, one of its address.

    An address keeps the rest, or whoever has one account could guess at the others for ever.
    """
    connection.execute(login_failure.delete().where(login_failure.c.key == name.text))
    connection.execute(
        login_failure.update()
        .where(login_failure.c.key == address.text, login_failure.c.num_failures > 0)
        .values(num_failures=login_failure.c.num_failures - 1)
    )


def _wait_s(key: Key, num_failures: int) -> float:
    over = num_failures - key.num_free
    return 0.0 if over < 0 else min(key.max_wait_s, float(2 ** min(over, _MAX_DOUBLINGS)))
