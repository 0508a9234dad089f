"""The tables of the first release."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "nas_architecture",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_nas_architecture"),
    )
    op.create_table(
        "nas_artifact",
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=True),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "kind", name="pk_nas_artifact"),
    )
    op.create_index("ix_nas_artifact_sha256", "nas_artifact", ["sha256"])
    op.create_table(
        "nas_attempt",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("evaluator", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(255), nullable=True),
        sa.Column("started", sa.DateTime(), nullable=False),
        sa.Column("ended", sa.DateTime(), nullable=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_nas_attempt"),
    )
    op.create_index("ix_nas_attempt_digest", "nas_attempt", ["digest"])
    op.create_table(
        "nas_certificate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("made", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nas_certificate"),
    )
    op.create_index("ix_nas_certificate_task", "nas_certificate", ["task"])
    op.create_table(
        "nas_latency",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("machine", sa.String(255), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("milliseconds", sa.Float(), nullable=False),
        sa.Column("measured", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "machine", "target", name="pk_nas_latency"),
    )
    op.create_table(
        "nas_study",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_nas_study"),
    )
    op.create_table(
        "nas_evaluation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("evaluator", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("recorded", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["nas_architecture.digest"], name="fk_nas_evaluation_digest"),
        sa.PrimaryKeyConstraint("id", name="pk_nas_evaluation"),
        sa.UniqueConstraint("digest", "task", "seed", "epochs", "evaluator", name="uq_nas_evaluation_digest"),
    )
    op.create_index("ix_nas_evaluation_task", "nas_evaluation", ["task"])
    op.create_table(
        "nas_launch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study", sa.String(200), nullable=False),
        sa.Column("started", sa.DateTime(), nullable=False),
        sa.Column("heartbeat", sa.DateTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("pid_start", sa.String(32), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(["study"], ["nas_study.name"], name="fk_nas_launch_study"),
        sa.PrimaryKeyConstraint("id", name="pk_nas_launch"),
    )
    op.create_index("ix_nas_launch_study", "nas_launch", ["study"])
    op.create_table(
        "nas_trial",
        sa.Column("study", sa.String(200), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("evaluator", sa.Integer(), nullable=False),
        sa.Column("baseline", sa.String(200), nullable=True),
        sa.ForeignKeyConstraint(["digest"], ["nas_architecture.digest"], name="fk_nas_trial_digest"),
        sa.ForeignKeyConstraint(["study"], ["nas_study.name"], name="fk_nas_trial_study"),
        sa.PrimaryKeyConstraint("study", "number", name="pk_nas_trial"),
    )
    op.create_table(
        "nas_curve",
        sa.Column("evaluation", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["evaluation"], ["nas_evaluation.id"], name="fk_nas_curve_evaluation"),
        sa.PrimaryKeyConstraint("evaluation", "epoch", name="pk_nas_curve"),
    )
    op.create_table(
        "nas_lease",
        sa.Column("study", sa.String(200), nullable=False),
        sa.Column("launch", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["launch"], ["nas_launch.id"], name="fk_nas_lease_launch"),
        sa.ForeignKeyConstraint(["study"], ["nas_study.name"], name="fk_nas_lease_study"),
        sa.PrimaryKeyConstraint("study", name="pk_nas_lease"),
    )
