"""The private parts of Optuna and its dashboard that we rest on: each test names the one that changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState, create_trial
from optuna_dashboard import save_note
from optuna_dashboard._note import get_note_from_system_attrs
from sqlalchemy import event

from nas.necks.architecture import Architecture
from nas.necks.topologies import bifpn
from nas.search.notes import trial_note
from nas.search.optuna_adapter import (
    extend_trial_note,
    link_drawing,
    quiet,
    requeue,
    resume,
    save_study_note,
    save_trial_note,
)
from nas.storage import open_store


@pytest.fixture
def study(tmp_path: Path) -> Iterator[optuna.Study]:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        yield optuna.create_study(study_name="pets", storage=store.optuna)


def read(study: optuna.Study, trial: int | None = None) -> str:
    """The note as the dashboard's server reads it."""
    attributes = study._storage.get_study_system_attrs(study._study_id)
    identity = study.trials[trial]._trial_id if trial is not None else None
    return str(get_note_from_system_attrs(attributes, identity)["body"])


def test_a_running_trial_of_another_process_can_be_told(study: optuna.Study) -> None:
    number = study.ask().number
    running = optuna.load_study(study_name="pets", storage=study._storage).trials[number]
    study.tell(resume(study, running), 0.5)
    assert study.trials[number].value == 0.5


def test_a_requeued_trial_is_asked_first_with_its_parameters(study: optuna.Study) -> None:
    asked = study.ask()
    asked.suggest_int("width", 16, 64)
    requeue(study, study.trials[asked.number])
    assert study.trials[asked.number].state == TrialState.WAITING
    again = study.ask()
    assert (again.number, again.suggest_int("width", 16, 64)) == (asked.number, asked.params["width"])


def test_a_drawing_is_an_artifact_of_the_trial_for_optuna(study: optuna.Study) -> None:
    trial = study.ask()
    assert (
        link_drawing(study, trial, "a1-0123") == f"![The neck](/artifacts/{study._study_id}/{trial._trial_id}/a1-0123)"
    )
    [meta] = get_all_artifact_meta(study.trials[0], storage=study._storage)
    assert (meta.artifact_id, meta.filename, meta.mimetype) == ("a1-0123", "neck.svg", "image/svg+xml")


def test_quiet_gives_the_verbosity_back() -> None:
    before = optuna.logging.get_verbosity()
    with quiet():
        assert optuna.logging.get_verbosity() == optuna.logging.WARNING
    assert optuna.logging.get_verbosity() == before


def test_the_dashboard_reads_notes_of_running_and_finished_trials(study: optuna.Study) -> None:
    body = trial_note(Architecture(neck=bifpn((3, 4, 5), 64, extra=2)), {"ap": 0.4})
    assert len(body) > 2045  # the dashboard itself would cut it in pieces
    running, finished = study.ask(), study.ask()
    study.tell(finished, 0.5)
    save_trial_note(study, running, body)
    save_trial_note(study, finished, "a short one")
    assert read(study, 0) == body
    assert read(study, 1) == "a short one"
    assert read(study) == ""


def test_a_note_of_a_trial_costs_the_same_however_many_there_are(study: optuna.Study) -> None:
    statements: list[str] = []
    event.listen(study._storage._backend.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    costs = []
    for _ in range(3):
        trial = study.ask()
        statements.clear()
        save_trial_note(study, trial, "text")
        costs.append(len(statements))
    assert costs == [costs[0]] * 3
    reads = [s for s in statements if s.startswith("SELECT") and "study_system_attributes" in s]
    assert all('"key" = ?' in s for s in reads), reads


def test_a_section_of_a_trials_note_is_replaced_unless_somebody_edited_the_note(study: optuna.Study) -> None:
    trial = study.ask()
    extend_trial_note(study, trial.number, "Later", "nothing is extended")
    assert read(study, 0) == ""
    save_trial_note(study, trial, "the note\n")
    extend_trial_note(study, trial.number, "Later", "first")
    extend_trial_note(study, trial.number, "Later", "second")
    assert read(study, 0) == "the note\n\n### Later\n\nsecond"
    save_note(trial, "mine")
    extend_trial_note(study, trial.number, "Later", "third")
    assert read(study, 0) == "mine"


def test_a_studys_note_is_replaced_unless_somebody_edited_it(study: optuna.Study) -> None:
    study.add_trial(create_trial(value=0.5))
    save_study_note(study, "first")
    save_study_note(study, "second")
    assert read(study) == "second"
    save_note(study, "mine")
    save_study_note(study, "third")
    assert read(study) == "mine"
