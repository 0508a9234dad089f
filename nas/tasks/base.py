"""Task: what every neck is trained and measured on, prepared once a study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Self

from torch import nn

from nas.necks.architecture import Architecture, Frame
from nas.necks.spec import NeckSpec
from nas.studies.records import Progress
from nas.studies.spec import TaskSpec
from nas.tasks.device import Device

Say = Callable[[str], None]


class Task(ABC):
    """A prepared task. It is sent to workers as a value: large arrays are numpy, shared and read-only there.

    Attributes:
        spec: what was asked for.
        fingerprint: 16 hex digits over everything that can change a result: data, weights, schedule, device, precision.
        elsewhere: the fingerprints that it has on other kinds of machine.
        device: where models are trained and timed, on every worker.
        frame: what the backbone offers a search space.
        available: metrics that the data can give.
    """

    spec: TaskSpec
    fingerprint: str
    elsewhere: frozenset[str]
    device: Device
    frame: Frame
    available: frozenset[str]

    @abstractmethod
    def filled(self, say: Say) -> Self:
        """The task with its cache filled, as workers are given it: the slow part of preparing, once per driver.

        Without that everything else can be asked of a task, but for `train`.
        """

    @abstractmethod
    def architecture(self, neck: NeckSpec) -> Architecture:
        """The whole model around a neck."""

    @abstractmethod
    def build(self, architecture: Architecture) -> nn.Module:
        """The model with the backbone's weights; all else starts from torch's random state.

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

    @abstractmethod
    def weights(self, model: nn.Module) -> bytes:
        """What the training changed, as safetensors; the rest is in `shared`."""

    @abstractmethod
    def shared(self) -> dict[str, bytes]:
        """Weights that all trials share, by name, as safetensors: a frozen backbone."""

    @abstractmethod
    def details(self) -> dict[str, object]:
        """What the metrics rest on: area ranges, precision, device."""
