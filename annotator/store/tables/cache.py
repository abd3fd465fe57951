"""Recordings: blobs, exchanges and tool calls, and what processes share while they ask.

Exchanges and blobs never change, with one exception that terms demand: when content expires, an exchange lets go of
its blob. What was asked and when, and the hash of what came, stay.
"""

from sqlalchemy import CheckConstraint, Column, Index, Table

from annotator.store.columns import Bytes, Count, Flag, Number, Timestamp
from annotator.store.tables.base import identity, metadata, one_of, optional, refers, required

blob = Table(
    "blob",
    metadata,
    identity("sha256"),
    required("bytes", Bytes),
    required("codec"),
    required("size_bytes", Count),
    required("mime"),
    one_of("codec", "identity", "zlib"),
    CheckConstraint("length(sha256) = 64", name="sha256"),
    comment="Content by its hash, which is over the bytes before compression.",
    sqlite_strict=True,
)

exchange = Table(
    "exchange",
    metadata,
    identity("id"),
    required("request_hash"),
    required("provider"),
    required("adapter_version", Count),
    required("method"),
    required("url"),
    required("request_json"),
    optional("request_body_sha"),
    required("status", Count),
    required("response_headers_json"),
    required("body_sha"),
    required("body_bytes", Count),
    refers("blob_sha", "blob.sha256", nullable=True),
    required("is_answer", Flag()),
    required("fetched_at", Timestamp()),
    required("elapsed_ms", Number),
    optional("data_vintage"),
    optional("expires_at", Timestamp()),
    required("state"),
    refers("supersedes", "exchange.id", nullable=True),
    one_of("state", "live", "expired", "redacted"),
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
    identity("namespace"),
    identity("request_hash"),
    refers("exchange_id", "exchange.id"),
    Index(None, "exchange_id"),
    comment="The exchange that answers a request, in `live` and in each frozen dataset.",
    sqlite_strict=True,
)

exchange_use = Table(
    "exchange_use",
    metadata,
    refers("exchange_id", "exchange.id", primary_key=True),
    required("num_hits", Count),
    required("last_hit_at", Timestamp()),
    comment="How often a recording answered.",
    sqlite_strict=True,
)

tool_call = Table(
    "tool_call",
    metadata,
    identity("id"),
    required("tool"),
    required("provider"),
    required("adapter_version", Count),
    required("params_json"),
    required("params_hash"),
    optional("result_sha"),
    refers("result_blob", "blob.sha256", nullable=True),
    required("outcome"),
    optional("error_code"),
    required("latency_ms", Number),
    required("created_at", Timestamp()),
    optional("expires_at", Timestamp()),
    one_of("outcome", "hit", "miss", "refresh", "replay", "live", "offline_miss", "error"),
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
    refers("tool_call_id", "tool_call.id", primary_key=True),
    Column("ordinal", Count, primary_key=True),
    refers("exchange_id", "exchange.id"),
    Index(None, "exchange_id"),
    comment="The exchanges behind a tool call, in the order of asking.",
    sqlite_strict=True,
)

erasure = Table(
    "erasure",
    metadata,
    identity("id"),
    required("erased_at", Timestamp()),
    required("subject"),
    required("subject_id"),
    required("provider"),
    required("content_sha"),
    required("size_bytes", Count),
    required("kept"),
    one_of("subject", "exchange", "tool_call"),
    one_of("kept", "nothing", "place_ids"),
    Index(None, "subject_id"),
    comment="What content was let go of under a provider's terms, and when.",
    sqlite_strict=True,
)

provider_pace = Table(
    "provider_pace",
    metadata,
    identity("key"),
    required("next_us", Count),
    required("held_until_us", Count),
    required("seen_us", Count),
    comment="Rate limits of all processes together, in microseconds since 1970.",
    sqlite_strict=True,
)

flight = Table(
    "flight",
    metadata,
    identity("key"),
    required("owner"),
    required("expires_at", Timestamp()),
    comment="Who is asking a provider for a request right now.",
    sqlite_strict=True,
)
