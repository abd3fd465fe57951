"""Letting go of content when a provider's terms say so: to the ids of its places, or altogether.

What was asked, when, and the hash of what came stay, and a row of `erasure` says what went. Reads never show expired
content, whether it has been swept yet or not.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, RowMapping, delete, exists, not_, select
from ulid import ULID

from annotator.cache.blobs import get_blob, pack_blob, put_blob
from annotator.cache.json_text import canonical
from annotator.errors import TamperedError
from annotator.maps.calls import HttpResponse
from annotator.maps.provider import Provider
from annotator.store.sessions import Database
from annotator.store.tables import blob, erasure, exchange, metadata, tool_call

log = logging.getLogger(__name__)

_BATCH = 100
"""Exchanges of one transaction, so that no writer waits for long."""

_CONTENT_COLUMNS = tuple(
    column
    for table in metadata.sorted_tables
    for column in table.columns
    if any(key.column is blob.c.sha256 for key in column.foreign_keys)
)
"""Every column that keeps a blob in the database."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep let go of.

    Args:
        num_redacted: exchanges of which only place ids are left.
        num_expired: exchanges of which nothing is left.
        num_results: tool calls whose results went.
        num_blobs: blobs that nothing refers to any more and that are gone.
        freed_bytes: of their content.
    """

    num_redacted: int = 0
    num_expired: int = 0
    num_results: int = 0
    num_blobs: int = 0
    freed_bytes: int = 0


def sweep(database: Database, providers: Mapping[str, Provider], now: datetime) -> Sweep:
    """Erases all content whose time is up. It may be killed and run again at any moment.

    Args:
        providers: by key; of an unknown one's content nothing stays.

    Raises:
        StorageError: the database cannot be written; what was done until then is done.
    """
    done = Sweep()
    while True:
        # Alone, so that no recording takes up a blob that is just being deleted.
        with database.writing(alone=True) as connection:
            found = _sweep_some(connection, providers, now)
        if found == Sweep():
            break
        done = Sweep(*(getattr(done, name) + getattr(found, name) for name in Sweep.__slots__))
    if done != Sweep():
        database.truncate_log()
    return done


def _sweep_some(connection: Connection, providers: Mapping[str, Provider], now: datetime) -> Sweep:
    done = Sweep()
    loose: set[str] = set()
    due = select(exchange).where(exchange.c.state == "live", exchange.c.expires_at <= now).limit(_BATCH)
    for row in connection.execute(due).mappings().all():
        kept = _keeps(row, providers.get(row["provider"]))
        if kept == "place_ids":
            ids = pack_blob(_place_ids(connection, row, providers), "application/json")
            state, left = "redacted", put_blob(connection, ids)
            done = replace(done, num_redacted=done.num_redacted + 1)
        else:
            state, left = "expired", None
            done = replace(done, num_expired=done.num_expired + 1)
        connection.execute(exchange.update().where(exchange.c.id == row["id"]).values(state=state, blob_sha=left))
        _note(connection, "exchange", row, row["body_sha"], row["body_bytes"], kept, now)
        if left != row["body_sha"]:
            loose.add(row["body_sha"])
    due = (
        select(tool_call, blob.c.size_bytes)
        .join(blob, blob.c.sha256 == tool_call.c.result_blob)
        .where(tool_call.c.expires_at <= now)
        .limit(_BATCH)
    )
    for row in connection.execute(due).mappings().all():
        connection.execute(tool_call.update().where(tool_call.c.id == row["id"]).values(result_blob=None))
        _note(connection, "tool_call", row, row["result_blob"], row["size_bytes"], "nothing", now)
        done = replace(done, num_results=done.num_results + 1)
        loose.add(row["result_blob"])
    num_blobs, freed_bytes = _delete_loose(connection, loose)
    return replace(done, num_blobs=num_blobs, freed_bytes=freed_bytes)


def _keeps(row: RowMapping, provider: Provider | None) -> Literal["nothing", "place_ids"]:
    # A refusal names no places.
    return provider.info.policy.after_expiry if provider is not None and row["is_answer"] else "nothing"


def _place_ids(connection: Connection, row: RowMapping, providers: Mapping[str, Provider]) -> bytes:
    """What stays of a response: canonical JSON of its places' ids."""
    found: tuple[str, ...] = ()
    try:
        content = get_blob(connection, row["body_sha"])
        if content is not None:
            found = providers[row["provider"]].place_ids(HttpResponse(row["status"], content.body))
    except TamperedError as error:
        log.warning("%s; no place ids are kept of exchange %s", error, row["id"])
    except Exception:
        # Whatever an adapter trips over, content whose time is up has to go.
        log.exception("the adapter of %s finds no place ids in exchange %s", row["provider"], row["id"])
    return canonical({"place_ids": list(dict.fromkeys(found))})


def _note(
    connection: Connection,
    subject: Literal["exchange", "tool_call"],
    row: RowMapping,
    content_sha: str,
    size_bytes: int,
    kept: Literal["nothing", "place_ids"],
    now: datetime,
) -> None:
    values = {
        "id": str(ULID.from_datetime(now)),
        "erased_at": now,
        "subject": subject,
        "subject_id": row["id"],
        "provider": row["provider"],
        "content_sha": content_sha,
        "size_bytes": size_bytes,
        "kept": kept,
    }
    connection.execute(erasure.insert(), values)


def _delete_loose(connection: Connection, shas: set[str]) -> tuple[int, int]:
    """Deletes those blobs that nothing refers to; their number and the bytes of their content."""
    unused = [not_(exists().where(column == blob.c.sha256)) for column in _CONTENT_COLUMNS]
    gone = delete(blob).where(blob.c.sha256.in_(sorted(shas)), *unused).returning(blob.c.size_bytes)
    sizes = connection.execute(gone).scalars().all() if shas else []
    return len(sizes), sum(sizes)
