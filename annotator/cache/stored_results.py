"""Results of recorded tool calls, read back for contexts, evidence and frozen datasets, checked by hash."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from annotator.cache.blobs import get_blob
from annotator.cache.records import Exchange, read_exchange
from annotator.errors import NotFoundError
from annotator.store.tables import exchange, tool_call, tool_call_exchange


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A tool call with what it gave.

    Args:
        params: canonical parameters.
        result: JSON values of the canonical result; None once its provider's terms have ended its storage.
        result_sha: sha256 of the canonical result.
        exchanges: those behind it, in the order of asking.
        latency_ms: how long the call took when it was made.
    """

    tool_call_id: str
    tool: str
    provider: str
    adapter_version: int
    params: dict[str, Any]
    result: dict[str, Any] | None
    result_sha: str
    exchanges: tuple[Exchange, ...]
    created_at: datetime
    expires_at: datetime | None
    latency_ms: float = 0.0


def load_results(connection: Connection, tool_call_ids: Sequence[str], now: datetime) -> dict[str, StoredResult]:
    """Tool calls that gave a result, by id, each once.

    Raises:
        NotFoundError: one of them was not recorded or gave no result.
        TamperedError: a result is not what was stored.
    """
    ids = list(dict.fromkeys(tool_call_ids))
    behind: dict[str, list[Exchange]] = {call_id: [] for call_id in ids}
    found: dict[str, StoredResult] = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        links = (
            select(tool_call_exchange.c.tool_call_id, exchange)
            .join(exchange, exchange.c.id == tool_call_exchange.c.exchange_id)
            .where(tool_call_exchange.c.tool_call_id.in_(part))
            .order_by(tool_call_exchange.c.tool_call_id, tool_call_exchange.c.ordinal)
        )
        for row in connection.execute(links).mappings():
            behind[row["tool_call_id"]].append(read_exchange(row))
        for row in connection.execute(select(tool_call).where(tool_call.c.id.in_(part))).mappings():
            if row["result_sha"] is None:
                continue
            is_expired = row["result_blob"] is None or (row["expires_at"] is not None and row["expires_at"] <= now)
            content = None if is_expired else get_blob(connection, row["result_sha"])
            found[row["id"]] = StoredResult(
                tool_call_id=row["id"],
                tool=row["tool"],
                provider=row["provider"],
                adapter_version=row["adapter_version"],
                params=json.loads(row["params_json"]),
                result=None if content is None else json.loads(content.body),
                result_sha=row["result_sha"],
                exchanges=tuple(behind[row["id"]]),
                created_at=row["created_at"],
                expires_at=row["expires_at"],
                latency_ms=row["latency_ms"],
            )
    missing = [call_id for call_id in ids if call_id not in found]
    if missing:
        raise NotFoundError(f"there is no recorded tool call {missing[0]} with a result")
    return found
