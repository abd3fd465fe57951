"""The log of everything that was done: each row carries the hash of the one before it, so that none can be changed,
taken out or put in unnoticed. Webhooks tell from it, and pages show it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select, text

from annotator.cache.json_text import canonical, sha256_hex
from annotator.people.actor import Actor
from annotator.store.tables import audit_log
from annotator.store.times import to_text

FIRST_HASH = "0" * 64
"""What the first row names as the hash before it."""

_LOCK = 0x41554449
"""PostgreSQL's advisory lock that orders the log's writers; the letters are AUDI. SQLite has one writer anyway."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the log.

    Args:
        action: what was done, `subject.verb`, such as `question.save`.
        subject_id: what it was done to.
        before_sha: content hash before; None where there was none.
        after_sha: content hash after.
        detail: what else a reader needs.
    """

    seq: int
    at: datetime
    account_id: str | None
    project_id: str | None
    action: str
    subject: str
    subject_id: str
    before_sha: str | None
    after_sha: str | None
    detail: dict[str, Any]
    prev_hash: str
    row_hash: str


def record(
    connection: Connection,
    actor: Actor | None,
    action: str,
    subject_id: str,
    *,
    project_id: str | None = None,
    before_sha: str | None = None,
    after_sha: str | None = None,
    detail: Mapping[str, Any] | None = None,
    now: datetime,
) -> int:
    """Adds a row inside the caller's writing transaction, so that what was done and its row stand or fall together.

    Args:
        actor: who did it; None for the program itself.
        action: `subject.verb`.

    Returns:
        The row's number.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    last = connection.execute(
        select(audit_log.c.seq, audit_log.c.row_hash).order_by(audit_log.c.seq.desc()).limit(1)
    ).first()
    seq, prev_hash = (1, FIRST_HASH) if last is None else (last.seq + 1, last.row_hash)
    values = {
        "seq": seq,
        "at": now,
        "account_id": None if actor is None else actor.account_id,
        "project_id": project_id,
        "action": action,
        "subject": action.partition(".")[0],
        "subject_id": subject_id,
        "before_sha": before_sha,
        "after_sha": after_sha,
        "detail_json": canonical(dict(detail or {})).decode(),
        "prev_hash": prev_hash,
    }
    connection.execute(audit_log.insert(), values | {"row_hash": row_hash(values)})
    return seq


def row_hash(values: Mapping[str, Any]) -> str:
    """The hash of a row's values, without its own hash; `at` may be a point in time or its text."""
    named = {column.name: values[column.name] for column in audit_log.columns if column.name != "row_hash"}
    if isinstance(named["at"], datetime):
        named["at"] = to_text(named["at"])
    return sha256_hex(canonical(named))


def entries(
    connection: Connection,
    *,
    project_id: str | None = None,
    subject_id: str | None = None,
    account_id: str | None = None,
    action: str = "",
    before_seq: int | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Rows, the latest first.

    Args:
        action: one action, or a subject whose actions are all wanted; empty for all.
        before_seq: only rows that are older than this one.
    """
    query: Select[Any] = select(audit_log).order_by(audit_log.c.seq.desc()).limit(limit)
    if project_id is not None:
        query = query.where(audit_log.c.project_id == project_id)
    if subject_id is not None:
        query = query.where(audit_log.c.subject_id == subject_id)
    if account_id is not None:
        query = query.where(audit_log.c.account_id == account_id)
    if action:
        query = query.where((audit_log.c.action == action) | (audit_log.c.subject == action))
    if before_seq is not None:
        query = query.where(audit_log.c.seq < before_seq)
    return [read_entry(row) for row in connection.execute(query).mappings()]


def read_entry(row: RowMapping) -> Entry:
    """A row's entry."""
    values = {name: row[name] for name in Entry.__slots__ if name != "detail"}
    return Entry(**values, detail=json.loads(row["detail_json"]))
