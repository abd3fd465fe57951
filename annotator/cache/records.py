"""An exchange and a tool call as they are recorded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping

from annotator.cache.json_text import canonical
from annotator.maps.answer import Outcome

State = Literal["live", "expired", "redacted"]
CallOutcome = Literal[Outcome, "offline_miss", "error"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to a provider and its answer. It never changes, except that terms may end the storage of its content.

    Args:
        id: ULID.
        request_hash: sha256 of the request key.
        provider: its key.
        adapter_version: of the adapter that sent it.
        method: GET or POST.
        url: without secrets.
        request_json: what the request key is the hash of.
        request_body_sha: sha256 of the request's body; None without one.
        status: HTTP status.
        headers: those of the answer that are kept.
        body_sha: sha256 of the answer's body, as received.
        body_bytes: its length.
        is_answer: whether it answers the question; False for a refusal.
        fetched_at: when it was recorded.
        elapsed_ms: how long the provider took.
        data_vintage: age and version of the data behind it, where known.
        expires_at: when its content must be gone; None is never.
        state: `live` while its content is here, `redacted` to place ids, or `expired` and gone.
        supersedes: id of the exchange that answered this request before.
    """

    id: str
    request_hash: str
    provider: str
    adapter_version: int
    method: str
    url: str
    request_json: str
    request_body_sha: str | None
    status: int
    headers: Mapping[str, str]
    body_sha: str
    body_bytes: int
    is_answer: bool
    fetched_at: datetime
    elapsed_ms: float
    data_vintage: str | None
    expires_at: datetime | None
    state: State
    supersedes: str | None

    def is_expired(self, now: datetime) -> bool:
        """Whether its content may no longer be shown, be it still there or not."""
        return self.state != "live" or (self.expires_at is not None and self.expires_at <= now)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One canonical tool call and the exchanges behind it.

    Args:
        id: ULID.
        adapter_version: of the adapter that read the answers.
        params_json: canonical parameters.
        params_hash: sha256 of `params_json`.
        result_sha: sha256 of the canonical result; None when there was none.
        error_code: the machine's word for what went wrong.
        expires_at: when its result must be gone: the earliest of its exchanges'.
        exchange_ids: in the order of asking.
    """

    id: str
    tool: str
    provider: str
    adapter_version: int
    params_json: str
    params_hash: str
    result_sha: str | None
    outcome: CallOutcome
    error_code: str | None
    latency_ms: float
    created_at: datetime
    expires_at: datetime | None
    exchange_ids: tuple[str, ...]


def exchange_row(exchange: Exchange) -> dict[str, Any]:
    """Values of the table's columns for a new exchange."""
    values = {name: getattr(exchange, name) for name in Exchange.__slots__ if name != "headers"}
    headers = canonical(dict(exchange.headers)).decode()
    return {**values, "response_headers_json": headers, "blob_sha": exchange.body_sha}


def read_exchange(row: RowMapping) -> Exchange:
    """The exchange of a row."""
    values = {name: row[name] for name in Exchange.__slots__ if name != "headers"}
    return Exchange(**values, headers=json.loads(row["response_headers_json"]))
