"""Frozen datasets and the long tasks that make, bring and take them."""

from sqlalchemy import Column, Index, Table

from annotator.store.columns import Count, Timestamp
from annotator.store.tables.base import identity, metadata, one_of, optional, refers, required

dataset = Table(
    "dataset",
    metadata,
    identity("id"),
    refers("project_id", "project.id"),
    required("slug"),
    required("title"),
    required("licence"),
    required("card"),
    refers("created_by", "account.id"),
    required("created_at", Timestamp()),
    optional("deleted_at", Timestamp()),
    Index(None, "project_id", "slug", unique=True),
    comment="A name under which snapshots of a project are published.",
    sqlite_strict=True,
)

snapshot = Table(
    "snapshot",
    metadata,
    identity("id"),
    refers("dataset_id", "dataset.id"),
    required("version"),
    refers("manifest_sha", "blob.sha256"),
    refers("parent_id", "snapshot.id", nullable=True),
    required("filter_json"),
    required("counts_json"),
    refers("created_by", "account.id"),
    required("created_at", Timestamp()),
    Index(None, "dataset_id", "version", unique=True),
    Index(None, "manifest_sha"),
    comment="A frozen dataset. Its requests are answered in the cache's namespace `snapshot:ID`.",
    sqlite_strict=True,
)

snapshot_item = Table(
    "snapshot_item",
    metadata,
    refers("snapshot_id", "snapshot.id", primary_key=True),
    Column("ordinal", Count, primary_key=True),
    refers("question_id", "question.id"),
    refers("revision_id", "revision.id"),
    refers("context_revision_id", "revision.id"),
    required("split"),
    refers("text_sha", "blob.sha256"),
    refers("json_sha", "blob.sha256"),
    refers("markdown_sha", "blob.sha256"),
    Index(None, "question_id"),
    Index(None, "text_sha"),
    Index(None, "json_sha"),
    Index(None, "markdown_sha"),
    comment="A question of a frozen dataset, its split, and its context as rendered.",
    sqlite_strict=True,
)

snapshot_blob = Table(
    "snapshot_blob",
    metadata,
    refers("snapshot_id", "snapshot.id", primary_key=True),
    refers("sha", "blob.sha256", primary_key=True),
    Index(None, "sha"),
    comment="Content that a frozen dataset needs and that therefore stays.",
    sqlite_strict=True,
)

job = Table(
    "job",
    metadata,
    identity("id"),
    refers("project_id", "project.id", nullable=True),
    required("kind"),
    required("state"),
    required("num_done", Count),
    optional("num_total", Count),
    required("message"),
    required("params_json"),
    optional("result_json"),
    refers("account_id", "account.id"),
    required("created_at", Timestamp()),
    optional("heartbeat_at", Timestamp()),
    optional("finished_at", Timestamp()),
    one_of("kind", "import", "export", "freeze", "verify", "evaluate"),
    one_of("state", "waiting", "running", "done", "failed", "cancelled"),
    Index(None, "project_id", "created_at"),
    Index(None, "state"),
    comment="A task that takes longer than a request should.",
    sqlite_strict=True,
)
