"""The records of an evaluation: its key, its job, a Progress each epoch, one Measurement, and the Evaluation."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from nas.necks.architecture import Architecture
from nas.studies.metrics import CONSTRAINED, Metrics
from nas.value import Value

EVALUATOR = 2
"""Version of training and measuring. Raise it when the same job gives other numbers."""


class Progress(Value):
    """The state of a trial after `epoch` of `epochs`. Epoch 0 has the costs, later ones their loss and metrics."""

    epoch: int = Field(ge=0)
    epochs: int = Field(ge=1)
    seconds: float = Field(ge=0)
    metrics: Metrics = {}


class Measurement(Value):
    """The result of a trial.

    Attributes:
        details: what the numbers rest on: area ranges, precision, device, machine, versions.
        weights: the trained tensors as safetensors bytes, kept apart from the facts.
        files: other bytes by the kind of artifact that they become: the `state` of a training that may go on, outcomes.
    """

    metrics: Metrics
    seconds: float = Field(ge=0)
    details: dict[str, Any] = {}
    weights: bytes | None = Field(None, exclude=True, repr=False)
    files: dict[str, bytes] = Field({}, exclude=True, repr=False)


class Key(Value):
    """The identity of an evaluation. An evaluation whose key is recorded is not run again."""

    digest: str
    task: str
    seed: int
    epochs: int
    evaluator: int = EVALUATOR

    def __str__(self) -> str:
        return f"{self.digest}/{self.task}/s{self.seed}/e{self.epochs}/v{self.evaluator}"


class Evaluation(Value):
    """A finished evaluation: the architecture, its measurement and its whole learning curve."""

    key: Key
    architecture: Architecture
    state: Literal["complete", "pruned"]
    measurement: Measurement
    curve: tuple[Progress, ...] = ()

    def prefix(self, epochs: int) -> Evaluation | None:
        """What a training of fewer epochs would have recorded, if that is known: its curve has scores there.

        Holds where a short training is the start of a longer one: at a constant rate. A user's metrics of the model
        are left out: they are measured at the end alone.
        """
        points = tuple(p.model_copy(update={"epochs": epochs}) for p in self.curve if p.epoch <= epochs)
        if not points or points[-1].epoch != epochs or not points[-1].metrics.keys() - {"loss"}:
            return None
        last = points[-1]
        costs = {name: value for name, value in self.measurement.metrics.items() if name in CONSTRAINED}
        metrics = costs | {name: value for name, value in last.metrics.items() if name != "loss"}
        update = {"metrics": metrics | {"seconds": last.seconds}, "seconds": last.seconds, "weights": None, "files": {}}
        return Evaluation(
            key=self.key.model_copy(update={"epochs": epochs}),
            architecture=self.architecture,
            state="complete",
            measurement=self.measurement.model_copy(update=update),
            curve=points,
        )


class Job(Value):
    """What a worker receives for one evaluation. The task was sent once, for all jobs.

    Attributes:
        known: metrics that need not be measured again: all static costs or none, a latency on that kind of machine.
        metrics: the user's metrics of the trained model that are to be measured at the end.
        state: that of a shorter training to go on from.
        seconds: what that training took.
        keep_state: whether the state at the end is wanted.
        timed: whether a latency that is not known is measured.
        weights: trained tensors; nothing is trained then, and only what is asked for is measured.
        judge: whether the outcomes by image are wanted.
    """

    id: str
    architecture: Architecture
    seed: int
    epochs: int
    attempt: int = 1
    known: Metrics = {}
    metrics: tuple[str, ...] = ()
    state: bytes | None = Field(None, repr=False)
    seconds: float = Field(0, ge=0)
    keep_state: bool = False
    judge: bool = False
    timed: bool = True
    weights: bytes | None = Field(None, repr=False)
