"""PatientStorage: Optuna's storage, which waits for a database that is away.

Optuna's cache calls private methods of its storage, so that these are wrapped too; `tests/storage/test_patience.py`
fails when they change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any

from optuna.exceptions import DuplicatedStudyError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import text

from nas.storage.patience import Patience

REPEATABLE = (
    "get_study_id_from_name", "get_study_name_from_id", "get_study_directions", "get_study_user_attrs",
    "get_study_system_attrs", "get_all_studies", "set_study_user_attr", "set_study_system_attr", "delete_study",
    "_set_trial_param", "get_trial_param", "set_trial_intermediate_value", "set_trial_user_attr",
    "set_trial_system_attr", "get_trial_user_attrs", "get_trial_system_attrs",
    "get_trial_id_from_study_id_trial_number", "get_trial", "_get_trials", "_get_best_trial_id",
)  # fmt: skip
"""Methods that only read, or that write the same when they are called twice."""


class PatientStorage(RDBStorage):
    """Optuna's storage. A call during which the database went away is made again when it is back."""

    def __init__(self, patience: Patience, url: str, **options: Any) -> None:
        self._patience = patience
        super().__init__(url, **options)
        patience.watch(self.engine)

    def study_system_attr(self, study_id: int, key: str) -> Any:
        """One attribute of a study, None without it. Optuna's own call reads all, with the notes of all trials."""
        query = text("SELECT value_json FROM study_system_attributes WHERE study_id = :study AND key = :key")

        def read() -> Any:
            with self.engine.connect() as connection:
                return connection.execute(query, {"study": study_id, "key": key}).scalar()

        found = self._patience.run(read)
        return json.loads(found) if found is not None else None

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        tried = False

        def create() -> int:
            nonlocal tried
            again, tried = tried, True
            try:
                return super(PatientStorage, self).create_new_study(directions, study_name)
            except DuplicatedStudyError:
                if not again or study_name is None:
                    raise
                return self.get_study_id_from_name(study_name)

        return self._patience.run(create)

    def _create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> FrozenTrial:
        began, tried = datetime.now(), False

        def create() -> FrozenTrial:
            nonlocal tried
            made = self._made(study_id, template_trial, began) if tried else None
            tried = True
            return made or super(PatientStorage, self)._create_new_trial(study_id, template_trial)

        return self._patience.run(create)

    def _made(self, study_id: int, template: FrozenTrial | None, began: datetime) -> FrozenTrial | None:
        """The trial that a call made since `began` whose answer was lost, if it did. One driver makes trials."""
        state = template.state if template is not None else TrialState.RUNNING
        for trial in reversed(super()._get_trials(study_id, (state,), set(), -1)):
            if template is None:
                if trial.datetime_start is not None and trial.datetime_start >= began:
                    return trial
            elif (trial.user_attrs, trial.system_attrs) == (template.user_attrs, template.system_attrs):
                return trial
        return None

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        began, tried = datetime.now(), False

        def change() -> bool:
            nonlocal tried
            if tried:
                trial = super(PatientStorage, self).get_trial(trial_id)
                if trial.state == state and (state != TrialState.RUNNING or (trial.datetime_start or began) >= began):
                    return True
            tried = True
            return super(PatientStorage, self).set_trial_state_values(trial_id, state, values)

        return self._patience.run(change)


def _repeated(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def patient(self: PatientStorage, *args: Any, **kwargs: Any) -> Any:
        return self._patience.run(lambda: method(self, *args, **kwargs))

    return patient


for _name in REPEATABLE:
    setattr(PatientStorage, _name, _repeated(getattr(RDBStorage, _name)))
