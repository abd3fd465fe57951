"""What people do: accounts and projects, contexts and questions, reviews, and frozen datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
text = sa.Text()


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", text, nullable=False),
        sa.Column("username", text, nullable=False),
        sa.Column("display_name", text, nullable=False),
        sa.Column("password_hash", text, nullable=True),
        sa.Column("oidc_subject", text, nullable=True),
        sa.Column("is_admin", sa.Integer(), nullable=False),
        sa.Column("is_active", sa.Integer(), nullable=False),
        sa.Column("prefs_json", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("last_seen_at", text, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        comment="A person. `local` is whoever sits at this machine while no login is asked for.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_account_oidc_subject"), "account", ["oidc_subject"], unique=True)
    op.create_index(op.f("ix_account_username"), "account", ["username"], unique=True)
    op.create_table(
        "audit_log",
        sa.Column("seq", count, autoincrement=False, nullable=False),
        sa.Column("at", text, nullable=False),
        sa.Column("account_id", text, nullable=True),
        sa.Column("project_id", text, nullable=True),
        sa.Column("action", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("subject_id", text, nullable=False),
        sa.Column("before_sha", text, nullable=True),
        sa.Column("after_sha", text, nullable=True),
        sa.Column("detail_json", text, nullable=False),
        sa.Column("prev_hash", text, nullable=False),
        sa.Column("row_hash", text, nullable=False),
        sa.CheckConstraint("length(row_hash) = 64", name=op.f("ck_audit_log_row_hash")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_log")),
        comment="Everything that was done, each row hashed with the one before it.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_audit_log_project_id_seq"), "audit_log", ["project_id", "seq"])
    op.create_index(op.f("ix_audit_log_subject_id"), "audit_log", ["subject_id"])
    op.create_table(
        "login_failure",
        sa.Column("key", text, nullable=False),
        sa.Column("num_failures", count, nullable=False),
        sa.Column("blocked_until", text, nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_failure")),
        comment="Failed logins of one name or one address, which make the next attempt wait.",
        sqlite_strict=True,
    )
    op.create_table(
        "draft",
        sa.Column("account_id", text, nullable=False),
        sa.Column("form_key", text, nullable=False),
        sa.Column("base_n", count, nullable=True),
        sa.Column("payload_json", text, nullable=False),
        sa.Column("updated_at", text, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_draft_account_id")),
        sa.PrimaryKeyConstraint("account_id", "form_key", name=op.f("pk_draft")),
        comment="What somebody has typed into a form and not sent yet.",
        sqlite_strict=True,
    )
    op.create_table(
        "presence",
        sa.Column("subject_id", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("tab", text, nullable=False),
        sa.Column("is_editing", sa.Integer(), nullable=False),
        sa.Column("seen_at", text, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_presence_account_id")),
        sa.PrimaryKeyConstraint("subject_id", "account_id", "tab", name=op.f("pk_presence")),
        comment="Who has what open right now.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_presence_seen_at"), "presence", ["seen_at"])
    op.create_table(
        "project",
        sa.Column("id", text, nullable=False),
        sa.Column("slug", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("guidelines", text, nullable=False),
        sa.Column("settings_json", text, nullable=False),
        sa.Column("num_contexts", count, nullable=False),
        sa.Column("num_questions", count, nullable=False),
        sa.Column("created_by", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("archived_at", text, nullable=True),
        sa.Column("deleted_at", text, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_project_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        comment="Contexts, questions and datasets of one team. The two counters number them and never go down.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_project_slug"), "project", ["slug"], unique=True)
    op.create_table(
        "revision",
        sa.Column("id", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("subject_id", text, nullable=False),
        sa.Column("n", count, nullable=False),
        sa.Column("parent_n", count, nullable=True),
        sa.Column("content_json", text, nullable=False),
        sa.Column("content_sha", text, nullable=False),
        sa.Column("origin_json", text, nullable=True),
        sa.Column("author_id", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.CheckConstraint("subject IN ('context', 'question')", name=op.f("ck_revision_subject")),
        sa.ForeignKeyConstraint(["author_id"], ["account.id"], name=op.f("fk_revision_author_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_revision")),
        comment="One state of a context or question, never changed. Parents make undo and redo.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_revision_author_id_created_at"), "revision", ["author_id", "created_at"])
    op.create_index(op.f("ix_revision_subject_id_n"), "revision", ["subject_id", "n"], unique=True)
    op.create_table(
        "session",
        sa.Column("secret_sha", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("csrf", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("expires_at", text, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_session_account_id")),
        sa.PrimaryKeyConstraint("secret_sha", name=op.f("pk_session")),
        comment="A signed-in browser. Only the hash of its cookie is kept.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_session_account_id"), "session", ["account_id"])
    op.create_index(op.f("ix_session_expires_at"), "session", ["expires_at"])
    op.create_table(
        "api_token",
        sa.Column("id", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("secret_sha", text, nullable=False),
        sa.Column("scope", text, nullable=False),
        sa.Column("project_id", text, nullable=True),
        sa.Column("created_at", text, nullable=False),
        sa.Column("expires_at", text, nullable=True),
        sa.Column("last_used_at", text, nullable=True),
        sa.Column("revoked_at", text, nullable=True),
        sa.CheckConstraint("scope IN ('read', 'write', 'admin')", name=op.f("ck_api_token_scope")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_api_token_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_api_token_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_token")),
        comment="A key for programs. Only its hash is kept.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_api_token_account_id"), "api_token", ["account_id"])
    op.create_index(op.f("ix_api_token_secret_sha"), "api_token", ["secret_sha"], unique=True)
    op.create_table(
        "assignment",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("subject_id", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("due_at", text, nullable=True),
        sa.Column("created_by", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("done_at", text, nullable=True),
        sa.CheckConstraint("kind IN ('author', 'answer', 'review')", name=op.f("ck_assignment_kind")),
        sa.CheckConstraint("state IN ('open', 'done', 'skipped', 'cancelled')", name=op.f("ck_assignment_state")),
        sa.CheckConstraint("subject IN ('context', 'question')", name=op.f("ck_assignment_subject")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_assignment_account_id")),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_assignment_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_assignment_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assignment")),
        comment="Who is to do what.",
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_assignment_project_id_account_id_state"), "assignment", ["project_id", "account_id", "state"]
    )
    op.create_index(op.f("ix_assignment_subject_id"), "assignment", ["subject_id"])
    op.create_table(
        "comment",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("subject_id", text, nullable=False),
        sa.Column("parent_id", text, nullable=True),
        sa.Column("account_id", text, nullable=False),
        sa.Column("body", text, nullable=False),
        sa.Column("about", text, nullable=True),
        sa.Column("created_at", text, nullable=False),
        sa.Column("edited_at", text, nullable=True),
        sa.Column("resolved_at", text, nullable=True),
        sa.Column("resolved_by", text, nullable=True),
        sa.Column("deleted_at", text, nullable=True),
        sa.CheckConstraint("subject IN ('context', 'question', 'dataset')", name=op.f("ck_comment_subject")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_comment_account_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["comment.id"], name=op.f("fk_comment_parent_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_comment_project_id")),
        sa.ForeignKeyConstraint(["resolved_by"], ["account.id"], name=op.f("fk_comment_resolved_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment")),
        comment="What people say about something; `about` names the part of it.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_comment_project_id_created_at"), "comment", ["project_id", "created_at"])
    op.create_index(op.f("ix_comment_subject_id_created_at"), "comment", ["subject_id", "created_at"])
    op.create_table(
        "context",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("number", count, nullable=False),
        sa.Column("title", text, nullable=False),
        sa.Column("status", text, nullable=False),
        sa.Column("current_n", count, nullable=False),
        sa.Column("created_by", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("updated_at", text, nullable=False),
        sa.Column("deleted_at", text, nullable=True),
        sa.CheckConstraint("status IN ('open', 'done', 'archived')", name=op.f("ck_context_status")),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_context_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_context_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_context")),
        comment="What questions are asked about: a list of recorded map answers and notes. Its content is a revision.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_context_project_id_number"), "context", ["project_id", "number"], unique=True)
    op.create_index(op.f("ix_context_project_id_updated_at"), "context", ["project_id", "updated_at"])
    op.create_table(
        "dataset",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("slug", text, nullable=False),
        sa.Column("title", text, nullable=False),
        sa.Column("licence", text, nullable=False),
        sa.Column("card", text, nullable=False),
        sa.Column("created_by", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("deleted_at", text, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_dataset_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_dataset_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset")),
        comment="A name under which snapshots of a project are published.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_dataset_project_id_slug"), "dataset", ["project_id", "slug"], unique=True)
    op.create_table(
        "job",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=True),
        sa.Column("kind", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("num_done", count, nullable=False),
        sa.Column("num_total", count, nullable=True),
        sa.Column("message", text, nullable=False),
        sa.Column("params_json", text, nullable=False),
        sa.Column("result_json", text, nullable=True),
        sa.Column("account_id", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("heartbeat_at", text, nullable=True),
        sa.Column("finished_at", text, nullable=True),
        sa.CheckConstraint("kind IN ('import', 'export', 'freeze', 'verify')", name=op.f("ck_job_kind")),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_job_state")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_job_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_job_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        comment="A task that takes longer than a request should.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_job_project_id_created_at"), "job", ["project_id", "created_at"])
    op.create_index(op.f("ix_job_state"), "job", ["state"])
    op.create_table(
        "lead_time",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("subject_id", text, nullable=False),
        sa.Column("active_ms", count, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.CheckConstraint(
            "subject IN ('tool_call', 'question', 'context', 'response', 'review')", name=op.f("ck_lead_time_subject")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_lead_time_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_lead_time_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_time")),
        comment="How long somebody really worked on something: the page in view and not idle.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_lead_time_project_id_subject"), "lead_time", ["project_id", "subject"])
    op.create_index(op.f("ix_lead_time_subject_id"), "lead_time", ["subject_id"])
    op.create_table(
        "membership",
        sa.Column("project_id", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("role", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.CheckConstraint(
            "role IN ('owner', 'admin', 'reviewer', 'annotator', 'viewer')", name=op.f("ck_membership_role")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_membership_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_membership_project_id")),
        sa.PrimaryKeyConstraint("project_id", "account_id", name=op.f("pk_membership")),
        comment="What a person may do in a project.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_membership_account_id"), "membership", ["account_id"])
    op.create_table(
        "project_call",
        sa.Column("tool_call_id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("label", text, nullable=True),
        sa.Column("is_saved", sa.Integer(), nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_project_call_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_project_call_project_id")),
        sa.ForeignKeyConstraint(["tool_call_id"], ["tool_call.id"], name=op.f("fk_project_call_tool_call_id")),
        sa.PrimaryKeyConstraint("tool_call_id", name=op.f("pk_project_call")),
        comment="Calls made in a project; saved ones stay in reach.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_project_call_project_id_created_at"), "project_call", ["project_id", "created_at"])
    op.create_index(
        op.f("ix_project_call_project_id_is_saved_created_at"), "project_call", ["project_id", "is_saved", "created_at"]
    )
    op.create_table(
        "webhook",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("url", text, nullable=False),
        sa.Column("actions_json", text, nullable=False),
        sa.Column("is_active", sa.Integer(), nullable=False),
        sa.Column("delivered_seq", count, nullable=False),
        sa.Column("created_by", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_webhook_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_webhook_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook")),
        comment="Where a project's audit log is told to; its secret is derived, not stored.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_webhook_project_id"), "webhook", ["project_id"])
    op.create_table(
        "context_call",
        sa.Column("context_id", text, nullable=False),
        sa.Column("tool_call_id", text, nullable=False),
        sa.ForeignKeyConstraint(["context_id"], ["context.id"], name=op.f("fk_context_call_context_id")),
        sa.ForeignKeyConstraint(["tool_call_id"], ["tool_call.id"], name=op.f("fk_context_call_tool_call_id")),
        sa.PrimaryKeyConstraint("context_id", "tool_call_id", name=op.f("pk_context_call")),
        comment="The calls that some revision of a context holds.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_context_call_tool_call_id"), "context_call", ["tool_call_id"])
    op.create_table(
        "question",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("context_id", text, nullable=False),
        sa.Column("number", count, nullable=False),
        sa.Column("status", text, nullable=False),
        sa.Column("type", text, nullable=False),
        sa.Column("answer_kind", text, nullable=True),
        sa.Column("category", text, nullable=False),
        sa.Column("body", text, nullable=False),
        sa.Column("current_n", count, nullable=False),
        sa.Column("created_by", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("updated_at", text, nullable=False),
        sa.Column("submitted_at", text, nullable=True),
        sa.Column("deleted_at", text, nullable=True),
        sa.CheckConstraint(
            "status IN ('draft', 'submitted', 'in_review', 'changes_requested', 'approved', 'rejected', 'archived')",
            name=op.f("ck_question_status"),
        ),
        sa.CheckConstraint(
            "type IN ('yes_no', 'single_choice', 'multiple_choice', 'open_ended', 'unanswerable')",
            name=op.f("ck_question_type"),
        ),
        sa.ForeignKeyConstraint(["context_id"], ["context.id"], name=op.f("fk_question_context_id")),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_question_created_by")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_question_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_question")),
        comment="A question. Its content is a revision; type, answer_kind, category and body repeat the current one's.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_question_context_id_number"), "question", ["context_id", "number"])
    op.create_index(op.f("ix_question_project_id_number"), "question", ["project_id", "number"], unique=True)
    op.create_index(op.f("ix_question_project_id_status_number"), "question", ["project_id", "status", "number"])
    op.create_index(op.f("ix_question_project_id_updated_at"), "question", ["project_id", "updated_at"])
    op.create_table(
        "snapshot",
        sa.Column("id", text, nullable=False),
        sa.Column("dataset_id", text, nullable=False),
        sa.Column("version", text, nullable=False),
        sa.Column("manifest_sha", text, nullable=False),
        sa.Column("parent_id", text, nullable=True),
        sa.Column("filter_json", text, nullable=False),
        sa.Column("counts_json", text, nullable=False),
        sa.Column("created_by", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_snapshot_created_by")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk_snapshot_dataset_id")),
        sa.ForeignKeyConstraint(["manifest_sha"], ["blob.sha256"], name=op.f("fk_snapshot_manifest_sha")),
        sa.ForeignKeyConstraint(["parent_id"], ["snapshot.id"], name=op.f("fk_snapshot_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot")),
        comment="A frozen dataset. Its requests are answered in the cache's namespace `snapshot:ID`.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_snapshot_dataset_id_version"), "snapshot", ["dataset_id", "version"], unique=True)
    op.create_index(op.f("ix_snapshot_manifest_sha"), "snapshot", ["manifest_sha"])
    op.create_table(
        "webhook_delivery",
        sa.Column("id", text, nullable=False),
        sa.Column("webhook_id", text, nullable=False),
        sa.Column("seq", count, nullable=False),
        sa.Column("num_attempts", count, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("status", count, nullable=True),
        sa.Column("error", text, nullable=True),
        sa.Column("created_at", text, nullable=False),
        sa.Column("next_at", text, nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_webhook_delivery_state")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], name=op.f("fk_webhook_delivery_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        comment="One row of the audit log on its way to one webhook.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_webhook_delivery_state_next_at"), "webhook_delivery", ["state", "next_at"])
    op.create_index(op.f("ix_webhook_delivery_webhook_id_seq"), "webhook_delivery", ["webhook_id", "seq"], unique=True)
    op.create_table(
        "adjudication",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("question_id", text, nullable=False),
        sa.Column("revision_id", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("gold_json", text, nullable=False),
        sa.Column("reason_code", text, nullable=False),
        sa.Column("comment", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.CheckConstraint(
            "reason_code IN ('gold_right', 'gold_wrong', 'ambiguous', 'outdated', 'unanswerable', 'other')",
            name=op.f("ck_adjudication_reason_code"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_adjudication_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_adjudication_project_id")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_adjudication_question_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name=op.f("fk_adjudication_revision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjudication")),
        comment="What the gold answer is where people disagreed; the revision is the one that it led to.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_adjudication_project_id_created_at"), "adjudication", ["project_id", "created_at"])
    op.create_index(op.f("ix_adjudication_question_id"), "adjudication", ["question_id"])
    op.create_table(
        "evidence",
        sa.Column("revision_id", text, nullable=False),
        sa.Column("key", text, nullable=False),
        sa.Column("question_id", text, nullable=False),
        sa.Column("tool_call_id", text, nullable=False),
        sa.Column("result_sha", text, nullable=False),
        sa.Column("pointer", text, nullable=False),
        sa.Column("value_json", text, nullable=False),
        sa.Column("role", text, nullable=False),
        sa.Column("option_key", text, nullable=True),
        sa.Column("exchange_id", text, nullable=True),
        sa.Column("body_sha", text, nullable=True),
        sa.Column("body_pointer", text, nullable=True),
        sa.CheckConstraint("role IN ('supports', 'refutes', 'distractor')", name=op.f("ck_evidence_role")),
        sa.ForeignKeyConstraint(["exchange_id"], ["exchange.id"], name=op.f("fk_evidence_exchange_id")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_evidence_question_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name=op.f("fk_evidence_revision_id")),
        sa.ForeignKeyConstraint(["tool_call_id"], ["tool_call.id"], name=op.f("fk_evidence_tool_call_id")),
        sa.PrimaryKeyConstraint("revision_id", "key", name=op.f("pk_evidence")),
        comment="A question's revisions hold their evidence themselves; this repeats it, to find who uses an answer.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_evidence_body_sha"), "evidence", ["body_sha"])
    op.create_index(op.f("ix_evidence_exchange_id"), "evidence", ["exchange_id"])
    op.create_index(op.f("ix_evidence_question_id"), "evidence", ["question_id"])
    op.create_index(op.f("ix_evidence_result_sha"), "evidence", ["result_sha"])
    op.create_index(op.f("ix_evidence_tool_call_id"), "evidence", ["tool_call_id"])
    op.create_table(
        "question_tag",
        sa.Column("question_id", text, nullable=False),
        sa.Column("tag", text, nullable=False),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_question_tag_question_id")),
        sa.PrimaryKeyConstraint("question_id", "tag", name=op.f("pk_question_tag")),
        comment="Tags of the current revision, for looking them up.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_question_tag_tag"), "question_tag", ["tag"])
    op.create_table(
        "response",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("question_id", text, nullable=False),
        sa.Column("revision_id", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("status", text, nullable=False),
        sa.Column("answer_json", text, nullable=True),
        sa.Column("confidence", count, nullable=True),
        sa.Column("explanation", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.CheckConstraint("status IN ('submitted', 'skipped', 'withdrawn')", name=op.f("ck_response_status")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_response_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_response_project_id")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_response_question_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name=op.f("fk_response_revision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_response")),
        comment="A blind second answer. Skipping is an answer too; a withdrawn one was undone.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_response_project_id_created_at"), "response", ["project_id", "created_at"])
    op.create_index(op.f("ix_response_question_id"), "response", ["question_id"])
    op.create_index(op.f("ix_response_revision_id_account_id"), "response", ["revision_id", "account_id"])
    op.create_table(
        "review",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("question_id", text, nullable=False),
        sa.Column("revision_id", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("verdict", text, nullable=False),
        sa.Column("checklist_json", text, nullable=False),
        sa.Column("comment", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("withdrawn_at", text, nullable=True),
        sa.CheckConstraint("verdict IN ('approve', 'request_changes', 'reject')", name=op.f("ck_review_verdict")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_review_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_review_project_id")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_review_question_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name=op.f("fk_review_revision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        comment="A reviewer's verdict on one revision.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_review_project_id_created_at"), "review", ["project_id", "created_at"])
    op.create_index(op.f("ix_review_question_id"), "review", ["question_id"])
    op.create_index(op.f("ix_review_revision_id"), "review", ["revision_id"])
    op.create_table(
        "snapshot_blob",
        sa.Column("snapshot_id", text, nullable=False),
        sa.Column("sha", text, nullable=False),
        sa.ForeignKeyConstraint(["sha"], ["blob.sha256"], name=op.f("fk_snapshot_blob_sha")),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name=op.f("fk_snapshot_blob_snapshot_id")),
        sa.PrimaryKeyConstraint("snapshot_id", "sha", name=op.f("pk_snapshot_blob")),
        comment="Content that a frozen dataset needs and that therefore stays.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_snapshot_blob_sha"), "snapshot_blob", ["sha"])
    op.create_table(
        "snapshot_item",
        sa.Column("snapshot_id", text, nullable=False),
        sa.Column("ordinal", count, nullable=False),
        sa.Column("question_id", text, nullable=False),
        sa.Column("revision_id", text, nullable=False),
        sa.Column("context_revision_id", text, nullable=False),
        sa.Column("split", text, nullable=False),
        sa.Column("text_sha", text, nullable=False),
        sa.Column("json_sha", text, nullable=False),
        sa.Column("markdown_sha", text, nullable=False),
        sa.ForeignKeyConstraint(
            ["context_revision_id"], ["revision.id"], name=op.f("fk_snapshot_item_context_revision_id")
        ),
        sa.ForeignKeyConstraint(["json_sha"], ["blob.sha256"], name=op.f("fk_snapshot_item_json_sha")),
        sa.ForeignKeyConstraint(["markdown_sha"], ["blob.sha256"], name=op.f("fk_snapshot_item_markdown_sha")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_snapshot_item_question_id")),
        sa.ForeignKeyConstraint(["revision_id"], ["revision.id"], name=op.f("fk_snapshot_item_revision_id")),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name=op.f("fk_snapshot_item_snapshot_id")),
        sa.ForeignKeyConstraint(["text_sha"], ["blob.sha256"], name=op.f("fk_snapshot_item_text_sha")),
        sa.PrimaryKeyConstraint("snapshot_id", "ordinal", name=op.f("pk_snapshot_item")),
        comment="A question of a frozen dataset, its split, and its context as rendered.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_snapshot_item_json_sha"), "snapshot_item", ["json_sha"])
    op.create_index(op.f("ix_snapshot_item_markdown_sha"), "snapshot_item", ["markdown_sha"])
    op.create_index(op.f("ix_snapshot_item_question_id"), "snapshot_item", ["question_id"])
    op.create_index(op.f("ix_snapshot_item_text_sha"), "snapshot_item", ["text_sha"])
    op.create_table(
        "suggestion",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("context_id", text, nullable=False),
        sa.Column("question_id", text, nullable=True),
        sa.Column("kind", text, nullable=False),
        sa.Column("model", text, nullable=False),
        sa.Column("base_url", text, nullable=False),
        sa.Column("prompt_sha", text, nullable=False),
        sa.Column("prompt_json", text, nullable=False),
        sa.Column("content_json", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("account_id", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("decided_at", text, nullable=True),
        sa.CheckConstraint(
            "kind IN ('question', 'distractors', 'explanation', 'rewrite')", name=op.f("ck_suggestion_kind")
        ),
        sa.CheckConstraint("state IN ('proposed', 'accepted', 'dismissed')", name=op.f("ck_suggestion_state")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_suggestion_account_id")),
        sa.ForeignKeyConstraint(["context_id"], ["context.id"], name=op.f("fk_suggestion_context_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_suggestion_project_id")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_suggestion_question_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suggestion")),
        comment="What a model proposed, with the prompt that made it.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_suggestion_project_id_created_at"), "suggestion", ["project_id", "created_at"])
    op.create_index(op.f("ix_suggestion_question_id"), "suggestion", ["question_id"])
