"""Run by alembic: the migrations on the connection from `nas.storage.migrations.upgrade`."""

from __future__ import annotations

from alembic import context

from nas.storage.migrations import VERSION_TABLE
from nas.storage.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION_TABLE
)
with context.begin_transaction():
    context.run_migrations()
