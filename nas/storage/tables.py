"""Our tables of the study database, for SQLite and PostgreSQL. `nas.storage.migrations` makes them.

Optuna's tables in the same database have the state of the search. Names of ours begin with `nas_`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


class UTCDateTime(TypeDecorator[datetime]):
    """A moment, stored in UTC without a zone: SQLite has no zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


def _required(name: str, kind: Any, *rules: Any, **options: Any) -> Column[Any]:
    return Column(name, kind, *rules, nullable=False, **options)


def _key(*digest_rules: Any) -> list[Column[Any]]:
    """The columns of a `nas.studies.records.Key`."""
    return [
        _required("digest", String(64), *digest_rules),
        _required("task", String(64)),
        _required("seed", Integer),
        _required("epochs", Integer),
        _required("evaluator", Integer),
    ]


STUDY = Table(
    "nas_study",
    METADATA,
    Column("name", String(200), primary_key=True),
    _required("spec", JSON),
    _required("text", Text),
    _required("task", String(64)),
    _required("provenance", JSON),
    _required("created", UTCDateTime),
)

# The driver of a launch is the process `pid` on `host` that started at `pid_start`, in the host's own units.
LAUNCH = Table(
    "nas_launch",
    METADATA,
    Column("id", Integer, primary_key=True),
    _required("study", String(200), ForeignKey("nas_study.name"), index=True),
    _required("started", UTCDateTime),
    _required("heartbeat", UTCDateTime),
    _required("seconds", Float),
    _required("state", String(16)),
    _required("pid", Integer),
    _required("pid_start", String(32)),
    _required("host", String(255)),
)

LEASE = Table(
    "nas_lease",
    METADATA,
    Column("study", String(200), ForeignKey("nas_study.name"), primary_key=True),
    _required("launch", Integer, ForeignKey("nas_launch.id")),
)

# Apart from `nas_launch`, so that a database of the first schema can still be read where nothing may be written.
PROGRESS = Table(
    "nas_progress",
    METADATA,
    Column("launch", Integer, ForeignKey("nas_launch.id"), primary_key=True, autoincrement=False),
    Column("data", JSON),
    _required("stop_asked", Boolean),
)

# The queue of `nas serve`. A job may wait before its study exists. `owner` and the next three columns name the service
# that runs it; `heartbeat` has the database's time.
JOB = Table(
    "nas_job",
    METADATA,
    Column("id", Integer, primary_key=True),
    _required("study", String(200)),
    _required("kind", String(16)),
    _required("state", String(16)),
    _required("priority", Integer),
    _required("text", Text),
    _required("changes", JSON),
    _required("options", JSON),
    _required("posted", UTCDateTime),
    Column("posted_by", String(16)),
    Column("started", UTCDateTime),
    Column("ended", UTCDateTime),
    Column("pid", Integer),
    Column("pid_start", String(32)),
    Column("host", String(255)),
    Column("heartbeat", UTCDateTime),
    _required("attempts", Integer),
    _required("stop_asked", Boolean),
    Column("error", Text),
    Column("notify", Text),
    Column("notify_due", UTCDateTime),
    _required("notify_tries", Integer),
    Index("ix_nas_job_state", "state"),
    Index(
        "uq_nas_job_study",
        "study",
        "kind",
        unique=True,
        sqlite_where=text("state IN ('queued', 'running')"),
        postgresql_where=text("state IN ('queued', 'running')"),
    ),
)

JOB_LINE = Table(
    "nas_job_line",
    METADATA,
    Column("job", Integer, ForeignKey("nas_job.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    _required("written", UTCDateTime),
    _required("text", Text),
)

# Of a token or a session only the SHA-256 of the secret is kept: it is drawn at random from 256 bits.
TOKEN = Table(
    "nas_token",
    METADATA,
    Column("id", String(16), primary_key=True),
    _required("name", String(200)),
    _required("hash", String(64)),
    _required("scope", String(16)),
    _required("created", UTCDateTime),
    Column("revoked", UTCDateTime),
)

SESSION = Table(
    "nas_session",
    METADATA,
    Column("hash", String(64), primary_key=True),
    _required("token", String(16), ForeignKey("nas_token.id"), index=True),
    _required("expires", UTCDateTime),
)

ARCHITECTURE = Table(
    "nas_architecture",
    METADATA,
    Column("digest", String(64), primary_key=True),
    _required("data", JSON),
)

EVALUATION = Table(
    "nas_evaluation",
    METADATA,
    Column("id", Integer, primary_key=True),
    *_key(ForeignKey("nas_architecture.digest")),
    _required("state", String(16)),
    _required("metrics", JSON),
    _required("seconds", Float),
    _required("details", JSON),
    _required("recorded", UTCDateTime),
    Index("ix_nas_evaluation_task", "task"),
    UniqueConstraint("digest", "task", "seed", "epochs", "evaluator"),
)

CURVE = Table(
    "nas_curve",
    METADATA,
    Column("evaluation", Integer, ForeignKey("nas_evaluation.id"), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    _required("seconds", Float),
    _required("metrics", JSON),
)

TRIAL = Table(
    "nas_trial",
    METADATA,
    Column("study", String(200), ForeignKey("nas_study.name"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    *_key(ForeignKey("nas_architecture.digest")),
    Column("baseline", String(200)),
)

# No foreign key: an attempt may come before its architecture is kept.
ATTEMPT = Table(
    "nas_attempt",
    METADATA,
    Column("id", Integer, primary_key=True),
    *_key(),
    _required("number", Integer),
    Column("worker", String(255)),
    _required("started", UTCDateTime),
    Column("ended", UTCDateTime),
    _required("state", String(16)),
    Column("error", Text),
    Index("ix_nas_attempt_digest", "digest"),
)

# A proxy is a task with a number of epochs.
CERTIFICATE = Table(
    "nas_certificate",
    METADATA,
    Column("id", Integer, primary_key=True),
    _required("task", String(64)),
    _required("epochs", Integer),
    _required("data", JSON),
    _required("made", UTCDateTime),
    Index("ix_nas_certificate_task", "task"),
)

LATENCY = Table(
    "nas_latency",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("machine", String(255), primary_key=True),
    Column("target", String(64), primary_key=True),
    _required("milliseconds", Float),
    _required("measured", UTCDateTime),
)

ARTIFACT = Table(
    "nas_artifact",
    METADATA,
    Column("owner", String(255), primary_key=True),
    Column("kind", String(64), primary_key=True),
    _required("sha256", String(64), index=True),
    _required("size", BigInteger),
    Column("folder", Text),
    _required("created", UTCDateTime),
)
