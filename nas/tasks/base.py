"""Task: what every neck is trained and measured on, prepared once a study."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nas.necks.architecture import Architecture, Frame
from nas.necks.spec import NeckSpec
from nas.studies.metrics import Metrics
from nas.studies.records import EVALUATOR, Progress
from nas.studies.spec import DataSpec, TaskSpec
from nas.tasks.continuation import Continuation
from nas.tasks.device import Device
from nas.tasks.outcomes import Outcomes

Say = Callable[[str], None]


class Task(ABC):
    """A prepared task. It is sent to workers as a value: large arrays are numpy, shared and read-only there.

    A task of your own is a class derived from this one, with `architecture`, `build` and `train`, and the attributes
    that have no value here. An entry `nas.tasks.Kind(load=...)` in the table `tasks` makes it from a `TaskSpec`.

    Attributes:
        spec: what was asked for; a task of your own has its further settings in `spec.options`.
        fingerprint: 16 hex digits over everything that can change a result: data, weights, schedule, device, precision.
            `task_fingerprint` makes one.
        elsewhere: the fingerprints that it has on other kinds of machine.
        device: where models are trained and timed, on every worker.
        frame: what the backbone offers a search space.
        available: metrics that the data can give.
        validation: what the user's metrics of a trained model are measured on.
    """

    judges: ClassVar[bool] = False
    """Whether `outcomes` gives some."""

    spec: TaskSpec
    fingerprint: str
    elsewhere: frozenset[str]
    device: Device
    frame: Frame
    available: frozenset[str]

    @property
    def validation(self) -> Any:
        return None

    @property
    def calibration(self) -> NDArray[np.uint8] | None:
        """Training images (N, S, S, C) that INT8 is calibrated on; None where the task has none."""
        return None

    def filled(self, say: Say, *, validates: bool = False) -> Self:
        """The task with its cache filled, for workers: the slow part of the preparation, once per driver.

        Only `train` needs it.

        Args:
            say: called with what is done, a line at a time.
            validates: whether workers need `validation`.
        """
        return self

    def calibrated(self) -> Self:
        """The task with its images for calibration, for a study that asks for INT8; before `filled`."""
        return self

    def with_test(self, say: Say) -> Self:
        """The task with its images for tests read, for a study that has finalists to judge.

        Args:
            say: called with what is found, a line at a time.
        """
        return self

    @abstractmethod
    def architecture(self, neck: NeckSpec) -> Architecture:
        """The whole model around a neck."""

    @abstractmethod
    def build(self, architecture: Architecture) -> nn.Module:
        """The model with the backbone's weights; all else starts from torch's random state.

        Returns:
            A `nas.models.pyramid.HeadedModel` or `Pyramid`, or a class derived from one.

        Raises:
            SpecError: the neck does not fit the backbone.
        """

    @abstractmethod
    def train(self, model: nn.Module, seed: int, epochs: int) -> Iterator[Progress]:
        """Train `model` in place, one Progress an epoch; the last holds all metrics of the task.

        The same model, seed and epochs give the same metrics on the same machine with one thread. Closing the
        iterator ends the training.

        Raises:
            TrialFailed: the loss is not finite.
        """

    def continuation(self, model: nn.Module, seed: int, epochs: int, state: bytes | None = None) -> Continuation | None:
        """The training as one that can be stopped at its end and resumed for more epochs; None where the task has none.

        Args:
            model: a fresh one, or with `state` one to be overwritten.
            seed: that of the whole training.
            epochs: those of the whole training.
            state: of a shorter training with the same model, seed and task.
        """
        return None

    def outcomes(self, model: nn.Module) -> dict[str, Outcomes]:
        """What a trained model did on each image of `val`, and of `test` where there is one."""
        return {}

    def int8_metrics(self, model: nn.Module, metrics: Metrics) -> Metrics:
        """The metrics of INT8 of a trained model whose `metrics` are known; none where the task has none.

        Raises:
            UserError: the model cannot be quantized.
        """
        return {}

    def weights(self, model: nn.Module) -> bytes:
        """What the training changed, as safetensors; the rest is in `shared`."""
        from nas.tasks.weights import packed

        return packed(model.state_dict())

    def shared(self) -> dict[str, bytes]:
        """Weights that all trials share, by name, as safetensors: a frozen backbone."""
        return {}

    def details(self) -> dict[str, object]:
        """How the metrics were measured: area ranges, precision, device."""
        return {"device": self.device}


def task_fingerprint(spec: TaskSpec, *contents: bytes) -> str:
    """A fingerprint of a task of your own: of all of `spec` but the epochs, and of `contents`, its data."""
    # Keys that are newer than the first tasks count only if they are not at their defaults.
    plain = DataSpec(kind=spec.data.kind)
    keys = ("test", "test_fraction", "tile", "overlap", "visible", "channels", "range")
    newer = {key for key in keys if getattr(spec.data, key) == getattr(plain, key)}
    backbone = {"blocks"} if spec.backbone.blocks is None else set()
    asked = spec.model_dump(mode="json", exclude={"epochs": True, "data": newer, "backbone": backbone})
    settings = json.dumps([asked, EVALUATOR], sort_keys=True)
    digests = [hashlib.sha256(content).hexdigest() for content in contents]
    return hashlib.sha256(" ".join([settings, *digests]).encode()).hexdigest()[:16]
