"""Recordings as a list: whom they are of, when they came, how often they answered, and when they expire."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, or_, select

from annotator.cache.records import State
from annotator.store.tables import exchange, exchange_use, tool_call, tool_call_exchange


@dataclass(frozen=True, slots=True)
class Recording:
    """An exchange in a list.

    Args:
        tools: whose calls it answered.
        num_hits: times that it answered again, without those still in some process's memory.
    """

    id: str
    provider: str
    tools: tuple[str, ...]
    method: str
    url: str
    status: int
    body_sha: str
    body_bytes: int
    fetched_at: datetime
    data_vintage: str | None
    expires_at: datetime | None
    state: State
    supersedes: str | None
    num_hits: int
    last_hit_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recordings:
    """A page of recordings, the latest first; `next` is the id after which the following page begins."""

    recordings: tuple[Recording, ...]
    next: str | None
    total: int


def list_recordings(
    connection: Connection,
    *,
    provider: str | None = None,
    tool: str | None = None,
    state: State | None = None,
    q: str = "",
    limit: int = 50,
    cursor: str | None = None,
) -> Recordings:
    """Recordings, the latest first.

    Args:
        q: part of the address, or the beginning of a body's sha256.
        cursor: id of the last recording on the page before.
    """
    conditions: list[Any] = []
    if provider is not None:
        conditions.append(exchange.c.provider == provider)
    if state is not None:
        conditions.append(exchange.c.state == state)
    if tool is not None:
        answered = (
            select(tool_call_exchange.c.exchange_id)
            .join(tool_call, tool_call.c.id == tool_call_exchange.c.tool_call_id)
            .where(tool_call_exchange.c.exchange_id == exchange.c.id, tool_call.c.tool == tool)
        )
        conditions.append(answered.exists())
    if q := q.strip():
        by_sha = exchange.c.body_sha.startswith(q.lower(), autoescape=True)
        conditions.append(or_(exchange.c.url.contains(q, autoescape=True), by_sha))
    total = connection.execute(select(func.count()).select_from(exchange).where(*conditions)).scalar_one()
    if cursor is not None:
        conditions.append(exchange.c.id < cursor)
    # An id begins with the time of recording, so its order is the order of time.
    page = (
        select(exchange, exchange_use.c.num_hits, exchange_use.c.last_hit_at)
        .outerjoin(exchange_use, exchange_use.c.exchange_id == exchange.c.id)
        .where(*conditions)
        .order_by(exchange.c.id.desc())
        .limit(limit + 1)
    )
    rows = connection.execute(page).mappings().all()
    tools = _tools(connection, [row["id"] for row in rows[:limit]])
    derived = ("tools", "num_hits")
    found = tuple(
        Recording(
            **{name: row[name] for name in Recording.__slots__ if name not in derived},
            tools=tools[row["id"]],
            num_hits=row["num_hits"] or 0,
        )
        for row in rows[:limit]
    )
    return Recordings(found, found[-1].id if len(rows) > limit else None, total)


def latest_call(connection: Connection, exchange_id: str) -> dict[str, Any] | None:
    """Tool, provider and parameters of the last call that an exchange answered; None where no call was recorded."""
    row = (
        connection.execute(
            select(tool_call.c.tool, tool_call.c.provider, tool_call.c.params_json)
            .join(tool_call_exchange, tool_call_exchange.c.tool_call_id == tool_call.c.id)
            .where(tool_call_exchange.c.exchange_id == exchange_id)
            .order_by(tool_call.c.id.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )
    return None if row is None else dict(row)


def recorded_providers(connection: Connection) -> list[str]:
    """Keys of all providers of whom something is recorded."""
    return list(connection.execute(select(exchange.c.provider).distinct().order_by(exchange.c.provider)).scalars())


def _tools(connection: Connection, exchange_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    rows = connection.execute(
        select(tool_call_exchange.c.exchange_id, tool_call.c.tool)
        .distinct()
        .join(tool_call, tool_call.c.id == tool_call_exchange.c.tool_call_id)
        .where(tool_call_exchange.c.exchange_id.in_(exchange_ids))
        .order_by(tool_call.c.tool)
    )
    for exchange_id, tool in rows:
        found[exchange_id] += (tool,)
    return found
