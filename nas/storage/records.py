"""What the store gives back: frozen values, never rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from nas.necks.architecture import Architecture
from nas.studies.certificate import Proxy
from nas.studies.records import Key
from nas.studies.spec import StudySpec
from nas.value import Value

Ending = Literal["done", "exhausted", "interrupted", "failed"]
"""How a launch ended."""

StudyState = Literal["new", "running"] | Ending


class StudyRecord(Value):
    """A study: `spec` as resumed last, `text` the file as first launched, `seconds` summed over all launches.

    `state` is that of the latest launch; `new` before the first. A launch whose driver died is `interrupted`.
    """

    name: str
    spec: StudySpec
    text: str
    task: str
    provenance: dict[str, Any]
    created: datetime
    seconds: float
    state: StudyState

    @property
    def proxy(self) -> Proxy:
        """What certificates are asked about."""
        begun = self.provenance
        return Proxy(spec=self.spec, space=begun.get("space", {}), task=self.task, forecast=begun.get("forecast"))


class TrialRecord(Value):
    """Optuna's trial `number` of a study, and the evaluation it stands for; `baseline` names a published neck."""

    number: int
    key: Key
    architecture: Architecture
    baseline: str | None


class AttemptRecord(Value):
    """One submission of an evaluation to a worker; `state` is `running` until its end is told."""

    number: int
    worker: str | None
    started: datetime
    ended: datetime | None
    state: str
    error: str | None


class ArtifactRecord(Value):
    """Bytes kept beside the database: `size` in bytes, `folder` None where it is the default one."""

    owner: str
    kind: str
    sha256: str
    size: int
    folder: str | None
