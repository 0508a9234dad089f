"""Exports of trials that were really trained, on the tiny tasks of digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna

from nas.executors.evaluate import evaluate
from nas.exports import export_study
from nas.necks.topologies import fpn
from nas.storage import open_store
from nas.studies.records import Evaluation, Job, Key, Measurement
from nas.studies.spec import StudySpec
from nas.tasks import prepare
from tests.tasks import tiny

EPOCHS = 4
"""Of the trial and of the full training: metrics are taken at the end alone."""


def export_of_digits(folder: Path, levels: tuple[int, ...] = (3, 4), epochs: int = EPOCHS, **changes: Any) -> Path:
    """The one trial of a study, trained with seed 0; `changes` are those of `tiny.spec`."""
    task_spec = tiny.spec(epochs=epochs, **changes)
    spec = StudySpec.parse({"name": "digits", "task": task_spec.model_dump(), "full": {"epochs": epochs}})
    task = prepare(task_spec, lambda line: None, tiny.weights()).filled(lambda line: None)
    architecture = task.architecture(fpn(levels, 8))
    job = Job(id="a", architecture=architecture, seed=0, epochs=epochs)
    *_, measurement = evaluate(task, job)
    assert isinstance(measurement, Measurement)
    key = Key(digest=architecture.digest, task=task.fingerprint, seed=0, epochs=epochs)
    with open_store(f"sqlite:///{folder}/nas.db", create=True) as store:
        store.begin("digits", spec, "task: ...\n", task.fingerprint, {}).close("done")
        for kind, data in task.shared().items():
            store.put_artifact(f"task/{task.fingerprint}", kind, data)
        study = optuna.create_study(study_name="digits", storage=store.optuna, direction="maximize")
        trial = study.ask()
        store.bind("digits", trial.number, key, architecture, None)
        store.record(Evaluation(key=key, architecture=architecture, state="complete", measurement=measurement))
        trial.set_user_attr("digest", key.digest)
        trial.set_user_attr("metrics", measurement.metrics)
        trial.set_user_attr("feasible", True)
        study.tell(trial, measurement.metrics[spec.objectives[0].metric])
        export_study(store, "digits", folder / "export")
    return folder / "export"
