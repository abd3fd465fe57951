"""Every table. Identifiers are ULIDs, hashes are sha256 in hex, JSON is canonical (RFC 8785), times are UTC text.

Exchanges and blobs never change, with one exception that terms demand: when content expires, an exchange lets go of
its blob. What was asked and when, and the hash of what came, stay.
"""

from typing import Any

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, MetaData, Table
from sqlalchemy.types import TypeEngine

from annotator.store.columns import Bytes, Count, Flag, Number, String, Timestamp

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id(name: str) -> Column[Any]:
    return Column(name, String, primary_key=True)


def _required(name: str, kind: TypeEngine[Any] = String) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _optional(name: str, kind: TypeEngine[Any] = String) -> Column[Any]:
    return Column(name, kind, nullable=True)


def _refers(name: str, to: str, *, nullable: bool = False, primary_key: bool = False) -> Column[Any]:
    return Column(name, String, ForeignKey(to), nullable=nullable, primary_key=primary_key)


def _one_of(column: str, *words: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)


blob = Table(
    "blob",
    metadata,
    _id("sha256"),
    _required("bytes", Bytes),
    _required("codec"),
    _required("size_bytes", Count),
    _required("mime"),
    _one_of("codec", "identity", "zlib"),
    CheckConstraint("length(sha256) = 64", name="sha256"),
    comment="Content by its hash, which is over the bytes before compression.",
    sqlite_strict=True,
)

exchange = Table(
    "exchange",
    metadata,
    _id("id"),
    _required("request_hash"),
    _required("provider"),
    _required("adapter_version", Count),
    _required("method"),
    _required("url"),
    _required("request_json"),
    _optional("request_body_sha"),
    _required("status", Count),
    _required("response_headers_json"),
    _required("body_sha"),
    _required("body_bytes", Count),
    _refers("blob_sha", "blob.sha256", nullable=True),
    _required("is_answer", Flag()),
    _required("fetched_at", Timestamp()),
    _required("elapsed_ms", Number),
    _optional("data_vintage"),
    _optional("expires_at", Timestamp()),
    _required("state"),
    _refers("supersedes", "exchange.id", nullable=True),
    _one_of("state", "live", "expired", "redacted"),
    CheckConstraint("state <> 'live' OR blob_sha = body_sha", name="live_content"),
    CheckConstraint("state <> 'expired' OR blob_sha IS NULL", name="expired_content"),
    Index(None, "request_hash", "fetched_at"),
    Index(None, "body_sha"),
    Index(None, "blob_sha"),
    Index(None, "state", "expires_at"),
    comment="One request and its answer. body_sha is what came, blob_sha what of it is still held.",
    sqlite_strict=True,
)

cache_head = Table(
    "cache_head",
    metadata,
    _id("namespace"),
    _id("request_hash"),
    _refers("exchange_id", "exchange.id"),
    Index(None, "exchange_id"),
    comment="The exchange that answers a request, in `live` and in each frozen dataset.",
    sqlite_strict=True,
)

exchange_use = Table(
    "exchange_use",
    metadata,
    _refers("exchange_id", "exchange.id", primary_key=True),
    _required("num_hits", Count),
    _required("last_hit_at", Timestamp()),
    comment="How often a recording answered.",
    sqlite_strict=True,
)

tool_call = Table(
    "tool_call",
    metadata,
    _id("id"),
    _required("tool"),
    _required("provider"),
    _required("adapter_version", Count),
    _required("params_json"),
    _required("params_hash"),
    _optional("result_sha"),
    _refers("result_blob", "blob.sha256", nullable=True),
    _required("outcome"),
    _optional("error_code"),
    _required("latency_ms", Number),
    _required("created_at", Timestamp()),
    _optional("expires_at", Timestamp()),
    _one_of("outcome", "hit", "miss", "refresh", "replay", "live", "offline_miss", "error"),
    Index(None, "result_sha"),
    Index(None, "result_blob"),
    Index(None, "params_hash"),
    Index(None, "expires_at"),
    comment="One canonical tool call. result_sha is what it gave, result_blob what of it is still held.",
    sqlite_strict=True,
)

tool_call_exchange = Table(
    "tool_call_exchange",
    metadata,
    _refers("tool_call_id", "tool_call.id", primary_key=True),
    Column("ordinal", Count, primary_key=True),
    _refers("exchange_id", "exchange.id"),
    Index(None, "exchange_id"),
    comment="The exchanges behind a tool call, in the order of asking.",
    sqlite_strict=True,
)

erasure = Table(
    "erasure",
    metadata,
    _id("id"),
    _required("erased_at", Timestamp()),
    _required("subject"),
    _required("subject_id"),
    _required("provider"),
    _required("content_sha"),
    _required("size_bytes", Count),
    _required("kept"),
    _one_of("subject", "exchange", "tool_call"),
    _one_of("kept", "nothing", "place_ids"),
    Index(None, "subject_id"),
    comment="What content was let go of under a provider's terms, and when.",
    sqlite_strict=True,
)

provider_pace = Table(
    "provider_pace",
    metadata,
    _id("key"),
    _required("next_us", Count),
    _required("held_until_us", Count),
    _required("seen_us", Count),
    comment="Rate limits of all processes together, in microseconds since 1970.",
    sqlite_strict=True,
)

flight = Table(
    "flight",
    metadata,
    _id("key"),
    _required("owner"),
    _required("expires_at", Timestamp()),
    comment="Who is asking a provider for a request right now.",
    sqlite_strict=True,
)
