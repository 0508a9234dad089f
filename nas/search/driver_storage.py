"""DriverStorage: Optuna's storage as the driver of a study has it, with the study's trials in memory.

Optuna's own storage reads every running trial again at each question, and makes a transaction of each parameter, report
and attribute. The driver holds the study's lease, so that no other process changes its trials: it keeps them in memory,
and collects what it writes of a running trial until the store's next transaction (see decisions: driver-memory).

This file writes Optuna's tables (`optuna.storages._rdb.models`), which is a private interface.
`tests/search/test_driver_storage_faults.py` fails when any of it changes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Table, update

from nas.storage import Store
from nas.storage.database import insert

_ATTRIBUTES: dict[str, Any] = {"user": models.TrialUserAttributeModel, "system": models.TrialSystemAttributeModel}


class DriverStorage(BaseStorage):
    """The trials of one study, for the process that drives it; other studies are read as they are.

    A trial's creation, its move to RUNNING or WAITING and its end are written at once. What is set on a running trial
    waits for the store's next transaction, which is the binding, the attempt, the heartbeat or the end of some trial.
    So no trial is bound or ends without its parameters, and a process that is killed loses reports of running trials,
    which are run again.

    Args:
        store: the study database.
        study: Optuna's number of the study.
    """

    def __init__(self, store: Store, study: int) -> None:
        self._store = store
        self._backend: RDBStorage = store.optuna
        self._study = study
        self._trials: dict[int, FrozenTrial] = {}
        self._numbers: dict[int, int] = {}
        self._synced = -1  # Optuna's number of the newest trial at the last refresh
        self._unfinished: dict[int, None] = {}
        self._distributions: dict[str, BaseDistribution] = {}
        self._rows = _Rows()
        store.defer(self._rows)
        self.refresh()

    def refresh(self) -> None:
        """Learn the trials that other processes created, such as those enqueued with Optuna's own tools."""
        for trial in self._backend._get_trials(self._study, None, set(), self._synced):
            self._synced = max(self._synced, trial._trial_id)
            if trial._trial_id not in self._numbers:
                self._keep(trial)

    def close(self) -> None:
        """Write all that waits. From here on the store has nothing of this storage."""
        self._flush()
        self._store.defer(None)

    # Trials

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial = self._backend._create_new_trial(study_id, template_trial)
        if study_id == self._study:
            self._keep(trial)
        return trial._trial_id

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        known = self._distributions.setdefault(param_name, distribution)
        check_distribution_compatibility(known, distribution)

        def change(trial: FrozenTrial) -> None:
            trial.params = trial.params | {param_name: distribution.to_external_repr(param_value_internal)}
            trial.distributions = trial.distributions | {param_name: distribution}

        self._change(trial_id, change)
        self._rows.params[trial_id, param_name] = param_value_internal, distribution

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        def change(trial: FrozenTrial) -> None:
            trial.intermediate_values = trial.intermediate_values | {step: intermediate_value}

        self._change(trial_id, change)
        self._rows.reports[trial_id, step] = intermediate_value

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        def change(trial: FrozenTrial) -> None:
            trial.user_attrs = trial.user_attrs | {key: value}

        self._change(trial_id, change)
        self._rows.attributes["user", trial_id, key] = json.dumps(value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        def change(trial: FrozenTrial) -> None:
            trial.system_attrs = trial.system_attrs | {key: value}

        self._change(trial_id, change)
        self._rows.attributes["system", trial_id, key] = json.dumps(value)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        now = datetime.now()
        if not state.is_finished():
            self._flush()
            changed = self._backend.set_trial_state_values(trial_id, state, values)
            self._keep(self._backend.get_trial(trial_id))
            return changed
        self.check_trial_is_updatable(trial_id, self._known(trial_id).state)
        self._rows.ends[trial_id] = state, list(values or ())
        self._flush()

        def change(trial: FrozenTrial) -> None:
            trial.state = state
            if values is not None:
                trial.values = list(values)
            trial.datetime_complete = now

        self._change(trial_id, change)
        return True

    def get_trial(self, trial_id: int) -> FrozenTrial:
        if trial_id not in self._numbers:
            return self._backend.get_trial(trial_id)
        trial = copy.copy(self._known(trial_id))
        # Optuna's Trial adds to its own copy what it sets.
        trial.params, trial.distributions = dict(trial.params), dict(trial.distributions)
        trial.user_attrs, trial.system_attrs = dict(trial.user_attrs), dict(trial.system_attrs)
        trial.intermediate_values = dict(trial.intermediate_values)
        return trial

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        if study_id == self._study and trial_number in self._trials:
            return self._trials[trial_number]._trial_id
        return self._backend.get_trial_id_from_study_id_trial_number(study_id, trial_number)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        if study_id != self._study:
            return self._backend.get_all_trials(study_id, deepcopy, states)
        found: Iterable[FrozenTrial] = self._trials.values()
        if states is not None and not any(s in states for s in TrialState if s.is_finished()):
            found = (self._trials[number] for number in sorted(self._unfinished))
        trials = list(found) if states is None else [t for t in found if t.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def _known(self, trial_id: int) -> FrozenTrial:
        return self._trials[self._numbers[trial_id]]

    def _keep(self, trial: FrozenTrial) -> None:
        """Take in a trial as the database has it."""
        last = next(reversed(self._trials), -1)
        self._trials[trial.number] = trial
        self._numbers[trial._trial_id] = trial.number
        if trial.number < last:
            self._trials = dict(sorted(self._trials.items()))
        for name, distribution in trial.distributions.items():
            self._distributions.setdefault(name, distribution)
        self._note_state(trial)

    def _change(self, trial_id: int, change: Callable[[FrozenTrial], None]) -> None:
        """Put a changed copy in place of a trial: whoever has a list of trials keeps them as they were."""
        before = self._known(trial_id)
        self.check_trial_is_updatable(trial_id, before.state)
        trial = copy.copy(before)
        change(trial)
        self._trials[trial.number] = trial
        self._note_state(trial)

    def _note_state(self, trial: FrozenTrial) -> None:
        if trial.state.is_finished():
            self._unfinished.pop(trial.number, None)
        else:
            self._unfinished[trial.number] = None

    def _flush(self) -> None:
        """Write all that waits.

        If that fails or is interrupted, perhaps after the commit, trials that were to end have ended in memory. The
        next transaction writes their ends, again perhaps, and nothing requeues them.
        """
        try:
            self._store.together(lambda: None)
        except BaseException:
            for trial_id, (state, values) in self._rows.ends.items():
                self._end_in_memory(trial_id, state, values)
            raise

    def _end_in_memory(self, trial_id: int, state: TrialState, values: list[float]) -> None:
        def change(trial: FrozenTrial) -> None:
            trial.state = state
            trial.values = values or None
            trial.datetime_complete = datetime.now()

        if not self.get_trial(trial_id).state.is_finished():
            self._change(trial_id, change)

    # Studies

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        return self._backend.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        self._backend.delete_study(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._backend.set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._rows.study[study_id, key] = json.dumps(value)

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._backend.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._backend.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._backend.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._backend.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        self._flush()
        return self._backend.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        return self._backend.get_all_studies()


class _Rows:
    """Rows of Optuna's tables that wait for the next transaction; later values replace earlier ones."""

    def __init__(self) -> None:
        self.params: dict[tuple[int, str], tuple[float, BaseDistribution]] = {}
        self.reports: dict[tuple[int, int], float] = {}
        self.attributes: dict[tuple[str, int, str], str] = {}
        self.study: dict[tuple[int, str], str] = {}
        self.ends: dict[int, tuple[TrialState, list[float]]] = {}

    def write(self, connection: Connection) -> None:
        """See `nas.storage.database.Deferred`."""
        params = [
            {"trial_id": t, "param_name": name, "param_value": value, "distribution_json": _json(distribution)}
            for (t, name), (value, distribution) in self.params.items()
        ]
        _put(connection, models.TrialParamModel, ("trial_id", "param_name"), params)
        for kind, model in _ATTRIBUTES.items():
            own = ((trial, key, value) for (of, trial, key), value in self.attributes.items() if of == kind)
            rows = [{"trial_id": trial, "key": key, "value_json": value} for trial, key, value in own]
            _put(connection, model, ("trial_id", "key"), rows)
        study = [{"study_id": s, "key": key, "value_json": value} for (s, key), value in self.study.items()]
        _put(connection, models.StudySystemAttributeModel, ("study_id", "key"), study)
        to_stored = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr
        reports = [
            dict(zip(("intermediate_value", "intermediate_value_type"), to_stored(value), strict=True))
            | {"trial_id": trial, "step": step}
            for (trial, step), value in self.reports.items()
        ]
        _put(connection, models.TrialIntermediateValueModel, ("trial_id", "step"), reports)
        for trial, (state, values) in self.ends.items():
            _end(connection, trial, state, values)

    def written(self) -> None:
        """See `nas.storage.database.Deferred`."""
        for rows in (self.params, self.reports, self.attributes, self.study, self.ends):
            rows.clear()


def _json(distribution: BaseDistribution) -> str:
    return distribution_to_json(distribution)


def _end(connection: Connection, trial: int, state: TrialState, values: Sequence[float]) -> None:
    """Write the end of a trial: its values and its state."""
    to_stored = models.TrialValueModel.value_to_stored_repr
    rows = [
        dict(zip(("value", "value_type"), to_stored(value), strict=True)) | {"trial_id": trial, "objective": k}
        for k, value in enumerate(values)
    ]
    _put(connection, models.TrialValueModel, ("trial_id", "objective"), rows)
    table = _table(models.TrialModel)
    facts = {"state": state, "datetime_complete": datetime.now(UTC).replace(tzinfo=None)}
    connection.execute(update(table).where(table.c.trial_id == trial).values(facts))


def _put(connection: Connection, model: Any, key: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Insert rows; one whose key is there already replaces the other columns."""
    if not rows:
        return
    new = insert(connection, _table(model))
    columns = {name: new.excluded[name] for name in rows[0] if name not in key}
    connection.execute(new.on_conflict_do_update(index_elements=list(key), set_=columns), rows)


def _table(model: Any) -> Table:
    table: Table = model.__table__
    return table
