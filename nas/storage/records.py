"""What the store returns: frozen values, never rows."""

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

StudyState = Literal["running"] | Ending


class StudyRecord(Value):
    """A study.

    Attributes:
        spec: as resumed last.
        text: the file as first launched.
        task: fingerprint of its task.
        provenance: what it began with; see `nas.search.provenance`.
        seconds: of all launches.
        state: of the latest launch. If its driver died, it is `interrupted`.
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
        """The proxy whose certificates fit."""
        began = self.provenance
        return Proxy(spec=self.spec, space=began.get("space", {}), task=self.task, forecast=began.get("forecast"))


class TrialRecord(Value):
    """Optuna's trial `number` of a study, and the key of its evaluation; `baseline` names a published neck."""

    number: int
    key: Key
    architecture: Architecture
    baseline: str | None


class AttemptRecord(Value):
    """One submission of an evaluation to a worker; `state` is `running` until its end is recorded."""

    number: int
    worker: str | None
    started: datetime
    ended: datetime | None
    state: str
    error: str | None
