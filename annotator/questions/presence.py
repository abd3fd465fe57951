"""Who has a question or context open right now."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select

from annotator.errors import NotFoundError
from annotator.store.sessions import insert_into
from annotator.store.tables import account, context, presence, question

HERE_S = 20
"""Seconds after which somebody who has said nothing has left; pages say it every five."""


@dataclass(frozen=True, slots=True)
class Here:
    """Somebody who has it open, in however many tabs.

    Args:
        is_editing: in one of them.
        seen_at: when last.
    """

    username: str
    display_name: str
    is_editing: bool
    seen_at: datetime


def current_n(connection: Connection, project_id: str, subject_id: str) -> int:
    """The current revision of a question or context, by which a page sees that somebody saved.

    Raises:
        NotFoundError: the project has neither of that id.
    """
    for table in (question, context):
        found = connection.execute(
            select(table.c.current_n).where(table.c.id == subject_id, table.c.project_id == project_id)
        ).scalar()
        if found is not None:
            return int(found)
    raise NotFoundError(f"there is no question or context {subject_id} in this project")


def say(
    connection: Connection, account_id: str, subject_id: str, tab: str, *, is_editing: bool, now: datetime
) -> list[Here]:
    """Notes that somebody has a subject open in a tab, and gives who else has; their own other tabs count too."""
    connection.execute(presence.delete().where(presence.c.seen_at < now - timedelta(seconds=HERE_S)))
    insert = insert_into(connection, presence).values(
        subject_id=subject_id, account_id=account_id, tab=tab, is_editing=is_editing, seen_at=now
    )
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["subject_id", "account_id", "tab"],
            set_={"is_editing": insert.excluded.is_editing, "seen_at": insert.excluded.seen_at},
        )
    )
    rows = connection.execute(
        select(account.c.username, account.c.display_name, presence.c.is_editing, presence.c.seen_at)
        .join(account, account.c.id == presence.c.account_id)
        .where(
            presence.c.subject_id == subject_id,
            or_(presence.c.account_id != account_id, presence.c.tab != tab),
        )
        .order_by(account.c.username, presence.c.seen_at)
    )
    others: dict[str, Here] = {}
    for row in rows:
        before = others.get(row.username)
        is_editing_anywhere = row.is_editing or (before is not None and before.is_editing)
        others[row.username] = Here(row.username, row.display_name, is_editing_anywhere, row.seen_at)
    return list(others.values())


def leave(connection: Connection, account_id: str, subject_id: str, tab: str) -> None:
    """Notes that a tab was closed."""
    connection.execute(
        presence.delete().where(
            presence.c.subject_id == subject_id, presence.c.account_id == account_id, presence.c.tab == tab
        )
    )
