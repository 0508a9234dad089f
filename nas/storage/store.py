"""Store: everything that is kept of studies. Values in, copies out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Connection, and_, func, select, true, update

from nas.errors import StoreError, UserError
from nas.necks.architecture import Architecture
from nas.storage import certificates, evaluations, latencies
from nas.storage.artifacts import Artifacts, artifacts_folder
from nas.storage.database import Database, Deferred, open_database
from nas.storage.evaluations import is_key, keep_architecture
from nas.storage.lease import Lease, acquire, check_free
from nas.storage.patience import Once
from nas.storage.progress import ask_to_stop, find_progress
from nas.storage.records import AttemptRecord, StudyRecord, TrialRecord
from nas.storage.removal import remove_study
from nas.storage.studies import find_studies
from nas.storage.tables import ARCHITECTURE, ATTEMPT, EVALUATION, STUDY, TRIAL
from nas.studies.certificate import Certificate
from nas.studies.progress import LaunchProgress
from nas.studies.records import Evaluation, Key
from nas.studies.spec import StudySpec
from nas.text import Say

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def open_store(url: str, *, create: bool, artifacts: str | Path | None = None, say: Say | None = None) -> Store:
    """Open the study database at `url` (SQLAlchemy's form); `artifacts` defaults to a folder beside a SQLite file.

    With `create`, a missing file and missing tables are made; without, nothing is written by opening. `say` is called
    with each line about a database that is waited for, now or later; by default they go to stderr.

    Raises:
        StoreError: it cannot be opened, is no database, is missing, or was written by a newer version.
    """
    folder = artifacts_folder(artifacts)
    return Store(open_database(url, create=create, say=say), folder)


class Store:
    """A study database. It belongs to the thread that opened it; each of several processes may have one.

    Every write is one transaction: after a crash it is there in full or not at all. Times are in UTC. A database that
    is away is waited for. Any method may raise StoreError (disk full, locked for a minute, not opened for writing).
    """

    def __init__(self, database: Database, artifacts: str | None) -> None:
        self._database = database
        self._artifacts = Artifacts(database, artifacts)

    @property
    def database(self) -> Database:
        """The database, for the readers of this room."""
        return self._database

    def reported(self) -> AbstractContextManager[None]:
        """Report failures of the database as a sentence while Optuna uses it.

        Raises:
            StoreError: it does not answer, or cannot be used like this.
        """
        return self._database.reported()

    def together(self, work: Callable[[], object]) -> None:
        """Make one transaction of all that this store writes in `work`, which is run again if the database goes away.

        Optuna's own storage must write nothing there: it would wait for this transaction.
        """
        self._database.transaction(lambda connection: work())

    def defer(self, rows: Deferred | None) -> None:
        """Let every transaction of this store write these rows first, in place of earlier ones."""
        self._database.deferred = rows

    @cached_property
    def optuna(self) -> RDBStorage:
        """Optuna's storage on the same database. Its tables are made at the first use, if the store may create.

        Raises:
            StoreError: Optuna's tables are missing, or another version of Optuna wrote them.
        """
        from nas.storage.optuna_tables import open_optuna

        return open_optuna(self._database)

    # Studies

    def begin(self, name: str, spec: StudySpec, text: str, task: str, provenance: dict[str, Any]) -> Lease:
        """Keep a new study and start its first launch, in one transaction.

        Args:
            name: of the study.
            spec: the study.
            text: its file, verbatim.
            task: fingerprint of its task.
            provenance: what it depends on.

        Raises:
            UserError: a live driver holds the lease of a study of that name.
            StoreError: the name is taken.
        """
        row = {"name": name, "spec": _spec_data(spec), "text": text, "task": task, "provenance": provenance}
        return acquire(self._database, name, row | {"created": datetime.now(UTC)})

    def update_spec(self, name: str, spec: StudySpec) -> None:
        """Keep the spec of a resumed study. The caller checks what may differ.

        Raises:
            StoreError: there is no such study.
        """
        change = update(STUDY).where(STUDY.c.name == name).values(spec=_spec_data(spec)).returning(STUDY.c.name)
        if not self._database.transaction(lambda connection: connection.execute(change).all()):
            raise StoreError(f"{self._database.name} has no study {name!r}")

    def study(self, name: str) -> StudyRecord | None:
        return next(iter(find_studies(self._database, STUDY.c.name == name)), None)

    def studies(self) -> list[StudyRecord]:
        """All studies, the oldest first."""
        return find_studies(self._database, true())

    def lease(self, name: str) -> Lease:
        """Start a launch of a study. Close the lease with the launch's end state.

        Raises:
            UserError: a live driver holds the lease.
            StoreError: there is no such study.
        """
        return acquire(self._database, name)

    def check_free(self, name: str) -> None:
        """Check, without writing, that a launch of a study could start.

        Raises:
            UserError: a live driver holds the lease.
        """
        check_free(self._database, name)

    def progress(self, name: str) -> LaunchProgress | None:
        """What the latest launch of a study does or did last; None if its driver kept nothing."""
        return find_progress(self._database, name)

    def ask_to_stop(self, name: str) -> None:
        """Ask the running launch of a study to stop; it does so within seconds. UserError: there is none."""
        record = self.study(name)
        if record is None or record.state != "running":
            raise UserError(f"study {name!r} is not running")
        ask_to_stop(self._database, name)

    def remove(self, name: str) -> None:
        """Delete a study, its trials and its files; measurements stay, as evidence for other studies of its task.

        Raises:
            UserError: a live driver holds the lease, or there is no such study.
        """
        with self.lease(name) as lease:  # so that no launch begins meanwhile
            for study in self.optuna.get_all_studies():  # Optuna's first: a study that only Optuna has is not ours
                if study.study_name == name:
                    self.optuna.delete_study(study._study_id)
            remove_study(self._database, self._artifacts, name, lease.beat)

    # Evaluations

    def record(self, evaluation: Evaluation) -> None:
        """Keep an evaluation, its curve, its weights as an artifact, and its latency if it was measured.

        A complete evaluation is never replaced: it gets weights that were dropped, and metrics that it lacks. A pruned
        one is.
        """
        measurement = evaluation.measurement
        latency = measurement.metrics.get("latency_ms")

        def write() -> None:
            if latency is not None and "latency" in measurement.details:
                self.record_latency(evaluation.key.digest, *latencies.place(measurement.details), latency)
            evaluations.record(self._database, self._artifacts, evaluation)

        self.together(write)

    def evaluation(self, key: Key) -> Evaluation | None:
        """The evaluation without its weights: these are the artifact `weights` of `str(key)`."""
        return next(iter(evaluations.find(self._database, is_key(EVALUATION, key))), None)

    def longer_evaluations(self, key: Key) -> list[Evaluation]:
        """The complete evaluations of the same architecture and task with more epochs, the shortest first."""
        same = (EVALUATION.c[name] == value for name, value in key.model_dump(exclude={"epochs", "seed"}).items())
        found = evaluations.find(self._database, and_(*same, EVALUATION.c.epochs > key.epochs))
        return sorted((e for e in found if e.state == "complete"), key=lambda e: (e.key.epochs, e.key.seed))

    def evaluations(self, task: str) -> list[Evaluation]:
        """All evaluations under a task's fingerprint, in the order they were recorded, without weights."""
        return evaluations.find(self._database, EVALUATION.c.task == task)

    def epoch_seconds(self, task: str) -> float | None:
        """Mean seconds that an epoch took, over all evaluations under a task's fingerprint; None if there are none."""
        query = select(func.sum(EVALUATION.c.seconds), func.sum(EVALUATION.c.epochs)).where(EVALUATION.c.task == task)
        seconds, epochs = self._database.read(query)[0]
        return seconds / epochs if epochs else None

    def architecture(self, digest: str) -> Architecture | None:
        """The architecture with that digest, if a trial or an evaluation has it."""
        rows = self._database.read(select(ARCHITECTURE.c.data).where(ARCHITECTURE.c.digest == digest))
        return Architecture.model_validate(rows[0].data) if rows else None

    # Trials and the attempts to evaluate them

    def bind(self, study: str, number: int, key: Key, architecture: Architecture, baseline: str | None) -> None:
        """Record the evaluation of Optuna's trial `number`, once, right after it was asked.

        A driver that finds the trial RUNNING after a crash can then submit it again.
        """
        values = {"study": study, "number": number, "baseline": baseline} | key.model_dump()
        row = Once(TRIAL, values, (*key.model_dump(), "study", "number"))

        def write(connection: Connection) -> None:
            keep_architecture(connection, key, architecture)
            row.insert(connection)

        self._database.transaction(write)

    def trials(self, study: str) -> list[TrialRecord]:
        """All bound trials of a study by number."""
        return evaluations.bound(self._database, TRIAL.c.study == study)

    def trial(self, study: str, number: int) -> TrialRecord | None:
        """One bound trial of a study."""
        return next(iter(evaluations.bound(self._database, TRIAL.c.study == study, TRIAL.c.number == number)), None)

    def studies_of(self, key: Key) -> tuple[str, ...]:
        """Names of the studies with a trial of this evaluation."""
        query = select(TRIAL.c.study).where(is_key(TRIAL, key)).distinct().order_by(TRIAL.c.study)
        return tuple(row.study for row in self._database.read(query))

    def attempt(self, key: Key, number: int, worker: str | None) -> None:
        """Record that an evaluation is submitted to a worker for the `number`-th time."""
        values = key.model_dump() | {"number": number, "worker": worker, "started": datetime.now(UTC)}
        row = Once(ATTEMPT, values | {"state": "running"}, ("digest", "number", "started"))
        self._database.transaction(row.insert)

    def attempt_ended(self, key: Key, number: int, state: str, error: str | None = None) -> None:
        """Record how the attempt ended; `error` is the message of one that failed."""
        # A driver that died may have left an attempt of the same number: the latest one is meant.
        latest = select(func.max(ATTEMPT.c.id)).where(is_key(ATTEMPT, key), ATTEMPT.c.number == number)
        ended = update(ATTEMPT).where(ATTEMPT.c.id == latest.scalar_subquery())
        ended = ended.values(state=state, error=error, ended=datetime.now(UTC))
        self._database.transaction(lambda connection: connection.execute(ended))

    def attempts(self, key: Key) -> list[AttemptRecord]:
        """All attempts in the order they began. If its driver died, an attempt stays `running`."""
        rows = self._database.read(select(ATTEMPT).where(is_key(ATTEMPT, key)).order_by(ATTEMPT.c.id))
        return [AttemptRecord(**{name: getattr(row, name) for name in AttemptRecord.model_fields}) for row in rows]

    # Certificates and latencies

    def keep_certificate(self, certificate: Certificate, task: str | None = None) -> None:
        """Keep a certificate beside earlier ones of its proxy.

        `task` is the fingerprint that its task has here, if the certificate was made elsewhere.
        """
        certificates.keep(self._database, certificate, task)

    def certificates(self, task: str, epochs: int) -> list[Certificate]:
        """All certificates of that proxy, oldest first; `nas.studies.certificate.best_certificate` chooses among them.

        Those that another version wrote in an unknown form are left out.
        """
        return certificates.find(self._database, task, epochs)

    def latency(self, digest: str, machine: str, target: str) -> float | None:
        """Milliseconds an image of an architecture on a machine, measured for `target` (`torch`, `onnxruntime`)."""
        return latencies.find(self._database, digest, machine, target)

    def record_latency(self, digest: str, machine: str, target: str, milliseconds: float) -> None:
        """Keep a latency in place of an older one."""
        latencies.keep(self._database, digest, machine, target, milliseconds)

    # Artifacts

    def put_artifact(self, owner: str, kind: str, data: bytes) -> None:
        """Keep bytes in place of an earlier artifact of that owner and kind.

        Raises:
            StoreError: there is no folder to write to, or it cannot be written.
        """
        self._artifacts.put(owner, kind, data)

    def get_artifact(self, owner: str, kind: str) -> bytes | None:
        """The bytes, or None if there are none.

        Raises:
            StoreError: the file is missing or damaged.
        """
        return self._artifacts.get(owner, kind)

    def has_artifact(self, owner: str, kind: str) -> bool:
        return self._artifacts.find(owner, kind) is not None

    def damage(self, owner: str, kind: str) -> str | None:
        """What is wrong with the file of an artifact, by its hash; None if nothing is, or there is no such artifact."""
        return self._artifacts.damage(owner, kind)

    def has_sound_artifact(self, owner: str, kind: str) -> bool:
        """Whether there is such an artifact with its file. One that is damaged is reported and dropped."""
        damage = self.damage(owner, kind)
        if damage is None:
            return self.has_artifact(owner, kind)
        self._database.say(f"{damage}; it will be made again")
        self.drop_artifact(owner, kind)
        return False

    def artifact_size(self, owner: str, kind: str) -> int:
        """Bytes of the artifact, 0 if there is none."""
        found = self._artifacts.find(owner, kind)
        return found.size if found is not None else 0

    def drop_artifact(self, owner: str, kind: str) -> None:
        """Delete the artifact, if there is one."""
        self._artifacts.drop(owner, kind)

    def sweep_artifacts(self) -> None:
        """Delete what killed processes left half-written among the artifacts."""
        self._artifacts.sweep()

    def close(self) -> None:
        """End all connections."""
        if "optuna" in self.__dict__:
            self.optuna.remove_session()
            self.optuna.engine.dispose()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _spec_data(spec: StudySpec) -> dict[str, Any]:
    """The spec with its defaults, which a later version may change."""
    return spec.model_dump(mode="json")
