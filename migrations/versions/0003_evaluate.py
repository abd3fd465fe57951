"""Evaluation: endpoints, runs, what came of every question; and a kind of job that does it."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
number = sa.Double().with_variant(sa.REAL(), "sqlite")
text = sa.Text()

KINDS = "kind IN ('import', 'export', 'freeze', 'verify', 'evaluate')"


def upgrade() -> None:
    _let_jobs_evaluate()
    op.create_table(
        "model_endpoint",
        sa.Column("id", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("base_url", text, nullable=False),
        sa.Column("model", text, nullable=False),
        sa.Column("secret_env", text, nullable=True),
        sa.Column("protocol", text, nullable=False),
        sa.Column("params_json", text, nullable=False),
        sa.Column("created_by", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("updated_at", text, nullable=False),
        sa.CheckConstraint("protocol IN ('tools', 'react')", name=op.f("ck_model_endpoint_protocol")),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_model_endpoint_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_endpoint")),
        comment="A server of models. Its key is in the environment variable secret_env, never here.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_model_endpoint_name"), "model_endpoint", ["name"], unique=True)
    op.create_table(
        "eval_run",
        sa.Column("id", text, nullable=False),
        sa.Column("project_id", text, nullable=False),
        sa.Column("snapshot_id", text, nullable=False),
        sa.Column("job_id", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("mode", text, nullable=False),
        sa.Column("endpoint", text, nullable=False),
        sa.Column("model", text, nullable=False),
        sa.Column("config_json", text, nullable=False),
        sa.Column("template", text, nullable=False),
        sa.Column("template_sha", text, nullable=False),
        sa.Column("server_json", text, nullable=False),
        sa.Column("num_items", count, nullable=False),
        sa.Column("created_by", text, nullable=False),
        sa.Column("created_at", text, nullable=False),
        sa.Column("started_at", text, nullable=True),
        sa.Column("finished_at", text, nullable=True),
        sa.CheckConstraint(
            "mode IN ('closed_book', 'text_context', 'json_context', 'oracle_evidence', 'tools')",
            name=op.f("ck_eval_run_mode"),
        ),
        sa.ForeignKeyConstraint(["created_by"], ["account.id"], name=op.f("fk_eval_run_created_by")),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_eval_run_job_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_eval_run_project_id")),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name=op.f("fk_eval_run_snapshot_id")),
        sa.ForeignKeyConstraint(["template_sha"], ["blob.sha256"], name=op.f("fk_eval_run_template_sha")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_eval_run")),
        comment="A frozen dataset asked of a model. How far it is stands with its job; num_items counts epochs too.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_eval_run_job_id"), "eval_run", ["job_id"])
    op.create_index(op.f("ix_eval_run_project_id_created_at"), "eval_run", ["project_id", "created_at"])
    op.create_index(op.f("ix_eval_run_snapshot_id"), "eval_run", ["snapshot_id"])
    op.create_index(op.f("ix_eval_run_template_sha"), "eval_run", ["template_sha"])
    op.create_table(
        "eval_event",
        sa.Column("run_id", text, nullable=False),
        sa.Column("question_id", text, nullable=False),
        sa.Column("epoch", count, nullable=False),
        sa.Column("seq", count, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("at_ms", number, nullable=False),
        sa.Column("payload_sha", text, nullable=False),
        sa.Column("tool_call_id", text, nullable=True),
        sa.Column("result_sha", text, nullable=True),
        sa.CheckConstraint("kind IN ('reply', 'call', 'message', 'retry', 'end')", name=op.f("ck_eval_event_kind")),
        sa.ForeignKeyConstraint(["payload_sha"], ["blob.sha256"], name=op.f("fk_eval_event_payload_sha")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_eval_event_question_id")),
        sa.ForeignKeyConstraint(["run_id"], ["eval_run.id"], name=op.f("fk_eval_event_run_id")),
        sa.ForeignKeyConstraint(["tool_call_id"], ["tool_call.id"], name=op.f("fk_eval_event_tool_call_id")),
        sa.PrimaryKeyConstraint("run_id", "question_id", "epoch", "seq", name=op.f("pk_eval_event")),
        comment="What happened while a question was asked. result_sha is what a tool gave, the payload what was shown.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_eval_event_payload_sha"), "eval_event", ["payload_sha"])
    op.create_index(op.f("ix_eval_event_question_id"), "eval_event", ["question_id"])
    op.create_index(op.f("ix_eval_event_result_sha"), "eval_event", ["result_sha"])
    op.create_index(op.f("ix_eval_event_tool_call_id"), "eval_event", ["tool_call_id"])
    op.create_table(
        "eval_item",
        sa.Column("run_id", text, nullable=False),
        sa.Column("question_id", text, nullable=False),
        sa.Column("epoch", count, nullable=False),
        sa.Column("ordinal", count, nullable=False),
        sa.Column("facts_json", text, nullable=False),
        sa.Column("shown_json", text, nullable=False),
        sa.Column("prompt_sha", text, nullable=False),
        sa.Column("reply_sha", text, nullable=True),
        sa.Column("judgement_json", text, nullable=False),
        sa.Column("verdict", text, nullable=False),
        sa.Column("score", number, nullable=False),
        sa.Column("latency_ms", number, nullable=False),
        sa.Column("first_token_ms", number, nullable=True),
        sa.Column("prompt_tokens", count, nullable=True),
        sa.Column("completion_tokens", count, nullable=True),
        sa.Column("kv_bytes", count, nullable=True),
        sa.Column("depth_layers", number, nullable=True),
        sa.Column("num_turns", count, nullable=False),
        sa.Column("num_tool_calls", count, nullable=False),
        sa.Column("num_tool_errors", count, nullable=False),
        sa.Column("num_offline_misses", count, nullable=False),
        sa.Column("evidence_found", count, nullable=False),
        sa.Column("evidence_wanted", count, nullable=False),
        sa.Column("tools_json", text, nullable=False),
        sa.Column("finished_at", text, nullable=False),
        sa.CheckConstraint(
            "verdict IN ('right', 'wrong', 'abstained', 'invalid', 'limit', 'error')", name=op.f("ck_eval_item_verdict")
        ),
        sa.ForeignKeyConstraint(["prompt_sha"], ["blob.sha256"], name=op.f("fk_eval_item_prompt_sha")),
        sa.ForeignKeyConstraint(["question_id"], ["question.id"], name=op.f("fk_eval_item_question_id")),
        sa.ForeignKeyConstraint(["reply_sha"], ["blob.sha256"], name=op.f("fk_eval_item_reply_sha")),
        sa.ForeignKeyConstraint(["run_id"], ["eval_run.id"], name=op.f("fk_eval_item_run_id")),
        sa.PrimaryKeyConstraint("run_id", "question_id", "epoch", name=op.f("pk_eval_item")),
        comment="A question of a run, written once and whole when it is over.",
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_eval_item_prompt_sha"), "eval_item", ["prompt_sha"])
    op.create_index(op.f("ix_eval_item_question_id"), "eval_item", ["question_id"])
    op.create_index(op.f("ix_eval_item_reply_sha"), "eval_item", ["reply_sha"])
    op.create_index(op.f("ix_eval_item_run_id_ordinal_epoch"), "eval_item", ["run_id", "ordinal", "epoch"])
    op.create_index(op.f("ix_eval_item_run_id_verdict"), "eval_item", ["run_id", "verdict"])


def _let_jobs_evaluate() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_job_kind"), "job", type_="check")
        op.create_check_constraint(op.f("ck_job_kind"), "job", KINDS)
        return
    # SQLite cannot change a check: the table is made again. Nothing refers to it yet.
    op.drop_index(op.f("ix_job_project_id_created_at"), "job")
    op.drop_index(op.f("ix_job_state"), "job")
    op.rename_table("job", "job_before")
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
        sa.CheckConstraint(KINDS, name=op.f("ck_job_kind")),
        sa.CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_job_state")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_job_account_id")),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_job_project_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        comment="A task that takes longer than a request should.",
        sqlite_strict=True,
    )
    op.execute("INSERT INTO job SELECT * FROM job_before")
    op.drop_table("job_before")
    op.create_index(op.f("ix_job_project_id_created_at"), "job", ["project_id", "created_at"])
    op.create_index(op.f("ix_job_state"), "job", ["state"])
