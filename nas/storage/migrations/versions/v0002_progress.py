"""What a launch does now, and whether it was asked to stop."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "nas_progress",
        sa.Column("launch", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("data", sa.JSON(), nullable=True),
        sa.Column("stop_asked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["launch"], ["nas_launch.id"], name="fk_nas_progress_launch"),
        sa.PrimaryKeyConstraint("launch", name="pk_nas_progress"),
    )
