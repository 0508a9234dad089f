"""The service: its queue of jobs with their logs, its tokens, and the sessions of browsers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "nas_job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study", sa.String(200), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("posted", sa.DateTime(), nullable=False),
        sa.Column("posted_by", sa.String(16), nullable=True),
        sa.Column("started", sa.DateTime(), nullable=True),
        sa.Column("ended", sa.DateTime(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("pid_start", sa.String(32), nullable=True),
        sa.Column("host", sa.String(255), nullable=True),
        sa.Column("heartbeat", sa.DateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("stop_asked", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("notify", sa.Text(), nullable=True),
        sa.Column("notify_due", sa.DateTime(), nullable=True),
        sa.Column("notify_tries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nas_job"),
    )
    op.create_index("ix_nas_job_state", "nas_job", ["state"])
    live = sa.text("state IN ('queued', 'running')")
    op.create_index(
        "uq_nas_job_study", "nas_job", ["study", "kind"], unique=True, sqlite_where=live, postgresql_where=live
    )
    op.create_table(
        "nas_job_line",
        sa.Column("job", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("written", sa.DateTime(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job"], ["nas_job.id"], name="fk_nas_job_line_job"),
        sa.PrimaryKeyConstraint("job", "number", name="pk_nas_job_line"),
    )
    op.create_table(
        "nas_token",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("revoked", sa.DateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_nas_token"),
    )
    op.create_table(
        "nas_session",
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("token", sa.String(16), nullable=False),
        sa.Column("expires", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["token"], ["nas_token.id"], name="fk_nas_session_token"),
        sa.PrimaryKeyConstraint("hash", name="pk_nas_session"),
    )
    op.create_index("ix_nas_session_token", "nas_session", ["token"])
