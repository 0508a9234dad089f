"""Schema versions of our tables. A change of `nas.storage.tables` needs a new file in `versions`.

Optuna has an alembic table of its own in the same database; ours is `nas_alembic_version`.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from nas.errors import StoreError

VERSION_TABLE = "nas_alembic_version"


def current_version(connection: Connection, name: str) -> str | None:
    """The schema version of the database `name`; None where our tables are missing.

    Raises:
        StoreError: this package does not know that version.
    """
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    version = context.get_current_revision()
    known = {script.revision for script in _scripts().walk_revisions()}
    if version is not None and version not in known:
        raise StoreError(
            f"{name} was written by a newer version of pyramid-nas (schema {version}): "
            "upgrade with `pip install -U pyramid-nas`"
        )
    return version


def newest_version() -> str | None:
    """The newest schema version."""
    return _scripts().get_current_head()


def upgrade(connection: Connection) -> None:
    """Make our tables, or migrate them to the newest schema, in the connection's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "nas.storage:migrations")
    return config
