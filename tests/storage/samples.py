"""Small values to keep in a store."""

from __future__ import annotations

from nas.necks.architecture import Architecture
from nas.necks.topologies import fpn
from nas.storage import Store
from nas.studies.records import Evaluation, Key, Measurement, Progress
from nas.studies.spec import StudySpec

SPEC = StudySpec.parse({"task": {"kind": "detection", "data": {"kind": "digits"}}, "budget": {"trials": 8}})
TEXT = "task: {kind: detection}  # a remark\n"


def architecture(width: int = 8) -> Architecture:
    return Architecture(neck=fpn((3, 4, 5), width))


def key(width: int = 8, task: str = "t1-abc", seed: int = 0) -> Key:
    return Key(digest=architecture(width).digest, task=task, seed=seed, epochs=2)


def evaluation(width: int = 8, task: str = "t1-abc", seed: int = 0, weights: bytes | None = None) -> Evaluation:
    return Evaluation(
        key=key(width, task, seed),
        architecture=architecture(width),
        state="complete",
        measurement=Measurement(
            metrics={"ap": 0.1 + 0.2, "ap_small": None}, seconds=1.5, details={"device": "cpu"}, weights=weights
        ),
        curve=tuple(
            Progress(epoch=epoch, epochs=2, seconds=epoch / 2, metrics={"loss": 1 / epoch, "ap": None})
            for epoch in (1, 2)
        ),
    )


def without_weights(evaluation: Evaluation) -> Evaluation:
    measurement = evaluation.measurement.model_copy(update={"weights": None})
    return evaluation.model_copy(update={"measurement": measurement})


def with_study(store: Store, name: str = "pets") -> Store:
    """The store with a study whose first launch was interrupted."""
    store.begin(name, SPEC, TEXT, "t1-abc", {"version": "0.1.0"}).close("interrupted")
    return store
