"""Single-user mode: whoever sits at this machine is the account `local`, and no login is asked for."""

from datetime import datetime

from sqlalchemy import Connection, select

from annotator.people.actor import LOCAL_ACCOUNT_ID, Actor
from annotator.store.sessions import insert_into
from annotator.store.tables import account


def local_actor(via_command: bool = False) -> Actor:
    """The person at this machine, at a browser or at the command line."""
    return Actor(
        account_id=LOCAL_ACCOUNT_ID,
        username="local",
        display_name="You",
        is_admin=True,
        via="command" if via_command else "local",
    )


def ensure_local_account(connection: Connection, now: datetime) -> None:
    """Makes the account's row once, so that what is written has an author."""
    if connection.execute(select(account.c.id).where(account.c.id == LOCAL_ACCOUNT_ID)).first():
        return
    connection.execute(
        insert_into(connection, account)
        .values(
            id=LOCAL_ACCOUNT_ID,
            username="local",
            display_name="You",
            is_admin=True,
            is_active=True,
            prefs_json="{}",
            created_at=now,
        )
        .on_conflict_do_nothing()
    )
