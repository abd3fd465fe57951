"""The cache that is evidence: blobs, exchanges, tool calls, and what processes share while they ask."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
number = sa.Double().with_variant(sa.REAL(), "sqlite")
text = sa.Text()


def upgrade() -> None:
    op.create_table(
        "blob",
        sa.Column("sha256", text, nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.Column("codec", text, nullable=False),
        sa.Column("size_bytes", count, nullable=False),
        sa.Column("mime", text, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_blob"),
        sa.CheckConstraint("codec IN ('identity', 'zlib')", name=op.f("ck_blob_codec")),
        sa.CheckConstraint("length(sha256) = 64", name=op.f("ck_blob_sha256")),
        comment="Content by its hash, which is over the bytes before compression.",
        sqlite_strict=True,
    )
    op.create_table(
        "exchange",
        sa.Column("id", text, nullable=False),
        sa.Column("request_hash", text, nullable=False),
        sa.Column("provider", text, nullable=False),
        sa.Column("adapter_version", count, nullable=False),
        sa.Column("method", text, nullable=False),
        sa.Column("url", text, nullable=False),
        sa.Column("request_json", text, nullable=False),
        sa.Column("request_body_sha", text, nullable=True),
        sa.Column("status", count, nullable=False),
        sa.Column("response_headers_json", text, nullable=False),
        sa.Column("body_sha", text, nullable=False),
        sa.Column("body_bytes", count, nullable=False),
        sa.Column("blob_sha", text, nullable=True),
        sa.Column("is_answer", sa.Integer(), nullable=False),
        sa.Column("fetched_at", text, nullable=False),
        sa.Column("elapsed_ms", number, nullable=False),
        sa.Column("data_vintage", text, nullable=True),
        sa.Column("expires_at", text, nullable=True),
        sa.Column("state", text, nullable=False),
        sa.Column("supersedes", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_exchange"),
        sa.ForeignKeyConstraint(["blob_sha"], ["blob.sha256"], name="fk_exchange_blob_sha"),
        sa.ForeignKeyConstraint(["supersedes"], ["exchange.id"], name="fk_exchange_supersedes"),
        sa.CheckConstraint("state IN ('live', 'expired', 'redacted')", name=op.f("ck_exchange_state")),
        sa.CheckConstraint("state <> 'live' OR blob_sha = body_sha", name=op.f("ck_exchange_live_content")),
        sa.CheckConstraint("state <> 'expired' OR blob_sha IS NULL", name=op.f("ck_exchange_expired_content")),
        comment="One request and its answer. body_sha is what came, blob_sha what of it is still held.",
        sqlite_strict=True,
    )
    op.create_index("ix_exchange_request_hash_fetched_at", "exchange", ["request_hash", "fetched_at"])
    op.create_index("ix_exchange_body_sha", "exchange", ["body_sha"])
    op.create_index("ix_exchange_blob_sha", "exchange", ["blob_sha"])
    op.create_index("ix_exchange_state_expires_at", "exchange", ["state", "expires_at"])
    op.create_table(
        "cache_head",
        sa.Column("namespace", text, nullable=False),
        sa.Column("request_hash", text, nullable=False),
        sa.Column("exchange_id", text, nullable=False),
        sa.PrimaryKeyConstraint("namespace", "request_hash", name="pk_cache_head"),
        sa.ForeignKeyConstraint(["exchange_id"], ["exchange.id"], name="fk_cache_head_exchange_id"),
        comment="The exchange that answers a request, in `live` and in each frozen dataset.",
        sqlite_strict=True,
    )
    op.create_index("ix_cache_head_exchange_id", "cache_head", ["exchange_id"])
    op.create_table(
        "exchange_use",
        sa.Column("exchange_id", text, nullable=False),
        sa.Column("num_hits", count, nullable=False),
        sa.Column("last_hit_at", text, nullable=False),
        sa.PrimaryKeyConstraint("exchange_id", name="pk_exchange_use"),
        sa.ForeignKeyConstraint(["exchange_id"], ["exchange.id"], name="fk_exchange_use_exchange_id"),
        comment="How often a recording answered.",
        sqlite_strict=True,
    )
    op.create_table(
        "tool_call",
        sa.Column("id", text, nullable=False),
        sa.Column("tool", text, nullable=False),
        sa.Column("provider", text, nullable=False),
        sa.Column("adapter_version", count, nullable=False),
        sa.Column("params_json", text, nullable=False),
        sa.Column("params_hash", text, nullable=False),
        sa.Column("result_sha", text, nullable=True),
        sa.Column("result_blob", text, nullable=True),
        sa.Column("outcome", text, nullable=False),
        sa.Column("error_code", text, nullable=True),
        sa.Column("latency_ms", number, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("expires_at", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_tool_call"),
        sa.ForeignKeyConstraint(["result_blob"], ["blob.sha256"], name="fk_tool_call_result_blob"),
        sa.CheckConstraint(
            "outcome IN ('hit', 'miss', 'refresh', 'replay', 'live', 'offline_miss', 'error')",
            name=op.f("ck_tool_call_outcome"),
        ),
        comment="One canonical tool call. result_sha is what it gave, result_blob what of it is still held.",
        sqlite_strict=True,
    )
    op.create_index("ix_tool_call_result_sha", "tool_call", ["result_sha"])
    op.create_index("ix_tool_call_result_blob", "tool_call", ["result_blob"])
    op.create_index("ix_tool_call_params_hash", "tool_call", ["params_hash"])
    op.create_index("ix_tool_call_expires_at", "tool_call", ["expires_at"])
    op.create_table(
        "tool_call_exchange",
        sa.Column("tool_call_id", text, nullable=False),
        sa.Column("ordinal", count, nullable=False),
        sa.Column("exchange_id", text, nullable=False),
        sa.PrimaryKeyConstraint("tool_call_id", "ordinal", name="pk_tool_call_exchange"),
        sa.ForeignKeyConstraint(["tool_call_id"], ["tool_call.id"], name="fk_tool_call_exchange_tool_call_id"),
        sa.ForeignKeyConstraint(["exchange_id"], ["exchange.id"], name="fk_tool_call_exchange_exchange_id"),
        comment="The exchanges behind a tool call, in the order of asking.",
        sqlite_strict=True,
    )
    op.create_index("ix_tool_call_exchange_exchange_id", "tool_call_exchange", ["exchange_id"])
    op.create_table(
        "erasure",
        sa.Column("id", text, nullable=False),
        sa.Column("erased_at", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("subject_id", text, nullable=False),
        sa.Column("provider", text, nullable=False),
        sa.Column("content_sha", text, nullable=False),
        sa.Column("size_bytes", count, nullable=False),
        sa.Column("kept", text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasure"),
        sa.CheckConstraint("subject IN ('exchange', 'tool_call')", name=op.f("ck_erasure_subject")),
        sa.CheckConstraint("kept IN ('nothing', 'place_ids')", name=op.f("ck_erasure_kept")),
        comment="What content was let go of under a provider's terms, and when.",
        sqlite_strict=True,
    )
    op.create_index("ix_erasure_subject_id", "erasure", ["subject_id"])
    op.create_table(
        "provider_pace",
        sa.Column("key", text, nullable=False),
        sa.Column("next_us", count, nullable=False),
        sa.Column("held_until_us", count, nullable=False),
        sa.Column("seen_us", count, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_provider_pace"),
        comment="Rate limits of all processes together, in microseconds since 1970.",
        sqlite_strict=True,
    )
    op.create_table(
        "flight",
        sa.Column("key", text, nullable=False),
        sa.Column("owner", text, nullable=False),
        sa.Column("expires_at", text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_flight"),
        comment="Who is asking a provider for a request right now.",
        sqlite_strict=True,
    )
