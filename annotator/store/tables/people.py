"""Who works here: accounts, projects and their members, and what is remembered about what they did."""

from sqlalchemy import CheckConstraint, Column, Index, Table

from annotator.store.columns import Count, Flag, Timestamp
from annotator.store.tables.base import identity, metadata, one_of, optional, refers, required

account = Table(
    "account",
    metadata,
    identity("id"),
    required("username"),
    required("display_name"),
    optional("password_hash"),
    optional("oidc_subject"),
    required("is_admin", Flag()),
    required("is_active", Flag()),
    required("prefs_json"),
    required("created_at", Timestamp()),
    optional("last_seen_at", Timestamp()),
    Index(None, "username", unique=True),
    Index(None, "oidc_subject", unique=True),
    comment="A person. `local` is whoever sits at this machine while no login is asked for.",
    sqlite_strict=True,
)

session = Table(
    "session",
    metadata,
    identity("secret_sha"),
    refers("account_id", "account.id"),
    required("csrf"),
    required("created_at", Timestamp()),
    required("expires_at", Timestamp()),
    Index(None, "account_id"),
    Index(None, "expires_at"),
    comment="A signed-in browser. Only the hash of its cookie is kept.",
    sqlite_strict=True,
)

api_token = Table(
    "api_token",
    metadata,
    identity("id"),
    refers("account_id", "account.id"),
    required("name"),
    required("secret_sha"),
    required("scope"),
    refers("project_id", "project.id", nullable=True),
    required("created_at", Timestamp()),
    optional("expires_at", Timestamp()),
    optional("last_used_at", Timestamp()),
    optional("revoked_at", Timestamp()),
    one_of("scope", "read", "write", "admin"),
    Index(None, "secret_sha", unique=True),
    Index(None, "account_id"),
    comment="A key for programs. Only its hash is kept.",
    sqlite_strict=True,
)

login_failure = Table(
    "login_failure",
    metadata,
    identity("key"),
    required("num_failures", Count),
    required("blocked_until", Timestamp()),
    comment="Failed logins of one name or one address, which make the next attempt wait.",
    sqlite_strict=True,
)

project = Table(
    "project",
    metadata,
    identity("id"),
    required("slug"),
    required("name"),
    required("guidelines"),
    required("settings_json"),
    required("num_contexts", Count),
    required("num_questions", Count),
    refers("created_by", "account.id"),
    required("created_at", Timestamp()),
    optional("archived_at", Timestamp()),
    optional("deleted_at", Timestamp()),
    Index(None, "slug", unique=True),
    comment="Contexts, questions and datasets of one team. The two counters number them and never go down.",
    sqlite_strict=True,
)

membership = Table(
    "membership",
    metadata,
    refers("project_id", "project.id", primary_key=True),
    refers("account_id", "account.id", primary_key=True),
    required("role"),
    required("created_at", Timestamp()),
    one_of("role", "owner", "admin", "reviewer", "annotator", "viewer"),
    Index(None, "account_id"),
    comment="What a person may do in a project.",
    sqlite_strict=True,
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", Count, primary_key=True, autoincrement=False),
    required("at", Timestamp()),
    optional("account_id"),
    optional("project_id"),
    required("action"),
    required("subject"),
    required("subject_id"),
    optional("before_sha"),
    optional("after_sha"),
    required("detail_json"),
    required("prev_hash"),
    required("row_hash"),
    CheckConstraint("length(row_hash) = 64", name="row_hash"),
    Index(None, "project_id", "seq"),
    Index(None, "subject_id"),
    comment="Everything that was done, each row hashed with the one before it.",
    sqlite_strict=True,
)

webhook = Table(
    "webhook",
    metadata,
    identity("id"),
    refers("project_id", "project.id"),
    required("url"),
    required("actions_json"),
    required("is_active", Flag()),
    required("delivered_seq", Count),
    refers("created_by", "account.id"),
    required("created_at", Timestamp()),
    Index(None, "project_id"),
    comment="Where a project's audit log is told to; its secret is derived, not stored.",
    sqlite_strict=True,
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    identity("id"),
    refers("webhook_id", "webhook.id"),
    required("seq", Count),
    required("num_attempts", Count),
    required("state"),
    optional("status", Count),
    optional("error"),
    required("created_at", Timestamp()),
    required("next_at", Timestamp()),
    one_of("state", "waiting", "delivered", "failed"),
    Index(None, "webhook_id", "seq", unique=True),
    Index(None, "state", "next_at"),
    comment="One row of the audit log on its way to one webhook.",
    sqlite_strict=True,
)

draft = Table(
    "draft",
    metadata,
    refers("account_id", "account.id", primary_key=True),
    identity("form_key"),
    optional("base_n", Count),
    required("payload_json"),
    required("updated_at", Timestamp()),
    comment="What somebody has typed into a form and not sent yet.",
    sqlite_strict=True,
)

presence = Table(
    "presence",
    metadata,
    identity("subject_id"),
    refers("account_id", "account.id", primary_key=True),
    identity("tab"),
    required("is_editing", Flag()),
    required("seen_at", Timestamp()),
    Index(None, "seen_at"),
    comment="Who has what open right now.",
    sqlite_strict=True,
)
