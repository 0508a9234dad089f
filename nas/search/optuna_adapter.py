"""Private interfaces of Optuna and its dashboard that the search needs. No other module touches them.

Optuna has no public way to find a trial's storage id, to requeue a RUNNING trial, or to write beside a finished one.
The dashboard keeps notes as system attributes of the study (`optuna_dashboard._note`), and shows artifacts from system
attributes of a trial (`optuna.artifacts._upload`). `tests/search/test_optuna_adapter.py` fails when any of it changes.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from nas.search.driver_storage import DriverStorage


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's own log lines and its warnings about experimental features."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        try:
            yield
        finally:
            optuna.logging.set_verbosity(before)


def resume(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """A RUNNING trial of an earlier process, whose values can now be reported."""
    return optuna.Trial(study, trial._trial_id)


def requeue(study: optuna.Study, trial: FrozenTrial) -> None:
    """Put a RUNNING trial back to WAITING. It keeps its parameters and is asked again first."""
    study._storage.set_trial_state_values(trial._trial_id, state=TrialState.WAITING)


def refresh(study: optuna.Study) -> None:
    """Learn the trials that other processes enqueued, where the study's storage keeps its trials in memory."""
    if isinstance(study._storage, DriverStorage):
        study._storage.refresh()


def save_trial_note(study: optuna.Study, trial: optuna.Trial, body: str) -> None:
    """Write the Markdown note of a trial, once per trial.

    `optuna_dashboard.save_note` would read all notes of the study before and after each write.
    """
    _save_note(study, f"dashboard:{trial._trial_id}:", body)


def extend_trial_note(study: optuna.Study, number: int, heading: str, body: str) -> None:
    """Write a section at the end of a trial's note, in place of an earlier one; a note that a person edited is kept."""
    trial = study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
    prefix, title = f"dashboard:{trial}:", f"\n### {heading}\n"
    storage: Any = study._storage  # Optuna's cache, or ours, in front of `nas.storage`'s
    if storage._backend.study_system_attr(study._study_id, f"{prefix}note_ver") == 1:
        before = storage._backend.study_system_attr(study._study_id, f"{prefix}note_str:0").split(title)[0]
        _save_note(study, prefix, f"{before}{title}\n{body}")


def save_study_note(study: optuna.Study, body: str) -> None:
    """Write the Markdown note of the study in place of our earlier one; a note that a person edited is kept."""
    attributes = study._storage.get_study_system_attrs(study._study_id)
    if attributes.get("dashboard:note_ver", 1) == 1:
        _save_note(study, "dashboard:", body)


def link_drawing(study: optuna.Study, trial: optuna.Trial, digest: str) -> str:
    """Attach a drawing to a running trial, and return the Markdown that shows it.

    No file is written: `nas dashboard` draws architecture `digest` when that artifact is requested.
    """
    artifact = {"artifact_id": digest, "filename": "neck.svg", "mimetype": "image/svg+xml", "encoding": None}
    study._storage.set_trial_system_attr(trial._trial_id, f"artifacts:{digest}", json.dumps(artifact))
    return f"![The neck](/artifacts/{study._study_id}/{trial._trial_id}/{digest})"


def _save_note(study: optuna.Study, prefix: str, body: str) -> None:
    study._storage.set_study_system_attr(study._study_id, f"{prefix}note_ver", 1)
    study._storage.set_study_system_attr(study._study_id, f"{prefix}note_str:0", body)


def hypervolume(points: Sequence[Sequence[float]], corner: Sequence[float]) -> float:
    """The volume between a corner and the points that are below it in every coordinate (Optuna's own routine)."""
    from optuna._hypervolume import compute_hypervolume

    return float(compute_hypervolume(np.asarray(points, float).reshape(-1, len(corner)), np.asarray(corner, float)))
