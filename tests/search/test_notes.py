from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial
from optuna_dashboard import save_note
from optuna_dashboard._note import get_note_from_system_attrs
from sqlalchemy import event

from nas.necks.architecture import Architecture
from nas.necks.describe import describe
from nas.necks.topologies import bifpn, fpn
from nas.search.notes import metrics_table, save_study_note, save_trial_note, study_note, trial_note
from nas.storage import open_store
from nas.studies.spec import StudySpec

SPEC = StudySpec.parse(
    {
        "task": {"kind": "detection", "data": {"kind": "digits"}},
        "objectives": ["ap", "latency_ms"],
        "constraints": {"params": 5e6},
    }
)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[optuna.Study]:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        yield optuna.create_study(study_name="pets", storage=store.optuna)


def read(study: optuna.Study, trial: int | None = None) -> str:
    """The note as the dashboard's server reads it."""
    attributes = study._storage.get_study_system_attrs(study._study_id)
    identity = study.trials[trial]._trial_id if trial is not None else None
    return str(get_note_from_system_attrs(attributes, identity)["body"])


def test_a_trials_note_tells_its_neck_and_what_was_measured() -> None:
    architecture = Architecture(neck=fpn((3, 4, 5), 64))
    note = trial_note(architecture, {"ap": 0.4123, "ap_small": None, "params": 5.1e6, "loss": 0.3})
    assert note.startswith(describe(architecture))
    assert note.endswith("```\n\n```\nap       0.412\nparams  5.10 M\n```\n")
    assert trial_note(architecture, {}, "fpn").startswith("### Baseline fpn\n\n**P3 to P5")


def test_a_studys_note_tells_its_goal_and_what_it_found() -> None:
    note = study_note(SPEC, {"fpn": {"ap": 0.3}, "best: trial 7": {"ap": 0.4, "params": 1e6}}, ["192 images"])
    assert "- goal: maximize ap, minimize latency_ms; params at most 5.00 M\n- 192 images\n" in note
    assert note.endswith(
        "```\n                  ap  params\nfpn            0.300       -\nbest: trial 7  0.400  1.00 M\n```\n"
    )
    assert "```" not in study_note(SPEC, {})


def test_a_table_can_be_turned() -> None:
    rows = {"a": {"ap": 0.1}, "b": {"ap": 0.2}}
    assert metrics_table(rows, turned=True) == "```\n        a      b\nap  0.100  0.200\n```\n"


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


def test_a_studys_note_is_replaced_unless_somebody_edited_it(study: optuna.Study) -> None:
    study.add_trial(create_trial(value=0.5))
    save_study_note(study, "first")
    save_study_note(study, "second")
    assert read(study) == "second"
    save_note(study, "mine")
    save_study_note(study, "third")
    assert read(study) == "mine"
