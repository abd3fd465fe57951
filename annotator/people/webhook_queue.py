"""From the audit log to deliveries, and what becomes of each: every row that a webhook wants is sent at least once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Select, exists, select

from annotator.cache.json_text import canonical
from annotator.people.accounts import names
from annotator.people.audit import read_entry, record
from annotator.people.webhooks import read_webhook, wants
from annotator.store.ids import new_id
from annotator.store.tables import audit_log, project, webhook, webhook_delivery
from annotator.store.times import to_text

BACKOFF_S: tuple[float, ...] = (5, 30, 120, 600, 3600, 6 * 3600, 24 * 3600)
"""Waits after the first failure, the second, and so on; then it is given up."""
LEASE = timedelta(seconds=60)
"""Within this time whoever took a delivery says what became of it; else another process takes it."""
KEEP = timedelta(days=30)
"""How long deliveries that are over stay to be looked at."""
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery, ready to be signed and sent.

    Args:
        id: which the receiver can use to notice a repetition.
        body: JSON.
    """

    id: str
    webhook_id: str
    project_id: str
    url: str
    num_attempts: int
    body: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    Args:
        status: None when there was no answer.
        is_final: whether trying again is of no use.
    """

    is_delivered: bool
    status: int | None = None
    error: str | None = None
    is_final: bool = False


def has_news(connection: Connection) -> bool:
    """Whether the log has rows that some webhook was not looked at for."""
    newer = exists().where(audit_log.c.project_id == webhook.c.project_id, audit_log.c.seq > webhook.c.delivered_seq)
    return (
        connection.execute(
            select(webhook.c.id).where(webhook.c.is_active.is_not_distinct_from(True), newer).limit(1)
        ).first()
        is not None
    )


def enqueue(connection: Connection, *, now: datetime) -> int:
    """Makes a delivery of each row that a webhook wants, and says how many; forgets those that are long over."""
    connection.execute(
        webhook_delivery.delete().where(
            webhook_delivery.c.state != "waiting", webhook_delivery.c.created_at < now - KEEP
        )
    )
    num_made = 0
    for row in (
        connection.execute(select(webhook).where(webhook.c.is_active.is_not_distinct_from(True))).mappings().all()
    ):
        hook = read_webhook(row)
        query = (
            select(audit_log.c.seq, audit_log.c.action)
            .where(audit_log.c.project_id == hook.project_id, audit_log.c.seq > hook.delivered_seq)
            .order_by(audit_log.c.seq)
            .limit(_AT_ONCE)
        )
        rows = connection.execute(query).all()
        if not rows:
            continue
        # A test has its delivery already.
        wanted = [row for row in rows if wants(hook.actions, row.action) and row.action != "webhook.test"]
        if wanted:
            connection.execute(
                webhook_delivery.insert(),
                [
                    {
                        "id": new_id(now),
                        "webhook_id": hook.id,
                        "seq": row.seq,
                        "num_attempts": 0,
                        "state": "waiting",
                        "created_at": now,
                        "next_at": now,
                    }
                    for row in wanted
                ],
            )
        connection.execute(webhook.update().where(webhook.c.id == hook.id).values(delivered_seq=rows[-1].seq))
        num_made += len(wanted)
    return num_made


def has_due(connection: Connection, *, now: datetime) -> bool:
    """Whether something is to be sent now."""
    return connection.execute(_due(now).limit(1)).first() is not None


def take(connection: Connection, *, now: datetime, limit: int = 10) -> list[Message]:
    """Takes deliveries that are due, the oldest first, so that nobody else sends them meanwhile."""
    rows = connection.execute(_due(now).order_by(webhook_delivery.c.seq).limit(limit)).mappings().all()
    if not rows:
        return []
    connection.execute(
        webhook_delivery.update()
        .where(webhook_delivery.c.id.in_([row["id"] for row in rows]))
        .values(next_at=now + LEASE, num_attempts=webhook_delivery.c.num_attempts + 1)
    )
    bodies = _bodies(connection, [row["seq"] for row in rows])
    return [
        Message(
            id=row["id"],
            webhook_id=row["webhook_id"],
            project_id=row["project_id"],
            url=row["url"],
            num_attempts=row["num_attempts"] + 1,
            body=bodies[row["seq"]],
        )
        for row in rows
    ]


def finish(
    connection: Connection,
    message: Message,
    outcome: Outcome,
    *,
    backoff_s: Sequence[float] = BACKOFF_S,
    now: datetime,
) -> None:
    """Notes what became of an attempt; a receiver that answers 410 is gone for good, and its webhook rests."""
    values: dict[str, object] = {"status": outcome.status, "error": outcome.error}
    if outcome.is_delivered:
        values["state"] = "delivered"
    elif outcome.is_final or message.num_attempts > len(backoff_s):
        values["state"] = "failed"
    else:
        values["next_at"] = now + timedelta(seconds=backoff_s[message.num_attempts - 1])
    connection.execute(webhook_delivery.update().where(webhook_delivery.c.id == message.id).values(values))
    if outcome.status == 410:
        connection.execute(webhook.update().where(webhook.c.id == message.webhook_id).values(is_active=False))
        record(
            connection,
            None,
            "webhook.gone",
            message.webhook_id,
            project_id=message.project_id,
            detail={"host": urlsplit(message.url).hostname},
            now=now,
        )


def _due(now: datetime) -> Select[Any]:
    return (
        select(webhook_delivery, webhook.c.url, webhook.c.project_id)
        .join(webhook, webhook.c.id == webhook_delivery.c.webhook_id)
        .where(
            webhook_delivery.c.state == "waiting",
            webhook_delivery.c.next_at <= now,
            webhook.c.is_active.is_not_distinct_from(True),
        )
    )


def _bodies(connection: Connection, seqs: Sequence[int]) -> dict[int, str]:
    query = (
        select(audit_log, project.c.slug)
        .outerjoin(project, project.c.id == audit_log.c.project_id)
        .where(audit_log.c.seq.in_(seqs))
    )
    rows = connection.execute(query).mappings().all()
    people = names(connection, (row["account_id"] for row in rows))
    bodies = {}
    for row in rows:
        entry = read_entry(row)
        by = people.get(entry.account_id or "")
        content = {
            "type": entry.action,
            "timestamp": to_text(entry.at),
            "data": {
                "seq": entry.seq,
                "project": row["slug"],
                "by": None if by is None else {"username": by.username, "display_name": by.display_name},
                "subject": entry.subject,
                "subject_id": entry.subject_id,
                "before_sha": entry.before_sha,
                "after_sha": entry.after_sha,
                "detail": entry.detail,
            },
        }
        bodies[entry.seq] = canonical(content).decode()
    return bodies
