"""The driver's trials in memory are those that Optuna reads from the database."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from nas.errors import LeaseLost
from nas.search.driver_storage import DriverStorage
from nas.search.optuna_adapter import refresh, requeue, save_trial_note
from nas.storage import Store, open_store
from tests import fabricated

NAME = "cells"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path}/nas.db", create=True) as store:
        yield store


@pytest.fixture
def study(store: Store) -> optuna.Study:
    made = optuna.create_study(study_name=NAME, storage=store.optuna, directions=["maximize", "minimize"])
    return optuna.load_study(study_name=NAME, storage=DriverStorage(store, made._study_id))


def stored(store: Store) -> optuna.Study:
    """The study as another process reads it."""
    url = f"sqlite:///{store._database.file}"
    return optuna.load_study(study_name=NAME, storage=RDBStorage(url))


def filled(study: optuna.Study) -> optuna.Trial:
    trial = study.ask()
    trial.suggest_int("width", 8, 96, step=8)
    trial.suggest_categorical("fusion", ["add", "concat"])
    trial.set_user_attr("digest", "a1")
    trial.set_user_attr("digest", "a2")
    trial.set_constraint("params", -0.5)
    for step, value in enumerate((0.1, math.inf, math.nan)):
        study._storage.set_trial_intermediate_value(trial._trial_id, step, value)
    return trial


def same(store: Store, study: optuna.Study) -> bool:
    def facts(trial: optuna.trial.FrozenTrial) -> list[object]:
        reports = {step: str(value) for step, value in trial.intermediate_values.items()}
        own = [trial.number, trial.state, trial.values, trial.params, trial.distributions, reports]
        return [*own, trial.user_attrs, trial.system_attrs, trial.constraints, trial.datetime_start]

    mine, theirs = study.get_trials(), stored(store).get_trials()
    return [facts(t) for t in mine] == [facts(t) for t in theirs]


def test_a_trial_that_ended_is_what_optuna_reads(store: Store, study: optuna.Study) -> None:
    study.tell(filled(study), [0.5, math.inf])
    study.tell(filled(study), state=TrialState.PRUNED)
    study.tell(filled(study), state=TrialState.FAIL)
    assert same(store, study)
    mine, theirs = (s.trials[0].datetime_complete for s in (study, stored(store)))
    assert mine is not None
    assert theirs is not None
    assert abs((mine - theirs).total_seconds()) < 60


def test_what_is_set_on_a_running_trial_waits_for_the_next_transaction(store: Store, study: optuna.Study) -> None:
    trial = filled(study)
    assert stored(store).trials[0].params == {}
    assert study.trials[0].params == trial.params
    store.record_latency("d", "m", "torch", 1.0)
    assert same(store, study)


def test_trials_that_were_listed_stay_as_they_were(study: optuna.Study) -> None:
    trial = study.ask()
    before = study.get_trials(deepcopy=False)
    trial.set_user_attr("digest", "a1")
    study.tell(trial, [0.5, 1.0])
    assert before[0].state == TrialState.RUNNING
    assert before[0].user_attrs == {}


def test_a_finished_trial_cannot_be_changed(study: optuna.Study) -> None:
    trial = study.ask()
    study.tell(trial, [0.5, 1.0])
    with pytest.raises(UpdateFinishedTrialError):
        trial.set_user_attr("digest", "a1")
    with pytest.raises(ValueError, match="Cannot tell"):
        study.tell(trial, [0.5, 1.0])


def test_a_parameter_keeps_its_distribution(study: optuna.Study) -> None:
    study.ask().suggest_int("width", 8, 96, step=8)
    with pytest.raises(ValueError, match="different distribution kind"):
        study.ask().suggest_categorical("width", ["a", "b"])


def test_waiting_and_running_trials_change_places(store: Store, study: optuna.Study) -> None:
    trial = filled(study)
    requeue(study, study.trials[0])
    assert same(store, study)
    again = study.ask()
    assert again.number == trial.number
    assert again.suggest_int("width", 8, 96, step=8) == trial.params["width"]
    assert same(store, study)


def test_trials_that_others_enqueue_are_learned(store: Store, study: optuna.Study) -> None:
    stored(store).enqueue_trial({"width": 16})
    own = study.ask()  # numbered after the other's, which is not known yet
    refresh(study)
    study.tell(own, [0.5, 1.0])
    assert study.ask().suggest_int("width", 8, 96, step=8) == 16
    store.record_latency("d", "m", "torch", 1.0)  # any transaction
    assert same(store, study)


def test_a_later_driver_reads_all_of_it(store: Store, study: optuna.Study) -> None:
    study.tell(filled(study), [0.5, 1.0])
    filled(study)
    save_trial_note(study, filled(study), "a note")
    study._storage.close()  # type: ignore[attr-defined]
    again = optuna.load_study(study_name=NAME, storage=DriverStorage(store, study._study_id))
    assert same(store, again)
    assert "a note" in study._storage.get_study_system_attrs(study._study_id).values()
    again.ask({"width": IntDistribution(8, 96, step=8)})


def test_a_driver_that_lost_its_lease_writes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/nas.db"
    with open_store(url, create=True) as store:
        lease = store.begin(NAME, fabricated.spec("ap"), "", "t", dict(fabricated.PROVENANCE))
        made = optuna.create_study(study_name=NAME, storage=store.optuna, directions=["maximize", "minimize"])
        study = optuna.load_study(study_name=NAME, storage=DriverStorage(store, made._study_id))
        filled(study)
        with open_store(url, create=True) as other, other._database.write() as connection:
            connection.exec_driver_sql("UPDATE nas_launch SET state = 'interrupted'")
        with pytest.raises(LeaseLost):
            lease.beat()
        lease.close("failed")
        assert stored(store).trials[0].params == {}
