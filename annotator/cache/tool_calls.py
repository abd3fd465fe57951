"""Rows of canonical tool calls: what was asked for, what it gave, and the exchanges that say so."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select
from ulid import ULID

from annotator.cache.blobs import Packed, put_blob
from annotator.cache.json_text import canonical, sha256_hex
from annotator.cache.records import CallOutcome, Exchange, ToolCall
from annotator.maps.params import ToolParams
from annotator.maps.provider import ProviderInfo
from annotator.store.tables import tool_call, tool_call_exchange


def new_call(
    info: ProviderInfo,
    params: ToolParams,
    result: bytes | None,
    exchanges: Sequence[Exchange],
    outcome: CallOutcome,
    latency_ms: float,
    error_code: str | None,
    now: datetime,
) -> ToolCall:
    """A tool call that ended now."""
    params_json = canonical(params.canonical())
    ends = [recorded.expires_at for recorded in exchanges if recorded.expires_at is not None]
    return ToolCall(
        id=str(ULID.from_datetime(now)),
        tool=params.tool,
        provider=info.key,
        adapter_version=info.version,
        params_json=params_json.decode(),
        params_hash=sha256_hex(params_json),
        result_sha=None if result is None else sha256_hex(result),
        outcome=outcome,
        error_code=error_code,
        latency_ms=round(latency_ms, 3),
        created_at=now,
        expires_at=min(ends, default=None),
        exchange_ids=tuple(recorded.id for recorded in exchanges),
    )


def insert_call(connection: Connection, call: ToolCall, result: Packed | None) -> None:
    """Writes a call, and its result where that may be stored."""
    values = {name: getattr(call, name) for name in ToolCall.__slots__ if name != "exchange_ids"}
    if result is not None:
        values["result_blob"] = put_blob(connection, result)
    connection.execute(tool_call.insert(), values)
    if call.exchange_ids:
        connection.execute(
            tool_call_exchange.insert(),
            [
                {"tool_call_id": call.id, "ordinal": ordinal, "exchange_id": exchange_id}
                for ordinal, exchange_id in enumerate(call.exchange_ids)
            ],
        )


def select_call(connection: Connection, tool_call_id: str) -> ToolCall | None:
    """A call by its id."""
    row = connection.execute(select(tool_call).where(tool_call.c.id == tool_call_id)).mappings().first()
    if row is None:
        return None
    exchange_ids = connection.execute(
        select(tool_call_exchange.c.exchange_id)
        .where(tool_call_exchange.c.tool_call_id == tool_call_id)
        .order_by(tool_call_exchange.c.ordinal)
    ).scalars()
    values = {name: row[name] for name in ToolCall.__slots__ if name != "exchange_ids"}
    return ToolCall(**values, exchange_ids=tuple(exchange_ids))
